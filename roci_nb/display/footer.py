"""The one line below an answer: whose it is, its tokens, its speed, and what was unusual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.markup.strings import count, percent, seconds, window

if TYPE_CHECKING:
    from roci_nb.types.results import GenerateTextResult

SMALL_WINDOW = 8192
"""Below this a window is short for a model that thinks: the advice is to make it four times as large."""
CONTEXT_IS_FULL_AT = 0.8
"""From here on the share of the window that is used stands in amber."""


@dataclass(frozen=True, slots=True)
class Footer:
    """``facts`` stand in grey, ``notices`` in amber, each a line of its own."""

    facts: tuple[str, ...]
    notices: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join((" · ".join(self.facts), *self.notices))


def footer_of(result: GenerateTextResult, *, host: str | None = None, received: int | None = None) -> Footer:
    """Describe an answer. ``host`` is where it was made when that is not this machine.

    ``received`` is our own count of pieces, shown with ``~`` where the server gave none: an answer that was stopped.
    """
    usage, timing = result.usage, result.timing
    facts = [result.model.model_id]
    if usage.input_tokens is not None or usage.output_tokens is not None:
        facts.append(f"{count(usage.input_tokens)} → {count(usage.output_tokens)} tok")
    elif received:
        facts.append(f"~{count(received)} tok")
    if timing.tokens_per_second is not None:
        about = "~" if timing.approximate else ""
        facts.append(f"{about}{timing.tokens_per_second:.{0 if timing.tokens_per_second >= 10 else 1}f} tok/s")
    if timing.total_s is not None:
        facts.append(seconds(timing.total_s))
    share = _context_share(result)
    if share is not None and result.context_window is not None:
        facts.append(f"ctx {percent(share)} of {window(result.context_window)}")
    if host is not None:
        facts.append(f"↗ sent to {host}")
    return Footer(tuple(facts), tuple(_notices(result, share, received)))


def _context_share(result: GenerateTextResult) -> float | None:
    used = result.usage.total_tokens
    return used / result.context_window if used is not None and result.context_window else None


def _notices(result: GenerateTextResult, share: float | None, received: int | None) -> list[str]:
    notices = []
    if result.finish_reason == "cancelled":
        pieces = f" after ~{count(received)} tokens" if received else " before the first word"
        notices.append(f"■ stopped{pieces}{' · kept in _roci' if received else ''}")
    elif result.finish_reason == "length":
        notices.append(_cut(result, share))
    elif share is not None and share > CONTEXT_IS_FULL_AT:
        notices.append(f"⚠ {percent(share)} of the window is used: a longer conversation will not fit")
    notices.extend(f"⚠ {warning}" for warning in result.warnings)
    return notices


def _exact(n: int | None) -> str:
    return "?" if n is None else f"{n:,}"


def _cut(result: GenerateTextResult, share: float | None) -> str:
    usage, full = result.usage, result.context_window
    if share is not None and full is not None and share >= 1 - 1 / full:
        larger = 4 * full if full < SMALL_WINDOW else 2 * full
        embedded = result.model.provider_key == "embedded"
        more = f"%roci set num_ctx {larger}" if embedded else f"Load the model with a window of {larger:,}"
        counts = f"{_exact(usage.input_tokens)} + {_exact(usage.output_tokens)} = {full:,}"
        return f"⚠ cut: the window is full ({counts}). {more}"
    return f"⚠ cut: the longest answer allowed was reached ({count(usage.output_tokens)} tokens). More: --max-tokens"
