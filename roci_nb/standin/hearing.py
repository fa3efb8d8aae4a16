"""An engine's deltas as the pieces of an answer, one by one or whole."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from roci_nb.standin.turn import Figures, Piece
from roci_nb.types.usage import Timing, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from roci_nb.types.events import TextStreamDelta

Answer: TypeAlias = "AsyncGenerator[Piece | Figures, None]"
"""Pieces, and last of all the figures."""


@dataclass(slots=True)
class Heard:
    """A whole answer of one engine, and the pieces that it came in."""

    pieces: list[Piece] = field(default_factory=list)
    figures: Figures = field(default_factory=Figures)

    @property
    def thought(self) -> str:
        """What it thought."""
        return "".join(piece.thinking for piece in self.pieces)

    @property
    def text(self) -> str:
        """What it said."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def calls(self) -> bool:
        """Whether it called a tool."""
        return any(piece.call is not None for piece in self.pieces)


async def heard(deltas: AsyncGenerator[TextStreamDelta, None]) -> Heard:
    """Hear an answer to its end."""
    whole = Heard()
    async with aclosing(in_pieces(deltas)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Figures):
                whole.figures = piece
            else:
                whole.pieces.append(piece)
    return whole


async def in_pieces(deltas: AsyncGenerator[TextStreamDelta, None]) -> Answer:
    """Hear an answer as it comes; leaving ends it at the engine."""
    thought = 0
    async with aclosing(deltas) as coming:
        async for delta in coming:
            if delta.reasoning:
                thought += 1
            if delta.reasoning or delta.text or delta.tool_call:
                yield Piece(delta.reasoning, delta.text, delta.tool_call)
            if delta.finish_reason is not None:
                yield _figures(delta, thought)


def _figures(last: TextStreamDelta, thought: int) -> Figures:
    usage, timing = last.usage or Usage(), last.timing or Timing()
    finish: Literal["stop", "length", "tool_calls"] = "stop"
    if last.finish_reason in ("length", "tool_calls"):
        finish = "length" if last.finish_reason == "length" else "tool_calls"
    return Figures(
        finish=finish,
        usage=replace(usage, reasoning_tokens=thought),
        prompt_s=timing.prompt_s or 0.0,
        generation_s=timing.generation_s or 0.0,
    )
