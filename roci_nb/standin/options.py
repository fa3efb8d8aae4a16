"""What a request to Ollama may set, checked as Ollama checks it and in its words."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from roci_nb.standin.wire import Fault
from roci_nb.types.json import int_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from roci_nb.types.json import JsonObject

Effort: TypeAlias = Literal["low", "medium", "high"]

DEFAULT_KEEP_ALIVE_S = 300.0
FOREVER_S = float(2**63 - 1) / 1e9
"""Go's longest duration: what Ollama makes of a negative keep_alive."""

_KINDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                *("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict"),
                *("num_keep", "seed", "num_predict", "top_k", "repeat_last_n"),
            ),
            "integer",
        ),
        **dict.fromkeys(
            (
                *("top_p", "min_p", "typical_p", "temperature"),
                *("repeat_penalty", "presence_penalty", "frequency_penalty"),
            ),
            "float32",
        ),
        "use_mmap": "boolean",
        "stop": "array",
    }
)
_FOR_THE_ENGINE = ("seed", "top_k", "repeat_last_n", "top_p", "min_p", "typical_p", "temperature", "repeat_penalty")
_PENALTIES = ("presence_penalty", "frequency_penalty")
_OLLAMAS_OWN: JsonObject = {"temperature": 0.8, "top_k": 40, "top_p": 0.9, "min_p": 0.05}
_AGAINST_LOOPS: JsonObject = {"dry_multiplier": 0.8}
"""llama.cpp's DRY sampler: a small model otherwise ends in circles, and a repeat penalty spoils what it says."""

_LEVELS: tuple[Effort, ...] = ("low", "medium", "high")
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+)$")
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


def checked_options(options: JsonValue) -> JsonObject:
    """Return the options that are known; a wrong type is a fault, an unknown name is passed over (as Ollama does)."""
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise Fault(400, {"error": "json: cannot unmarshal options into an object"})
    known: JsonObject = {name: value for name, value in options.items() if name in _KINDS and value is not None}
    for name, value in known.items():
        if not _fits(_KINDS[name], value):
            raise Fault(500, {"error": f'option "{name}" must be of type {_KINDS[name]}'})
    return known


def _fits(kind: str, value: JsonValue) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "array":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def sampling_of(options: JsonObject) -> JsonObject:
    """Return options as llama.cpp takes them, over Ollama's own."""
    given = {name: options[name] for name in (*_FOR_THE_ENGINE, *_PENALTIES) if name in options}
    if stop := texts_of(options.get("stop")):
        given["stop"] = list(stop)
    return {**_OLLAMAS_OWN, **_AGAINST_LOOPS, **given}


def limit_of(options: JsonObject) -> int | None:
    """Return how many tokens an answer may have; Ollama's -1 and -2 set no limit."""
    limit = options.get("num_predict")
    return int(limit) if isinstance(limit, int | float) and limit > 0 else None


def window_of(options: JsonObject) -> int | None:
    """Return the window that is asked for, in tokens: four at least."""
    asked = options.get("num_ctx")
    return max(4, int(asked)) if isinstance(asked, int | float) else None


def keep_alive_of(value: JsonValue) -> float | None:
    """Return seconds; None where nothing is asked. A text is a Go duration, with Go's complaints."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return FOREVER_S if value < 0 else float(value)
    if not isinstance(value, str):
        raise Fault(400, {"error": f"unsupported type for keep_alive: {type(value).__name__}"})
    if value == "0":
        return 0.0
    match = _DURATION.match(value)
    if match is None:
        digits = re.match(r"^[+-]?[\d.]+$", value)
        why = "missing unit in duration" if digits else "invalid duration"
        raise Fault(400, {"error": f'time: {why} "{value}"'})
    total = sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(match[2]))
    return FOREVER_S if match[1] == "-" else total


def effort_of(think: JsonValue) -> Effort | bool | None:
    """Return a level, on or off, or None where nothing is asked."""
    if think is None or isinstance(think, bool):
        return think
    if think == "max":
        return "high"
    for level in _LEVELS:
        if think == level:
            return level
    told = think if isinstance(think, str) else ""
    raise Fault(
        400, {"error": f'invalid think value: "{told}" (must be "high", "medium", "low", "max", true, or false)'}
    )


def format_of(value: JsonValue) -> JsonObject | Literal["json"] | None:
    """Return what an answer must fit: a schema, any JSON, or nothing."""
    if value in (None, ""):
        return None
    if value == "json":
        return "json"
    if isinstance(value, dict):
        return value
    raise Fault(500, {"error": f'invalid format: {value!r}; expected "json" or a valid JSON Schema object'})


def top_logprobs_checked(value: JsonValue) -> None:
    """Refuse what Ollama refuses."""
    count = int_of(value)
    if count is not None and not 0 <= count <= 20:
        raise Fault(400, {"error": "top_logprobs must be between 0 and 20"})
