"""``/v1/chat/completions`` as both servers have it; ``Dialect`` is where they differ (PROTOCOLS A.12 and D.3)."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.standin.options import checked_options, effort_of, limit_of, sampling_of
from roci_nb.standin.performance import perform
from roci_nb.standin.turn import Figures, Piece, Turn, fitted, without_label
from roci_nb.standin.wire import Call, Fault, Lines, compact, error_text, events
from roci_nb.types.json import int_of, object_of, objects_of, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from pydantic import JsonValue
    from starlette.responses import Response

    from roci_nb.standin.models import StoredModel
    from roci_nb.standin.options import Effort
    from roci_nb.standin.residents import Residents
    from roci_nb.standin.turn import Format
    from roci_nb.types.json import JsonObject

_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "repeat_penalty",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model of that name answers: its name among the residents, and what it is loaded with."""

    resident: str
    model: StoredModel
    window: int
    keep_s: float | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """Whose wire it is."""

    fingerprint: str | None
    """None repeats the model's name."""
    place: Callable[[str, JsonObject], Place]
    """Finds the model that a request names; a fault where there is none."""
    takes_json_object: bool
    truncates: bool


@dataclass(frozen=True, slots=True)
class OpenAiChat:
    """Answers chats in OpenAI's form."""

    residents: Residents
    dialect: Dialect

    async def chat(self, call: Call) -> Response | Lines:
        """Answer ``/v1/chat/completions``."""
        body = call.json()
        messages = objects_of(body.get("messages"))
        place = self.dialect.place(text_of(body.get("model")), body)
        if not messages:
            raise Fault(400, {"error": "[] is too short - 'messages'"})
        turn = _turn(place.model, messages, body, json_object=self.dialect.takes_json_object)
        fingerprint = self.dialect.fingerprint or turn.name
        answer = _Answer(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), turn.name, fingerprint)
        pieces = self._pieces(place, turn)
        if body.get("stream"):
            wants_usage = object_of(body.get("stream_options")).get("include_usage") is True
            return events(answer.chunks(pieces, wants_usage=wants_usage), told=openai_error)
        return _document(await answer.whole(pieces))

    async def _pieces(self, place: Place, turn: Turn) -> AsyncGenerator[Piece | Figures, None]:
        async with self.residents.seat(place.resident, place.model, place.window, place.keep_s) as seat:
            fitting = await fitted(seat.ear, turn, truncate=self.dialect.truncates, shift=True)
            async for piece in perform(seat.ear, fitting):
                yield piece


@dataclass(frozen=True, slots=True)
class _Answer:
    id: str
    created: int
    model: str
    fingerprint: str

    def _frame(self, kind: str, choices: list[JsonValue]) -> JsonObject:
        frame: JsonObject = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**frame, "system_fingerprint": self.fingerprint, "choices": choices}

    def _chunk(self, delta: JsonObject, finish: str | None = None) -> JsonObject:
        choice: JsonObject = {"index": 0, "delta": delta, "finish_reason": finish}
        return self._frame("chat.completion.chunk", [choice])

    async def chunks(
        self, pieces: AsyncGenerator[Piece | Figures, None], *, wants_usage: bool
    ) -> AsyncGenerator[JsonObject, None]:
        role: JsonObject = {"role": "assistant"}
        figures, calls = Figures(), 0
        async for piece in pieces:
            if isinstance(piece, Figures):
                figures = piece
                continue
            delta: JsonObject = {**role, "content": piece.text}
            if piece.thinking:
                delta["reasoning"] = piece.thinking
            if piece.call is not None:
                delta["tool_calls"] = [_call(piece, calls)]
                calls += 1
            role = {}
            yield self._chunk(delta)
        yield self._chunk(role, _finish(figures, calls))
        if wants_usage:
            yield {**self._frame("chat.completion.chunk", []), "usage": _usage(figures)}

    async def whole(self, pieces: AsyncGenerator[Piece | Figures, None]) -> JsonObject:
        figures, text, thinking = Figures(), "", ""
        calls: list[JsonValue] = []
        async for piece in pieces:
            if isinstance(piece, Figures):
                figures = piece
                continue
            text += piece.text
            thinking += piece.thinking
            if piece.call is not None:
                calls.append(_call(piece, len(calls)))
        message: JsonObject = {"role": "assistant", "content": text}
        if thinking:
            message["reasoning"] = thinking
        if calls:
            message["tool_calls"] = calls
        choice: JsonObject = {"index": 0, "message": message, "finish_reason": _finish(figures, len(calls))}
        return {**self._frame("chat.completion", [choice]), "usage": _usage(figures)}


def _finish(figures: Figures, calls: int) -> str:
    return "tool_calls" if calls else "length" if figures.finish == "length" else "stop"


def _usage(figures: Figures) -> JsonObject:
    read, written = figures.usage.input_tokens or 0, figures.usage.output_tokens or 0
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _call(piece: Piece, number: int) -> JsonObject:
    assert piece.call is not None
    function: JsonObject = {"name": piece.call.name, "arguments": json.dumps(piece.call.arguments)}
    return {"id": f"call_{secrets.token_hex(4)}", "index": number, "type": "function", "function": function}


def _turn(model: StoredModel, messages: list[JsonObject], body: JsonObject, *, json_object: bool) -> Turn:
    given = {name: body[name] for name in _SAMPLING if body.get(name) is not None}
    stop = body.get("stop")
    if stop:
        given["stop"] = stop if isinstance(stop, list) else [stop]
    options = {**checked_options(model.parameters), **checked_options(given)}
    limit = int_of(body.get("max_tokens")) or int_of(body.get("max_completion_tokens"))
    if limit is not None:
        options["num_predict"] = limit
    written = [_message(message) for message in (*model.messages, *messages)]
    if model.system and not any(message["role"] == "system" for message in written):
        written.insert(0, {"role": "system", "content": model.system})
    tools = tuple(objects_of(body.get("tools"))) if body.get("tool_choice") != "none" else ()
    if tools and not model.can("tools"):
        raise Fault(400, {"error": f"registry.ollama.ai/library/{model.name} does not support tools"})
    return Turn(
        model=model,
        name=text_of(body.get("model")),
        messages=tuple(written),
        sampling=sampling_of(options),
        limit=limit_of(options),
        effort=_effort(model, body),
        tools=tools,
        format=_format(object_of(body.get("response_format")), json_object=json_object),
    )


def _effort(model: StoredModel, body: JsonObject) -> Effort | None:
    asked = body.get("reasoning_effort") or object_of(body.get("reasoning")).get("effort")
    if not model.can("thinking") or (asked == "none" and not model.is_gpt_oss):
        return None
    known: dict[JsonValue, Effort] = {"minimal": "low", "none": "medium", "xhigh": "high"}
    effort = effort_of(known.get(asked, asked) if isinstance(asked, str) else None)
    return effort if isinstance(effort, str) else "medium"


def _format(wanted: JsonObject, *, json_object: bool) -> Format:
    kind = wanted.get("type")
    if kind == "json_schema":
        return object_of(object_of(wanted.get("json_schema")).get("schema"))
    if kind == "json_object" and json_object:
        return "json"
    if kind in (None, "text"):
        return None
    raise Fault(400, {"error": "'response_format.type' must be 'json_schema' or 'text'"})


def _message(message: JsonObject) -> JsonObject:
    role, content = text_of(message.get("role")), message.get("content")
    if any(part.get("type") not in ("text", "input_text", None) for part in objects_of(content)):
        raise Fault(400, {"error": "image input is not supported: the model has no vision"})
    text = "".join(text_of(part.get("text")) for part in objects_of(content)) or text_of(content)
    written: JsonObject = {"role": "system" if role == "developer" else role, "content": text}
    if role == "assistant":
        written["content"] = without_label(text)
        thought = text_of(message.get("reasoning")) or text_of(message.get("reasoning_content"))
        if thought := without_label(thought):
            written["reasoning_content"] = thought
        if calls := objects_of(message.get("tool_calls")):
            written["tool_calls"] = list(calls)
    if role == "tool":
        written["tool_call_id"] = text_of(message.get("tool_call_id"))
    return written


def openai_error(fault: Fault) -> JsonObject:
    """Write a fault in OpenAI's form."""
    kinds = {400: "invalid_request_error", 404: "not_found_error"}
    inner: JsonObject = {"message": error_text(fault.body), "type": kinds.get(fault.status, "api_error")}
    return {"error": {**inner, "param": None, "code": None}}


def openai_refusal(fault: Fault) -> Response:
    """Refuse in OpenAI's form."""
    return _document(openai_error(fault), fault.status)


def _document(value: JsonValue, status: int = 200) -> Response:
    from starlette.responses import Response

    return Response(compact(value) + b"\n", status, media_type="application/json")
