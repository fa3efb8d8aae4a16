"""The shape of an answer: which fields it has, and of which type each of them is."""

from __future__ import annotations

import json

FREE_MAPS = ("model_info", "arguments")
"""Objects whose keys are data."""


def shape(value: object, field: str = "") -> object:
    """Types in place of values; a list is the shapes that its items have."""
    if isinstance(value, dict):
        if field in FREE_MAPS:
            return "map"
        return {key: shape(item, key) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return sorted({json.dumps(shape(item), sort_keys=True) for item in value})
    if value is None or isinstance(value, bool):
        return str(value)
    return "number" if isinstance(value, int | float) else "text"


def shapes_of(body: str, content_type: str | None) -> set[str]:
    """The shapes of a body's documents: one, or those of its lines or events."""
    if content_type is None or ("json" not in content_type and "event-stream" not in content_type):
        return {body}
    if "json" in content_type and "ndjson" not in content_type:
        documents = [body]
    else:
        lines = [line.removeprefix("data: ") for line in body.split("\n") if line.strip()]
        documents = [line for line in lines if line != "[DONE]"]
    return {json.dumps(shape(json.loads(document)), sort_keys=True) for document in documents}
