"""The wire of ``/v1/chat/completions``: a request to JSON, chunks to deltas (PROTOCOLS D.3, E and G)."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roci_nb.errors import BadReply, StreamBroken, Unsupported
from roci_nb.providers.base import unused_fields
from roci_nb.providers.server_errors import error_from_reply
from roci_nb.types.events import GenerationWarning, TextStreamDelta
from roci_nb.types.json import float_of, int_of, object_of, objects_of, text_of
from roci_nb.types.progress import Progress
from roci_nb.types.usage import Timing, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue

    from roci_nb.providers.server_errors import Addressee
    from roci_nb.types.events import FinishReason
    from roci_nb.types.json import JsonObject
    from roci_nb.types.messages import ModelMessage
    from roci_nb.types.requests import ProviderRequest

PATH = "/v1/chat/completions"

_STANDARD = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop_sequences": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "user": "user",
    "reasoning_effort": "reasoning_effort",
}
_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server takes beyond OpenAI's own fields.

    ``fields`` maps our settings to its names, ``missing`` says of a setting why it is not sent. A setting that is in
    neither goes out under its own name with a warning: nobody knows whether the server heeds it.
    """

    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    always: Mapping[str, JsonValue] = field(default_factory=dict)


_NO_KEEP_ALIVE = "how long the model stays loaded is not this server's to say"
_FIXED_WINDOW = "the window is fixed when the server starts"

LLAMA_SERVER = Dialect(
    "llama-server",
    fields={"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty"},
    missing={"num_ctx": f"{_FIXED_WINDOW} (llama-server -c)", "keep_alive": _NO_KEEP_ALIVE},
    always={"return_progress": True},
)
VLLM = Dialect(
    "vLLM",
    fields={"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"},
    missing={"num_ctx": f"{_FIXED_WINDOW} (--max-model-len)", "keep_alive": _NO_KEEP_ALIVE},
)
UNKNOWN = Dialect(
    "this server",
    missing={"num_ctx": _FIXED_WINDOW, "keep_alive": _NO_KEEP_ALIVE},
)


def request_body(
    request: ProviderRequest, model_id: str, dialect: Dialect
) -> tuple[JsonObject, tuple[GenerationWarning, ...]]:
    """Write a request as JSON, with a warning for each thing that the server can't take.

    Unset is not sent. ``extra`` goes out as it is, but can't turn streaming off.
    """
    if request.tools:
        raise Unsupported("tools are not sent by this version: leave them out", feature="tools")
    body: JsonObject = {
        "model": model_id,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        **dialect.always,
    }
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format)
    warnings = list(unused_fields(request))
    for name, value in request.settings.in_force().items():
        if name in dialect.missing:
            warnings.append(GenerationWarning(f"{name} is not sent: {dialect.missing[name]}", setting=name))
            continue
        wire_name = _STANDARD.get(name) or dialect.fields.get(name)
        if wire_name is None:
            warnings.append(GenerationWarning(f"{name} is sent, but {dialect.name} may not know it", setting=name))
        body[wire_name or name] = _setting(name, value)
    for name, value in request.settings.extra.items():
        if name in ("stream", "stream_options", "messages", "model"):
            warnings.append(GenerationWarning(f"extra[{name!r}] is not sent: it is roci_nb's to set", setting="extra"))
        else:
            body[name] = value
    return body, tuple(warnings)


def _setting(name: str, value: JsonValue) -> JsonValue:
    if name == "stop_sequences":
        return list(value)  # type: ignore[arg-type]  # a tuple of texts
    if name == "reasoning_effort" and value == "off":
        return "none"
    return value


def _message(message: ModelMessage) -> JsonObject:
    if not message.images:
        content: JsonValue = message.text
    else:
        content = [_image_part(part.media_type, part.data) for part in message.images]
        content.insert(0, {"type": "text", "text": message.text})
    return {"role": message.role, "content": content}


def _image_part(media_type: str, data: bytes) -> JsonObject:
    url = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _response_format(wanted: JsonObject | str) -> JsonObject:
    if isinstance(wanted, str):
        return {"type": "json_object"}
    name = wanted.get("title")
    return {
        "type": "json_schema",
        "json_schema": {
            "name": name if isinstance(name, str) and name else "answer",
            "strict": True,
            "schema": wanted,
        },
    }


class ChatCompletionsReader:
    """Reads the chunks of one answer; it holds only what the last delta tells."""

    def __init__(self, addressee: Addressee, *, context_window: int | None = None) -> None:
        self._addressee = addressee
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
            yield TextStreamDelta(reasoning=reasoning, phase="thinking")
        if text := text_of(said.get("content")):
            yield TextStreamDelta(text=text, phase="answering")
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

    def last(self) -> TextStreamDelta:
        """Return the last delta; raises ``StreamBroken`` where the stream had no end mark."""
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
