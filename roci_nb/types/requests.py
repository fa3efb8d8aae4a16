"""What is asked of a provider, what would be sent, and how long it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, JsonValue

from roci_nb.markup.tables import html_table, text_table
from roci_nb.types.messages import ModelMessage
from roci_nb.types.settings import GenerationSettings
from roci_nb.types.tools import ToolDefinition
from roci_nb.types.values import Value

if TYPE_CHECKING:
    from roci_nb.types.events import GenerationWarning

ResponseFormat: TypeAlias = dict[str, JsonValue] | Literal["json"]
"""A JSON schema that the answer must fit, or any JSON object."""


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class ProviderRequest(Value):
    """One request: the guide's six fields.

    ``session_id`` and ``transport`` are opaque here; a provider that has no use for them says so in a warning.
    """

    messages: Annotated[tuple[ModelMessage, ...], BeforeValidator(_as_tuple)]
    settings: GenerationSettings = GenerationSettings()
    tools: Annotated[tuple[ToolDefinition, ...], BeforeValidator(_as_tuple)] | None = None
    response_format: ResponseFormat | None = None
    session_id: str | None = None
    transport: str | None = None

    expected: ClassVar = {
        "messages": "a list of ModelMessage",
        "settings": "GenerationSettings",
        "tools": "a list of ToolDefinition",
        "response_format": 'a JSON schema as a dict, or "json"',
    }


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How many tokens a prompt has: counted by the server's own tokenizer, or estimated here."""

    n: int
    exact: bool

    def __str__(self) -> str:
        return f"{self.n:,} tokens" if self.exact else f"~{self.n:,} tokens"


@dataclass(frozen=True, slots=True)
class RequestPreview:
    """What would be sent, keys redacted: nothing is.

    ``warnings`` name what of the request the server can't take, where a preview was asked for.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: JsonValue
    warnings: tuple[GenerationWarning, ...] = ()

    def _rows(self) -> list[tuple[str, str]]:
        import json

        rows = [(self.method, self.url), *self.headers]
        return [*rows, ("body", json.dumps(self.body, indent=2, ensure_ascii=False))]

    def __str__(self) -> str:
        return text_table(("", ""), self._rows())

    def _repr_html_(self) -> str:
        return html_table(("", ""), self._rows())
