"""The chunks of a ``/v1/chat/completions`` answer, to deltas (PROTOCOLS D.3, E and G)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from roci_nb.errors import BadReply, StreamBroken
from roci_nb.providers.framing import ServerSentEvent, SseParser
from roci_nb.providers.harmony import HarmonyText
from roci_nb.providers.server_errors import error_from_reply
from roci_nb.providers.tool_fragments import ToolCallFragments
from roci_nb.types.events import TextStreamDelta
from roci_nb.types.json import float_of, int_of, object_of, objects_of, text_of
from roci_nb.types.progress import Progress
from roci_nb.types.usage import Timing, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator

    from pydantic import JsonValue

    from roci_nb.providers.harmony import HarmonyPiece
    from roci_nb.providers.server_errors import Addressee
    from roci_nb.providers.transport import Reply
    from roci_nb.types.events import FinishReason
    from roci_nb.types.json import JsonObject

_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


DRAIN_LIMIT_S = 0.05
"""How long the last bytes behind the end mark are waited for."""


async def read_reply(reply: Reply, reader: ChatCompletionsReader) -> AsyncIterator[TextStreamDelta]:
    """Read a reply, streamed or whole, to its last delta."""
    events = _streamed(reply, reader) if reply.content_type == "text/event-stream" else _whole(reply)
    async with aclosing(events):
        async for event in events:
            for delta in reader.read(event.data, event=event.event):
                yield delta
    for delta in reader.end():
        yield delta


async def _whole(reply: Reply) -> AsyncGenerator[ServerSentEvent, None]:
    body = await reply.read()
    if "json" not in reply.content_type and not body.lstrip().startswith(b"{"):
        raise reply.not_json(body)
    yield ServerSentEvent(body.decode("utf-8", "replace"))


async def _streamed(reply: Reply, reader: ChatCompletionsReader) -> AsyncGenerator[ServerSentEvent, None]:
    parser = SseParser()
    chunks = reply.chunks()
    async for chunk in chunks:
        for event in parser.feed(chunk):
            yield event
        if reader.done:
            await _drain(chunks)
            return
    for event in parser.close():
        yield event


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read the end behind the end mark, so that the connection can serve again; not at the price of a wait."""
    with contextlib.suppress(TimeoutError, StreamBroken):
        async with asyncio.timeout(DRAIN_LIMIT_S):
            async for _ in chunks:
                pass


class ChatCompletionsReader:
    """Reads the chunks of one answer; it holds only what its end needs.

    ``harmony`` is whether the model speaks it: marks that leak into the text are repaired. ``tools`` are the names
    that were offered. ``hide_reasoning`` drops thoughts that were not asked for; they still count as thinking.
    """

    def __init__(
        self,
        addressee: Addressee,
        *,
        context_window: int | None = None,
        harmony: bool = False,
        tools: Collection[str] = (),
        hide_reasoning: bool = False,
    ) -> None:
        self._addressee = addressee
        self._harmony = HarmonyText() if harmony else None
        self._fragments = ToolCallFragments(tools)
        self._hide_reasoning = hide_reasoning
        self._context_window = context_window
        self._finish: FinishReason | None = None
        self._done = False
        self._usage: Usage | None = None
        self._timing: Timing | None = None

    def read(self, data: str, *, event: str = "message") -> Iterator[TextStreamDelta]:
        """Yield the deltas of one event's data; raises our error for an error that stands in it."""
        if data.strip() == "[DONE]":
            self._done = True
            return
        try:
            chunk = json.loads(data)
        except ValueError:
            if event == "error":
                raise error_from_reply(None, data.encode(), self._addressee) from None
            raise BadReply(f"{self._addressee.name} sent a chunk that is no JSON: look at its log", raw=data) from None
        if not isinstance(chunk, dict):
            return
        if event == "error" or chunk.get("error"):
            raise error_from_reply(None, data.encode(), self._addressee)
        yield from self._read_chunk(chunk)

    def _read_chunk(self, chunk: JsonObject) -> Iterator[TextStreamDelta]:
        self._read_figures(chunk)
        progress = chunk.get("prompt_progress")
        if isinstance(progress, dict):
            yield TextStreamDelta(phase="reading", progress=_prompt_progress(progress))
        for choice in objects_of(chunk.get("choices"))[:1]:
            yield from self._read_choice(choice)

    def _read_choice(self, choice: JsonObject) -> Iterator[TextStreamDelta]:
        # A server that ignored "stream" sends one whole message.
        said = object_of(choice.get("delta") or choice.get("message"))
        reasoning = next((text for name in _REASONING if (text := text_of(said.get(name)))), "")
        if reasoning:
            yield self._thought(reasoning)
        if text := text_of(said.get("content")):
            yield from self._said(text)
        for fragment in objects_of(said.get("tool_calls")):
            self._fragments.add(fragment)
        if reason := text_of(choice.get("finish_reason")):
            self._finish = _FINISH.get(reason, "stop")

    def _read_figures(self, chunk: JsonObject) -> None:
        usage, timings = chunk.get("usage"), chunk.get("timings")
        if isinstance(timings, dict):
            self._timing = _timing(timings)
            self._usage = self._usage or _usage_of_timings(timings)
        if isinstance(usage, dict):
            self._usage = _usage(usage)

    @property
    def done(self) -> bool:
        """Whether the end mark has been read."""
        return self._done

    def _thought(self, reasoning: str) -> TextStreamDelta:
        channel = None if self._harmony is None else "analysis"
        return TextStreamDelta(reasoning="" if self._hide_reasoning else reasoning, channel=channel, phase="thinking")

    def _said(self, text: str) -> Iterator[TextStreamDelta]:
        if self._harmony is None:
            yield TextStreamDelta(text=text, phase="answering")
            return
        yield from self._pieces(self._harmony.feed(text))

    def _pieces(self, pieces: Iterator[HarmonyPiece]) -> Iterator[TextStreamDelta]:
        for piece in pieces:
            if piece.tool is not None:
                self._fragments.add({"id": piece.tool, "function": {"name": piece.tool, "arguments": piece.text}})
            elif piece.channel == "analysis":
                yield self._thought(piece.text)
            else:
                yield TextStreamDelta(text=piece.text, channel=piece.channel or "final", phase="answering")

    def end(self) -> Iterator[TextStreamDelta]:
        """Yield the tool calls, whole, and the last delta; raises ``StreamBroken`` where there was no end mark."""
        if self._harmony is not None:
            yield from self._pieces(self._harmony.close())
        last = self._last()
        calls = self._fragments.calls()
        for call in calls:
            yield TextStreamDelta(tool_call=call, phase="tool")
        yield replace(last, finish_reason="tool_calls") if calls else last

    def _last(self) -> TextStreamDelta:
        if self._finish is None and not self._done:
            raise StreamBroken(
                f"{self._addressee.name} ended the answer without its end mark: look at its log, then run again"
            )
        return TextStreamDelta(
            finish_reason=self._finish or "stop",
            usage=self._usage or Usage(),
            timing=self._timing or Timing(),
            context_window=self._context_window,
        )


_REASONING = ("reasoning_content", "reasoning", "thinking")
"""By server (PROTOCOLS H); where two are sent they say the same."""


def _seconds(milliseconds: JsonValue) -> float | None:
    number = float_of(milliseconds)
    return None if number is None else number / 1000


def _prompt_progress(progress: JsonObject) -> Progress:
    return Progress(
        "reading the prompt", int_of(progress.get("processed")), int_of(progress.get("total")), unit="tokens"
    )


def _usage(usage: JsonObject) -> Usage:
    prompt = object_of(usage.get("prompt_tokens_details"))
    completion = object_of(usage.get("completion_tokens_details"))
    return Usage(
        input_tokens=int_of(usage.get("prompt_tokens")),
        output_tokens=int_of(usage.get("completion_tokens")),
        total_tokens=int_of(usage.get("total_tokens")),
        reasoning_tokens=int_of(completion.get("reasoning_tokens")),
        cached_tokens=int_of(prompt.get("cached_tokens")),
    )


def _usage_of_timings(timings: JsonObject) -> Usage | None:
    cached, read, written = (int_of(timings.get(name)) for name in ("cache_n", "prompt_n", "predicted_n"))
    if read is None:
        return None
    return Usage(input_tokens=(cached or 0) + read, output_tokens=written, cached_tokens=cached)


def _timing(timings: JsonObject) -> Timing:
    speed = float_of(timings.get("predicted_per_second"))
    return Timing(
        prompt_s=_seconds(timings.get("prompt_ms")),
        generation_s=_seconds(timings.get("predicted_ms")),
        tokens_per_second=speed or None,  # 0 where nothing was generated
    )
