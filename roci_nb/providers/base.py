"""The base of providers: one event model, on one loop."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast

from roci_nb.errors import ModelNotFound, StreamBroken, Unsupported
from roci_nb.loop import hop, iterate_on_loop, on_background_loop
from roci_nb.markup.strings import nearest
from roci_nb.types.events import GenerationWarning, TextStreamDelta
from roci_nb.types.model_info import ModelInfo, ModelList
from roci_nb.types.models import LanguageModel
from roci_nb.types.requests import TokenCount
from roci_nb.types.usage import Timing, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from roci_nb.types.requests import ProviderRequest, RequestPreview

SHORTEST_SPAN_S = 0.1
"""Over less than this, the speed of an answer that was not timed by its server is not told."""
CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English text; a count made with it is marked as an estimate."""
IMAGE_TOKENS = 256
"""What Gemma 3 makes of any image (its vision encoder gives 256 vectors); others take more, up to thousands."""


class Provider(ABC):
    """Base to implement: ``provider_key`` and ``_stream_text`` are all that a provider must have.

    The public methods do their work on roci_nb's own loop, whoever awaits; the hooks, named with an underscore, are
    plain async code and may be tested on any loop. A provider keeps no state of an answer and needs no closing.

    ``_stream_text`` yields deltas and ends with exactly one that has ``finish_reason``. What it leaves out there is
    filled in: times that can be measured from outside, and empty ``Usage`` and ``Timing``.
    """

    provider_key: ClassVar[str]

    def __init__(self, model_id: str) -> None:
        self.model = LanguageModel(provider_key=self.provider_key, model_id=str(model_id))

    @property
    def host(self) -> str | None:
        """The host that requests go to where that is not this machine; None where nothing leaves it."""
        return None

    def stream_text(self, request: ProviderRequest) -> AsyncIterator[TextStreamDelta]:
        """Stream the answer to a request: deltas, the last of which has ``finish_reason``, usage and timing."""
        if on_background_loop():
            return self._whole_stream(request)
        return iterate_on_loop(lambda: self._whole_stream(request))

    async def count_tokens(self, request: ProviderRequest) -> TokenCount:
        """Count the prompt's tokens: by the server where it can, estimated here otherwise."""
        return await hop(lambda: self._count_tokens(request))

    async def preview(self, request: ProviderRequest) -> RequestPreview:
        """Return what would be sent, keys redacted; the model is not asked."""
        return await hop(lambda: self._preview(request))

    async def list_models(self) -> ModelList:
        """Return the models that the server has."""
        return await hop(self._list_models)

    async def model_info(self) -> ModelInfo:
        """Return what the server tells of this model; raises ``ModelNotFound``."""
        return await hop(self._model_info)

    async def running(self) -> ModelList:
        """Return the models that are loaded now, with their loaded windows."""
        return await hop(self._running)

    async def load(self, *, num_ctx: int | None = None) -> ModelInfo:
        """Load this model, with a window of ``num_ctx`` tokens where that is asked; returns it as it is loaded."""
        return await hop(lambda: self._load(num_ctx))

    async def unload(self) -> None:
        """Free the memory that this model takes."""
        await hop(self._unload)

    @property
    def takes_begun_answers(self) -> bool:
        """Whether a last assistant message is gone on with, instead of answered."""
        return False

    @abstractmethod
    def _stream_text(self, request: ProviderRequest) -> AsyncIterator[TextStreamDelta]:
        """Yield the answer's deltas: an async generator."""

    async def _count_tokens(self, request: ProviderRequest) -> TokenCount:
        return estimate_tokens(request)

    async def _preview(self, request: ProviderRequest) -> RequestPreview:
        del request
        raise self._unsupported("show its requests")

    async def _list_models(self) -> ModelList:
        raise self._unsupported("list its models")

    async def _model_info(self) -> ModelInfo:
        models = await self._list_models()
        for info in models:
            if info.model.model_id == self.model.model_id:
                return info
        installed = [info.model.model_id for info in models]
        near = nearest(self.model.model_id, installed)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(installed) or 'none'}"
        raise ModelNotFound(
            f"{self.provider_key} has no model {self.model.model_id!r}: {hint}",
            model=self.model.model_id,
            installed=installed,
            nearest=near,
        )

    async def _running(self) -> ModelList:
        return ModelList(info for info in await self._list_models() if info.loaded)

    async def _load(self, num_ctx: int | None) -> ModelInfo:
        del num_ctx
        raise self._unsupported("load models")

    async def _unload(self) -> None:
        raise self._unsupported("unload models")

    def _unsupported(self, what: str) -> Unsupported:
        return Unsupported(f"the {self.provider_key} provider can't {what}: do it where the server runs", feature=what)

    async def _whole_stream(self, request: ProviderRequest) -> AsyncIterator[TextStreamDelta]:
        started = time.perf_counter()
        first: float | None = None
        latest = started
        parts = _Parts()
        stream = cast("AsyncGenerator[TextStreamDelta, None]", self._stream_text(request))
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                delta = parts.told_apart(delta)  # noqa: PLW2901 - the same delta, with its paragraph's break
                if delta.text or delta.reasoning or delta.tool_call:
                    latest = time.perf_counter()
                    first = latest if first is None else first
                if delta.finish_reason is not None:
                    yield _timed(delta, started, first, latest)
                    return
                yield delta
        raise StreamBroken(
            f"the answer of {self.model} ended without its end mark: run again, or look at the server's log"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model.model_id!r})"


class _Parts:
    """Sets the messages of one answer apart: a word before a tool call or a further thought is no part of the next."""

    def __init__(self) -> None:
        self._end = ""
        self._channel: str | None = None
        self._interrupted = False

    def told_apart(self, delta: TextStreamDelta) -> TextStreamDelta:
        """Begin a paragraph with the first text of a further message."""
        text = delta.text
        if not text:
            self._interrupted |= bool(delta.reasoning or delta.tool_call or delta.phase == "thinking")
            return delta
        is_further = self._end and (self._interrupted or delta.channel != self._channel)
        if is_further and not (self._end.endswith("\n") or text.startswith("\n")):
            delta = replace(delta, text=f"\n\n{text}")
        self._end, self._channel, self._interrupted = text, delta.channel, False
        return delta


def _timed(last: TextStreamDelta, started: float, first: float | None, latest: float) -> TextStreamDelta:
    """Complete the last delta with what is measured from outside; the server's own figures stand."""
    now = time.perf_counter()
    usage, timing = last.usage or Usage(), last.timing or Timing()
    if timing.first_token_s is None and first is not None:
        timing = replace(timing, first_token_s=first - started)
    if timing.total_s is None:
        timing = replace(timing, total_s=now - started)
    written = usage.output_tokens or 0
    if timing.tokens_per_second is None and first is not None and written > 1 and latest - first > SHORTEST_SPAN_S:
        # The first token came before the span; an answer in one piece has no speed that could be seen from here.
        timing = replace(timing, tokens_per_second=(written - 1) / (latest - first), approximate=True)
    return replace(last, usage=usage, timing=timing)


def estimate_tokens(request: ProviderRequest) -> TokenCount:
    """Estimate a prompt's tokens from its characters; four more a message for its frame, ``IMAGE_TOKENS`` an image.

    Tools and calls count as the JSON they are sent as; a server's template may write them shorter.
    """
    messages = request.messages
    characters = sum(len(message.text) + len(message.reasoning) for message in messages)
    calls = [call.model_dump_json() for message in messages for call in message.tool_calls]
    tools = [tool.model_dump_json() for tool in request.tools or ()]
    characters += sum(map(len, (*calls, *tools)))
    images = sum(len(message.images) for message in messages)
    n = characters // CHARACTERS_PER_TOKEN + 4 * len(messages) + IMAGE_TOKENS * images
    return TokenCount(n, exact=False)


def unused_fields(request: ProviderRequest) -> tuple[GenerationWarning, ...]:
    """Warn of the opaque fields, for a provider that has no use for them."""
    return tuple(
        GenerationWarning(f"{name} is not used by this provider", setting=name)
        for name in ("session_id", "transport")
        if getattr(request, name) is not None
    )
