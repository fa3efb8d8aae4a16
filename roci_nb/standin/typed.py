"""Answers that must be JSON: how a small model is held to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue

    from roci_nb.standin.turn import Turn
    from roci_nb.types.json import JsonObject

_MOST_ITEMS = 5
_LONGEST_TEXT = 80
"""In characters."""
_SHORT_ALREADY = frozenset({"maxLength", "enum", "const", "pattern", "format"})


def typed_sampling(turn: Turn) -> JsonObject:
    """Return the sampling of a typed answer.

    Lists and texts without a bound of their own get one, or a small model never ends them.
    """
    wanted: JsonObject = {"type": "json_object"}
    if isinstance(turn.format, dict):
        inner: JsonObject = {"name": "answer", "strict": True, "schema": _bounded(turn.format)}
        wanted = {"type": "json_schema", "json_schema": inner}
    return {**turn.sampling, "max_tokens": turn.limit, "response_format": wanted}


def is_json(text: str) -> bool:
    """Say whether a text is a JSON document."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _bounded(schema: JsonValue) -> JsonValue:
    if isinstance(schema, list):
        return [_bounded(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    bounded: JsonObject = {name: _bounded(value) for name, value in schema.items()}
    if schema.get("type") == "array" and "maxItems" not in schema:
        least = schema.get("minItems")
        bounded["maxItems"] = max(_MOST_ITEMS, least) if isinstance(least, int) else _MOST_ITEMS
    if schema.get("type") == "string" and not _SHORT_ALREADY & schema.keys():
        bounded["maxLength"] = _LONGEST_TEXT
    return bounded
