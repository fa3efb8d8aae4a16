"""A request as JSON for ``/v1/chat/completions``, with a warning for each thing that the server can't take."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from roci_nb.providers.base import unused_fields
from roci_nb.providers.dialects import STANDARD
from roci_nb.providers.harmony import is_gpt_oss
from roci_nb.types.events import GenerationWarning
from roci_nb.types.messages import TextPart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from roci_nb.providers.dialects import Dialect
    from roci_nb.types.json import JsonObject
    from roci_nb.types.messages import ImagePart, ModelMessage
    from roci_nb.types.requests import ProviderRequest
    from roci_nb.types.settings import GenerationSettings
    from roci_nb.types.tools import ToolDefinition

PATH = "/v1/chat/completions"

ALWAYS_THINKS = GenerationWarning(
    "gpt-oss always thinks: effort off is sent as low, and its thoughts are hidden", setting="reasoning_effort"
)
_OURS = ("stream", "stream_options", "messages", "model", "n")


def request_body(
    request: ProviderRequest, model_id: str, dialect: Dialect, *, name: str | None = None
) -> tuple[JsonObject, tuple[GenerationWarning, ...]]:
    """Write a request. Unset is not sent; ``extra`` goes out as it is, but can't turn streaming off.

    ``name`` is what the server calls the model where that differs from ``model_id``, which tells its family.
    """
    body: JsonObject = {
        "model": name or model_id,
        "messages": messages_body(request.messages, dialect.reasoning_field),
        "stream": True,
        "stream_options": {"include_usage": True},
        **dialect.always,
    }
    if request.tools:
        body["tools"] = [tool_body(tool) for tool in request.tools]
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format, dialect)
    warnings = list(unused_fields(request))
    settings = request.settings
    if hides_thoughts(request, model_id):
        settings = settings.model_copy(update={"reasoning_effort": "low"})
        warnings.append(ALWAYS_THINKS)
    _write_settings(body, settings, dialect, warnings)
    return body, tuple(warnings)


def hides_thoughts(request: ProviderRequest, model_id: str) -> bool:
    """Say whether thoughts come although none were asked for: gpt-oss can't be kept from them (PROTOCOLS C.5)."""
    return request.settings.reasoning_effort == "off" and is_gpt_oss(model_id)


def _write_settings(
    body: JsonObject, settings: GenerationSettings, dialect: Dialect, warnings: list[GenerationWarning]
) -> None:
    for name, value in settings.in_force().items():
        if name in dialect.missing:
            warnings.append(GenerationWarning(f"{name} is not sent: {dialect.missing[name]}", setting=name))
            continue
        wire_name = dialect.fields.get(name) or STANDARD.get(name)
        if wire_name is None:
            warnings.append(GenerationWarning(f"{name} is sent, but {dialect.name} may not know it", setting=name))
        body[wire_name or name] = _setting(name, value)
    if dialect.template_effort and "reasoning_effort" in body and body["reasoning_effort"] != "none":
        body["chat_template_kwargs"] = {"reasoning_effort": body["reasoning_effort"]}
    for name, value in settings.extra.items():
        if name in _OURS:
            warnings.append(GenerationWarning(f"extra[{name!r}] is not sent: it is roci_nb's to set", setting="extra"))
        else:
            body[name] = value


def _setting(name: str, value: JsonValue) -> JsonValue:
    if name == "stop_sequences":
        return list(value)  # type: ignore[arg-type]  # a tuple of texts
    if name == "reasoning_effort" and value == "off":
        return "none"
    return value


def messages_body(messages: Sequence[ModelMessage], reasoning_field: str) -> list[JsonValue]:
    """Write the messages; thoughts go back only with tool calls of the current turn (PROTOCOLS F)."""
    begin = current_turn(messages)
    written: list[JsonValue] = []
    for index, message in enumerate(messages):
        row: JsonObject = {"role": message.role, "content": _content(message)}
        if message.tool_calls:
            row["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
                }
                for call in message.tool_calls
            ]
            if index >= begin and message.reasoning and reasoning_field:
                row[reasoning_field] = message.reasoning
        if message.role == "tool":
            row["tool_call_id"] = message.tool_call_id or ""
            row["name"] = message.tool_name or ""
        written.append(row)
    return written


def current_turn(messages: Sequence[ModelMessage]) -> int:
    """Return where the current turn begins: at the last message of the user."""
    return max((index for index, message in enumerate(messages) if message.role == "user"), default=0)


def _content(message: ModelMessage) -> JsonValue:
    if isinstance(message.content, str) or not message.images:
        return message.text
    parts: list[JsonValue] = []
    for part in message.content:  # in the order in which they were said
        if isinstance(part, TextPart):
            parts.append({"type": "text", "text": part.text})
        else:
            parts.append({"type": "image_url", "image_url": {"url": data_url(part)}})
    return parts


def data_url(image: ImagePart) -> str:
    """Write an image as a data URL."""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def tool_body(tool: ToolDefinition) -> JsonObject:
    """Write a tool's definition, as every server takes it."""
    parameters = tool.parameters or {"type": "object", "properties": {}}
    function: JsonObject = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _response_format(wanted: JsonObject | str, dialect: Dialect) -> JsonObject:
    if isinstance(wanted, str):
        if dialect.any_json:
            return {"type": "json_object"}
        wanted = {"type": "object"}
    title = wanted.get("title")
    name = title if isinstance(title, str) and title else "answer"
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": wanted}}
