"""A provider that says what it is told to: no model, no server. For tests, and to try what shows answers."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, TypeAlias

from roci_nb.providers.base import Provider
from roci_nb.types.events import TextStreamDelta
from roci_nb.types.model_info import ModelInfo, ModelList
from roci_nb.types.requests import RequestPreview

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from pydantic import JsonValue

    from roci_nb.config import RociConfig
    from roci_nb.types.requests import ProviderRequest

ScriptedReply: TypeAlias = "str | Sequence[TextStreamDelta] | Exception"

_WORDS = re.compile(r"\s*\S+|\s+")


class ScriptedProvider(Provider):
    """Answers each request with the next of ``replies``, and with the last one from then on.

    A reply is a text (it comes word by word), the deltas themselves, or an error to raise. Without replies the answer
    repeats the last message. ``pause_s`` seconds pass before each delta. ``requests`` holds what was asked. Nothing is
    counted: its usage is unknown. ``"scripted:echo"`` is its selector.
    """

    provider_key = "scripted"

    def __init__(
        self,
        model: str = "echo",
        *,
        replies: Sequence[ScriptedReply] = (),
        pause_s: float = 0.0,
        config: RociConfig | None = None,
    ) -> None:
        del config
        super().__init__(model)
        self.requests: list[ProviderRequest] = []
        self._replies = tuple(replies)
        self._pause_s = pause_s

    async def _stream_text(self, request: ProviderRequest) -> AsyncIterator[TextStreamDelta]:
        self.requests.append(request)
        reply = self._reply(request)
        if isinstance(reply, Exception):
            raise reply
        deltas = _spoken(reply) if isinstance(reply, str) else tuple(reply)
        for delta in deltas:
            if self._pause_s:
                await asyncio.sleep(self._pause_s)
            yield delta
        if not any(delta.finish_reason for delta in deltas):
            yield TextStreamDelta(finish_reason="stop")

    def _reply(self, request: ProviderRequest) -> ScriptedReply:
        if not self._replies:
            return request.messages[-1].text
        return self._replies[min(len(self.requests), len(self._replies)) - 1]

    async def _preview(self, request: ProviderRequest) -> RequestPreview:
        messages: list[JsonValue] = [{"role": one.role, "content": one.text} for one in request.messages]
        return RequestPreview("SAY", str(self.model), (), {"messages": messages})

    async def _list_models(self) -> ModelList:
        return ModelList([ModelInfo(self.model, loaded=True, about="says what it is told to; no model")])


def _spoken(text: str) -> tuple[TextStreamDelta, ...]:
    return tuple(TextStreamDelta(text=word, phase="answering") for word in _WORDS.findall(text))
