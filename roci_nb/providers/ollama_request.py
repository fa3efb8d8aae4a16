"""A request as JSON for Ollama's native ``/api/chat`` (PROTOCOLS A.2, A.4 and A.0)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from roci_nb.errors import Unsupported
from roci_nb.providers.base import unused_fields
from roci_nb.providers.chat_request import ALWAYS_THINKS, current_turn, tool_body
from roci_nb.types.events import GenerationWarning
from roci_nb.types.json import object_of, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from roci_nb.types.json import JsonObject
    from roci_nb.types.messages import ModelMessage
    from roci_nb.types.model_info import ModelInfo
    from roci_nb.types.requests import ProviderRequest
    from roci_nb.types.tools import ToolDefinition

_OPTIONS = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "stop_sequences": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repeat_penalty",
}
_OURS = ("stream", "messages", "model", "format", "tools", "think", "truncate", "shift", "options", "num_ctx")
_TOP_LEVEL = ("logprobs", "top_logprobs")


def chat_body(
    request: ProviderRequest, info: ModelInfo, window: int | None
) -> tuple[JsonObject, tuple[GenerationWarning, ...]]:
    """Write a request, with a warning for each thing that can't be taken.

    ``window`` is what goes out as ``num_ctx``: the one asked for, or the loaded one, which reloads nothing. Unset is
    not sent; ``truncate`` is false, so that a prompt that does not fit is refused instead of cut; ``shift`` is never
    sent, since it would reload a model that another client loaded otherwise.
    """
    _refuse_what_it_lacks(request, info)
    warnings = list(unused_fields(request))
    body: JsonObject = {
        "model": info.model.model_id,
        "messages": _messages(request.messages),
        "stream": True,
        "truncate": False,
    }
    options: JsonObject = {} if window is None else {"num_ctx": window}
    for name, value in request.settings.in_force().items():
        if name in _OPTIONS:
            options[_OPTIONS[name]] = list(value) if name == "stop_sequences" else value  # type: ignore[arg-type]  # a tuple of texts
        elif name == "keep_alive":
            body["keep_alive"] = value
        elif name == "user":
            warnings.append(GenerationWarning("user is not sent: Ollama has no such field", setting="user"))
    _write_extra(request.settings.extra, body, options, warnings)
    _write_effort(request, info, body, warnings)
    if options:
        body["options"] = options
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.response_format is not None:
        body["format"] = request.response_format
    return body, tuple(warnings)


def _refuse_what_it_lacks(request: ProviderRequest, info: ModelInfo) -> None:
    """Ask the server's word first: an old Ollama ignores a picture in silence (PROTOCOLS A.0)."""
    wants = {
        "vision": ("images", any(message.images for message in request.messages)),
        "tools": ("tools", bool(request.tools)),
    }
    for capability, (feature, wanted) in wants.items():
        if wanted and info.can(capability) is False:
            raise Unsupported(
                f"{info.model.model_id} can't take {feature}, Ollama says: leave them out, or choose another model",
                feature=feature,
            )


def _write_extra(extra: JsonObject, body: JsonObject, options: JsonObject, warnings: list[GenerationWarning]) -> None:
    for name, value in extra.items():
        if name in _OURS:
            warnings.append(GenerationWarning(f"extra[{name!r}] is not sent: it is roci_nb's to set", setting="extra"))
        elif name in _TOP_LEVEL:
            body[name] = value
        else:
            options[name] = value


def _write_effort(
    request: ProviderRequest, info: ModelInfo, body: JsonObject, warnings: list[GenerationWarning]
) -> None:
    """Map the effort to what the model knows: levels, on and off, or nothing (PROTOCOLS A.2 and C.5)."""
    effort = request.settings.reasoning_effort
    if effort is None:
        return
    if info.can("thinking") is False:
        if effort != "off":
            told = f"effort is not sent: {info.model.model_id} does not think"
            warnings.append(GenerationWarning(told, setting="reasoning_effort"))
        return
    if info.efforts == ("low", "medium", "high"):
        if effort == "off":
            warnings.append(ALWAYS_THINKS)
        body["think"] = "low" if effort == "off" else effort
        return
    body["think"] = effort != "off"
    if effort != "off":
        told = f"effort {effort} is sent as on: {info.model.model_id} knows no levels"
        warnings.append(GenerationWarning(told, setting="reasoning_effort"))


def _messages(messages: Sequence[ModelMessage]) -> list[JsonValue]:
    """Write the messages; neighbours of an assistant become one, since a template loses the second's calls."""
    begin = current_turn(messages)
    written: list[JsonValue] = []
    for index, message in enumerate(messages):
        row: JsonObject = {"role": message.role, "content": message.text}
        before = object_of(written[-1]) if written else {}
        plain = not message.tool_calls and "tool_calls" not in before
        if message.role == "assistant" and before.get("role") == "assistant" and plain:
            before["content"] = f"{text_of(before.get('content'))}\n\n{message.text}"
            continue
        if message.images:
            row["images"] = [base64.b64encode(image.data).decode() for image in message.images]
        if message.tool_calls:
            row["tool_calls"] = [
                {"id": call.id, "function": {"index": number, "name": call.name, "arguments": call.arguments}}
                for number, call in enumerate(message.tool_calls)
            ]
            if index >= begin and message.reasoning:
                row["thinking"] = message.reasoning
        if message.role == "tool":
            row |= {"tool_name": message.tool_name or "", "tool_call_id": message.tool_call_id or ""}
        written.append(row)
    return written


def _tool(tool: ToolDefinition) -> JsonObject:
    body = tool_body(tool)
    function = object_of(body["function"])
    schema = object_of(function["parameters"])
    function["parameters"] = _inlined(schema, object_of(schema.get("$defs")), ())
    return body


def _inlined(schema: JsonValue, definitions: JsonObject, seen: tuple[str, ...]) -> JsonValue:
    """Put definitions in the place of their ``$ref``: Ollama resolves none. A recursive one stays open."""
    if isinstance(schema, list):
        return [_inlined(item, definitions, seen) for item in schema]
    if not isinstance(schema, dict):
        return schema
    name = text_of(schema.get("$ref")).removeprefix("#/$defs/")
    if name in definitions:
        if name in seen:
            return {"type": "object"}
        return _inlined(definitions[name], definitions, (*seen, name))
    return {key: _inlined(value, definitions, seen) for key, value in schema.items() if key != "$defs"}
