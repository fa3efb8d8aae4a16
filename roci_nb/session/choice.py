"""Which model answers where nobody named one: the only loaded, the only installed, or a list to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roci_nb.providers.discovery import FoundServer
    from roci_nb.types.model_info import ModelInfo

LONGEST_LIST = 8
_FIXES = "%roci use PROVIDER:MODEL, or try one without a server: %%roci embedded:smollm2-135m"


@dataclass(frozen=True, slots=True)
class Choice:
    """A model that was chosen for the user, and why."""

    selector: str
    reason: str

    def __str__(self) -> str:
        return f"{self.selector} · {self.reason} · keep: %roci use {self.selector}"


def choose_model(servers: Sequence[FoundServer]) -> Choice:
    """Choose among the models of the servers that answer; raises ``ConfigError`` with the list where it is open.

    One that runs elsewhere is never chosen, nor one that only makes embeddings.
    """
    answering = [server for server in servers if server.models is not None]
    models = [info for server in answering for info in server.models or () if _can_answer(info)]
    for reason, candidates in (
        ("the only model loaded", [info for info in models if info.loaded]),
        ("the only model installed", models),
    ):
        if len(candidates) == 1:
            return Choice(str(candidates[0].model), reason)
        if candidates:
            raise ConfigError(f"several models could answer; choose one: {_listed(candidates)}")
    if answering:
        names = " and ".join(server.name for server in answering)
        raise ConfigError(f"no model is chosen, and {names} {'have' if len(answering) > 1 else 'has'} none: {_FIXES}")
    asked = ", ".join(f"{server.name} at {server.url}" for server in servers)
    raise ConfigError(f"no model is chosen, and no server answers ({asked or 'none is near'}): start one, {_FIXES}")


def _can_answer(info: ModelInfo) -> bool:
    name = info.model.model_id.lower()
    cloud = info.remote_host is not None or name.endswith(("-cloud", ":cloud"))
    family = (info.family or "").lower()
    return not cloud and info.can("completion") is not False and "embed" not in name and "bert" not in family


def _listed(models: Sequence[ModelInfo]) -> str:
    shown = " | ".join(f"%roci use {info.model}" for info in models[:LONGEST_LIST])
    more = len(models) - LONGEST_LIST
    return f"{shown} (and {more} more)" if more > 0 else shown
