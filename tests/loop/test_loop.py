"""The loop: every caller's side of it."""

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from roci_nb.errors import Partial, RociError, Stopped
from roci_nb.loop import (
    attach_partial,
    background_loop,
    call_blocking,
    hop,
    iterate_blocking,
    iterate_on_loop,
    on_background_loop,
    run,
    sync_twin,
)


class Source:
    """Counts up on the loop, then stalls; remembers how it ended."""

    def __init__(self, items: int, *, stall: bool = False, error: Exception | None = None) -> None:
        self.items, self.stall, self.error = items, stall, error
        self.thread: threading.Thread | None = None
        self.closed = threading.Event()
        self.stalled = threading.Event()

    async def __call__(self):
        self.thread = threading.current_thread()
        try:
            for item in range(self.items):
                yield item
            if self.error is not None:
                raise self.error
            if self.stall:
                self.stalled.set()
                await asyncio.sleep(3600)
        except asyncio.CancelledError as error:
            attach_partial(error, Partial(text="so far"))
            raise
        finally:
            self.closed.set()


async def collect(source):
    return [item async for item in iterate_on_loop(source)]


def test_a_call_runs_on_the_background_loop_whoever_awaits():
    async def where():
        return on_background_loop(), asyncio.get_running_loop() is background_loop()

    assert asyncio.run(hop(where)) == (True, True)
    assert call_blocking(where) == (True, True)


def test_items_arrive_in_order_from_a_script_and_from_a_running_loop():
    assert list(iterate_blocking(Source(1000))) == list(range(1000))
    assert asyncio.run(collect(Source(1000))) == list(range(1000))

    async def inside_a_running_loop():
        return list(iterate_blocking(Source(10)))

    assert asyncio.run(inside_a_running_loop()) == list(range(10))


def test_a_second_event_loop_works_as_the_first():
    assert asyncio.run(collect(Source(3))) == asyncio.run(collect(Source(3))) == [0, 1, 2]


def test_code_on_the_loop_does_not_hop():
    async def outer():
        return await hop(inner), [item async for item in iterate_on_loop(Source(2))]

    async def inner():
        return threading.current_thread()

    thread, items = call_blocking(outer)
    assert thread is not threading.current_thread()
    assert items == [0, 1]


def test_a_blocking_call_on_the_loop_raises_at_once():
    async def blocks():
        return iterate_blocking(Source(1))

    async def runs():
        return run(hop(blocks))

    with pytest.raises(RociError, match="await the async twin"):
        call_blocking(blocks)
    with pytest.raises(RociError, match="await the coroutine"):
        call_blocking(runs)


def test_an_error_crosses_with_its_partial():
    error = ValueError("broken")
    attach_partial(error, Partial(text="half"))
    source = Source(2, error=error)
    with pytest.raises(ValueError, match="broken") as caught:
        asyncio.run(collect(source))
    assert caught.value.partial.text == "half"
    with pytest.raises(ValueError, match="broken"):
        list(iterate_blocking(Source(1, error=ValueError("broken"))))


def test_a_cancelled_task_raises_the_same_cancelled_error_with_the_partial():
    source = Source(1, stall=True)

    async def main():
        task = asyncio.ensure_future(collect(source))
        while not source.stalled.is_set():
            await asyncio.sleep(0.01)
        task.cancel("by the test")
        try:
            await task
        except asyncio.CancelledError as error:
            return error
        return None

    error = asyncio.run(main())
    assert type(error) is asyncio.CancelledError
    assert error.partial == Partial(text="so far")
    assert error._render_traceback_() == ["■ stopped"]
    assert source.closed.is_set()


def test_asyncio_timeout_works_around_a_stalled_call():
    source = Source(0, stall=True)

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await collect(source)

    asyncio.run(main())
    assert source.closed.is_set()


def test_a_task_group_cancels_its_other_members():
    source = Source(0, stall=True)

    async def fail():
        while not source.stalled.is_set():
            await asyncio.sleep(0.01)
        raise KeyError("one of them")

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(collect(source))
            group.create_task(fail())

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    assert source.closed.is_set()


def test_closing_the_iterator_only_closes():
    source = Source(1, stall=True)

    async def main():
        iterator = iterate_on_loop(source)
        assert await anext(iterator) == 0
        await iterator.aclose()

    asyncio.run(main())
    assert source.closed.is_set()
    blocking = Source(1, stall=True)
    iterator = iterate_blocking(blocking)
    assert next(iterator) == 0
    iterator.close()
    assert blocking.closed.is_set()


def test_waiting_lets_the_caller_look_up():
    looks = []

    async def slow():
        await asyncio.sleep(0.3)
        yield 1

    assert list(iterate_blocking(slow, on_wait=lambda: looks.append(threading.current_thread()))) == [1]
    assert looks
    assert set(looks) == {threading.current_thread()}


def test_a_stalled_stream_lets_other_tasks_of_the_waiting_loop_run():
    source = Source(0, stall=True)

    async def main():
        task = asyncio.ensure_future(collect(source))
        ticks = 0
        while ticks < 5:
            await asyncio.sleep(0.01)
            ticks += 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return ticks

    assert asyncio.run(main()) == 5


def test_context_variables_cross():
    import contextvars

    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("mine")

    async def read():
        return variable.get()

    assert call_blocking(read) == "mine"


def test_a_sync_twin_keeps_signature_and_words():
    async def ask(question: str, *, loud: bool = False) -> str:
        """Answer a question."""
        return question.upper() if loud else question

    twin = sync_twin(ask)
    assert twin("why", loud=True) == "WHY"
    assert twin.__name__ == "ask_sync"
    assert twin.__doc__ == "Answer a question."
    assert str(inspect.signature(twin)) == str(inspect.signature(ask))
    assert not inspect.iscoroutinefunction(twin)


def test_several_threads_may_wait_at_once():
    results = {}
    threads = [
        threading.Thread(target=lambda n=n: results.update({n: sum(iterate_blocking(Source(n * 100)))}))
        for n in range(1, 6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: sum(range(n * 100)) for n in range(1, 6)}


def run_script(code: str, *, interrupt_on: str | None = None) -> tuple[int, str]:
    """Run a script in its own process; send SIGINT when it prints ``interrupt_on``."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-u", "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if interrupt_on is not None and line.strip() == interrupt_on:
            process.send_signal(signal.SIGINT)
            interrupt_on = None
    process.stdout.close()
    return process.wait(timeout=60), "".join(lines)


PREAMBLE = """
    import asyncio, time
    from roci_nb.errors import Partial, Stopped
    from roci_nb.loop import attach_partial, iterate_blocking, hop, run

    async def source():
        try:
            yield "first"
            await asyncio.sleep(3600)
        except asyncio.CancelledError as error:
            attach_partial(error, Partial(text="so far"))
            raise
        finally:
            print("closed", flush=True)
"""


def test_an_interrupt_while_waiting_closes_and_raises_the_quiet_interrupt():
    code = (
        PREAMBLE
        + """
    try:
        for item in iterate_blocking(source):
            print(item, flush=True)
    except Stopped as stopped:
        print(isinstance(stopped, KeyboardInterrupt), stopped.partial.text, stopped._render_traceback_())
    """
    )
    assert run_script(code, interrupt_on="first") == (0, "first\nclosed\nTrue so far ['■ stopped']\n")


def test_an_interrupt_leaves_nothing_of_a_body_undone_that_comes_back():
    code = (
        PREAMBLE
        + """
    done = []
    try:
        for item in iterate_blocking(source, comes_back=True):
            print("in the body", flush=True)
            time.sleep(0.3)
            done.append("whole")
    except Stopped as stopped:
        print(done, stopped.partial.text)
    import signal
    print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    """
    )
    assert run_script(code, interrupt_on="in the body") == (0, "in the body\nclosed\n['whole'] so far\nTrue\n")


def test_an_interrupt_in_the_callers_own_loop_body_closes_as_well():
    code = (
        PREAMBLE
        + """
    try:
        for item in iterate_blocking(source):
            print("in the body", flush=True)
            time.sleep(3600)
    except KeyboardInterrupt as stopped:
        print(type(stopped).__name__, stopped.partial.text)
    import signal
    print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    """
    )
    assert run_script(code, interrupt_on="in the body") == (0, "in the body\nclosed\nStopped so far\nTrue\n")


def test_the_interpreter_ends_quietly_with_a_stream_open():
    code = (
        PREAMBLE
        + """
    iterator = iterate_blocking(source)
    print(next(iterator))
    """
    )
    status, printed = run_script(code)
    assert (status, sorted(printed.split())) == (0, ["closed", "first"])


def test_a_forked_child_gets_a_loop_of_its_own():
    code = """
    import os
    import warnings
    from roci_nb.loop import call_blocking
    async def one(): return 1
    assert call_blocking(one) == 1
    warnings.simplefilter("ignore")
    child = os.fork()
    if child == 0:
        assert call_blocking(one) == 1
        os._exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert run_script(code) == (0, "7\n")


def test_run_in_a_script_runs_the_users_coroutine_to_its_end():
    async def mine():
        await asyncio.sleep(0)
        return await hop(one)

    async def one():
        return 1

    assert run(mine()) == 1


def test_run_on_a_running_loop_uses_that_loop():
    code = """
    import asyncio
    from roci_nb.loop import run, hop

    async def where():
        return asyncio.get_running_loop()

    async def main():
        mine = asyncio.get_running_loop()
        assert run(where()) is mine
        assert await hop(where) is not mine
        print("nested")

    asyncio.run(main())
    """
    assert run_script(code) == (0, "nested\n")


def test_run_interrupted_lets_the_coroutine_finish_and_raises_the_quiet_interrupt():
    code = """
    import asyncio
    from roci_nb.errors import Stopped
    from roci_nb.loop import run

    async def mine():
        try:
            print("waiting", flush=True)
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.05)
            print("tidied")

    def nested():
        try:
            run(mine())
        except Stopped:
            print("stopped")

    nested()
    """
    assert run_script(code, interrupt_on="waiting") == (0, "waiting\ntidied\nstopped\n")


def test_nothing_is_patched_at_import():
    code = """
    import asyncio
    before = asyncio.run, asyncio.Task, asyncio.get_event_loop
    import roci_nb, roci_nb.loop
    print(before == (asyncio.run, asyncio.Task, asyncio.get_event_loop), hasattr(asyncio, "_nest_patched"))
    """
    assert run_script(code) == (0, "True False\n")


def test_stopped_is_a_keyboard_interrupt_and_shows_as_one_line():
    assert issubclass(Stopped, KeyboardInterrupt)
    assert Stopped("stopped")._render_traceback_() == ["■ stopped"]


def test_streams_side_by_side_leave_the_users_own_handler_when_the_last_has_ended():
    def mine(signum, frame):
        heard.append(signum)

    heard = []
    before = signal.signal(signal.SIGINT, mine)
    try:
        sources = [Source(1, stall=True) for _ in range(3)]
        streams = [iterate_blocking(source) for source in sources]
        for stream in streams:
            next(stream)
        streams[0].close()
        os.kill(os.getpid(), signal.SIGINT)
        for source in sources:
            assert source.closed.wait(30)
        assert heard == [signal.SIGINT]
        for stream in streams[1:]:
            with pytest.raises(Stopped):
                next(stream)
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_task_cancelled_in_its_loop_body_closes_a_stream_that_it_keeps_by_a_name():
    source = Source(1, stall=True)
    kept = []

    async def main():
        async def consume():
            stream = iterate_on_loop(source)
            kept.append(stream)
            async for _ in stream:
                await asyncio.sleep(3600)

        task = asyncio.create_task(consume())
        while not source.stalled.is_set():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(source.closed.wait, 30)

    asyncio.run(main())
    assert kept


def test_a_timeout_that_the_consumer_survives_leaves_its_stream_open():
    source = Source(3)

    async def main():
        seen = []
        async for item in iterate_on_loop(source):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(3600)
            await asyncio.sleep(0.1)
            seen.append(item)
        return seen

    assert asyncio.run(main()) == [0, 1, 2]


def test_run_interrupted_in_a_script_keeps_the_partial():
    code = (
        PREAMBLE
        + """
    from roci_nb.loop import iterate_on_loop

    async def mine():
        async for item in iterate_on_loop(source):
            print(item, flush=True)

    try:
        run(mine())
    except Stopped as stopped:
        print(stopped.partial.text)
    """
    )
    assert run_script(code, interrupt_on="first") == (0, "first\nclosed\nso far\n")


def test_a_sync_twin_of_an_iterator_says_that_it_is_an_ordinary_one():
    def count(upto: int) -> "AsyncIterator[int]":  # noqa: F821 - as a module with future annotations has it
        """Count."""
        return Source(upto)()

    twin = sync_twin(count)
    assert str(inspect.signature(twin)) == "(upto: int) -> 'Iterator[int]'"
    assert list(twin(3)) == [0, 1, 2]


def test_an_iterator_that_is_collected_on_the_loops_own_thread_only_cancels():
    source = Source(1, stall=True)
    stream = iterate_blocking(source)
    next(stream)

    async def collect_here():
        stream.close()

    asyncio.run_coroutine_threadsafe(collect_here(), background_loop()).result(30)
    assert source.closed.wait(30)


def test_an_interrupt_in_another_order_leaves_the_default_handler_working():
    first, second = iterate_blocking(Source(1, stall=True)), iterate_blocking(Source(1, stall=True))
    next(first)
    next(second)
    first.close()
    second.close()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
