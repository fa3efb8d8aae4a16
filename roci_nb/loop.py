"""The background event loop, the hop onto it, the sync twins and ``run``.

One daemon thread owns one asyncio loop, and with it every connection. Whoever awaits a public coroutine (a script,
a notebook's own loop, a second loop, a widget's callback) only waits; the work runs there, and results cross in
batches. The waiting side wakes every 40 ms: ipykernel's interrupt does not wake a sleeping loop, so that without a
tick ■ would hang on a stalled stream.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import functools
import inspect
import os
import signal
import sys
import threading
import time
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar, cast, overload

from roci_nb.errors import ConfigError, Partial, RociError, Stopped, show_as_one_line

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
    from types import FrameType

T = TypeVar("T")
P = ParamSpec("P")

TICK_S = 0.04
"""How often a waiting side looks up; an interrupt is seen within one tick."""
DRAIN_S = 2.0
"""How long a stopped side waits for the connection to close and the partial answer to arrive."""


class _LoopThread:
    """The daemon thread and its loop; ``closers`` run on it when the interpreter ends."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.closers: list[Callable[[], Awaitable[None]]] = []
        self.thread = threading.Thread(target=self.loop.run_forever, name="roci_nb loop", daemon=True)
        self.thread.start()

    def close(self) -> None:
        if not self.thread.is_alive() or self.loop.is_closed():
            return
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._close_all(), self.loop).result(DRAIN_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(DRAIN_S)
        if not self.thread.is_alive():
            self.loop.close()

    async def _close_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for closer in self.closers:
            await closer()
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()


_thread: _LoopThread | None = None
_starting = threading.Lock()


def _loop_thread() -> _LoopThread:
    global _thread  # noqa: PLW0603 - one loop thread for the process
    with _starting:
        if _thread is None:
            _thread = _LoopThread()
            atexit.register(_thread.close)
        return _thread


def _forget_after_fork() -> None:
    """A forked child has no copy of the thread: it starts its own when it needs one."""
    global _thread, _starting  # noqa: PLW0603 - see above
    _thread = None
    _starting = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def background_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that owns the connections; its thread starts with the first call."""
    return _loop_thread().loop


def on_background_loop() -> bool:
    """Say whether the calling code runs on the background loop's thread."""
    return _thread is not None and threading.current_thread() is _thread.thread


def close_at_exit(closer: Callable[[], Awaitable[None]]) -> None:
    """Let ``closer`` run on the background loop when the interpreter ends."""
    _loop_thread().closers.append(closer)


class _Crossing(Generic[T]):
    """What a task on the background loop hands to one waiting thread or loop.

    ``wake`` is called, from the loop's thread, at most once per ``arm``: a burst of items crosses as one batch.
    """

    def __init__(self, source: Callable[[], AsyncIterator[T]], wake: Callable[[], None]) -> None:
        self._source = source
        self._wake = wake
        self._armed = False
        self._cancelled = False
        self._items: deque[T] = deque()
        self._task: asyncio.Task[None] | None = None
        self._loop = background_loop()
        self.done = False
        self.error: BaseException | None = None
        self._loop.call_soon_threadsafe(self._start, context=contextvars.copy_context())

    def _start(self) -> None:
        self._task = self._loop.create_task(self._pump())
        if self._cancelled:
            self._task.cancel()
        self._task.add_done_callback(self._finish)

    async def _pump(self) -> None:
        try:
            # Every source is an async generator; aclosing lets its finally blocks run here and now.
            async with aclosing(cast("AsyncGenerator[T, None]", self._source())) as items:
                async for item in items:
                    self._items.append(item)
                    self._notify()
        except BaseException as error:  # noqa: BLE001 - it is raised again on the waiting side
            self.error = error

    def _finish(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() and self.error is None:  # cancelled before its first step
            self.error = asyncio.CancelledError()
        self.done = True
        self._notify()

    def _notify(self) -> None:
        if self._armed:
            self._armed = False
            self._wake()

    def take(self) -> list[T]:
        """Return what has arrived since the last call."""
        items = self._items
        return [items.popleft() for _ in range(len(items))]

    def arm(self) -> bool:
        """Ask for one wake; False when there is something to take already."""
        self._armed = True
        if self._items or self.done:
            self._armed = False
            return False
        return True

    def cancel(self) -> None:
        self._cancelled = True
        task = self._task
        if task is not None and not self.done and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(task.cancel)

    def drain(self) -> None:
        """Cancel and wait, in this thread, until the connection is closed; bounded."""
        self.cancel()
        deadline = time.monotonic() + DRAIN_S
        while not self.done and time.monotonic() < deadline:
            time.sleep(0.002)

    async def drained(self) -> None:
        """Cancel and wait, on the running loop, until the connection is closed; bounded."""
        self.cancel()
        deadline = time.monotonic() + DRAIN_S
        while not self.done and time.monotonic() < deadline:  # noqa: ASYNC110 - the other side is another thread
            await asyncio.sleep(0.002)

    def stopped(self) -> Stopped:
        """The quiet interrupt, with what had arrived."""
        stopped = Stopped()
        stopped.partial = partial_of(self.error)
        return stopped


def partial_of(error: BaseException | None) -> Partial | None:
    """Return the partial answer that an error carries, if it carries one."""
    partial = getattr(error, "partial", None)
    return partial if isinstance(partial, Partial) else None


def attach_partial(error: BaseException, partial: Partial | None) -> None:
    """Hang a partial answer on an error of any type, and let a cancelled task show as one line."""
    if partial is not None and partial_of(error) is None:
        error.__dict__["partial"] = partial
    if isinstance(error, asyncio.CancelledError):
        show_as_one_line(error, "■ stopped")


async def iterate_on_loop(source: Callable[[], AsyncIterator[T]]) -> AsyncIterator[T]:
    """Iterate ``source()`` on the background loop, from whichever loop is running.

    Cancelling the waiting task cancels the work, waits until it has closed its connection, and raises the same
    ``CancelledError`` again with ``.partial``. Closing the iterator only closes.
    """
    if on_background_loop():
        async with aclosing(cast("AsyncGenerator[T, None]", source())) as items:
            async for item in items:
                yield item
        return
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the waiting loop is closed: nobody waits any more
            loop.call_soon_threadsafe(arrived.set)

    crossing = _Crossing(source, wake)
    try:
        done = False
        while not done:
            done = crossing.done
            for item in crossing.take():
                yield item
            arrived.clear()
            if not done and crossing.arm():
                tick = loop.call_later(TICK_S, arrived.set)
                try:
                    await arrived.wait()
                finally:
                    tick.cancel()
        if crossing.error is not None:
            raise crossing.error
    except asyncio.CancelledError as error:
        await crossing.drained()
        attach_partial(error, partial_of(crossing.error))
        raise
    finally:
        if not crossing.done:
            await crossing.drained()


async def hop(call: Callable[[], Awaitable[T]]) -> T:
    """Await ``call()`` on the background loop, from whichever loop is running; cancelled as ``iterate_on_loop``."""
    if on_background_loop():
        return await call()
    [result] = [item async for item in iterate_on_loop(lambda: _once(call))]
    return result


async def _once(call: Callable[[], Awaitable[T]]) -> AsyncIterator[T]:
    yield await call()


def iterate_blocking(
    source: Callable[[], AsyncIterator[T]], *, on_wait: Callable[[], None] | None = None
) -> Iterator[T]:
    """Iterate ``source()`` on the background loop from ordinary code, whether or not a loop runs in this thread.

    An interrupt closes the connection, wherever the caller's code is just then, and raises ``Stopped``. ``on_wait``
    is called in this thread at every tick in which nothing came.
    """
    if on_background_loop():
        raise RociError("a blocking call on roci_nb's own loop would wait for itself: await the async twin instead")
    return _iterate_blocking(source, on_wait)


def _iterate_blocking(source: Callable[[], AsyncIterator[T]], on_wait: Callable[[], None] | None) -> Iterator[T]:
    arrived = threading.Event()
    crossing = _Crossing(source, arrived.set)
    release = _stop_on_interrupt(crossing)
    try:
        done = False
        while not done:
            done = crossing.done
            yield from crossing.take()
            arrived.clear()
            if not done and crossing.arm() and not arrived.wait(TICK_S) and on_wait is not None:
                on_wait()
        if isinstance(crossing.error, asyncio.CancelledError):
            raise crossing.stopped()
        if crossing.error is not None:
            raise crossing.error
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, Stopped):
            raise
        crossing.drain()
        raise crossing.stopped() from None
    finally:
        release()
        if not crossing.done:
            crossing.drain()


def _stop_on_interrupt(crossing: _Crossing[T]) -> Callable[[], None]:
    """Cancel the crossing at SIGINT, also while the caller's own loop body runs; return the undoing.

    Without it, an interrupt in the body of ``for delta in stream_text_sync(…)`` leaves the iterator alive in the
    traceback, and the server goes on generating.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    previous = signal.getsignal(signal.SIGINT)
    if not callable(previous):
        return lambda: None

    def interrupt(signum: int, frame: FrameType | None) -> None:
        if not crossing.done:
            crossing.cancel()
            if previous is signal.default_int_handler:
                crossing.drain()
                raise crossing.stopped()
        previous(signum, frame)

    def release() -> None:
        # In another order than they were taken, an outer handler stays in the chain; it does nothing once done.
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, interrupt)
    return release


@overload
def sync_twin(function: Callable[P, Coroutine[object, object, T]]) -> Callable[P, T]: ...
@overload
def sync_twin(function: Callable[P, AsyncIterator[T]]) -> Callable[P, Iterator[T]]: ...
def sync_twin(
    function: Callable[P, Coroutine[object, object, T]] | Callable[P, AsyncIterator[T]],
) -> Callable[P, T] | Callable[P, Iterator[T]]:
    """Make the blocking twin of a coroutine function, or of a function that returns an async iterator."""
    if inspect.iscoroutinefunction(function):
        coroutine_function = cast("Callable[P, Coroutine[object, object, T]]", function)

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return call_blocking(lambda: coroutine_function(*args, **kwargs))

        return _named_as_twin(call, function)
    iterator_function = cast("Callable[P, AsyncIterator[T]]", function)

    def iterate(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        iterator = iterator_function(*args, **kwargs)  # here, so that a wrong argument is told at once
        return iterate_blocking(lambda: iterator)

    return _named_as_twin(iterate, function)


def call_blocking(call: Callable[[], Awaitable[T]]) -> T:
    """Await ``call()`` on the background loop from ordinary code; interrupted as ``iterate_blocking``."""
    [result] = iterate_blocking(lambda: _once(call))
    return result


def _named_as_twin(twin: Callable[P, T], function: Callable[P, object]) -> Callable[P, T]:
    functools.update_wrapper(twin, function, assigned=("__module__", "__doc__", "__annotations__"), updated=())
    twin.__name__ = twin.__qualname__ = f"{function.__name__}_sync"
    del twin.__dict__["__wrapped__"]  # it is no coroutine function, whatever inspect finds behind it
    twin.__dict__["__signature__"] = inspect.signature(function)
    return twin


def run(awaitable: Awaitable[T]) -> T:
    """Run the user's own coroutine to its end on the loop that it belongs to, and return its result.

    Where a loop runs in this thread (a notebook), it runs nested on that loop, which nest-asyncio makes possible:
    the loop is patched at the first such call and not before. Elsewhere it is ``asyncio.run``. An interrupt cancels
    it, lets it run to its end and raises ``Stopped``. Raises ``ConfigError`` for a loop that can't be nested
    (uvloop): await it there.
    """
    if on_background_loop():
        if inspect.iscoroutine(awaitable):
            awaitable.close()  # it will never run: say so once, here
        raise RociError("run() on roci_nb's own loop would wait for itself: await the coroutine instead")
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _run_alone(awaitable)
    _allow_nesting(loop)
    task = asyncio.ensure_future(awaitable)
    try:
        return loop.run_until_complete(task)
    except KeyboardInterrupt:
        task.cancel()
        stopped = Stopped()
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError as error:
            stopped.partial = partial_of(error)
        raise stopped from None


def _run_alone(awaitable: Awaitable[T]) -> T:
    async def main() -> T:
        return await awaitable

    if isinstance(awaitable, asyncio.Future):
        return cast("T", awaitable.get_loop().run_until_complete(awaitable))
    try:
        return asyncio.run(main())
    except KeyboardInterrupt as interrupt:
        raise Stopped from interrupt


def _allow_nesting(loop: asyncio.AbstractEventLoop) -> None:
    """Patch a running loop so that it can run nested.

    nest-asyncio 1.6 silently drops the queued cells of Run All on ipykernel 7 and later; nest-asyncio2 does not.
    """
    kernel = sys.modules.get("ipykernel")
    major = int(str(getattr(kernel, "__version__", "0")).split(".", maxsplit=1)[0])
    try:
        if major >= 7:
            import nest_asyncio2

            nest_asyncio2.apply(loop)
        else:
            import nest_asyncio

            nest_asyncio.apply(loop)
    except ValueError as error:
        raise ConfigError(f"{type(loop).__name__} can't run nested ({error}): await the coroutine instead") from None
