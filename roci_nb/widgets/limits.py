"""What this server and model can't take: asked of the provider itself, by a request that is never sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roci_nb.errors import RociError, one_line
from roci_nb.providers.registry import provider_for
from roci_nb.types.messages import ModelMessage
from roci_nb.types.requests import ProviderRequest
from roci_nb.types.settings import GenerationSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roci_nb.config import RociConfig
    from roci_nb.providers.base import Provider
    from roci_nb.types.events import GenerationWarning
    from roci_nb.types.model_info import ModelInfo
    from roci_nb.types.settings import ReasoningEffort

_NOT_SENT = " is not sent: "
_SOME_WINDOW = 8192


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What is known of one model: ``reasons`` says of a setting why it is not sent, ``notes`` what else is to know.

    ``problem`` is why nothing more is known: a server that does not answer, a model that it does not have.
    """

    selector: str = ""
    info: ModelInfo | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


async def look_at(selector: str, config: RociConfig) -> ModelLimits:
    """Find out what a model can take; nothing is loaded, and the model is not asked."""
    try:
        provider = provider_for(selector, config)
        # A panel is no reason to send a key to a company's server.
        info = await provider.model_info() if provider.provider_key != "openai" else None
    except RociError as error:
        return ModelLimits(selector, problem=one_line(str(error)))
    try:
        warnings = await _warnings(provider, info)
    except RociError:
        warnings = ()
    reasons, notes = dict[str, str](), dict[str, str]()
    for warning in warnings:
        if warning.setting is not None:
            _, is_unsent, reason = warning.message.partition(_NOT_SENT)
            (reasons if is_unsent else notes)[warning.setting] = reason or warning.message
    return ModelLimits(selector, info, reasons, notes)


async def _warnings(provider: Provider, info: ModelInfo | None) -> tuple[GenerationWarning, ...]:
    """Preview a request that sets everything: what is not sent is what a cell would be warned of."""
    efforts: tuple[ReasoningEffort, ...] = (info.efforts if info is not None else None) or ("low",)
    window = (info.loaded_window if info is not None else None) or _SOME_WINDOW
    everything = GenerationSettings(
        max_tokens=64,
        temperature=0.5,
        top_p=0.5,
        top_k=10,
        min_p=0.1,
        seed=1,
        stop_sequences=("stop",),
        presence_penalty=0.1,
        frequency_penalty=0.1,
        repeat_penalty=1.1,
        num_ctx=max(1, window // 2),
        reasoning_effort=efforts[0],
        keep_alive="5m",
        user="user",
    )
    request = ProviderRequest(messages=(ModelMessage.user("Hello"),), settings=everything)
    return (await provider.preview(request)).warnings
