"""An answer as plain text: in a terminal, in a pipe, or for a runner that shows a cell's standard output."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from roci_nb.display.footer import footer_text
from roci_nb.display.view import View
from roci_nb.markup.strings import plain_text

if TYPE_CHECKING:
    from roci_nb.display.view import Look
    from roci_nb.types.events import TextStreamDelta
    from roci_nb.types.results import GenerateTextResult


class TextView(View):
    """Plain text as it comes; ``final`` adds the static output for a notebook that is executed.

    In a pipe the standard output is the answer alone: phase, reasoning and footer go to the standard error.
    """

    def __init__(self, look: Look, *, final: bool) -> None:
        super().__init__(look)
        self._final = final
        self._beside = sys.stdout if final or sys.stdout.isatty() else sys.stderr
        self._shows_reasoning = look.reasoning != "hide"
        if look.heading is not None:
            self._tell(f"{look.heading}\n")
        self._phase_line = ""
        self._next_line = 0.0

    def add(self, delta: TextStreamDelta) -> None:
        """Print what is new."""
        had_thoughts, had_text = self.segments.has_reasoning, self.segments.answering
        super().add(delta)
        reasoning = delta.reasoning if self._shows_reasoning else ""
        if not (delta.text or reasoning):
            self.tick()
            return
        self._end_phase_line()
        if reasoning:
            self._tell(reasoning if had_thoughts else f"▾ thinking\n{reasoning}")
        if delta.text:
            if had_thoughts and not had_text and self._shows_reasoning:
                self._tell("\n\n")
            self._write(delta.text)

    def fail(self, problem: str | None = None) -> None:
        """End the phase's line."""
        del problem  # the error stands below
        self._end_phase_line()

    def tick(self) -> None:
        """Print the phase, once a second at most while it lasts."""
        now = time.monotonic()
        shown = self.segments.answering or (self._shows_reasoning and self.segments.has_reasoning)
        if shown or now < self._next_line:
            return
        self._next_line = now + 1.0
        line = f"◐ {self.segments.phase_line()}"
        self._tell("\r" + line.ljust(len(self._phase_line)))
        self._phase_line = line

    def finish(self, result: GenerateTextResult, *, host: str | None = None, problem: str | None = None) -> None:
        """Print the footer."""
        footer = footer_text(self.footer(result, host).with_problem(problem), self._look.footer)
        self._write("\n")
        if footer:
            self._tell(f"────────────\n{footer}\n")
        if self._final:
            from IPython.display import display

            bundle = self.bundle(result, host, problem)
            display(bundle.data, metadata=bundle.metadata, raw=True)

    def _end_phase_line(self) -> None:
        if self._phase_line:
            self._tell("\n")
            self._phase_line = ""

    def _write(self, text: str) -> None:
        _print(text, sys.stdout)

    def _tell(self, text: str) -> None:
        _print(text, self._beside)


def _print(text: str, stream: TextIO) -> None:
    """Print what a terminal only shows: a model's control sequences could move, colour and copy."""
    stream.write(plain_text(text))
    stream.flush()
