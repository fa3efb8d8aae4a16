"""A Python value in words, for a model: compact, honest about what is left out, and never expensive."""

from __future__ import annotations

import io
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

from roci_nb.magic.described_arrays import array, tensor
from roci_nb.magic.described_code import code
from roci_nb.magic.described_pictures import picture
from roci_nb.magic.described_tables import table
from roci_nb.magic.excerpts import Description, attempt, excerpt, is_lazy, safe_repr, short, type_name
from roci_nb.magic.literals import literal
from roci_nb.markup.strings import clip, size
from roci_nb.providers.base import CHARACTERS_PER_TOKEN

__all__ = ["Description", "describe"]

_KNOWS_ITS_COLUMNS = frozenset(("dask", "duckdb"))
"""Whose columns are known before anything is computed; elsewhere asking for them may plan a whole query."""

_Describer: TypeAlias = Callable[[object, int], Description | None]


def describe(value: object, budget_tokens: int = 1000) -> Description:
    """Tell what a value is and holds, in about ``budget_tokens`` tokens; text alone is given whole.

    A class may say it itself: ``__llm__(self) -> str``. Nothing is computed, consumed, read or drawn for it: an
    iterator is said to be one, a file is named, a figure is described and not sent. It never raises; where an
    object's own code does, the text says so.
    """
    room = max(0, budget_tokens) * CHARACTERS_PER_TOKEN
    own, note = _own_words(value, room)
    if own is not None:
        return own
    if isinstance(value, str):
        return Description(str.__str__(value), type_name(value))
    described = None
    for describer in _DESCRIBERS:
        described = attempt(lambda describer=describer: describer(value, room), None)  # type: ignore[misc]
        if described is not None:
            break
    if described is None:
        text, left_out = excerpt(safe_repr(value), room)
        described = Description(text, type_name(value), left_out)
    return Description(f"{note}\n{described.text}", described.kind, described.left_out) if note else described


def _own_words(value: object, room: int) -> tuple[Description | None, str]:
    """Ask the value's class for ``__llm__``; what goes wrong there is a note."""
    speak: object = getattr(type(value), "__llm__", None)
    if not callable(speak) or isinstance(value, type):
        return None, ""
    try:
        said = speak(value)
    except Exception as error:  # noqa: BLE001 - the user's code
        return None, f"(its __llm__ raised {type(error).__name__}: {short(error, 200)})"
    if not isinstance(said, str):
        return None, f"(its __llm__ gave {type_name(said)} instead of text)"
    text, left_out = excerpt(said, room)
    return Description(text, type_name(value), left_out), ""


def _scalar(value: object, _room: int) -> Description | None:
    if value is None or isinstance(value, bool | int | float | complex):
        return Description(repr(value), type_name(value))
    if isinstance(value, Decimal | Fraction | timedelta):
        return Description(str(value), type_name(value))
    if isinstance(value, datetime | date | time):
        return Description(value.isoformat(), type_name(value))
    return None


def _binary(value: object, room: int) -> Description | None:
    if not isinstance(value, bytes | bytearray | memoryview):
        return None
    n, shown = memoryview(value).nbytes, max(0, min(64, room // 4))
    left_out = f"{n - shown:,} more bytes" if n > shown else ""
    head = f"{type_name(value)}, {n:,} long: {bytes(value[:shown])!r}"
    return Description(f"{head}, … {left_out} left out" if left_out else head, type_name(value), left_out)


def _path(value: object, _room: int) -> Description | None:
    if not isinstance(value, Path):
        return None
    if attempt(value.is_file, False):
        told = f"a file of {size(value.stat().st_size)}, its content is not in this text"
        return Description(f"{value} ({told})", type_name(value), "the file's content")
    told = "a folder" if attempt(value.is_dir, False) else "nothing is there"
    return Description(f"{value} ({told})", type_name(value))


def _not_yet(value: object, _room: int) -> Description | None:
    """Name what would have to be run, read or used up to be seen."""
    kind = type_name(value)
    if is_lazy(value):
        root = type(value).__module__.partition(".")[0]
        known = root in _KNOWS_ITS_COLUMNS
        columns = attempt(lambda: [str(name) for name in getattr(value, "columns", ())], []) if known else []
        named = f", columns {clip(', '.join(columns), 500)}" if columns else ""
        return Description(f"{root} {kind}{named} (not computed, so its values are left out)", kind, "its values")
    if isinstance(value, io.IOBase):
        name = short(getattr(value, "name", "without a name"), 200)
        return Description(f"open file {name} (not read here)", kind, "its content")
    if isinstance(value, Coroutine):
        return Description(f"coroutine {short(getattr(value, '__qualname__', kind), 200)} (not awaited)", kind)
    if isinstance(value, Iterator | AsyncIterator):
        named = f" {value.__qualname__}" if isinstance(value, types.GeneratorType) else ""
        return Description(f"{kind}{named} (an iterator that was not run: its items are left out)", kind, "its items")
    return None


_DESCRIBERS: tuple[_Describer, ...] = (array, _scalar, _binary, _path, code, table, picture, _not_yet, literal, tensor)
