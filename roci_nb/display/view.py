"""What every view of an answer is: the fold of its deltas, its look, and its final output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from roci_nb.display.answer import final_bundle
from roci_nb.display.footer import footer_of
from roci_nb.display.segments import AnswerSegments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roci_nb.display.answer import OutputBundle
    from roci_nb.display.footer import Footer
    from roci_nb.types.events import TextStreamDelta
    from roci_nb.types.options import FooterStyle, ReasoningStyle
    from roci_nb.types.results import GenerateTextResult


@dataclass(frozen=True, slots=True)
class Look:
    """How an answer shows itself.

    ``heading`` stands above it; ``sources`` says where each setting came from, ``turns`` how many earlier turns were
    sent along and ``turn_tokens`` our estimate of them; ``raw`` shows the answer as plain text; ``prompt_tokens`` is
    our estimate of the prompt, ``last_load_s`` how long the model's last load took; ``window_told`` is True where it
    was said before that this model's window is short.
    """

    heading: str | None = None
    reasoning: ReasoningStyle = "fold"
    footer: FooterStyle = "line"
    sources: Mapping[str, str] | None = None
    turns: int | None = None
    turn_tokens: int | None = None
    prompt_tokens: int | None = None
    last_load_s: float | None = None
    raw: bool = False
    window_told: bool = False


class AnswerView(Protocol):
    """Shows one answer."""

    segments: AnswerSegments
    outlives_cell: bool
    """Whether it can go on when its cell has ended."""

    def begin(self) -> None:
        """Take a place in the cell that runs now."""

    def add(self, delta: TextStreamDelta) -> None:
        """Take the next delta."""

    def tick(self) -> None:
        """Let time pass: a phase's clock goes on while nothing comes."""

    def finish(self, result: GenerateTextResult, *, host: str | None = None, problem: str | None = None) -> None:
        """Show the answer as it stays: done, stopped, or broken by ``problem``."""

    def fail(self, problem: str | None = None) -> None:
        """Leave nothing that looks alive: the answer failed before its first word.

        ``problem`` is for an answer whose cell has ended, where the error shows nowhere else.
        """


class View:
    """What all views share: the fold, and the final output."""

    outlives_cell: bool = False

    def __init__(self, look: Look) -> None:
        self.segments = AnswerSegments(prompt_tokens=look.prompt_tokens, last_load_s=look.last_load_s)
        self._look = look

    def add(self, delta: TextStreamDelta) -> None:
        """Take the next delta."""
        self.segments.add(delta)

    def tick(self) -> None:
        """Nothing moves by itself."""

    def begin(self) -> None:
        """Nothing is shown yet."""

    def fail(self, problem: str | None = None) -> None:
        """Nothing was shown."""

    def footer(self, result: GenerateTextResult, host: str | None) -> Footer:
        """Say whose the answer is and what it took."""
        look = self._look
        return footer_of(
            result,
            host=host,
            received=self.segments.received,
            sources=look.sources,
            turns=look.turns,
            turn_tokens=look.turn_tokens,
            window_told=look.window_told,
        )

    def bundle(self, result: GenerateTextResult, host: str | None, problem: str | None) -> OutputBundle:
        """Make the output that stays."""
        look = self._look
        return final_bundle(
            result,
            self.footer(result, host),
            heading=look.heading,
            thought=self.segments.thought_line(done=True) if self.segments.has_reasoning else "",
            problem=problem,
            footer_style=look.footer,
            reasoning_style=look.reasoning,
            raw=look.raw,
        )
