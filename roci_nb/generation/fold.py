"""The fold of an answer's deltas: what it is so far, and the result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from roci_nb.errors import Partial
from roci_nb.types.messages import ModelMessage
from roci_nb.types.results import GenerateTextResult, Step
from roci_nb.types.usage import Timing, Usage

if TYPE_CHECKING:
    from roci_nb.types.events import FinishReason, GenerationWarning, TextStreamDelta
    from roci_nb.types.models import LanguageModel
    from roci_nb.types.requests import ProviderRequest, RequestPreview
    from roci_nb.types.tools import ToolCall


class AnswerFold:
    """Takes the deltas of one answer, in order."""

    def __init__(self, model: LanguageModel, request: ProviderRequest) -> None:
        self._model = model
        self._request = request
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._tool_calls: list[ToolCall] = []
        self._warnings: list[GenerationWarning] = []
        self._last: TextStreamDelta | None = None
        self._sent: RequestPreview | None = None
        self._started = time.perf_counter()

    def add(self, delta: TextStreamDelta) -> None:
        """Take the next delta."""
        if delta.text:
            self._text.append(delta.text)
        if delta.reasoning:
            self._reasoning.append(delta.reasoning)
        if delta.tool_call is not None:
            self._tool_calls.append(delta.tool_call)
        if delta.warnings:
            self._warnings.extend(delta.warnings)
        if delta.sent is not None:
            self._sent = delta.sent
        if delta.finish_reason is not None:
            self._last = delta

    @property
    def begun(self) -> bool:
        """Whether anything of the answer has arrived."""
        return bool(self._text or self._reasoning or self._tool_calls)

    @property
    def partial(self) -> Partial:
        """What has arrived so far."""
        return Partial(text="".join(self._text), reasoning="".join(self._reasoning))

    def result(self, finish_reason: FinishReason | None = None) -> GenerateTextResult:
        """Return the answer; ``finish_reason`` stands in for one that ended without its last delta."""
        text, reasoning = "".join(self._text), "".join(self._reasoning)
        last = self._last
        step = Step(
            text=text,
            reasoning=reasoning,
            tool_calls=tuple(self._tool_calls),
            finish_reason=finish_reason if last is None else last.finish_reason,
            usage=(last and last.usage) or Usage(),
            timing=(last and last.timing) or Timing(total_s=time.perf_counter() - self._started),
        )
        reply = ModelMessage.assistant(text, reasoning=reasoning, tool_calls=step.tool_calls)
        return GenerateTextResult(
            text=text,
            model=self._model,
            reasoning=reasoning,
            tool_calls=step.tool_calls,
            finish_reason=step.finish_reason,
            usage=step.usage,
            timing=step.timing,
            messages=(*self._request.messages, reply),
            steps=(step,),
            warnings=tuple(self._warnings),
            settings=self._request.settings,
            context_window=None if last is None else last.context_window,
            gpu_share=None if last is None else last.gpu_share,
            sent=self._sent,
        )
