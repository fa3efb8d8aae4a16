"""The server that a tutorial runs on: the reader's own where it has the model, else a stand-in in this process."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.config import RociConfig
from roci_nb.errors import ConfigError, RociError, ServerUnreachable
from roci_nb.loop import call_blocking
from roci_nb.markup.tables import html_table, text_table
from roci_nb.providers.discovery import LIMIT_S, SERVERS
from roci_nb.providers.harmony import is_gpt_oss
from roci_nb.providers.ollama_models import same_model
from roci_nb.providers.registry import provider_for
from roci_nb.standin.server import StandIn
from roci_nb.standin.speakers import prose_speaker
from roci_nb.types.models import LanguageModel

if TYPE_CHECKING:
    from roci_nb.markup.html import Html

VARIABLES = {"ollama": "OLLAMA_BASE_URL", "lmstudio": "LMSTUDIO_BASE_URL"}
"""What tells ``%%roci`` and the providers where a server is."""


@dataclass(frozen=True, slots=True)
class TutorialServer:
    """Who answers a tutorial; it shows itself.

    ``is_own`` is True for the reader's own server. ``why_not`` says what kept the reader's own from being taken, and
    ``advice`` how it can be.
    """

    model: LanguageModel
    base_url: str
    is_own: bool
    why_not: str = ""
    advice: str = ""

    def _facts(self) -> list[tuple[str, str]]:
        name = SERVERS[self.model.provider_key]
        if self.is_own:
            return [("server", f"your own {name}, which has {self.model.model_id}"), ("address", self.base_url)]
        return [
            ("server", f"a stand-in: two small models speak for {self.model.model_id} and say so"),
            ("address", f"{self.base_url} (as {VARIABLES[self.model.provider_key]}, in this kernel)"),
            ("because", self.why_not),
            ("your own", self.advice),
        ]

    def __repr__(self) -> str:
        return text_table(("", ""), self._facts())

    def _repr_html_(self) -> Html:
        return html_table(("", ""), self._facts())


class _Kernel:
    """The one stand-in of this process, and the addresses that were set before it."""

    def __init__(self) -> None:
        self.standin: StandIn | None = None
        self.replaced: dict[str, tuple[str, str | None]] = {}
        """By variable: what was put there, and what stood there."""

    def started(self) -> StandIn:
        if self.standin is None:
            standin = StandIn()
            _fetch_weights()
            self.standin = standin.__enter__()  # its thread and its engines end with the process
        return self.standin

    def point(self, variable: str, url: str) -> None:
        self.replaced[variable] = url, os.environ.get(variable)
        os.environ[variable] = url

    def give_back(self, variable: str) -> None:
        ours, before = self.replaced.pop(variable, (None, None))
        if ours is None or os.environ.get(variable) != ours:  # the reader has set another since
            return
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before


_kernel = _Kernel()


def tutorial_server(selector: str) -> TutorialServer:
    """Find the server for ``"ollama:…"`` or ``"lmstudio:…"``: the reader's own if it has that very model.

    Otherwise a stand-in starts in this process, ends with it, and is what ``OLLAMA_BASE_URL`` or
    ``LMSTUDIO_BASE_URL`` names from then on. Call it again after a change of your own server. Nothing is loaded and
    nothing is pulled. Raises ``ConfigError`` for another provider, ``MissingExtra`` without the extra ``standin``.
    """
    model = LanguageModel.parse(selector)
    if model.provider_key not in VARIABLES:
        raise ConfigError(f"a tutorial runs on Ollama or LM Studio: write ollama:{model.model_id}")
    variable = VARIABLES[model.provider_key]
    _kernel.give_back(variable)
    own = RociConfig.from_env().base_url(model.provider_key)
    why_not, advice = call_blocking(lambda: _why_not_own(model))
    if not why_not:
        return TutorialServer(model, str(own), is_own=True)
    standin = _kernel.started()
    url = standin.ollama_url if model.provider_key == "ollama" else standin.lmstudio_url
    _kernel.point(variable, url)
    if RociConfig.from_env().base_url(model.provider_key).origin == own.origin:
        _kernel.give_back(variable)
        raise ConfigError(
            f"pyproject.toml sets the address of {SERVERS[model.provider_key]}, and that wins over the stand-in's: "
            "open the tutorial in a folder of its own"
        )
    return TutorialServer(model, url, is_own=False, why_not=why_not, advice=advice)


async def _why_not_own(model: LanguageModel) -> tuple[str, str]:
    """Say why the reader's own server can't be taken, and what would help; nothing where it can."""
    name = SERVERS[model.provider_key]
    provider = provider_for(model)
    try:
        async with asyncio.timeout(LIMIT_S):
            models = [str(info.model.model_id) for info in await provider.list_models()]
    except (ServerUnreachable, TimeoutError):
        return f"no answer from {name}", f"start {name}, then run this cell again"
    except RociError as error:
        return f"your {name} refused: {error}", "mend that, then run this cell again"
    if any(same_model(found, model.model_id) for found in models):
        return "", ""
    near = next((found for found in models if is_gpt_oss(found)), None)
    if near is None:
        advice = f"get {model.model_id} there, then run this cell again"
    elif model.provider_key == "ollama":
        advice = f"ollama cp {near} {model.model_id} (a second name, no second copy), then run this cell again"
    else:
        advice = f"write {near} in the place of {model.model_id} in this notebook"
    return f"your {name} does not have {model.model_id}", advice


def _fetch_weights() -> None:
    """Fetch the small model now, where it is not here yet: later the wait would look like a slow first answer."""
    speaker = prose_speaker()
    if speaker.path.is_file():
        return
    print(f"Fetching {speaker.weights or speaker.name}, once…", flush=True)  # noqa: T201 - the one long wait is said
    call_blocking(_fetched)


async def _fetched() -> None:
    async for _ in prose_speaker().fetch():
        pass
