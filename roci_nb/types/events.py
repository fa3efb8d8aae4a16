"""The one event model: what every provider's stream is made of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from roci_nb.types.progress import Progress
    from roci_nb.types.requests import RequestPreview
    from roci_nb.types.tools import ToolCall, ToolResult
    from roci_nb.types.usage import Timing, Usage

Phase: TypeAlias = Literal[
    "connecting", "downloading", "loading", "queued_or_reading", "reading", "thinking", "answering", "tool"
]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "cancelled"]


@dataclass(frozen=True, slots=True)
class GenerationWarning:
    """Something that the answer does without: one line, and the setting's name where it is one."""

    message: str
    setting: str | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class TextStreamDelta:
    """One step of an answer.

    ``text`` and ``reasoning`` hold what is new, ``""`` where nothing is. ``phase`` is what the model does now;
    ``progress`` how far that has come, where the server tells. The last delta of a stream, and only it, has
    ``finish_reason``; with it come ``usage``, ``timing`` and ``context_window``, the loaded window in tokens,
    and ``gpu_share``, the part of the model that runs on GPUs.
    ``sent`` is the request as it goes out, keys redacted, with the delta before the server is asked.
    """

    text: str = ""
    reasoning: str = ""
    channel: str | None = None
    phase: Phase | None = None
    progress: Progress | None = None
    tool_call: ToolCall | None = None
    tool_result: ToolResult | None = None
    warnings: tuple[GenerationWarning, ...] = ()
    usage: Usage | None = None
    timing: Timing | None = None
    finish_reason: FinishReason | None = None
    context_window: int | None = None
    gpu_share: float | None = None
    sent: RequestPreview | None = None

    def __repr__(self) -> str:
        shown = [f"{field.name}={value!r}" for field in fields(self) if (value := getattr(self, field.name))]
        return f"TextStreamDelta({', '.join(shown)})"
