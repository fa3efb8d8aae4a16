"""The small models that truly answer: their files, their engines, and one question to one of them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from roci_nb.local.engine import engine_for
from roci_nb.local.gguf import GgufHeader, read_header, trained_window
from roci_nb.local.weights import (
    PACKAGED,
    WEIGHTS,
    cached_path,
    fetch_weights,
    longest_answer,
    stored_path,
)
from roci_nb.providers.chat_reader import ChatCompletionsReader, read_reply
from roci_nb.providers.chat_request import PATH
from roci_nb.providers.server_errors import Addressee
from roci_nb.providers.transport import Endpoint
from roci_nb.types.base_url import BaseUrl
from roci_nb.types.json import int_of, object_of, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from pathlib import Path

    from roci_nb.local.engine import Engine
    from roci_nb.local.weights import Weights
    from roci_nb.types.events import TextStreamDelta
    from roci_nb.types.json import JsonObject
    from roci_nb.types.progress import Progress


@dataclass(frozen=True, slots=True)
class Speaker:
    """A model file with a name; ``weights`` where it has to be fetched first."""

    name: str
    path: Path
    parameters: str
    quantization: str
    license: str
    weights: Weights | None = None

    @property
    def size(self) -> int:
        """In bytes, of the file."""
        if self.weights is not None:
            return self.weights.size
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def header(self) -> GgufHeader:
        """What the file tells of itself; empty until it is there."""
        return read_header(self.path) or GgufHeader()

    @property
    def trained_window(self) -> int | None:
        """The most tokens that it was trained to see."""
        return trained_window(self.path)

    async def fetch(self) -> AsyncGenerator[Progress, None]:
        """Fetch the file where it is not there yet."""
        if self.weights is not None and cached_path(self.weights) is None:
            async for step in fetch_weights(self.weights):
                yield step

    @asynccontextmanager
    async def engine(self, window: int | None) -> AsyncIterator[Engine]:
        """Hold the engine, with a window in tokens; None takes whatever runs."""
        async for _ in self.fetch():
            pass
        limit = longest_answer(self.path)
        async with engine_for(self.path, alias=self.name, window=window, longest_answer=limit) as engine:
            yield engine


@lru_cache(1)
def prose_speaker() -> Speaker:
    """Return SmolLM2, which writes prose about anything."""
    weights = WEIGHTS["smollm2-135m"]
    return Speaker(weights.name, stored_path(weights), "134.52M", "Q4_1", weights.license, weights)


@lru_cache(1)
def nano_speaker() -> Speaker:
    """Return the nano, which thinks in levels, calls tools and knows a few things."""
    nano = PACKAGED["gpt-oss-nano"]
    return Speaker(nano.name, nano.path, "496K", "F16", nano.license)


def own_speaker(name: str, path: Path) -> Speaker:
    """Return a user's own model file."""
    header = read_header(path) or GgufHeader()
    return Speaker(name, path, header.parameters or "", header.file_type or "unknown", "")


@dataclass(frozen=True, slots=True)
class Ear:
    """One engine to ask."""

    engine: Engine

    @property
    def _endpoint(self) -> Endpoint:
        alias, address = self.engine.alias, self.engine.address
        addressee = Addressee(
            name=f"the engine of {alias}",
            model_id=alias,
            how_to_start="Ask again: it starts by itself",
            how_to_get="Name a model that the stand-in has",
        )
        url = BaseUrl.parse(address.base_url)
        return Endpoint.with_key(url, addressee, key=address.api_key, headers=None, timeouts=None)

    async def answers(
        self, messages: Sequence[JsonObject], sampling: JsonObject, tools: Sequence[JsonObject] = ()
    ) -> AsyncGenerator[TextStreamDelta, None]:
        """Stream an answer; raises our errors. ``sampling`` goes to llama.cpp as it is."""
        names = [text_of(object_of(tool.get("function")).get("name")) for tool in tools]
        reader = ChatCompletionsReader(
            self._endpoint.addressee,
            context_window=self.engine.address.window,
            harmony=self.engine.alias == nano_speaker().name,
            tools=names,
        )
        body: JsonObject = {"messages": list(messages), "stream": True, "stream_options": {"include_usage": True}}
        body |= {name: value for name, value in sampling.items() if value is not None}
        if tools:
            body["tools"] = list(tools)
        async with self._endpoint.open("POST", PATH, body) as reply:
            async for delta in read_reply(reply, reader):
                yield delta

    async def count(self, messages: Sequence[JsonObject]) -> int:
        """Count a prompt's tokens."""
        counted = await self._endpoint.post_json(f"{PATH}/input_tokens", {"messages": list(messages)})
        return int_of(object_of(counted).get("input_tokens")) or 0

    async def rendered(self, messages: Sequence[JsonObject], tools: Sequence[JsonObject]) -> str:
        """Return the prompt as the model reads it."""
        body: JsonObject = {"messages": list(messages)}
        if tools:
            body["tools"] = list(tools)
        return text_of(object_of(await self._endpoint.post_json("/apply-template", body)).get("prompt"))

    async def tokens(self, text: str) -> list[int]:
        """Return a text's tokens."""
        answer = object_of(await self._endpoint.post_json("/tokenize", {"content": text}))
        tokens = answer.get("tokens")
        return [token for token in tokens if isinstance(token, int)] if isinstance(tokens, list) else []

    async def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        answer = await self._endpoint.post_json("/detokenize", {"tokens": list(tokens)})
        return text_of(object_of(answer).get("content"))
