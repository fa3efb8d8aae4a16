"""The embedded engine: a real llama.cpp with real weights."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from roci_nb.errors import EngineFailed, MissingExtra
from roci_nb.local.engine import engine_for, live_engine, running_engines, stop_all, unload_engines
from roci_nb.local.weights import PACKAGED

pytestmark = pytest.mark.usefixtures("no_engines")
posix = pytest.mark.skipif(os.name != "posix", reason="signals and forks are POSIX")

NANO = PACKAGED["gpt-oss-nano"].path
WINDOW = 512  # small, and so quick to load
PATIENCE_S = 30


def started(path, window=WINDOW):
    """Start an engine, or take the one that runs, and let go of it."""

    async def start():
        async with engine_for(path, alias="tiny", window=window) as engine:
            return engine

    return asyncio.run(start())


def get(engine, path, key=None):
    headers = {} if key == "" else {"Authorization": f"Bearer {key or engine.address.api_key}"}
    return httpx.get(engine.address.base_url + path, headers=headers, timeout=PATIENCE_S, trust_env=False)


def gone(pid):
    """A zombie is gone: in a container, nobody may bury it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def engine_children():
    """The engines' processes among our children: a test run has others, JupyterLab is one."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any("engine_child" in word for word in child.cmdline()):
                found.append(child)
    return found


def wait_until(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def refusal_of(path):
    with pytest.raises(EngineFailed) as caught:
        started(path)
    assert "\n" not in str(caught.value)
    assert running_engines() == ()
    return caught.value


def test_an_engine_answers_with_its_key_and_refuses_without(smollm2):
    assert live_engine(smollm2) is None
    engine = started(smollm2)
    assert get(engine, "/health").json() == {"status": "ok"}
    assert get(engine, "/v1/models").json()["data"][0]["id"] == "tiny"
    assert get(engine, "/v1/models", key="").status_code == 401
    assert get(engine, "/v1/models", key="guessed").status_code == 401
    body = {"messages": [{"role": "user", "content": "Say hi."}], "max_tokens": 4}
    headers = {"Authorization": f"Bearer {engine.address.api_key}"}
    answer = httpx.post(f"{engine.address.base_url}/v1/chat/completions", json=body, headers=headers, timeout=60)
    assert answer.json()["usage"]["completion_tokens"] == 4
    assert engine.address.base_url.startswith("http://127.0.0.1:")
    assert engine.address.load_s > 0
    assert running_engines() == (engine,)


def test_every_slot_has_the_window_that_was_asked_for(smollm2):
    engine = started(smollm2, window=1024)
    assert [slot["n_ctx"] for slot in get(engine, "/slots").json()] == [1024, 1024]
    assert engine.address.window == 1024


def test_without_a_wish_the_window_is_8192_and_no_more_than_the_model_was_trained_for(smollm2):
    assert started(smollm2, window=None).address.window == 8192
    assert started(NANO, window=None).address.window == 8192


def test_a_window_beyond_the_models_own_costs_no_more_than_that(smollm2):
    engine = started(smollm2, window=100_000)
    assert engine.address.window == 8192
    assert psutil.Process(engine.address.pid).memory_info().rss < 1_500_000_000  # 100,000 tokens take 4.7 GB
    for window in (None, 8192, 9000, 2**31 - 1):
        assert live_engine(smollm2, window) is engine


def test_windows_that_come_to_the_same_load_once():
    engine = started(NANO, window=300)
    assert engine.address.window == 512
    for window in (257, 300, 511, 512):
        assert live_engine(NANO, window) is engine
    assert live_engine(NANO, 513) is None
    assert live_engine(NANO, 256) is None


def test_an_answer_without_a_limit_ends_at_the_engines_and_a_request_may_ask_for_more(smollm2):
    async def start():
        async with engine_for(smollm2, alias="tiny", window=WINDOW, longest_answer=8) as engine:
            return engine

    engine = asyncio.run(start())
    for limit, written in (({}, 8), ({"max_tokens": 12}, 12), ({"max_tokens": 3}, 3)):
        body = {"messages": [{"role": "user", "content": "Tell a long story."}], "temperature": 0, **limit}
        headers = {"Authorization": f"Bearer {engine.address.api_key}"}
        url = f"{engine.address.base_url}/v1/chat/completions"
        answer = httpx.post(url, json=body, headers=headers, timeout=60, trust_env=False).json()
        assert answer["usage"]["completion_tokens"] == written
        assert answer["choices"][0]["finish_reason"] == "length"


def test_the_key_shows_nowhere(smollm2):
    engine = started(smollm2)
    get(engine, "/v1/models", key="guessed")
    process = psutil.Process(engine.address.pid)
    seen = [repr(engine), repr(engine.address), engine.log, *process.cmdline(), *process.environ().values()]
    assert not [text for text in seen if engine.address.api_key in text]
    assert engine.log


def test_a_running_engine_is_taken_as_it_is(smollm2):
    engine = started(smollm2)
    assert live_engine(smollm2) is engine
    assert live_engine(smollm2, WINDOW) is engine
    assert started(smollm2, window=None) is engine
    assert started(smollm2, window=WINDOW) is engine


def test_another_window_loads_anew_and_the_old_engine_goes_with_its_last_user(smollm2):
    async def change_window():
        async with engine_for(smollm2, alias="tiny", window=512) as old:
            assert live_engine(smollm2, 1024) is None
            async with engine_for(smollm2, alias="tiny", window=1024) as new:
                assert old.alive
                assert live_engine(smollm2) is new
        return old, new

    old, new = asyncio.run(change_window())
    wait_until(lambda: not old.alive)
    assert new.alive
    assert running_engines() == (new,)


def loading_child(old):
    wait_until(lambda: any(child.pid != old.address.pid for child in engine_children()))
    return next(child for child in engine_children() if child.pid != old.address.pid)


def test_a_load_that_dies_or_is_stopped_leaves_the_engine_in_use_alone(smollm2):
    async def start(window):
        async with engine_for(smollm2, alias="tiny", window=window) as engine:
            return engine

    async def lose_two():
        async with engine_for(smollm2, alias="tiny", window=512) as old:
            task = asyncio.create_task(start(1024))
            (await asyncio.to_thread(loading_child, old)).kill()
            with pytest.raises(EngineFailed, match="could not|died"):
                await task
            task = asyncio.create_task(start(1024))
            await asyncio.to_thread(loading_child, old)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert old.alive
            assert await start(None) is old
        return old

    old = asyncio.run(lose_two())
    assert started(smollm2, window=None) is old
    assert running_engines() == (old,)


@pytest.mark.parametrize("lost_by", [EngineFailed, asyncio.CancelledError])
def test_after_a_load_that_dies_or_is_stopped_the_next_call_gets_an_engine(smollm2, lost_by):
    old = started(smollm2, window=512)

    async def lose():
        task = asyncio.create_task(engine_for(smollm2, alias="tiny", window=1024).__aenter__())
        child = await asyncio.to_thread(loading_child, old)
        if lost_by is EngineFailed:
            child.kill()
        else:
            task.cancel()
        with pytest.raises(lost_by):
            await task

    asyncio.run(lose())
    again = started(smollm2, window=None)
    assert again.alive
    assert again.address.window == 8192


def test_an_idle_engine_is_unloaded_and_its_memory_free(smollm2):
    engine, other = started(smollm2), started(NANO)
    asyncio.run(unload_engines(smollm2))
    assert gone(engine.address.pid)
    assert running_engines() == (other,)
    asyncio.run(unload_engines(smollm2))


def test_an_engine_in_use_is_unloaded_with_its_last_user():
    async def unload():
        async with engine_for(NANO, alias="tiny", window=WINDOW) as engine:
            await unload_engines(NANO)
            assert engine.alive
            assert live_engine(NANO) is None
        return engine

    engine = asyncio.run(unload())
    wait_until(lambda: not engine.alive)


def test_an_idle_engine_makes_room_before_its_successor_loads(smollm2):
    old = started(smollm2, window=512)

    async def successor():
        task = asyncio.create_task(engine_for(smollm2, alias="tiny", window=1024).__aenter__())
        await asyncio.sleep(0)
        await asyncio.to_thread(wait_until, lambda: not old.alive)
        assert running_engines() == ()
        await task

    asyncio.run(successor())


def test_a_file_written_anew_is_another_model(smollm2, tmp_path):
    copy = shutil.copy(smollm2, tmp_path / "copy.gguf")
    old = started(copy)
    os.utime(copy, (1, 1))
    assert live_engine(copy) is None
    assert started(copy) is not old
    wait_until(lambda: not old.alive)


def test_callers_on_several_loops_share_one_load(smollm2):
    async def several():
        return await asyncio.gather(*(one() for _ in range(3)))

    async def one():
        async with engine_for(smollm2, alias="tiny", window=WINDOW) as engine:
            return engine

    with ThreadPoolExecutor(3) as threads:
        results = [thread.result() for thread in [threads.submit(asyncio.run, several()) for _ in range(3)]]
    assert len({engine.address.pid for engines in results for engine in engines}) == 1


def test_a_cancelled_load_leaves_no_process(smollm2):
    async def cancelled():
        task = asyncio.create_task(engine_for(smollm2, alias="tiny").__aenter__())
        await asyncio.to_thread(wait_until, engine_children)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    wait_until(lambda: not engine_children())
    assert running_engines() == ()


def test_one_who_gives_up_does_not_end_the_load_of_the_others(smollm2):
    async def start():
        async with engine_for(smollm2, alias="tiny", window=WINDOW) as engine:
            return engine

    async def two():
        first, second = asyncio.create_task(start()), asyncio.create_task(start())
        await asyncio.sleep(0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(two()).alive


@posix
def test_an_engine_that_died_says_of_what_and_the_next_call_starts_anew(smollm2):
    engine = started(smollm2)
    assert engine.failure() is None
    os.kill(engine.address.pid, signal.SIGKILL)
    wait_until(lambda: not engine.alive)
    assert live_engine(smollm2) is None
    assert running_engines() == ()
    assert str(engine.failure()) == (
        "the embedded engine of tiny died (SIGKILL): most likely the memory ran out: "
        "take a smaller num_ctx or a smaller model"
    )
    again = started(smollm2)
    assert again.alive
    assert again is not engine


@posix
def test_a_processor_that_lacks_an_instruction_is_named(smollm2):
    engine = started(smollm2)
    os.kill(engine.address.pid, signal.SIGILL)
    wait_until(lambda: not engine.alive)
    assert str(engine.failure()).endswith("use Ollama or LM Studio instead")


def test_a_stopped_engine_is_gone_when_stop_returns(smollm2):
    engine = started(smollm2)
    asyncio.run(engine.stop())
    assert gone(engine.address.pid)
    assert str(engine.failure()).endswith("was stopped: ask again to start it")
    assert started(smollm2) is not engine


def test_stop_all_ends_loads_too(smollm2):
    async def start():
        async with engine_for(smollm2, alias="tiny"):
            pass

    async def stopped():
        task = asyncio.create_task(start())
        await asyncio.to_thread(wait_until, engine_children)
        stop_all()
        with pytest.raises(EngineFailed, match="was stopped"):
            await task

    asyncio.run(stopped())
    wait_until(lambda: not engine_children())


def test_a_broken_file_is_refused_with_the_reason_of_llama_cpp(smollm2, tmp_path):
    broken = tmp_path / "broken.gguf"
    with smollm2.open("rb") as file:
        broken.write_bytes(file.read(5_000_000))
    error = refusal_of(broken)
    assert str(error).startswith("the embedded engine could not load tiny: tensor 'token_embd.weight' data is not ")
    assert str(error).endswith("download the file again")
    assert "failed to load model" in error.log
    assert len(error.log.splitlines()) <= 50


def test_a_file_that_is_no_gguf_is_refused_in_one_line(tmp_path):
    path = tmp_path / "text.gguf"
    path.write_text("hello")
    assert "invalid magic characters" in str(refusal_of(path))
    assert str(refusal_of(tmp_path / "missing.gguf")).startswith("can't read ")


def test_every_waiter_gets_an_error_of_its_own(tmp_path):
    path = tmp_path / "text.gguf"
    path.write_text("hello")

    async def start():
        async with engine_for(path, alias="tiny"):
            pass

    async def both():
        return await asyncio.gather(start(), start(), return_exceptions=True)

    one, other = asyncio.run(both())
    assert one is not other
    assert str(one) == str(other)
    assert one.log


def test_without_xllamacpp_the_extra_is_named(smollm2, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingExtra, match=r"pip install \"roci-nb\[embedded\]\""):
        started(smollm2)


def test_the_loop_runs_on_while_a_model_loads(smollm2):
    async def longest_gap():
        task = asyncio.create_task(engine_for(smollm2, alias="tiny", window=WINDOW).__aenter__())
        gap, last = 0.0, time.monotonic()
        while not task.done():
            await asyncio.sleep(0.005)
            gap, last = max(gap, time.monotonic() - last), time.monotonic()
        return gap

    assert asyncio.run(longest_gap()) < 1  # a machine under load; the figure at rest is 20 ms


PARENT = """
import asyncio, os, signal, sys, time
from pathlib import Path
from roci_nb.local.engine import engine_for

async def start():
    async with engine_for(Path(sys.argv[1]), alias="tiny", window=512) as engine:
        return engine

engine = asyncio.run(start())
print(engine.address.pid, engine.address.base_url, flush=True)
"""


@contextlib.contextmanager
def parent(smollm2, then):
    """A Python process of its own that has an engine, and what it does then; gives it and the engine's pid."""
    command = [sys.executable, "-c", PARENT + textwrap.dedent(then), str(smollm2)]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, start_new_session=True
    ) as process:
        watchdog = threading.Timer(PATIENCE_S * 2, process.kill)
        watchdog.start()
        try:
            pid, url = process.stdout.readline().decode().split()
            yield process, int(pid), url
        finally:
            watchdog.cancel()
            process.kill()


def test_the_engine_goes_when_its_parent_ends(smollm2):
    with parent(smollm2, "") as (process, pid, _):
        assert process.wait(PATIENCE_S) == 0
        wait_until(lambda: gone(pid))


def test_the_engine_goes_when_its_parent_is_killed(smollm2):
    with parent(smollm2, "time.sleep(600)") as (process, pid, _):
        process.kill()
        wait_until(lambda: gone(pid))


@posix
def test_a_forked_child_neither_ends_the_engine_nor_keeps_it(smollm2):
    fork = """
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(600)
    if os.fork() == 0:
        sys.exit(0)  # with its exit handlers
    os.wait()
    print("went", flush=True)
    time.sleep(600)
    """
    with parent(smollm2, fork) as (process, pid, url):
        said = {process.stdout.readline().decode().strip() for _ in range(2)}
        [forked] = map(int, said - {"went"})
        try:
            assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
            process.kill()
            wait_until(lambda: gone(pid))
            assert not gone(forked)
        finally:
            os.kill(forked, signal.SIGKILL)


@posix
def test_an_interrupt_of_the_process_group_leaves_the_engine_alone(smollm2):
    wait = """
    try:
        print("waiting", flush=True)
        time.sleep(600)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        time.sleep(600)
    """
    with parent(smollm2, wait) as (process, pid, url):
        assert process.stdout.readline().strip() == b"waiting"
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.readline().strip() == b"interrupted"
        os.kill(pid, signal.SIGINT)  # and one at the engine itself
        time.sleep(0.3)
        assert httpx.get(f"{url}/health", trust_env=False).json() == {"status": "ok"}
