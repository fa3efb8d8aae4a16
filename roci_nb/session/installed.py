"""The models of the servers that answer, asked seldom and never waited for long."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING

from roci_nb.loop import background_loop
from roci_nb.providers.discovery import find_servers

if TYPE_CHECKING:
    from concurrent.futures import Future

    from roci_nb.config import RociConfig
    from roci_nb.providers.discovery import FoundServer
    from roci_nb.types.model_info import ModelInfo

FRESH_S = 20.0
"""For how long an answer is good: a model that was just pulled shows soon."""


class InstalledModels:
    """What the servers near have installed, as far as it is known."""

    def __init__(self) -> None:
        self._servers: tuple[FoundServer, ...] = ()
        self._asking: Future[tuple[FoundServer, ...]] | None = None
        self._asked_at: float | None = None

    def known(self, config: RociConfig, *, wait_s: float) -> tuple[ModelInfo, ...]:
        """Return the models that are known, after at most ``wait_s`` seconds; the servers go on being asked."""
        if self._asked_at is None or time.monotonic() - self._asked_at > FRESH_S:
            self._asked_at = time.monotonic()
            self._asking = asyncio.run_coroutine_threadsafe(find_servers(config), background_loop())
        if self._asking is not None:
            try:
                self._servers = self._asking.result(wait_s)
            except FutureTimeoutError:
                pass
            else:
                self._asking = None
        return tuple(info for server in self._servers for info in server.models or ())

    async def look(self, config: RociConfig) -> tuple[FoundServer, ...]:
        """Ask the servers now; what they tell is known from then on. To be awaited on the background loop."""
        self._servers = servers = await find_servers(config)
        self._asked_at, self._asking = time.monotonic(), None
        return servers

    def selectors_of(self, name: str, config: RociConfig, *, wait_s: float) -> tuple[str, ...]:
        """Return the selectors of the models that are called exactly so, one for each server that has it."""
        return tuple(
            dict.fromkeys(
                str(info.model)
                for info in self.known(config, wait_s=wait_s)
                if name in (info.model.model_id, info.model.model_id.removesuffix(":latest"))
            )
        )
