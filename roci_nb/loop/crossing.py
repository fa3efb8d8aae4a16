"""From the background loop to whoever waits: a queue that wakes once for a batch, and the hop built on it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from roci_nb.errors import Partial, Stopped, show_as_one_line
from roci_nb.loop.background import background_loop, on_background_loop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

T = TypeVar("T")

TICK_S = 0.04
"""How often a waiting side looks up; an interrupt is seen within one tick."""
DRAIN_S = 2.0
"""How long a stopped side waits for the connection to close and the partial answer to arrive."""


class Crossing(Generic[T]):
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
        """Wake at the end of this turn of the loop: what one read brought crosses as one batch."""
        if self._armed:
            self._armed = False
            self._loop.call_soon(self._wake)

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
        """Ask the work to end; callable from any thread, and harmless when it has ended."""
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

    crossing = Crossing(source, wake)
    watch = _Watch(loop, crossing)
    try:
        done = False
        while not done:
            done = crossing.done
            for item in crossing.take():
                yield item
            watch.consumer = asyncio.current_task()
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
        watch.end()
        if not crossing.done:
            await crossing.drained()


class _Watch:
    """Ends the work of an iterator whose consumer was cancelled in its own code and keeps the iterator by a name.

    Two looks in a row are needed: ``asyncio.timeout`` cancels a task and takes that back within one step.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, crossing: Crossing[T]) -> None:
        self.consumer = asyncio.current_task()
        self._crossing = crossing
        self._loop = loop
        self._looks = 0
        self._handle = loop.call_later(TICK_S, self._look)

    def _look(self) -> None:
        task = self.consumer
        cancelled = task is not None and (task.cancelled() or (not task.done() and task.cancelling() > 0))
        self._looks = self._looks + 1 if cancelled else 0
        if self._looks > 1:
            self._crossing.cancel()
        elif not self._crossing.done:
            self._handle = self._loop.call_later(TICK_S, self._look)

    def end(self) -> None:
        self._handle.cancel()


async def hop(call: Callable[[], Awaitable[T]]) -> T:
    """Await ``call()`` on the background loop, from whichever loop is running; cancelled as ``iterate_on_loop``."""
    if on_background_loop():
        return await call()
    [result] = [item async for item in iterate_on_loop(lambda: once(call))]
    return result


async def once(call: Callable[[], Awaitable[T]]) -> AsyncIterator[T]:
    """Iterate over a call's one result."""
    yield await call()
