"""Frames, series and indexes in words; their libraries are not imported, only what they offer is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from roci_nb.magic.described_arrays import MOST_CELLS, statistics
from roci_nb.magic.excerpts import TIMES, Description, attempt, excerpt, is_a, short, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ROWS = 5
_WHOLE_ROWS = 12
"""Up to as many are told in full: what ``describe()`` and the like give."""
_FIRST_ELEMENTS = 10


class _Frame(Protocol):
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def columns(self) -> Iterable[object]: ...
    @property
    def dtypes(self) -> Iterable[object]: ...


class _Counts(Protocol):
    def tolist(self) -> list[int]: ...


class _Flags(Protocol):
    def sum(self) -> _Counts: ...


class _Rows(Protocol):
    def itertuples(self, *, index: bool, name: None) -> Iterable[tuple[object, ...]]: ...


class _Cut(Protocol):
    def __getitem__(self, ranges: tuple[slice, slice]) -> _Rows: ...


class _PandasFrame(_Frame, Protocol):
    @property
    def iloc(self) -> _Cut: ...
    def isna(self) -> _Flags: ...


class _PolarsFrame(_Frame, Protocol):
    def null_count(self) -> _PolarsFrame: ...
    def row(self, index: int) -> tuple[int, ...]: ...
    def head(self, n: int) -> _PolarsFrame: ...
    def rows(self) -> list[tuple[object, ...]]: ...


class _Pairs(Protocol):
    def items(self) -> Iterable[tuple[object, object]]: ...


class _Series(Protocol):
    @property
    def name(self) -> object: ...
    @property
    def dtype(self) -> object: ...
    def __len__(self) -> int: ...
    def head(self, n: int) -> _Pairs: ...
    def isna(self) -> _Flags: ...


def table(value: object, room: int) -> Description | None:
    """Describe a pandas or polars frame, series or index; None where the value is none of these."""
    if is_a(value, "pandas", "DataFrame"):
        return _pandas_frame(cast("_PandasFrame", value), room)
    if is_a(value, "polars", "DataFrame"):
        return _polars_frame(cast("_PolarsFrame", value), room)
    if is_a(value, "pandas", "Series"):
        return _pandas_series(cast("_Series", value), room)
    if is_a(value, "pandas", "Index"):
        return _elements(value, f"pandas {type_name(value)}", room)
    if is_a(value, "polars", "Series"):
        return _elements(value, f"polars Series {short(getattr(value, 'name', ''))!r}", room)
    return None


@dataclass(frozen=True, slots=True)
class _Table:
    """A frame of either library: ``missing`` is None where it was not counted, ``rows(n)`` the first n columns'."""

    title: str
    frame: _Frame
    missing: Sequence[int] | None
    index: tuple[str, ...]
    rows: Callable[[int], Iterable[tuple[object, ...]]]

    def described(self, room: int) -> Description:
        """Tell shape, dtypes, missing values and the first rows, of as many columns as fit."""
        n_columns = self.frame.shape[1]
        n = min(n_columns, room // 4)
        text = self._told(n)
        while len(text) > room and n > 1:
            n = max(1, min(n - 1, n * room // len(text)))
            text = self._told(n)
        text, cut = excerpt(text, room)
        return Description(text, type_name(self.frame), cut or self._left_out(n))

    def _told(self, n: int) -> str:
        n_rows, n_columns = self.frame.shape
        names = [short(name) for name in self.frame.columns][:n]
        dtypes = [short(dtype) for dtype in self.frame.dtypes][:n]
        lines = [f"{self.title}, {n_rows:,} rows {TIMES} {n_columns:,} columns"]
        lines += [f"- {name}: {dtypes[i]}{self._missing_in(i)}" for i, name in enumerate(names)]
        if self.missing is None:
            lines.append("missing values: not counted")
        elif not any(self.missing):
            lines.append("no missing values")
        if n_rows and n:
            lines.append(f"the first {ROWS} rows:" if n_rows > _WHOLE_ROWS else "all rows:")
            lines.append(" | ".join([*self.index, *names]))
            lines += [" | ".join(map(short, row)) for row in self.rows(n)]
        left_out = self._left_out(n)
        return "\n".join([*lines, f"(left out: {left_out})"] if left_out else lines)

    def _missing_in(self, column: int) -> str:
        return f", {self.missing[column]:,} missing" if self.missing is not None and self.missing[column] else ""

    def _left_out(self, n: int) -> str:
        n_rows, n_columns = self.frame.shape
        told = [f"{_beyond(n_rows):,} more rows"] if _beyond(n_rows) else []
        if n < n_columns:
            missing = sum(map(bool, self.missing[n:])) if self.missing is not None else 0
            *_, last = self.frame.columns
            told.append(f"the last {n_columns - n:,} columns, to {short(last)!r}")
            told += [f"{missing:,} of them with missing values"] if missing else []
        return ", ".join(told)


def _pandas_frame(frame: _PandasFrame, room: int) -> Description:
    n_rows, n_columns = frame.shape
    missing = attempt(lambda: frame.isna().sum().tolist(), None) if n_rows * n_columns <= MOST_CELLS else None

    def rows(n: int) -> Iterable[tuple[object, ...]]:
        return frame.iloc[slice(_shown(n_rows)), slice(n)].itertuples(index=True, name=None)

    return _Table(f"pandas {type_name(frame)}", frame, missing, ("(index)",), rows).described(room)


def _polars_frame(frame: _PolarsFrame, room: int) -> Description:
    missing = attempt(lambda: frame.null_count().row(0), None)
    first = frame.head(_shown(frame.shape[0])).rows()
    return _Table("polars DataFrame", frame, missing, (), lambda n: [row[:n] for row in first]).described(room)


def _pandas_series(series: _Series, room: int) -> Description:
    n = len(series)
    missing = attempt(series.isna().sum, None) if n <= MOST_CELLS else None
    lines = [
        f"pandas {type_name(series)} {short(series.name)!r}, {n:,} values, {short(series.dtype)}",
        "missing values: not counted" if missing is None else f"missing values: {missing}",
        statistics(series),
        f"the first {ROWS} values:" if _beyond(n) else "all values:",
        *(f"{short(label)}: {short(value, 200)}" for label, value in series.head(_shown(n)).items()),
    ]
    left_out = f"{_beyond(n):,} more values" if _beyond(n) else ""
    text, cut = excerpt("\n".join(filter(None, [*lines, left_out and f"(left out: {left_out})"])), room)
    return Description(text, type_name(series), cut or left_out)


def _shown(n_rows: int) -> int:
    return ROWS if n_rows > _WHOLE_ROWS else n_rows


def _beyond(n_rows: int) -> int:
    return n_rows - _shown(n_rows)


def _elements(value: object, title: str, room: int) -> Description:
    """Tell length, dtype and the first elements of what is a row of them."""
    sequence = cast("Sequence[object]", value)
    n = len(sequence)
    first = ", ".join(short(element) for element in sequence[:_FIRST_ELEMENTS])
    left_out = f"{n - _FIRST_ELEMENTS:,} more values" if n > _FIRST_ELEMENTS else ""
    head = f"{title}, {n:,} values, {short(getattr(value, 'dtype', ''))}: {first}"
    text, cut = excerpt(f"{head}, … {left_out} left out" if left_out else head, room)
    return Description(text, type_name(value), cut or left_out)
