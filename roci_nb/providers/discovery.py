"""Which servers answer, and which models they have."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.errors import RociError
from roci_nb.providers.registry import provider_for

if TYPE_CHECKING:
    from roci_nb.config import RociConfig
    from roci_nb.types.base_url import BaseUrl
    from roci_nb.types.model_info import ModelList

SERVERS = {"ollama": "Ollama", "lmstudio": "LM Studio", "openai-compatible": "llama-server"}
"""The providers whose server may be found by itself, with the name of what usually stands there."""
LIMIT_S = 3.0
"""How long one server may take to list its models."""


@dataclass(frozen=True, slots=True)
class FoundServer:
    """One server that was asked; ``models`` is None where it did not answer."""

    name: str
    url: BaseUrl
    models: ModelList | None


async def find_servers(config: RociConfig) -> tuple[FoundServer, ...]:
    """Ask the servers of this machine and of its own network, at the configured addresses, all at once.

    Nothing is loaded, and nothing beyond the own network is asked.
    """
    asked = [(key, name, config.base_url(key)) for key, name in SERVERS.items()]
    near = [server for server in asked if _is_near(server[2], config)]
    return tuple(await asyncio.gather(*(_ask(key, name, url, config) for key, name, url in near)))


def _is_near(url: BaseUrl, config: RociConfig) -> bool:
    return url.is_loopback or (url.is_private and not config.local_only)


async def _ask(key: str, name: str, url: BaseUrl, config: RociConfig) -> FoundServer:
    try:
        async with asyncio.timeout(LIMIT_S):
            return FoundServer(name, url, await provider_for(f"{key}:any", config).list_models())
    except (RociError, TimeoutError):
        return FoundServer(name, url, None)
