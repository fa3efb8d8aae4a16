"""What a description is made of: safe looks at a foreign object, and text cut so that the cut is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from roci_nb.errors import one_line
from roci_nb.markup.strings import clip, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")
Otherwise = TypeVar("Otherwise")

TIMES = "\N{MULTIPLICATION SIGN}"
_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NOT_COMPUTED = frozenset(("dask", "duckdb", "ibis", "pyspark"))


@dataclass(frozen=True, slots=True)
class Description:
    """A value as text: ``kind`` is its type's name, ``left_out`` names what the text leaves out ("" for nothing)."""

    text: str
    kind: str
    left_out: str = ""


def type_name(value: object) -> str:
    """Name a value's type without its module."""
    return type(value).__name__


def is_a(value: object, package: str, *names: str) -> bool:
    """Tell whether a value is of a class of this package, or derived from one; nothing is imported."""
    return any(kind.__name__ in names and kind.__module__.partition(".")[0] == package for kind in type(value).__mro__)


def is_lazy(value: object) -> bool:
    """Tell whether a value is a computation that has not run, and whose repr might run it."""
    root = type(value).__module__.partition(".")[0]
    return root in _NOT_COMPUTED or is_a(value, "polars", "LazyFrame")


def attempt(look: Callable[[], Found], otherwise: Otherwise) -> Found | Otherwise:
    """Look at a foreign object, whose code may raise."""
    try:
        return look()
    except Exception:  # noqa: BLE001 - foreign code raises what it likes
        return otherwise


def safe_repr(value: object) -> str:
    """Give a value's repr, or say that it has none."""
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a user's __repr__
        return f"<{type_name(value)}, whose repr raises {type(error).__name__}>"


def excerpt(text: str, room: int, *, end: bool = False) -> tuple[str, str]:
    """Cut a text to ``room`` characters and say in it what was left out: (text, what was left out).

    ``end`` keeps the text's end instead of its beginning.
    """
    if len(text) <= room:
        return text, ""
    room = max(0, room - len(f"\n… {len(text):,} more characters left out"))
    left_out = f"{len(text) - room:,} more characters"
    told = f"… {left_out} left out"
    if end:
        return f"{told}\n{text[len(text) - room :]}", left_out
    return f"{text[:room]}\n{told}", left_out


def without_style(text: str) -> str:
    """Leave out the colours of a terminal, and other control characters but line breaks and tabs."""
    return plain_text(_STYLE.sub("", text))


def short(value: object, limit: int = 40) -> str:
    """Write a value within a line: a number shortly, anything else cut."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else str(attempt(lambda: str(value), safe_repr(value)))
    return clip(one_line(text[: 4 * limit]), limit)
