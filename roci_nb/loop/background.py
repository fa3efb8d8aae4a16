"""The daemon thread that owns the loop, and with it every connection."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CLOSING_S = 2.0
"""How long the end of the interpreter waits for connections to close."""


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
            asyncio.run_coroutine_threadsafe(self._close_all(), self.loop).result(CLOSING_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(CLOSING_S)
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
