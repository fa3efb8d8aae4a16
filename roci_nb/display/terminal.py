"""An answer as plain text: in a terminal, or for a runner that shows a cell's standard output."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from roci_nb.display.footer import footer_text
from roci_nb.display.view import View
from roci_nb.markup.strings import plain_text

if TYPE_CHECKING:
    from roci_nb.display.view import Look
    from roci_nb.types.events import TextStreamDelta
    from roci_nb.types.results import GenerateTextResult


class TextView(View):
    """Plain text as it comes; ``final`` adds the static output for a notebook that is executed."""

    def __init__(self, look: Look, *, final: bool) -> None:
        super().__init__(look)
        self._final = final
        if look.heading is not None:
            self._write(f"{look.heading}\n")
        self._phase_line = ""
        self._next_line = 0.0

    def add(self, delta: TextStreamDelta) -> None:
        """Print what is new."""
        had_thoughts, had_text = bool(self.segments.reasoning), self.segments.answering
        super().add(delta)
        if not (delta.text or delta.reasoning):
            self.tick()
            return
        if self._phase_line:
            self._write("\n")
            self._phase_line = ""
        if delta.reasoning:
            self._write(delta.reasoning if had_thoughts else f"▾ thinking\n{delta.reasoning}")
        if delta.text:
            self._write(f"\n\n{delta.text}" if had_thoughts and not had_text else delta.text)

    def fail(self, problem: str | None = None) -> None:
        """End the phase's line."""
        del problem  # the error stands below
        if self._phase_line:
            self._write("\n")

    def tick(self) -> None:
        """Print the phase, once a second at most while it lasts."""
        now = time.monotonic()
        if self.segments.answering or self.segments.reasoning or now < self._next_line:
            return
        self._next_line = now + 1.0
        line = f"◐ {self.segments.phase_line()}"
        self._write("\r" + line.ljust(len(self._phase_line)))
        self._phase_line = line

    def finish(self, result: GenerateTextResult, *, host: str | None = None, problem: str | None = None) -> None:
        """Print the footer."""
        footer = footer_text(self.footer(result, host).with_problem(problem), self._look.footer)
        self._write(f"\n────────────\n{footer}\n" if footer else "\n")
        if self._final:
            from IPython.display import display

            bundle = self.bundle(result, host, problem)
            display(bundle.data, metadata=bundle.metadata, raw=True)

    @staticmethod
    def _write(text: str) -> None:
        """Write what a terminal only shows: a model's control sequences could move, colour and copy."""
        sys.stdout.write(plain_text(text))
        sys.stdout.flush()
