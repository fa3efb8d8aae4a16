"""Views in a notebook's cell: one output, updated in place, and static at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from roci_nb.display.answer import notice_html, running_html
from roci_nb.display.view import View
from roci_nb.markup.html import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from IPython.display import DisplayHandle

    from roci_nb.display.live import LiveAnswer
    from roci_nb.display.view import Look
    from roci_nb.types.events import TextStreamDelta
    from roci_nb.types.results import GenerateTextResult

FIRST_PHASE_S = 0.15
"""How long an answer may take to begin before its phase is shown."""
SHORTEST_INTERVAL_S = 0.1
LIVE_INTERVAL_S = 0.04
FAST_INTERVAL_S = 0.1
FAST_TOKENS_PER_SECOND = 200
"""Beyond this nobody reads along, and larger messages cost less (NOTEBOOK 12.3)."""
BYTES_PER_SECOND = 150_000
"""What a front end draws of whole re-sent HTML without falling behind (NOTEBOOK 12.5)."""


class FinalView(View):
    """Nothing until the answer is done, then one output."""

    def finish(self, result: GenerateTextResult, *, host: str | None = None, problem: str | None = None) -> None:
        """Show the one output."""
        from IPython.display import display

        bundle = self.bundle(result, host, problem)
        display(bundle.data, metadata=bundle.metadata, raw=True)


class _OutputView(View):
    """One output in a notebook's cell, updated in place, and static at the end."""

    outlives_cell = True

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._handle: DisplayHandle | None = None
        # What fails at once leaves no output but its error.
        self._next_update = time.monotonic() + FIRST_PHASE_S
        self._begun = False

    def add(self, delta: TextStreamDelta) -> None:
        """Take the next delta; the first thought and the first word show at once."""
        super().add(delta)
        if (self.segments.answering or self.segments.has_reasoning) and not self._begun:
            self._begun = True
            self._next_update = 0.0
        self.tick()

    def tick(self) -> None:
        """Show what is new, no faster than the front end draws."""
        now = time.monotonic()
        if now >= self._next_update:
            pause = self._update()
            spent = time.monotonic() - now
            self._next_update = now + max(pause, 5 * spent)

    def _update(self) -> float:
        """Show what is new; return how many seconds the front end needs for it."""
        html = running_html(self.segments, heading=self._look.heading, raw=self._look.raw)
        self._show({"text/html": html, "text/plain": whole(self.segments.text) or self.segments.phase_line()}, {})
        return max(SHORTEST_INTERVAL_S, 1.4 * len(html) / BYTES_PER_SECOND)

    def finish(self, result: GenerateTextResult, *, host: str | None = None, problem: str | None = None) -> None:
        """Leave one static output."""
        bundle = self.bundle(result, host, problem)
        self._show(bundle.data, dict(bundle.metadata))

    def begin(self) -> None:
        """Take a place in the cell that runs now: later it belongs to another."""
        self._next_update = 0.0
        self.tick()

    def fail(self, problem: str | None = None) -> None:
        """Say where it ended, where a phase has been shown."""
        if self._handle is not None:
            line = self._failure(problem)
            self._show({"text/html": notice_html(line), "text/plain": line}, {})

    def _failure(self, problem: str | None) -> str:
        return f"{self.segments.phase_line()} · failed" if problem is None else f"⚠ {problem}"

    def _show(self, data: Mapping[str, object], metadata: dict[str, object]) -> None:
        if self._handle is None:
            from IPython.display import display

            self._handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self._handle.update(data, metadata=metadata, raw=True)


class CellView(_OutputView):
    """HTML of our own, sent whole each time: for a front end without widgets."""


class LiveView(_OutputView):
    """A widget that is sent what is new, and a static output at the end."""

    refused: ClassVar[bool] = False
    """Whether this kernel's front end has been seen to know no widgets."""

    def __init__(self, look: Look, on_stop: Callable[[], None] | None) -> None:
        super().__init__(look)
        self._on_stop = on_stop
        self._live: LiveAnswer | None = None
        self._waiting = ""
        self._waiting_reasoning = ""
        self._updated = time.monotonic()
        self._received = 0

    def add(self, delta: TextStreamDelta) -> None:
        """Take the next delta."""
        self._waiting += delta.text
        self._waiting_reasoning += delta.reasoning
        super().add(delta)

    def _update(self) -> float:
        if LiveView.refused:
            return super()._update()
        live = self._live or self._begin()
        if live.refused:
            LiveView.refused = True
            return super()._update()
        live.add(self._waiting, self._waiting_reasoning)
        self._waiting = self._waiting_reasoning = ""
        live.flush()
        now, received = time.monotonic(), self.segments.received
        fast = received - self._received > FAST_TOKENS_PER_SECOND * (now - self._updated)
        self._updated, self._received = now, received
        return FAST_INTERVAL_S if fast else LIVE_INTERVAL_S

    def _begin(self) -> LiveAnswer:
        from roci_nb.display.live import WIDGET_VIEW, LiveAnswer

        look = self._look
        live = LiveAnswer(
            self.segments, heading=look.heading, reasoning_style=look.reasoning, raw=look.raw, on_stop=self._on_stop
        )
        line = f"◐ {self.segments.phase_line()}"
        self._show({WIDGET_VIEW: live.view, "text/html": notice_html(line), "text/plain": line}, {})
        self._live = live
        return live

    def finish(self, result: GenerateTextResult, *, host: str | None = None, problem: str | None = None) -> None:
        """Leave one static output, and no widget."""
        bundle = self.bundle(result, host, problem)
        self._show(bundle.data, dict(bundle.metadata))
        if self._live is not None:
            self._live.finish(bundle.data["text/html"])

    def fail(self, problem: str | None = None) -> None:
        """Say where it ended, where a phase has been shown."""
        super().fail(problem)
        if self._live is not None:
            self._live.finish(notice_html(self._failure(problem)))
