"""What a generation gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.markup.html import element, whole
from roci_nb.markup.markdown import render_markdown
from roci_nb.markup.strings import clip, count, plain_text
from roci_nb.markup.styles import PROSE
from roci_nb.types.usage import Timing, Usage

if TYPE_CHECKING:
    from roci_nb.types.events import FinishReason, GenerationWarning
    from roci_nb.types.messages import ModelMessage
    from roci_nb.types.models import LanguageModel
    from roci_nb.types.requests import RequestPreview
    from roci_nb.types.settings import GenerationSettings
    from roci_nb.types.tools import ToolCall


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a generation and its reply; a generation without tools has one."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage = Usage()
    timing: Timing = Timing()


@dataclass(frozen=True, slots=True)
class GenerateTextResult:
    """A finished answer.

    ``reasoning`` is what the model thought, kept apart from ``text``. ``messages`` is the conversation with the
    reply at its end. ``usage`` adds up over ``steps``; ``context_window`` is the loaded window in tokens.
    ``gpu_share`` is the part of the model that runs on GPUs, from 0 to 1. ``sent`` is the request as it went out, with
    its keys redacted.
    """

    text: str
    model: LanguageModel
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage = Usage()
    timing: Timing = Timing()
    messages: tuple[ModelMessage, ...] = ()
    steps: tuple[Step, ...] = ()
    warnings: tuple[GenerationWarning, ...] = ()
    settings: GenerationSettings | None = None
    context_window: int | None = None
    gpu_share: float | None = None
    sent: RequestPreview | None = None

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        tokens = f"{count(self.usage.input_tokens)} → {count(self.usage.output_tokens)} tok"
        return f"GenerateTextResult({clip(self.text, 60)!r}, {self.model}, {tokens}, {self.finish_reason})"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Show the answer; plain text is the answer's source, without what a terminal would act on."""
        tokens = f"{count(self.usage.input_tokens)} → {count(self.usage.output_tokens)} tok"
        line = element("div", f"{self.model} · {tokens}", style="opacity:.7;font-size:.9em")
        return {
            "text/plain": plain_text(whole(self.text)),
            "text/html": element("div", render_markdown(self.text), line, style=PROSE),
        }
