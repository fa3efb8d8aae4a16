"""Ollama's ``/api/chat`` and ``/api/generate`` (PROTOCOLS A.2, A.3)."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roci_nb.standin.models import DEFAULT_WINDOW, Shelf, StoredModel, is_name
from roci_nb.standin.options import (
    checked_options,
    effort_of,
    format_of,
    keep_alive_of,
    limit_of,
    sampling_of,
    top_logprobs_checked,
    window_of,
)
from roci_nb.standin.performance import perform
from roci_nb.standin.speakers import nano_speaker
from roci_nb.standin.turn import Figures, Piece, Turn, checked_capabilities, fitted, without_label
from roci_nb.standin.wire import Call, Fault, Lines, document, ndjson, now_text
from roci_nb.types.json import object_of, objects_of, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from pydantic import JsonValue
    from starlette.responses import Response

    from roci_nb.standin.options import Effort
    from roci_nb.standin.residents import Residents, Seat
    from roci_nb.types.json import JsonObject


@dataclass(frozen=True, slots=True)
class OllamaChat:
    """Answers by the models of one shelf."""

    shelf: Shelf
    residents: Residents

    async def chat(self, call: Call) -> Response | Lines:
        """Answer ``/api/chat``."""
        body = call.json()
        return await self._answer(body, objects_of(body.get("messages")), _chat_message)

    async def generate(self, call: Call) -> Response | Lines:
        """Answer ``/api/generate``: a chat of one message, in other fields."""
        body = call.json()
        if body.get("raw"):
            if any(body.get(name) for name in ("template", "system", "context")):
                raise Fault(400, {"error": "raw mode does not support template, system, or context"})
            raise Fault(400, {"error": "the stand-in has no raw mode: send the prompt without raw"})
        if body.get("suffix"):
            raise Fault(400, {"error": f"{_registry_name(text_of(body.get('model')))} does not support insert"})
        messages: list[JsonObject] = []
        if system := text_of(body.get("system")):
            messages.append({"role": "system", "content": system})
        prompt, images = text_of(body.get("prompt")), body.get("images")
        if prompt or images:
            messages.append({"role": "user", "content": prompt, "images": images})
        return await self._answer(body, messages if prompt or images else [], _generated)

    async def _answer(
        self, body: JsonObject, messages: list[JsonObject], shape: Callable[[Piece], JsonObject]
    ) -> Response | Lines:
        keep_s = keep_alive_of(body.get("keep_alive"))
        effort_of(body.get("think"))  # a wrong one is told before all else
        top_logprobs_checked(body.get("top_logprobs"))
        name = text_of(body.get("model"))
        model = found_model(self.shelf, name)
        if not messages and keep_s == 0:
            await self.residents.unload(model.name)
            return document({**_frame(name, shape(Piece())), "done": True, "done_reason": "unload"})
        options = {**checked_options(model.parameters), **checked_options(body.get("options"))}
        turn = _turn(model, messages, options, body)
        checked_capabilities(turn, body.get("think") not in (None, False), _registry_name(model.name))
        window = window_of(options) or DEFAULT_WINDOW
        asked = _Asked(turn, window, keep_s, shape, body)
        if not messages:
            async with self.residents.seat(model.name, model, window, keep_s):
                return document({**_frame(name, shape(Piece())), "done": True, "done_reason": "load"})
        if body.get("_debug_render_only"):
            return await self._rendered(asked)
        chunks = self._chunks(asked)
        if body.get("stream") is False:
            return document(await _whole(chunks))
        return ndjson(chunks)

    async def _chunks(self, asked: _Asked) -> AsyncGenerator[JsonObject, None]:
        began = time.perf_counter()
        turn, body = asked.turn, asked.body
        calls: list[JsonValue] = []
        figures = Figures()
        async with self.residents.seat(turn.model.name, turn.model, asked.window, asked.keep_s) as seat:
            turn = await fitted(
                seat.ear, turn, truncate=body.get("truncate") is not False, shift=body.get("shift") is not False
            )
            async for piece in perform(seat.ear, turn):
                if isinstance(piece, Figures):
                    figures = replace(piece, load_s=seat.load_s)
                elif piece.call is not None:
                    calls.append(_call(piece, len(calls)))
                else:
                    yield {**_frame(turn.name, asked.shape(piece)), "done": False}
        last = asked.shape(Piece())
        if calls:
            _with_calls(last, calls)
        yield {**_frame(turn.name, last), **_end(figures, time.perf_counter() - began)}

    async def _rendered(self, asked: _Asked) -> Response:
        turn = asked.turn
        async with self.residents.seat(turn.model.name, turn.model, asked.window, asked.keep_s) as seat:
            text = await _prompt(seat, turn)
        empty: JsonObject = {"message": {"role": "", "content": ""}}
        return document({**_frame(turn.name, empty), "done": False, "_debug_info": {"rendered_template": text}})


@dataclass(frozen=True, slots=True)
class _Asked:
    turn: Turn
    window: int
    keep_s: float | None
    shape: Callable[[Piece], JsonObject]
    body: JsonObject


async def _prompt(seat: Seat, turn: Turn) -> str:
    if turn.model.is_gpt_oss and turn.model.helped:
        from roci_nb.standin.speakers import Ear

        async with nano_speaker().engine(None) as engine:
            return await Ear(engine).rendered(turn.messages, turn.tools)
    return await seat.ear.rendered(turn.messages, turn.tools)


def found_model(shelf: Shelf, name: str) -> StoredModel:
    """Return a model, or refuse as Ollama does."""
    if not name:
        raise Fault(400, {"error": "model is required"})
    if not is_name(name):
        raise Fault(400, {"error": "invalid model name"})
    model = shelf.find(name)
    if model is None:
        raise Fault(404, {"error": f"model '{name}' not found"})
    return model


def _turn(model: StoredModel, messages: list[JsonObject], options: JsonObject, body: JsonObject) -> Turn:
    think = effort_of(body.get("think"))
    wanted = format_of(body.get("format"))
    given = [_message(message) for message in (*model.messages, *messages)]
    if model.system and not any(message["role"] == "system" for message in given):
        given.insert(0, {"role": "system", "content": model.system})
    return Turn(
        model=model,
        name=text_of(body.get("model")),
        messages=tuple(given),
        sampling=sampling_of(options),
        limit=limit_of(options),
        effort=_effort(model, think),
        tools=tuple(objects_of(body.get("tools"))),
        format=wanted,
        typed_blindly=model.is_gpt_oss and think is False and wanted is not None,
    )


def _effort(model: StoredModel, think: Effort | bool | None) -> Effort | None:
    """Map ``think``: unset is on where the model thinks, and gpt-oss thinks whatever it is told."""
    if not model.can("thinking") or (think is False and not model.is_gpt_oss):
        return None
    return think if isinstance(think, str) else "medium"


def _message(message: JsonObject) -> JsonObject:
    """Write a message as OpenAI has it."""
    role = text_of(message.get("role")).lower()
    written: JsonObject = {"role": role, "content": text_of(message.get("content"))}
    if message.get("images"):
        inner = {
            "code": 400,
            "message": "Multimodal data provided, but model does not support multimodal requests.",
            "type": "invalid_request_error",
        }
        raise Fault(400, {"error": json.dumps({"error": inner}, separators=(",", ":"))})
    if role == "assistant":
        written["content"] = without_label(text_of(message.get("content")))
        if thinking := without_label(text_of(message.get("thinking"))):
            written["reasoning_content"] = thinking
    calls = [_sent_call(call, number) for number, call in enumerate(objects_of(message.get("tool_calls")))]
    if calls:
        written["tool_calls"] = list(calls)
    if role == "tool":
        written["tool_call_id"] = text_of(message.get("tool_call_id")) or "call_0"
        written["name"] = text_of(message.get("tool_name"))
    return written


def _sent_call(call: JsonObject, number: int) -> JsonObject:
    function = object_of(call.get("function"))
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return {
        "id": text_of(call.get("id")) or f"call_{number}",
        "type": "function",
        "function": {"name": text_of(function.get("name")), "arguments": text},
    }


def _frame(name: str, shaped: JsonObject) -> JsonObject:
    return {"model": name, "created_at": now_text(), **shaped}


def _chat_message(piece: Piece) -> JsonObject:
    message: JsonObject = {"role": "assistant", "content": piece.text}
    if piece.thinking:
        message["thinking"] = piece.thinking
    return {"message": message}


def _generated(piece: Piece) -> JsonObject:
    shaped: JsonObject = {"response": piece.text}
    if piece.thinking:
        shaped["thinking"] = piece.thinking
    return shaped


def _call(piece: Piece, number: int) -> JsonObject:
    assert piece.call is not None
    function: JsonObject = {"index": number, "name": piece.call.name, "arguments": piece.call.arguments}
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return {"id": "call_" + "".join(secrets.choice(letters) for _ in range(8)), "function": function}


def _with_calls(last: JsonObject, calls: list[JsonValue]) -> None:
    (object_of(last["message"]) if "message" in last else last)["tool_calls"] = calls


def _end(figures: Figures, total_s: float) -> JsonObject:
    """Write the last chunk's figures, in nanoseconds; what is 0 is left out, as Go does."""
    measured: JsonObject = {
        "total_duration": round(total_s * 1e9),
        "load_duration": round(figures.load_s * 1e9),
        "prompt_eval_count": figures.usage.input_tokens or 0,
        "prompt_eval_duration": round(figures.prompt_s * 1e9),
        "eval_count": figures.usage.output_tokens or 0,
        "eval_duration": round(figures.generation_s * 1e9),
    }
    told = {name: value for name, value in measured.items() if value}
    return {"done": True, "done_reason": "length" if figures.finish == "length" else "stop", **told}


async def _whole(chunks: AsyncGenerator[JsonObject, None]) -> JsonObject:
    """Add the chunks of a stream up to the one document of an answer that is not streamed."""
    text, thinking = "", ""
    last: JsonObject = {}
    async for chunk in chunks:
        said = object_of(chunk.get("message")) if "message" in chunk else chunk
        text += text_of(said.get("content") if "message" in chunk else said.get("response"))
        thinking += text_of(said.get("thinking"))
        last = chunk
    holder = object_of(last["message"]) if "message" in last else last
    holder["content" if "message" in last else "response"] = text
    if thinking:
        holder["thinking"] = thinking
    return last


def _registry_name(name: str) -> str:
    return f"registry.ollama.ai/library/{name if ':' in name else f'{name}:latest'}"
