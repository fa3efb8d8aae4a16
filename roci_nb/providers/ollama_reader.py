"""The lines of an ``/api/chat`` answer, to deltas (PROTOCOLS A.2, A.8 and C.5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roci_nb.errors import BadReply, StreamBroken
from roci_nb.providers.harmony import HarmonyText, clean_tool_name, parse_arguments
from roci_nb.providers.server_errors import complaint_of, error_from_reply
from roci_nb.types.events import GenerationWarning, TextStreamDelta
from roci_nb.types.json import int_of, object_of, objects_of, parse_json, text_of
from roci_nb.types.tools import ToolCall
from roci_nb.types.usage import Timing, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roci_nb.providers.harmony import HarmonyPiece
    from roci_nb.providers.server_errors import Addressee
    from roci_nb.types.json import JsonObject
    from roci_nb.types.tools import ToolDefinition

_BROKEN_CALL = re.compile(r"error parsing tool call: raw='(?P<raw>.*)', err=", re.DOTALL)
REPAIRED = GenerationWarning("the model's tool call was broken JSON; it was repaired from its raw text")


class OllamaReader:
    """Reads the lines of one answer; it holds only what its end needs."""

    def __init__(
        self,
        addressee: Addressee,
        *,
        harmony: bool,
        tools: Sequence[ToolDefinition] = (),
        hide_reasoning: bool = False,
    ) -> None:
        self._addressee = addressee
        self._harmony = HarmonyText() if harmony else None
        self._tools = tools
        self._hide_reasoning = hide_reasoning
        self._leaked: dict[str, str] = {}
        self._calls = 0
        self.last: TextStreamDelta | None = None
        """The last delta, once it has been read."""

    def read(self, line: bytes) -> Iterator[TextStreamDelta]:
        """Yield the deltas of one line, all but the last delta; raises our error for an error that stands in it."""
        text = line.decode("utf-8", "replace").strip()
        if not text:
            return
        try:
            chunk = parse_json(text)
        except ValueError:
            raise BadReply(
                f"{self._addressee.name} sent a line that is no JSON: look at its log", raw=self._addressee.redact(text)
            ) from None
        if not isinstance(chunk, dict) or "error" in chunk:
            yield from self._read_error(text)
            return
        message = object_of(chunk.get("message"))
        if thought := text_of(message.get("thinking")):
            yield self._thought(thought)
        if said := text_of(message.get("content")):
            yield from self._said(said)
        for call in objects_of(message.get("tool_calls")):
            function = object_of(call.get("function"))
            name, call_id = text_of(function.get("name")), text_of(call.get("id"))
            yield self._call(name, object_of(function.get("arguments")), call_id)
        if chunk.get("done") is True:
            yield from self._end(chunk)

    def _thought(self, thought: str) -> TextStreamDelta:
        channel = None if self._harmony is None else "analysis"
        return TextStreamDelta(reasoning="" if self._hide_reasoning else thought, channel=channel, phase="thinking")

    def _said(self, text: str) -> Iterator[TextStreamDelta]:
        if self._harmony is None:
            yield TextStreamDelta(text=text, phase="answering")
        else:
            yield from self._pieces(self._harmony.feed(text))

    def _pieces(self, pieces: Iterator[HarmonyPiece]) -> Iterator[TextStreamDelta]:
        for piece in pieces:
            if piece.tool is not None:
                self._leaked[piece.tool] = self._leaked.get(piece.tool, "") + piece.text
            elif piece.channel == "analysis":
                yield self._thought(piece.text)
            else:
                yield TextStreamDelta(text=piece.text, channel=piece.channel or "final", phase="answering")

    def _call(self, name: str, arguments: JsonObject, call_id: str = "") -> TextStreamDelta:
        names = [tool.name for tool in self._tools]
        call = ToolCall(name=clean_tool_name(name, names), arguments=arguments, id=call_id or f"call_{self._calls}")
        self._calls += 1
        return TextStreamDelta(tool_call=call, phase="tool")

    def _end(self, chunk: JsonObject) -> Iterator[TextStreamDelta]:
        if self._harmony is not None:
            yield from self._pieces(self._harmony.close())
        for name, raw in self._leaked.items():
            yield self._call(name, parse_arguments(raw, name))
        reason = "length" if chunk.get("done_reason") == "length" else "stop"
        self.last = TextStreamDelta(
            finish_reason="tool_calls" if self._calls else "length" if reason == "length" else "stop",
            usage=_usage(chunk),
            timing=_timing(chunk),
        )

    def _read_error(self, text: str) -> Iterator[TextStreamDelta]:
        repaired = self.repair(text)
        if repaired is None:
            raise error_from_reply(None, text.encode(), self._addressee)
        yield repaired

    def repair(self, error_body: str) -> TextStreamDelta | None:
        """Return the call that Ollama could not parse, if the error is that; raises ``BadReply`` with its raw text.

        The error ends the answer, so this prepares the last delta too. It does not say which tool was meant: the
        arguments must fit one that was offered.
        """
        match = _BROKEN_CALL.search(complaint_of(error_body).text)
        if match is None:
            return None
        raw = match["raw"]
        arguments = parse_arguments(raw, "")
        fitting = [tool.name for tool in self._tools if _fits(arguments, tool)]
        if len(fitting) != 1:
            raise BadReply("the model's tool call was broken, and its tool can't be told: ask again", raw=raw)
        self.last = TextStreamDelta(finish_reason="tool_calls", usage=Usage(), timing=Timing(), warnings=(REPAIRED,))
        return self._call(fitting[0], arguments)

    def end(self) -> TextStreamDelta:
        """Return the last delta; raises ``StreamBroken`` where the stream had none."""
        if self.last is None:
            name = self._addressee.name
            raise StreamBroken(f"{name} ended the answer without its end mark: look at its log, then run again")
        return self.last


def _fits(arguments: JsonObject, tool: ToolDefinition) -> bool:
    properties = object_of(tool.parameters.get("properties"))
    required = tool.parameters.get("required")
    return set(arguments) <= set(properties) and all(
        name in arguments for name in (required if isinstance(required, list) else ())
    )


def _usage(chunk: JsonObject) -> Usage:
    return Usage(input_tokens=int_of(chunk.get("prompt_eval_count")), output_tokens=int_of(chunk.get("eval_count")))


def _timing(chunk: JsonObject) -> Timing:
    generation_s, written = _seconds(chunk, "eval_duration"), int_of(chunk.get("eval_count"))
    return Timing(
        load_s=_seconds(chunk, "load_duration"),
        prompt_s=_seconds(chunk, "prompt_eval_duration"),
        generation_s=generation_s,
        tokens_per_second=written / generation_s if written and generation_s else None,
    )


def _seconds(chunk: JsonObject, name: str) -> float | None:
    nanoseconds = int_of(chunk.get(name))
    return None if nanoseconds is None else nanoseconds / 1e9
