"""Reading JSON whose shape a server may not keep: what is not as expected reads as empty or unknown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from pydantic_core import from_json

if TYPE_CHECKING:
    from pydantic import JsonValue

JsonObject: TypeAlias = "dict[str, JsonValue]"


def parse_json(text: str) -> JsonValue:
    """Parse JSON; raises ``ValueError``. The fast parser first: what it alone refuses is read by the lenient one."""
    try:
        value: JsonValue = from_json(text)
    except ValueError:
        try:
            value = json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None
    return value


def object_of(value: JsonValue) -> JsonObject:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects_of(value: JsonValue) -> list[JsonObject]:
    """Return the objects of a list; an empty list for anything else (``null`` among it)."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts_of(value: JsonValue) -> list[str]:
    """Return the texts of a list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def text_of(value: JsonValue) -> str:
    """Return a text; ``""`` for anything else."""
    return value if isinstance(value, str) else ""


def int_of(value: JsonValue) -> int | None:
    """Return a whole number; None for anything else, ``true`` among it."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def float_of(value: JsonValue) -> float | None:
    """Return a number; None for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
