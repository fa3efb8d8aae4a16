"""``generate_text`` and ``stream_text``: ask a model, whole or as it speaks."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, TypeAlias, cast

from roci_nb.errors import InvalidSetting
from roci_nb.generation.fold import AnswerFold
from roci_nb.loop import attach_partial, hop, iterate_on_loop, sync_twin
from roci_nb.providers.base import Provider
from roci_nb.providers.registry import provider_for
from roci_nb.types.messages import ModelMessage
from roci_nb.types.models import LanguageModel
from roci_nb.types.requests import ProviderRequest
from roci_nb.types.settings import GenerationSettings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from roci_nb.types.events import TextStreamDelta
    from roci_nb.types.results import GenerateTextResult
    from roci_nb.types.tools import ToolDefinition

Asked: TypeAlias = "Provider | LanguageModel | str"
Messages: TypeAlias = "Sequence[ModelMessage] | str"


def stream_text(
    provider: Asked,
    messages: Messages,
    settings: GenerationSettings | None = None,
    tools: Sequence[ToolDefinition] = (),
) -> AsyncIterator[TextStreamDelta]:
    """Stream an answer: deltas, the last of which has ``finish_reason``, usage and timing.

    ``provider`` is a provider or a selector, ``messages`` a list or one user message's text. Cancelling the task
    closes the connection; ``CancelledError`` and every error carry what had arrived as ``.partial``.
    """
    asked, request = as_provider(provider), _request(messages, settings, tools)
    return iterate_on_loop(lambda: answer_deltas(asked, request))


async def generate_text(
    provider: Asked,
    messages: Messages,
    settings: GenerationSettings | None = None,
    tools: Sequence[ToolDefinition] = (),
) -> GenerateTextResult:
    """Return the whole answer, its reasoning apart from its text; arguments and errors as ``stream_text``."""
    asked, request = as_provider(provider), _request(messages, settings, tools)

    async def whole() -> GenerateTextResult:
        fold = AnswerFold(asked.model, request)
        async for delta in answer_deltas(asked, request):
            fold.add(delta)
        return fold.result()

    return await hop(whole)


generate_text_sync = sync_twin(generate_text)
stream_text_sync = sync_twin(stream_text)


async def answer_deltas(provider: Provider, request: ProviderRequest) -> AsyncIterator[TextStreamDelta]:
    """Stream the answer to a request that is ready; every error carries what had arrived."""
    fold = AnswerFold(provider.model, request)
    stream = cast("AsyncGenerator[TextStreamDelta, None]", provider.stream_text(request))
    try:
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                fold.add(delta)
                yield delta
    except GeneratorExit:
        raise
    except BaseException as error:
        attach_partial(error, fold.partial if fold.begun else None)
        raise


def as_provider(provider: Asked) -> Provider:
    """Return the provider that a selector names, or the provider itself."""
    if isinstance(provider, Provider):
        return provider
    if isinstance(provider, str | LanguageModel):
        return provider_for(provider)
    raise InvalidSetting(
        f"provider must be a provider or a selector such as 'ollama:gpt-oss:20b', not {provider!r}",
        setting="provider",
    )


def _request(
    messages: Messages, settings: GenerationSettings | None, tools: Sequence[ToolDefinition]
) -> ProviderRequest:
    said = [ModelMessage.user(messages)] if isinstance(messages, str) else list(messages)
    if not said:
        raise InvalidSetting("messages is empty: say something to the model", setting="messages")
    return ProviderRequest(messages=tuple(said), settings=settings or GenerationSettings(), tools=tuple(tools) or None)
