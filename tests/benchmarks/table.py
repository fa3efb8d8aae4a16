"""The rows that the benchmarks give, and the table of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One measured figure; ``ratio`` is to the peer that ``compared`` names."""

    who: str
    figure: str
    spread: str = ""
    ratio: float | None = None
    compared: str = ""


@dataclass(frozen=True)
class Section:
    """One question, what DESIGN §9 allows, and what was measured."""

    title: str
    budget: str
    rows: tuple[Row, ...]


def row(
    who: str, values: Sequence[float], unit: str, *, peer: Sequence[float] | None = None, compared: str = ""
) -> Row:
    """Fold repetitions: the median, the least and the most, and the ratio of the medians."""
    middle = statistics.median(values)
    ratio = None if peer is None else middle / statistics.median(peer)
    spread = f"{min(values):.3g} to {max(values):.3g} of {len(values)}"
    return Row(who, f"{middle:.3g} {unit}", spread, ratio, compared)


def show(sections: Iterable[Section]) -> None:
    """Print each section as it comes: the slow ones follow."""
    console = Console(width=118)
    for section in sections:
        table = Table(title=f"{section.title}\nbudget: {section.budget}", title_justify="left", title_style="bold")
        for heading in ("who", "median", "least to most", "ratio"):
            table.add_column(heading, justify="left" if heading == "who" else "right", no_wrap=True)
        for line in section.rows:
            ratio = "" if line.ratio is None else f"{line.ratio:.2f} of {line.compared}"
            table.add_row(line.who, line.figure, line.spread, ratio)
        console.print(table, "")
