"""What was unusual about an answer, in lines of its own: cut, stopped, empty, slow, warned of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roci_nb.markup.strings import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roci_nb.types.results import GenerateTextResult

SMALL_WINDOW = 8192
"""Below this a window is short for a model that thinks: the advice is to make it four times as large."""
CONTEXT_IS_FULL_AT = 0.8
"""From here on the share of the window that is used is told."""
LONG_LOAD_S = 1.0
"""A load that is worth a word before it is caused again."""
ON_CPU_FROM = 0.005
"""A smaller part on the CPU is none: Ollama's own display rounds it away."""
TAKES_NUM_CTX = ("ollama", "lmstudio", "embedded")
"""The providers whose servers load a model again with the window that a request asks for."""


def notices_of(result: GenerateTextResult, received: int | None = None, *, window_told: bool = False) -> Iterator[str]:
    """Tell what was unusual, ⚠ before what is a warning; ``received`` is our own count of pieces.

    With ``window_told`` the user knows already that this model's window is short.
    """
    yield from _ending(result, received)
    if result.gpu_share is not None and 0 < result.gpu_share <= 1 - ON_CPU_FROM:
        on_cpu = percent(1 - result.gpu_share)
        yield f"⚠ {on_cpu} of the model runs on the CPU: a smaller one, or a shorter window, is faster"
    if not window_told:
        yield from _short_window(result)
    yield from (f"⚠ {warning}" for warning in result.warnings)


def _ending(result: GenerateTextResult, received: int | None) -> Iterator[str]:
    share = _share(result)
    if result.finish_reason == "cancelled":
        yield _stopped(result, received)
    elif result.finish_reason == "length":
        yield _cut(result)
    elif share is not None and share > CONTEXT_IS_FULL_AT and not _told_past_window(result):
        yield f"⚠ {percent(share)} of the window is used: a longer conversation will not fit"
    if result.finish_reason == "stop" and not result.text.strip() and not result.tool_calls:
        yield "the model answered nothing"


def _share(result: GenerateTextResult) -> float | None:
    used = result.usage.total_tokens
    return used / result.context_window if used is not None and result.context_window else None


def _told_past_window(result: GenerateTextResult) -> bool:
    """Whether a provider's warning has said it, with the figures."""
    return any("past the window" in str(warning) for warning in result.warnings)


def _stopped(result: GenerateTextResult, received: int | None) -> str:
    counted = result.usage.output_tokens
    if not (received or counted or result.text or result.reasoning):
        return "■ stopped before the first word"
    number = count(counted) if counted is not None else f"~{count(received)}" if received else None
    after = f" after {number} tokens" if number is not None else ""
    more = " · %roci continue" if result.text else ""
    return f"■ stopped{after} · kept{more}"


def _cut(result: GenerateTextResult) -> str:
    usage, full = result.usage, result.context_window
    begun = bool(result.text.strip())
    cut = "⚠ cut" if begun else "⚠ cut before the first word of the answer"
    total = usage.total_tokens
    # A full window ends an answer at its last token, or one off; an answer that ran past it was cut by the limit.
    if total is not None and full is not None and abs(total - full) <= 1:
        sum_ = f"{_exact(usage.input_tokens)} + {_exact(usage.output_tokens)} = {total:,}"
        counts = sum_ if total == full else f"{sum_} of {full:,}"
        advice = _larger(result, full, then="then %roci continue" if begun else "then ask again")
        return f"{cut}: the window is full ({counts}). {advice}"
    if not begun:
        return f"{cut}: more --max-tokens"
    tokens = f" ({count(usage.output_tokens)} tokens)" if usage.output_tokens is not None else ""
    return f"{cut}: the longest answer allowed was reached{tokens}. %roci continue, or more: --max-tokens"


def _short_window(result: GenerateTextResult) -> Iterator[str]:
    full = result.context_window
    if full is None or full >= SMALL_WINDOW or not result.reasoning or result.model.provider_key == "embedded":
        return  # the embedded engine says itself where its window is short
    if result.finish_reason != "length":
        yield f"⚠ the window of {full:,} is short for a model that thinks. {_larger(result, full)}"


def _larger(result: GenerateTextResult, full: int, *, then: str = "") -> str:
    """Say how to get a larger window, and what that costs."""
    larger = 4 * full if full < SMALL_WINDOW else 2 * full
    if result.model.provider_key not in TAKES_NUM_CTX:
        return f"Load the model with a window of {larger:,}"
    load_s = result.timing.load_s
    cost = f" (reload ~{load_s:.0f} s)" if load_s is not None and load_s > LONG_LOAD_S else ""
    return f"%roci set num_ctx {larger}{cost}" + (f", {then}" if then else "")


def _exact(n: int | None) -> str:
    return "?" if n is None else f"{n:,}"
