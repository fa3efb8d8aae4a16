"""Work of a face on the background loop: begun at once, ended with the face."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from roci_nb.loop import background_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

log = logging.getLogger("roci_nb")


class LoopWork:
    """Starts coroutines on the background loop from a handler, which returns at once."""

    def __init__(self) -> None:
        self._under_way: set[Future[None]] = set()

    def start(self, work: Callable[[], Coroutine[object, object, None]]) -> Future[None]:
        """Begin; cancelling what is returned ends it."""
        future = asyncio.run_coroutine_threadsafe(work(), background_loop())
        self._under_way.add(future)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: Future[None]) -> None:
        self._under_way.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            log.error("a panel's work failed: %s", error)

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._under_way)

    def close(self) -> None:
        """End all that is under way."""
        for future in tuple(self._under_way):
            future.cancel()
