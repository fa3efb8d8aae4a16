"""Work of a face on the background loop: begun at once, ended with the face."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from roci_nb.loop import background_loop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

log = logging.getLogger("roci_nb")


class LoopTask:
    """One task on the background loop; ``done`` is true when its last line has run."""

    def __init__(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self._loop = background_loop()
        self.done = False
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._work())
        self._task.add_done_callback(self._ended)
        if self._cancelled:
            self._loop.call_soon(self._task.cancel)  # after its first step: what never begins cleans nothing up

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.done = True
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a panel's work failed: %s", error)

    def cancel(self) -> None:
        """Ask it to end; callable from any thread."""
        self._cancelled = True
        if self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)


class LoopWork:
    """Starts coroutines on the background loop from a handler, which returns at once."""

    def __init__(self) -> None:
        self._tasks: tuple[LoopTask, ...] = ()

    def start(self, work: Callable[[], Coroutine[object, object, None]]) -> LoopTask:
        """Begin; cancelling what is returned ends it."""
        task = LoopTask(work)
        self._tasks = (*(one for one in self._tasks if not one.done), task)
        return task

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return any(not task.done for task in self._tasks)

    def close(self) -> None:
        """End all that is under way."""
        for task in self._tasks:
            task.cancel()
