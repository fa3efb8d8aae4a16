"""The chunks of a ``/v1/chat/completions`` answer, to deltas (PROTOCOLS D.3, E and G)."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from roci_nb.errors import BadReply, StreamBroken
from roci_nb.markup.strings import clip
from roci_nb.providers.framing import ServerSentEvent, SseParser
from roci_nb.providers.harmony import HarmonyText
from roci_nb.providers.server_errors import error_from_reply
from roci_nb.providers.tool_fragments import ToolCallFragments
from roci_nb.types.events import GenerationWarning, TextStreamDelta
from roci_nb.types.json import float_of, int_of, object_of, objects_of, parse_json, text_of
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

_ENDS_WELL = ("eos", "eos_found", "eosFound", "end_turn", "stop_sequence", "stopStringFound", "function_call")
_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


_FIELDS = (b"event:", b"data:", b"error:", b"id:", b"retry:", b":")
DRAIN_LIMIT_S = 0.05
"""How long the last bytes behind the end mark are waited for."""


async def read_reply(reply: Reply, reader: ChatCompletionsReader) -> AsyncIterator[TextStreamDelta]:
    """Read a reply, streamed or whole, to its last delta."""
    try:
        async with aclosing(_events(reply, reader)) as events:
            async for event in events:
                for delta in reader.read(event.data, event=event.event):
                    yield delta
    except StreamBroken:
        if not reader.finished:
            raise  # else the answer is whole, and only the connection's end was rude
    for delta in reader.end():
        yield delta


async def _events(reply: Reply, reader: ChatCompletionsReader) -> AsyncGenerator[ServerSentEvent, None]:
    """Read a stream of events, or one document; where the type does not say which, the first bytes do."""
    chunks = reply.chunks()
    begun = b""
    while len(begun.lstrip()) < len(_FIELDS[0]) and (chunk := await anext(chunks, b"")):
        begun += chunk
    if reply.content_type != "text/event-stream" and not begun.lstrip().startswith(_FIELDS):
        body = begun + b"".join([chunk async for chunk in chunks])
        if "json" not in reply.content_type and not body.lstrip().startswith(b"{"):
            raise reply.not_json(body)
        yield ServerSentEvent(body.decode("utf-8", "replace"))
        return
    async for event in _streamed(begun, chunks, reader):
        yield event


async def _streamed(
    begun: bytes, chunks: AsyncIterator[bytes], reader: ChatCompletionsReader
) -> AsyncGenerator[ServerSentEvent, None]:
    parser = SseParser()
    for event in parser.feed(begun):
        yield event
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
            chunk = parse_json(data)
        except ValueError:
            if event == "error":
                raise error_from_reply(None, data.encode(), self._addressee) from None
            raise self._bad_reply("no JSON", data) from None
        if not isinstance(chunk, dict):
            raise self._bad_reply("no object", data)
        if event == "error" or chunk.get("error"):
            raise error_from_reply(None, data.encode(), self._addressee)
        yield from self._read_chunk(chunk)

    def _bad_reply(self, what: str, data: str) -> BadReply:
        name = self._addressee.name
        return BadReply(f"{name} sent a chunk that is {what}: look at its log", raw=self._addressee.redact(data))

    def _read_chunk(self, chunk: JsonObject) -> Iterator[TextStreamDelta]:
        self._read_figures(chunk)
        progress = chunk.get("prompt_progress")
        if isinstance(progress, dict):
            yield TextStreamDelta(phase="reading", progress=_prompt_progress(progress))
        for choice in objects_of(chunk.get("choices")):
            if not choice.get("index"):  # of several answers the first one is read
                yield from self._read_choice(choice)

    def _read_choice(self, choice: JsonObject) -> Iterator[TextStreamDelta]:
        # A server that ignored "stream" sends one whole message.
        said = object_of(choice.get("delta") or choice.get("message"))
        reasoning = next((text for name in _REASONING if (text := text_of(said.get(name)))), "")
        if reasoning:
            yield self._thought(reasoning)
        if text := _text_of_content(said.get("content")) or text_of(said.get("refusal")):
            yield from self._said(text)
        for fragment in objects_of(said.get("tool_calls")):
            self._fragments.add(fragment)
        if reason := text_of(choice.get("finish_reason")):
            if reason not in _FINISH and reason not in _ENDS_WELL:
                told = f"the server ended the answer for a reason of its own: {clip(reason, 60)}"
                yield TextStreamDelta(warnings=(GenerationWarning(told),))
            self._finish = _FINISH.get(reason, "stop")

    def _read_figures(self, chunk: JsonObject) -> None:
        usage, timings = chunk.get("usage"), chunk.get("timings")
        if isinstance(timings, dict):
            self._timing = _timing(timings)
            self._usage = self._usage or _usage_of_timings(timings)
        if isinstance(usage, dict):
            self._usage = _usage(usage)

    @property
    def finished(self) -> bool:
        """Whether the reason of the end has been read: the answer is whole."""
        return self._finish is not None

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


def _text_of_content(content: JsonValue) -> str:
    """Read a text, or a list of parts, as a few servers send it."""
    if isinstance(content, list):
        return "".join(text_of(part.get("text")) for part in objects_of(content))
    return text_of(content)


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
