"""What a cell may ask beside the settings of its model: how it is asked, and how it shows itself."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from roci_nb.types.values import Value

ReasoningStyle: TypeAlias = Literal["show", "fold", "hide"]
FooterStyle: TypeAlias = Literal["line", "full", "none"]


class CellOptions(Value):
    """Options of a ``%%roci`` cell; ``None`` is unset. ``a | b`` merges, ``b`` wins.

    ``timeout`` is seconds for the whole answer. ``chat`` names a conversation, ``alone`` asks without one, ``budget``
    is the most tokens of earlier turns that are sent. ``stream`` off shows the answer when it is done. ``raw`` shows
    it as plain text. ``bg`` answers while other cells run.
    """

    system: str | None = None
    preset: str | None = None
    stream: bool | None = None
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    chat: Annotated[str, Field(min_length=1)] | None = None
    alone: bool | None = None
    budget: Annotated[int, Field(ge=0)] | None = None
    reasoning: ReasoningStyle | None = None
    footer: FooterStyle | None = None
    bg: bool | None = None
    raw: bool | None = None

    expected: ClassVar = {
        "system": "a text",
        "preset": "a preset's name",
        "stream": "true or false",
        "timeout": "a number of seconds above 0",
        "chat": "a conversation's name",
        "alone": "true or false",
        "budget": "a whole number of tokens from 0 up",
        "reasoning": "show, fold or hide",
        "footer": "line, full or none",
        "bg": "true or false",
        "raw": "true or false",
    }

    def __or__(self, other: CellOptions) -> CellOptions:
        """Merge: what ``other`` sets wins."""
        return self.model_copy(update=other.in_force())

    def in_force(self) -> dict[str, str | float | bool]:
        """Return what is set, by name."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
