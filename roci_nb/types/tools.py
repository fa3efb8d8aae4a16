"""Tools that a model may call, its calls and their results."""

from __future__ import annotations

from pydantic import Field, JsonValue

from roci_nb.types.values import Value


class ToolDefinition(Value):
    """A tool as a model is told of it; ``parameters`` is a JSON schema of type object."""

    name: str
    description: str = ""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class ToolCall(Value):
    """A model's call of a tool, whole."""

    name: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    id: str = ""


class ToolResult(Value):
    """What a tool gave back to the call ``call_id``."""

    name: str
    content: str
    call_id: str = ""
    failed: bool = False
