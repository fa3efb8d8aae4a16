"""What stands below an answer: whose it is, its tokens, its speed, and what was unusual."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roci_nb.display.notices import notices_of
from roci_nb.markup.strings import count, percent, seconds, window
from roci_nb.markup.tables import text_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue

    from roci_nb.types.options import FooterStyle
    from roci_nb.types.results import GenerateTextResult


@dataclass(frozen=True, slots=True)
class Footer:
    """``facts`` stand in one grey line, ``details`` unfold below it, ``notices`` below both, each a line of its own.

    A notice that begins with ⚠ is a warning; any other is told quietly.
    """

    facts: tuple[str, ...]
    notices: tuple[str, ...] = ()
    details: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return footer_text(self)

    def with_problem(self, problem: str | None) -> Footer:
        """Add what the answer broke of, unless it is told already."""
        if not problem or any(problem in notice for notice in self.notices):
            return self
        return replace(self, notices=(*self.notices, f"⚠ {problem}"))


def footer_text(footer: Footer, style: FooterStyle = "line") -> str:
    """Write a footer for a terminal: the line and the notices, with the details between them where it is full."""
    details = text_table(("", ""), footer.details) if style == "full" and footer.details else ""
    line = " · ".join(footer.facts) if style != "none" else ""
    return "\n".join(part for part in (line, *(f"  {row}" for row in details.splitlines()), *footer.notices) if part)


def footer_of(
    result: GenerateTextResult,
    *,
    host: str | None = None,
    received: int | None = None,
    sources: Mapping[str, str] | None = None,
    turns: int | None = None,
    turn_tokens: int | None = None,
    window_told: bool = False,
) -> Footer:
    """Describe an answer. ``host`` is where it was made when that is not this machine.

    ``received`` is our own count of pieces, shown with ``~`` where the server gave none: an answer that was stopped.
    ``sources`` says where each setting came from; ``turns`` how many earlier ones were sent, ``turn_tokens`` our
    estimate of them; ``window_told`` that a short window was told of before.
    """
    notices = tuple(dict.fromkeys(notices_of(result, received, window_told=window_told)))
    facts = _facts(result, host, received, turns, turn_tokens)
    return Footer(tuple(facts), notices, tuple(_details(result, sources or {}, turns)))


def _facts(
    result: GenerateTextResult, host: str | None, received: int | None, turns: int | None, turn_tokens: int | None
) -> Iterator[str]:
    usage, timing = result.usage, result.timing
    yield result.model.model_id
    if usage.input_tokens is not None or usage.output_tokens is not None:
        yield f"{count(usage.input_tokens)} → {count(usage.output_tokens)} tok"
    elif received:
        yield f"~{count(received)} tok"
    if timing.tokens_per_second is not None:
        yield f"{'~' if timing.approximate else ''}{_speed(timing.tokens_per_second)}"
    if timing.total_s is not None:
        yield seconds(timing.total_s)
    if result.context_window and usage.total_tokens is not None:
        yield f"ctx {percent(usage.total_tokens / result.context_window)} of {window(result.context_window)}"
    if result.gpu_share == 0:
        yield "on the CPU"  # all of it: that is how a machine without a GPU always answers
    if turns:
        about = f", ~{count(turn_tokens)} tok" if turn_tokens else ""
        yield f"↩ {turns} {'turn' if turns == 1 else 'turns'}{about}"
    if host is not None:
        yield f"↗ sent to {host}"


def _details(result: GenerateTextResult, sources: Mapping[str, str], turns: int | None) -> Iterator[tuple[str, str]]:
    """Name only what is known."""
    yield "model", str(result.model)
    yield from _times(result)
    yield from _tokens(result)
    if result.gpu_share is not None:
        yield "on the GPU", percent(result.gpu_share)
    if turns is not None:
        yield "turns sent", str(turns)
    settings = result.settings
    in_force = settings.in_force() | settings.extra if settings is not None else {}
    for name, value in in_force.items():
        source = sources.get(name)
        yield name, f"{_value(value)} ({source})" if source else _value(value)
    if not in_force:
        yield "settings", f"as the {'engine' if result.model.provider_key == 'embedded' else 'server'} has them"
    if result.finish_reason is not None:
        yield "ended by", result.finish_reason


def _times(result: GenerateTextResult) -> Iterator[tuple[str, str]]:
    usage, timing = result.usage, result.timing
    if timing.load_s is not None:
        yield "load", seconds(timing.load_s)
    if timing.prompt_s is not None:
        # Only with the cached part known: Ollama counts what it did not read, and times what it read (PROTOCOLS A.2).
        read = (usage.input_tokens or 0) - usage.cached_tokens if usage.cached_tokens is not None else 0
        speed = f" · {_speed(read / timing.prompt_s)}" if read > 0 and timing.prompt_s > 0 else ""
        yield "prompt read", f"{seconds(timing.prompt_s)}{speed}"
    if timing.first_token_s is not None:
        yield "first token", seconds(timing.first_token_s)
    if timing.generation_s is not None:
        yield "generation", seconds(timing.generation_s)


def _tokens(result: GenerateTextResult) -> Iterator[tuple[str, str]]:
    usage = result.usage
    if usage.reasoning_tokens is not None:
        yield "reasoning", f"{usage.reasoning_tokens:,} tok"
    if usage.cached_tokens is not None:
        yield "prompt from cache", f"{usage.cached_tokens:,} tok"
    if result.context_window is not None:
        yield "window", f"{result.context_window:,} tok"


def _speed(tokens_per_second: float) -> str:
    return f"{tokens_per_second:.{0 if tokens_per_second >= 10 else 1}f} tok/s"


def _value(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
