"""How long a server may be silent: a limit on one wait, and a cheap one on each wait of a long stream."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from roci_nb.errors import IdleTimeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from roci_nb.providers.transport import Timeouts


@asynccontextmanager
async def limit(seconds: float | None, what: str, timeouts: Timeouts) -> AsyncIterator[None]:
    """Raise ``IdleTimeout`` where the block takes longer."""
    if seconds is None:
        yield
        return
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise _silent(what, seconds, timeouts) from None


class Waits:
    """Limits each of many waits at the price of one timer, which looks up when the limit may have passed.

    An ``asyncio.timeout`` for every chunk costs more than reading the chunk.
    """

    def __init__(self, what: str, timeouts: Timeouts) -> None:
        self._what, self._timeouts = what, timeouts
        self._loop = asyncio.get_running_loop()
        self._limit: float | None = None
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelled: tuple[asyncio.Task[object], int, float] | None = None

    def begin(self, seconds: float | None) -> None:
        """Count from now, until ``end``."""
        self._task = asyncio.current_task()
        self._since = now = self._loop.time()
        if seconds != self._limit:
            self._stop()
            self._limit = seconds
            if seconds is not None:
                self._timer = self._loop.call_at(now + seconds, self._look, seconds)

    def end(self) -> None:
        """Count no more: something came."""
        self._since = None

    def _look(self, seconds: float) -> None:
        now = self._loop.time()
        due = (now if self._since is None else self._since) + seconds
        if due > now:
            self._timer = self._loop.call_at(due, self._look, seconds)
        elif self._task is not None:
            self._cancelled = self._task, self._task.cancelling(), seconds
            self._task.cancel()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._stop()
        if self._cancelled is None:
            return
        task, before, seconds = self._cancelled
        if task.uncancel() <= before and kind is asyncio.CancelledError:
            raise _silent(self._what, seconds, self._timeouts) from None


def _silent(what: str, seconds: float, timeouts: Timeouts) -> IdleTimeout:
    name = "idle_s" if seconds == timeouts.idle_s else "first_byte_s"
    return IdleTimeout(
        f"{what} for {seconds:g} s: look at its log, or allow more with timeouts=Timeouts({name}=…)", seconds=seconds
    )
