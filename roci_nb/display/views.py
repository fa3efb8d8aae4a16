"""Where an answer is shown while it comes: a notebook's cell, a terminal, or nowhere until it is done."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Protocol

from roci_nb.display.answer import final_bundle, notice_html, running_html
from roci_nb.display.footer import footer_of
from roci_nb.display.segments import AnswerSegments
from roci_nb.markup.html import whole
from roci_nb.markup.strings import plain_text

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import DisplayHandle

    from roci_nb.display.answer import OutputBundle
    from roci_nb.types.events import TextStreamDelta
    from roci_nb.types.results import GenerateTextResult

LIVE_VARIABLE = "ROCI_NB_LIVE"
"""A runner without a front end sets it to ``text`` to get the answer as it comes on the cell's standard output."""

FIRST_PHASE_S = 0.15
"""How long an answer may take to begin before its phase is shown."""
SHORTEST_INTERVAL_S = 0.1
BYTES_PER_SECOND = 150_000
"""What a front end draws of whole re-sent HTML without falling behind (NOTEBOOK 12.5)."""


class AnswerView(Protocol):
    """Shows one answer."""

    def add(self, delta: TextStreamDelta) -> None:
        """Take the next delta."""

    def tick(self) -> None:
        """Let time pass: a phase's clock goes on while nothing comes."""

    def finish(self, result: GenerateTextResult, *, host: str | None = None, problem: str | None = None) -> None:
        """Show the answer as it stays: done, stopped, or broken by ``problem``."""

    def fail(self) -> None:
        """Leave nothing that looks alive: the answer failed before its first word."""


def view_for(shell: InteractiveShell, *, heading: str | None = None) -> AnswerView:
    """Choose the view that the front end can serve; ``heading`` stands above the answer."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return TextView(heading, final=False)
    if os.environ.get(LIVE_VARIABLE) == "text":
        return TextView(heading, final=True)
    # A front end with cells sends the id of the one that runs; nbclient and papermill do not (NOTEBOOK 11).
    return CellView(heading) if _cell_id(shell) is not None else FinalView(heading)


def _cell_id(shell: InteractiveShell) -> str | None:
    get_parent = getattr(shell, "get_parent", None)
    parent = get_parent() if callable(get_parent) else {}
    cell_id = parent.get("metadata", {}).get("cellId") if isinstance(parent, dict) else None
    return cell_id if isinstance(cell_id, str) else None


class _View:
    """What all views share: the fold, and the final output."""

    def __init__(self, heading: str | None = None) -> None:
        self.segments = AnswerSegments()
        self._heading = heading

    def add(self, delta: TextStreamDelta) -> None:
        self.segments.add(delta)

    def tick(self) -> None:
        """Nothing moves by itself."""

    def fail(self) -> None:
        """Nothing was shown."""

    def bundle(self, result: GenerateTextResult, host: str | None, problem: str | None) -> OutputBundle:
        footer = footer_of(result, host=host, received=self.segments.received)
        thought = self.segments.thought_line() if self.segments.reasoning else ""
        return final_bundle(result, footer, heading=self._heading, thought=thought, problem=problem)


class FinalView(_View):
    """Nothing until the answer is done, then one output."""

    def finish(self, result: GenerateTextResult, *, host: str | None = None, problem: str | None = None) -> None:
        """Show the one output."""
        from IPython.display import display

        bundle = self.bundle(result, host, problem)
        display(bundle.data, metadata=bundle.metadata, raw=True)


class CellView(_View):
    """One output in a notebook's cell, updated in place: HTML of our own, and static at the end."""

    def __init__(self, heading: str | None = None) -> None:
        super().__init__(heading)
        self._handle: DisplayHandle | None = None
        self._shown_answer = False
        # What fails at once leaves no output but its error.
        self._next_update = time.monotonic() + FIRST_PHASE_S

    def add(self, delta: TextStreamDelta) -> None:
        """Take the next delta; the first word shows at once."""
        super().add(delta)
        if self.segments.answering and not self._shown_answer:
            self._shown_answer = True
            self._next_update = 0.0
        self.tick()

    def tick(self) -> None:
        """Show what is new, no faster than the front end draws."""
        now = time.monotonic()
        if now < self._next_update:
            return
        html = running_html(self.segments, heading=self._heading)
        self._show({"text/html": html, "text/plain": whole(self.segments.text) or self.segments.phase_line()}, {})
        spent = time.monotonic() - now
        self._next_update = now + max(SHORTEST_INTERVAL_S, 1.4 * len(html) / BYTES_PER_SECOND, 5 * spent)

    def finish(self, result: GenerateTextResult, *, host: str | None = None, problem: str | None = None) -> None:
        """Leave one static output."""
        bundle = self.bundle(result, host, problem)
        self._show(bundle.data, dict(bundle.metadata))

    def fail(self) -> None:
        """Say where it ended, where a phase has been shown."""
        if self._handle is not None:
            line = f"{self.segments.phase_line()} · failed"
            self._show({"text/html": notice_html(line), "text/plain": line}, {})

    def _show(self, data: dict[str, str], metadata: dict[str, object]) -> None:
        if self._handle is None:
            from IPython.display import display

            self._handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self._handle.update(data, metadata=metadata, raw=True)


class TextView(_View):
    """Plain text as it comes; ``final`` adds the static output for a notebook that is executed."""

    def __init__(self, heading: str | None = None, *, final: bool) -> None:
        super().__init__(heading)
        self._final = final
        if heading is not None:
            self._write(f"{heading}\n")
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

    def fail(self) -> None:
        """End the phase's line."""
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
        footer = footer_of(result, host=host, received=self.segments.received)
        self._write(f"\n────────────\n{footer}\n" + (f"⚠ {problem}\n" if problem else ""))
        if self._final:
            from IPython.display import display

            bundle = self.bundle(result, host, problem)
            display(bundle.data, metadata=bundle.metadata, raw=True)

    @staticmethod
    def _write(text: str) -> None:
        """Write what a terminal only shows: a model's control sequences could move, colour and copy."""
        sys.stdout.write(plain_text(text))
        sys.stdout.flush()
