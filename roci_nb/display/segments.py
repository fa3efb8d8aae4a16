"""The fold of an answer for the eye: its phase, what it thinks, what it says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from roci_nb.markup.strings import clock, count, percent, size

if TYPE_CHECKING:
    from collections.abc import Callable

    from roci_nb.types.events import GenerationWarning, Phase, TextStreamDelta
    from roci_nb.types.progress import Progress

_PHASES: dict[Phase, str] = {
    "connecting": "connecting",
    "downloading": "downloading",
    "loading": "loading the model",
    "queued_or_reading": "queued or reading the prompt",
    "reading": "reading the prompt",
    "tool": "running a tool",
}


class AnswerSegments:
    """Takes the deltas of one answer; ``now`` is a clock in seconds.

    ``prompt_tokens`` is our estimate of what is sent, ``last_load_s`` how long this model's last load took, by our
    own record.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        *,
        prompt_tokens: int | None = None,
        last_load_s: float | None = None,
    ) -> None:
        self._now = now
        self._prompt_tokens = prompt_tokens
        self._last_load_s = last_load_s
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._phase_since = now()
        self._thinking_since: float | None = None
        self.load_s = 0.0
        """Seconds that the model took to load, as far as the phases told."""
        self.thought_s = 0.0
        """Seconds from the first thought to the first word of the answer, or to now."""
        self.phase: Phase = "connecting"
        self.progress: Progress | None = None
        self.warnings: list[GenerationWarning] = []

    def add(self, delta: TextStreamDelta) -> None:
        """Take the next delta."""
        if delta.phase is not None and delta.phase != self.phase:
            if self.phase == "loading":
                self.load_s += self._now() - self._phase_since
            self.phase, self._phase_since, self.progress = delta.phase, self._now(), None
        if delta.progress is not None:
            self.progress = delta.progress
        self.warnings.extend(delta.warnings)
        if delta.reasoning:
            self._reasoning.append(delta.reasoning)
            if self._thinking_since is None:
                self._thinking_since = self._now()
        if self._thinking_since is not None and not self._text:
            self.thought_s = self._now() - self._thinking_since
        if delta.text:
            self._text.append(delta.text)

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """The thoughts so far."""
        return "".join(self._reasoning)

    @property
    def has_reasoning(self) -> bool:
        """Whether the model has thought."""
        return bool(self._reasoning)

    @property
    def answering(self) -> bool:
        """Whether the first word of the answer has come."""
        return bool(self._text)

    @property
    def received(self) -> int:
        """How many pieces have come, thought or said: about as many tokens."""
        return len(self._text) + len(self._reasoning)

    def phase_line(self) -> str:
        """What the model does now, for how long, and how far it is where the server tells."""
        return f"{self.phase_text()} · {self.phase_clock()}"

    def phase_text(self) -> str:
        """What the model does now, and how far it is where the server tells."""
        if self.phase == "thinking":
            return f"thinking · ~{count(len(self._reasoning))} tok"
        about = []
        if self.phase in ("queued_or_reading", "reading") and self.progress is None and self._prompt_tokens:
            about = [f"~{count(self._prompt_tokens)} tokens"]
        return " · ".join([self._what(), *_how_far(self.progress), *about])

    def phase_clock(self) -> str:
        """For how long the phase has lasted; of a load, how long the last one took."""
        elapsed = clock(self._now() - self._phase_since)
        if self.phase == "loading" and self._last_load_s is not None:
            return f"{elapsed} (last time {clock(self._last_load_s)})"
        return elapsed

    def thought_line(self, *, done: bool = False) -> str:
        """How long the model thinks or thought, and about how much; ``done`` when the answer has ended."""
        about = f"~{count(len(self._reasoning))} tok"
        if done or self.answering or self._thinking_since is None or self.phase != "thinking":
            return f"thought {self.thought_s:.0f} s · {about}"
        return f"thinking · {self._now() - self._thinking_since:.0f} s · {about}"

    def _what(self) -> str:
        if self.phase in ("downloading", "loading") and self.progress is not None and self.progress.status:
            return self.progress.status
        return _PHASES.get(self.phase, self.phase)


def _how_far(progress: Progress | None) -> list[str]:
    if progress is None:
        return []
    show = size if progress.unit == "bytes" else count
    unit = "" if progress.unit == "bytes" else f" {progress.unit}"
    if progress.completed is None:
        return [f"{show(progress.total)}{unit}"] if progress.total is not None else []
    if progress.total is None:
        return [f"{show(progress.completed)}{unit}"]
    done = progress.fraction
    parts = [f"{show(progress.completed)} of {show(progress.total)}{unit}"]
    return [*parts, percent(done)] if done is not None else parts
