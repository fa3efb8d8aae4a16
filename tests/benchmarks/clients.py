"""The clients that are compared: each asks one model and calls ``on_text`` with every piece of its answer."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from roci_nb import stream_text, stream_text_sync
from roci_nb.providers.base import Provider
from roci_nb.providers.openai_compatible import OpenAiCompatibleProvider

OnText = Callable[[str], object]
Ask = Callable[[str, OnText], None]
PROMPT = "Why is the sky blue?"
MESSAGES: list[Any] = [{"role": "user", "content": PROMPT}]


@dataclass(frozen=True)
class Client:
    """A client on one of the two wires, and the official one that it is measured by."""

    name: str
    wire: str
    peer: str
    ask: Ask | None
    """None where there is no such client yet."""


def clients(url: str) -> list[Client]:
    """Return the clients, the official ones and the floor among them."""
    sse, native = _roci("SSE", "openai", _compatible(url)), _roci("NDJSON", "ollama", _ollama(url))
    return [
        Client("httpx aiter_raw", "SSE", "openai", _awaited(_bare(url, "/v1/chat/completions"))),
        Client("openai", "SSE", "openai", _awaited(_openai(url))),
        *sse,
        Client("httpx aiter_raw", "NDJSON", "ollama", _awaited(_bare(url, "/api/chat"))),
        Client("ollama", "NDJSON", "ollama", _awaited(_official_ollama(url))),
        *native,
    ]


def _awaited(ask: Callable[[str, OnText], Coroutine[object, object, None]]) -> Ask:
    return lambda model, on_text: asyncio.run(ask(model, on_text))


def _bare(url: str, path: str) -> Callable[[str, OnText], Coroutine[object, object, None]]:
    async def ask(model: str, on_text: OnText) -> None:
        import httpx

        body = {"model": model, "messages": MESSAGES, "stream": True}
        async with (
            httpx.AsyncClient(trust_env=False, timeout=None) as client,
            client.stream("POST", url + path, json=body) as response,
        ):
            async for chunk in response.aiter_raw():
                on_text(chunk.decode())

    return ask


def _openai(url: str) -> Callable[[str, OnText], Coroutine[object, object, None]]:
    async def ask(model: str, on_text: OnText) -> None:
        import openai

        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
            stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
            async for chunk in stream:
                for choice in chunk.choices:
                    if choice.delta.content:
                        on_text(choice.delta.content)

    return ask


def _official_ollama(url: str) -> Callable[[str, OnText], Coroutine[object, object, None]]:
    async def ask(model: str, on_text: OnText) -> None:
        import ollama

        async for part in await ollama.AsyncClient(url).chat(model=model, messages=MESSAGES, stream=True):
            if part.message.content:
                on_text(part.message.content)

    return ask


def _compatible(url: str) -> Callable[[str], Provider]:
    return lambda model: OpenAiCompatibleProvider(model, base_url=url)


def _ollama(url: str) -> Callable[[str], Provider] | None:
    if importlib.util.find_spec("roci_nb.providers.ollama") is None:
        return None
    from roci_nb.providers.ollama import OllamaProvider

    return lambda model: OllamaProvider(model, base_url=url)


def _roci(wire: str, peer: str, provider: Callable[[str], Provider] | None) -> list[Client]:
    def ask_sync(model: str, on_text: OnText) -> None:
        assert provider is not None
        for delta in stream_text_sync(provider(model), PROMPT):
            if delta.text:
                on_text(delta.text)

    async def ask(model: str, on_text: OnText) -> None:
        assert provider is not None
        async for delta in stream_text(provider(model), PROMPT):
            if delta.text:
                on_text(delta.text)

    there = provider is not None
    return [
        Client("roci_nb stream_text", wire, peer, _awaited(ask) if there else None),
        Client("roci_nb stream_text_sync", wire, peer, ask_sync if there else None),
    ]
