"""What a request may ask of the sampler, the window and the server's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field, JsonValue

from roci_nb.markup.tables import html_table
from roci_nb.types.values import Value

if TYPE_CHECKING:
    from roci_nb.markup.html import Html

ReasoningEffort: TypeAlias = Literal["off", "low", "medium", "high"]

_GO_DURATION = r"^-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$"


def _as_tuple(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class GenerationSettings(Value):
    """Settings of one request; ``None`` is unset, and unset is not sent: the server's own policy stands.

    ``a | b`` merges, ``b`` wins. ``num_ctx`` and ``max_tokens`` count tokens. ``keep_alive`` is seconds, or a
    duration such as ``"5m"``; negative keeps the model loaded. ``extra`` goes to the server as it is, by the names
    that the server knows. Raises ``InvalidSetting`` for a wrong name, type or range.
    """

    max_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-1, le=2**32 - 2)] | None = None
    stop_sequences: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_as_tuple)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repeat_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    num_ctx: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    reasoning_effort: ReasoningEffort | None = None
    keep_alive: Annotated[float, Field(allow_inf_nan=False)] | Annotated[str, Field(pattern=_GO_DURATION)] | None = None
    user: str | None = None
    extra: dict[str, JsonValue] = Field(default_factory=dict)

    expected: ClassVar = {
        "max_tokens": "a whole number from 1 up",
        "temperature": "a number from 0 to 5",
        "top_p": "a number from 0 to 1",
        "top_k": "a whole number from 0 up (0 is off)",
        "min_p": "a number from 0 to 1",
        "seed": "a whole number below 2**32 - 1 (-1 is random)",
        "stop_sequences": "a text or a list of texts, none of them empty",
        "presence_penalty": "a number from -2 to 2",
        "frequency_penalty": "a number from -2 to 2",
        "repeat_penalty": "a number above 0, up to 10 (1 is off)",
        "num_ctx": "a whole number of tokens from 1 up",
        "reasoning_effort": "off, low, medium or high",
        "keep_alive": 'seconds, or a duration such as "5m" or "1h30m" (-1 keeps the model loaded)',
        "user": "a text",
        "extra": "a dict of JSON values",
    }

    def __or__(self, other: GenerationSettings) -> GenerationSettings:
        """Merge: what ``other`` sets wins; ``extra`` is merged by its keys."""
        update = {**other.in_force(), "extra": {**self.extra, **other.extra}}
        return self.model_copy(update=update)

    def in_force(self) -> dict[str, JsonValue]:
        """Return what is set, by name; ``extra`` is left out."""
        return {
            name: value
            for name in type(self).model_fields
            if name != "extra" and (value := getattr(self, name)) is not None
        }

    def _repr_html_(self) -> Html:
        shown = self.in_force() | self.extra
        return html_table(
            ("", ""), [(name, str(value)) for name, value in shown.items()] or [("all settings", "unset")]
        )

    def __repr__(self) -> str:
        shown = self.in_force() | ({"extra": self.extra} if self.extra else {})
        return f"GenerationSettings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"
