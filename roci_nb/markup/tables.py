"""Tables and bars, as HTML and as plain text; columns of numbers stand to the right."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

from roci_nb.markup.html import Html, element
from roci_nb.markup.strings import UNKNOWN
from roci_nb.markup.styles import CELL_PADDING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Cell: TypeAlias = str | int | float | None
"""What may stand in a table; None is unknown. A number is shown as ``str`` does: format it before, if it matters."""

_NUMBER = re.compile(r"[~<≈≥+−-]?\d[\d.,]*( ?[a-zA-Zµ%/]{1,5})?")  # noqa: RUF001 - a real minus sign
_GAP = "  "


def html_table(headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Html:
    """Build an HTML table; every cell is escaped, unless it is ``Html``.

    Headers that are all empty are left out. Line breaks within a cell are kept.
    """
    grid, right = _grid(headers, rows)
    # JupyterLab aligns every cell of an output's tables to the right: both sides are said.
    styles = [f"text-align:{'right' if side else 'left'};vertical-align:top" for side in right]
    body = [
        element("tr", *(element("td", cell, style=f"{style};white-space:pre-wrap") for cell, style in pairs))
        for pairs in (zip(row, styles, strict=True) for row in grid)
    ]
    parts = [element("tbody", *body)]
    if any(headers):
        titles = zip(_padded_row(headers, len(styles)), styles, strict=True)
        heads = (element("th", title, style=style) for title, style in titles)
        parts.insert(0, element("thead", element("tr", *heads)))
    # Inside prose that may break anywhere, a narrow column would be cut to single letters.
    return element("table", *parts, cellpadding=CELL_PADDING, style="overflow-wrap:break-word")


def text_table(headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Build a table of aligned plain text, without trailing spaces or a last line break.

    Headers that are all empty are left out. A cell of several lines goes on below itself, and nothing is escaped.
    """
    grid, right = _grid(headers, rows)
    if any(headers):
        grid.insert(0, [" ".join(title.split()) for title in _padded_row(headers, len(right))])
    split = [[cell.splitlines() or [""] for cell in row] for row in grid]
    lines = [line for row in split for line in zip_longest(*row, fillvalue="")]
    widths = [max(map(_columns, column)) for column in zip(*lines, strict=True)]
    drawn = [
        _GAP.join(_aligned(cell, width, to_right=side) for cell, width, side in zip(line, widths, right, strict=True))
        for line in lines
    ]
    if any(headers):
        drawn.insert(1, _GAP.join("─" * width for width in widths))
    return "\n".join(line.rstrip() for line in drawn)


def bar(fraction: float | None, width: int = 8) -> str:
    """Draw a share as a bar of ``width`` characters: ████░░░░; an unknown one as ╌╌╌╌╌╌╌╌.

    It is empty only at nothing, and full only at all.
    """
    if fraction is None or not math.isfinite(fraction):
        return "╌" * width
    full = round(min(max(fraction, 0.0), 1.0) * width)
    if 0 < fraction < 1 < width:
        full = min(max(full, 1), width - 1)
    return "█" * full + "░" * (width - full)


def _grid(headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> tuple[list[list[str]], list[bool]]:
    """Make all rows strings of one length, and say which columns hold numbers."""
    cells = [list(row) for row in rows]
    width = max([len(headers), *map(len, cells)])
    shown = [_padded_row([_shown(cell) for cell in row], width) for row in cells]
    return shown, [_is_numeric([row[column] for row in shown]) for column in range(width)]


def _padded_row(row: Sequence[str], width: int) -> list[str]:
    return [*row, *[""] * (width - len(row))]


def _shown(cell: Cell) -> str:
    if cell is None:
        return UNKNOWN
    return cell if isinstance(cell, str) else str(cell)


def _is_numeric(column: Sequence[str]) -> bool:
    known = [cell for cell in column if cell not in ("", UNKNOWN)]
    return bool(known) and all(_NUMBER.fullmatch(cell) for cell in known)


def _aligned(cell: str, width: int, *, to_right: bool) -> str:
    space = " " * (width - _columns(cell))
    return space + cell if to_right else cell + space


def _columns(text: str) -> int:
    """Count the columns of a fixed-width font: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a value that shows itself."""

    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __str__(self) -> str:
        return text_table(self.headers, self.rows)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> Html:
        return html_table(self.headers, self.rows)
