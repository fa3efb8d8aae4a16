"""The usage ledger: tokens by cell, model and conversation, and in all."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from roci_nb.errors import ConfigError
from roci_nb.markup.strings import count, nearest
from roci_nb.markup.tables import html_table, text_table
from roci_nb.types.usage import Timing, Usage

if TYPE_CHECKING:
    from pandas import DataFrame  # type: ignore[import-untyped]

    from roci_nb.markup.html import Html
    from roci_nb.types.events import FinishReason

Grouping: TypeAlias = Literal["cell", "model", "conversation"]
GROUPINGS = ("cell", "model", "conversation")
ENTRIES_KEPT = 1000

_HEADERS = ("answers", "prompt", "answer", "of it reasoning", "seconds")


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One answer's usage; ``conversation`` is "" for the notebook's own."""

    cell: str
    model: str
    conversation: str
    usage: Usage
    timing: Timing = Timing()
    finish_reason: FinishReason | None = None


@dataclass(slots=True)
class Total:
    """What adds up. ``uncounted`` answers came without a token count, so that the sum is at least what it says."""

    answers: int = 0
    uncounted: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int | None = None
    seconds: float = 0.0

    def add(self, entry: LedgerEntry) -> None:
        """Add one answer."""
        usage = entry.usage
        self.answers += 1
        self.uncounted += usage.output_tokens is None
        self.input_tokens += usage.input_tokens or 0
        self.output_tokens += usage.output_tokens or 0
        if usage.reasoning_tokens is not None:
            self.reasoning_tokens = (self.reasoning_tokens or 0) + usage.reasoning_tokens
        self.seconds += entry.timing.total_s or 0.0

    def row(self) -> tuple[str, ...]:
        """Write the figures; ``≥`` where an answer's count is missing."""
        least = "≥" if self.uncounted else ""
        reasoning = "" if self.reasoning_tokens is None else count(self.reasoning_tokens)
        tokens = (f"{least}{count(self.input_tokens)}", f"{least}{count(self.output_tokens)}")
        return (str(self.answers), *tokens, reasoning, f"{self.seconds:.1f}")


@dataclass(frozen=True, slots=True)
class UsageTable:
    """Totals of one grouping, as a table that shows itself."""

    grouping: str
    totals: dict[str, Total]
    total: Total

    def _rows(self) -> list[tuple[str, ...]]:
        rows = [(name or "(this notebook)", *total.row()) for name, total in self.totals.items()]
        return [*rows, ("in all", *self.total.row())]

    def __str__(self) -> str:
        return text_table((self.grouping, *_HEADERS), self._rows())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> Html:
        return html_table((self.grouping, *_HEADERS), self._rows())


@dataclass(slots=True)
class UsageLedger:
    """What this kernel's answers took. Totals are of all answers, entries of the last thousand."""

    entries: list[LedgerEntry] = field(default_factory=list)
    total: Total = field(default_factory=Total)
    _groups: dict[str, dict[str, Total]] = field(default_factory=lambda: {name: {} for name in GROUPINGS})
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, entry: LedgerEntry) -> None:
        """Add one answer; background answers come from their own threads."""
        with self._lock:
            self.entries = [*self.entries[-ENTRIES_KEPT + 1 :], entry]
            self.total.add(entry)
            for name, group in self._groups.items():
                group.setdefault(cast("str", getattr(entry, name)), Total()).add(entry)

    def by(self, grouping: str) -> UsageTable:
        """Return the totals by cell, model or conversation."""
        if grouping not in self._groups:
            near = nearest(grouping, GROUPINGS, 1)
            advice = f": did you mean {near[0]}?" if near else ""
            raise ConfigError(f"usage is told by {', '.join(GROUPINGS)}, not by {grouping!r}{advice}")
        return UsageTable(grouping, dict(self._groups[grouping]), self.total)

    def to_dataframe(self) -> DataFrame:
        """Return the entries as a pandas DataFrame; raises ``ConfigError`` without pandas."""
        try:
            import pandas as pd
        except ImportError:
            raise ConfigError("a DataFrame needs pandas: pip install pandas") from None
        return pd.DataFrame(
            [
                {
                    "cell": entry.cell,
                    "model": entry.model,
                    "conversation": entry.conversation,
                    "input_tokens": entry.usage.input_tokens,
                    "output_tokens": entry.usage.output_tokens,
                    "reasoning_tokens": entry.usage.reasoning_tokens,
                    "total_s": entry.timing.total_s,
                    "tokens_per_second": entry.timing.tokens_per_second,
                    "finish_reason": entry.finish_reason,
                }
                for entry in self.entries
            ]
        )

    def __repr__(self) -> str:
        return str(self.by("model"))

    def _repr_html_(self) -> Html:
        return self.by("model")._repr_html_()
