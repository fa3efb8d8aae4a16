"""The usage ledger: tokens by cell, model and conversation, and in all."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from roci_nb.errors import ConfigError
from roci_nb.markup.strings import UNKNOWN, count, nearest
from roci_nb.markup.tables import html_table, text_table
from roci_nb.types.usage import Timing, Usage

if TYPE_CHECKING:
    from pandas import DataFrame  # type: ignore[import-untyped]

    from roci_nb.markup.html import Html
    from roci_nb.types.events import FinishReason

Grouping: TypeAlias = Literal["cell", "model", "conversation"]
GROUPINGS = ("cell", "model", "conversation")
ENTRIES_KEPT = 1000

_COUNTS = ("input_tokens", "output_tokens", "reasoning_tokens")
_HEADERS = ("answers", "prompt", "answer", "of it reasoning", "seconds")


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One answer's usage; ``conversation`` is "" for the notebook's own.

    ``cell`` is what the cell was called when it ran, ``cell_id`` stays when it runs again; "" where none is known.
    """

    cell: str
    model: str
    conversation: str
    usage: Usage
    timing: Timing = Timing()
    finish_reason: FinishReason | None = None
    cell_id: str = ""


@dataclass(frozen=True, slots=True)
class Total:
    """What adds up; ``None`` is unknown. ``lacking`` names the sums that some answer had no figure for.

    Such a sum is at least what it says.
    """

    answers: int = 0
    usage: Usage = Usage()
    seconds: float | None = None
    lacking: frozenset[str] = frozenset()

    def plus(self, entry: LedgerEntry) -> Total:
        """Add one answer."""
        lacks = {name for name in _COUNTS if getattr(entry.usage, name) is None}
        spent = entry.timing.total_s
        if spent is None:
            lacks.add("seconds")
        seconds = self.seconds if spent is None else (self.seconds or 0.0) + spent
        return Total(self.answers + 1, self.usage + entry.usage, seconds, self.lacking | lacks)

    def row(self) -> tuple[str, ...]:
        """Write the figures; ``≥`` where an answer's is missing, a dash where none is known."""
        counts = (self._sum(name, getattr(self.usage, name)) for name in _COUNTS)
        seconds = UNKNOWN if self.seconds is None else f"{self._least('seconds')}{self.seconds:.1f}"
        return (str(self.answers), *counts, seconds)

    def _sum(self, name: str, n: int | None) -> str:
        return UNKNOWN if n is None else f"{self._least(name)}{count(n)}"

    def _least(self, name: str) -> str:
        return "≥" if name in self.lacking else ""


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
    total: Total = Total()
    _groups: dict[str, dict[str, Total]] = field(default_factory=lambda: {name: {} for name in GROUPINGS})
    _cells: dict[str, str] = field(default_factory=dict)
    """The last name of each cell."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, entry: LedgerEntry) -> None:
        """Add one answer; background answers come from their own threads."""
        with self._lock:
            self.entries = [*self.entries[-ENTRIES_KEPT + 1 :], entry]
            self.total = self.total.plus(entry)
            for name, group in self._groups.items():
                key = cast("str", getattr(entry, name))
                if name == "cell" and entry.cell_id:
                    key = entry.cell_id
                    self._cells[key] = entry.cell
                group[key] = group.get(key, Total()).plus(entry)

    def by(self, grouping: str) -> UsageTable:
        """Return the totals by cell, model or conversation."""
        if grouping not in self._groups:
            near = nearest(grouping, GROUPINGS, 1)
            advice = f": did you mean {near[0]}?" if near else ""
            raise ConfigError(f"usage is told by {', '.join(GROUPINGS)}, not by {grouping!r}{advice}")
        with self._lock:
            totals = {self._cells.get(name, name): total for name, total in self._groups[grouping].items()}
            return UsageTable(grouping, totals, self.total)

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
