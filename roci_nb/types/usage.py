"""Tokens and times of an answer, as the server counted them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from roci_nb.markup.strings import seconds
from roci_nb.markup.tables import html_table

if TYPE_CHECKING:
    from roci_nb.markup.html import Html


def _sum(a: int | None, b: int | None) -> int | None:
    """Add counts; what is unknown on one side only stays known."""
    if a is None or b is None:
        return b if a is None else a
    return a + b


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts; ``None`` is unknown, never 0. ``a + b`` adds up.

    ``cached_tokens`` is the part of ``input_tokens`` that was not read again, ``reasoning_tokens`` the part of
    ``output_tokens`` that was thought.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.total_tokens is None and self.input_tokens is not None and self.output_tokens is not None:
            object.__setattr__(self, "total_tokens", self.input_tokens + self.output_tokens)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            _sum(self.input_tokens, other.input_tokens),
            _sum(self.output_tokens, other.output_tokens),
            _sum(self.total_tokens, other.total_tokens),
            _sum(self.reasoning_tokens, other.reasoning_tokens),
            _sum(self.cached_tokens, other.cached_tokens),
        )

    def _repr_html_(self) -> Html:
        counts = ((field.name.replace("_", " "), getattr(self, field.name)) for field in fields(self))
        return html_table(("", ""), [(name, f"{count:,}") for name, count in counts if count is not None])


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds; ``None`` is unknown.

    ``load_s``, ``prompt_s``, ``generation_s`` and ``tokens_per_second`` are the server's where it gives them;
    ``approximate`` marks a speed that we worked out ourselves. ``first_token_s`` (from sending to the first token,
    thought or said) and ``total_s`` are measured here.
    """

    load_s: float | None = None
    prompt_s: float | None = None
    first_token_s: float | None = None
    generation_s: float | None = None
    total_s: float | None = None
    tokens_per_second: float | None = None
    approximate: bool = False

    def _repr_html_(self) -> Html:
        spans = {
            "load": self.load_s,
            "prompt": self.prompt_s,
            "first token": self.first_token_s,
            "generation": self.generation_s,
            "total": self.total_s,
        }
        rows = [(name, seconds(span)) for name, span in spans.items() if span is not None]
        if self.tokens_per_second is not None:
            rows.append(("speed", f"{'~' if self.approximate else ''}{self.tokens_per_second:.1f} tok/s"))
        return html_table(("", ""), rows)
