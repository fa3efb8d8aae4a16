"""What each server of the chat completions wire takes beyond OpenAI's own fields (PROTOCOLS D.3, E and H)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Dialect:
    """One server's ways.

    ``fields`` maps our settings to its names where ``STANDARD`` does not, ``missing`` says of a setting why it is
    not sent. A setting that is in neither goes out under its own name with a warning: nobody knows whether the server
    heeds it. ``reasoning_field`` takes thoughts back, where it is not empty; ``template_effort`` repeats the effort for
    the chat template; ``any_json`` is whether a plain ``json_object`` is understood.
    """

    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    always: Mapping[str, JsonValue] = field(default_factory=dict)
    reasoning_field: str = "reasoning"
    template_effort: bool = False
    any_json: bool = True


STANDARD = {
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
"""Our settings by OpenAI's names, which every server takes."""

_NO_KEEP_ALIVE = "how long the model stays loaded is not this server's to say"
_FIXED_WINDOW = "the window is fixed when the server starts"

LLAMA_SERVER = Dialect(
    "llama-server",
    fields={"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty"},
    missing={"num_ctx": f"{_FIXED_WINDOW} (llama-server -c)", "keep_alive": _NO_KEEP_ALIVE},
    always={"return_progress": True},
    reasoning_field="reasoning_content",
    template_effort=True,
    any_json=False,  # the bare grammar lets Harmony's marks into the strings (PROTOCOLS E.0)
)
VLLM = Dialect(
    "vLLM",
    fields={"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"},
    missing={"num_ctx": f"{_FIXED_WINDOW} (--max-model-len)", "keep_alive": _NO_KEEP_ALIVE},
)
LM_STUDIO = Dialect(
    "LM Studio",
    fields={"top_k": "top_k", "repeat_penalty": "repeat_penalty"},
    missing={"user": "LM Studio knows no users"},
    any_json=False,
)
_OPENAI_HAS_NONE = "OpenAI has no such setting"
OPENAI = Dialect(
    "OpenAI",
    fields={"max_tokens": "max_completion_tokens"},
    missing={
        "top_k": _OPENAI_HAS_NONE,
        "min_p": _OPENAI_HAS_NONE,
        "repeat_penalty": f"{_OPENAI_HAS_NONE}; frequency_penalty is the nearest",
        "num_ctx": "the window is the model's",
        "keep_alive": _NO_KEEP_ALIVE,
    },
    reasoning_field="",
)
UNKNOWN = Dialect(
    "this server",
    missing={"num_ctx": _FIXED_WINDOW, "keep_alive": _NO_KEEP_ALIVE},
)
