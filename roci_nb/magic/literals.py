"""Lists, dicts and records as compact JSON-like text of limited length."""

from __future__ import annotations

import json
import types
from collections import deque
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import TYPE_CHECKING, Protocol, cast

from roci_nb.errors import one_line
from roci_nb.magic.excerpts import Description, attempt, is_a, is_lazy, safe_repr, short, type_name
from roci_nb.markup.strings import clip

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_NO_LIMIT = 10**9
_SORTED_SETS = 10_000
_SMALL_ARRAY = 20
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class _Limits:
    """What the insides of a container may take."""

    items: int
    characters: int
    depth: int


_WHOLE = _Limits(_NO_LIMIT, _NO_LIMIT, _DEEPEST)
_TIGHTER = (_WHOLE, _Limits(50, 500, 8), _Limits(10, 200, 5), _Limits(3, 80, 3))
_FILLING = (_Limits(10, 200, 5), _Limits(3, 40, 2))


@dataclass(frozen=True, slots=True)
class _Parts:
    """A container opened: what stands before each value (a key, a name) and the value."""

    opening: str
    closing: str
    total: int
    entries: Iterable[tuple[str, object]]


class _Array(Protocol):
    def tolist(self) -> object: ...


class _TooLong(Exception):
    """The text passes its room."""


class _Writer:
    """Writes one value under limits; ends with ``_TooLong`` once it passes the room."""

    def __init__(self, limits: _Limits, room: int, *, inside: bool = False) -> None:
        self._limits, self._room, self._inside = limits, room, inside
        self._open: list[int] = []
        self.items_left_out = self.texts_cut = 0

    def write(self, value: object) -> str:
        if isinstance(value, str):
            return self._leaf(self._text(value))
        if value is None or isinstance(value, bool):
            return self._leaf(json.dumps(value))
        parts = None if isinstance(value, int | float) else parts_of(value)
        return self._leaf(self._other(value)) if parts is None else self._container(value, parts)

    def _container(self, value: object, parts: _Parts) -> str:
        if id(value) in self._open:
            return self._leaf(f"{parts.opening}… itself{parts.closing}")
        if parts.total and len(self._open) >= self._limits.depth:
            self.items_left_out += parts.total
            return self._leaf(f"{parts.opening}… {parts.total:,} items{parts.closing}")
        # What the user asked for is not thinned out, what stands in it is.
        most = self._limits.items if self._open or self._inside else _NO_LIMIT
        self._open.append(id(value))
        written = [self._leaf(before) + self.write(inner) for before, inner in islice(parts.entries, most)]
        self._open.pop()
        rest = parts.total - len(written)
        if rest > 0:
            self.items_left_out += rest
            written.append(self._leaf(f"… {rest:,} more"))
        self._leaf(", " * len(written))
        return f"{self._leaf(parts.opening)}{', '.join(written)}{self._leaf(parts.closing)}"

    def _leaf(self, text: str) -> str:
        self._room -= len(text)
        if self._room < 0:
            raise _TooLong
        return text

    def _text(self, value: str) -> str:
        if len(value) > self._limits.characters:
            self.texts_cut += 1
            value = clip(value, self._limits.characters)
        # What can't fit is not escaped first.
        return json.dumps(value[: self._room + 1], ensure_ascii=False)

    def _other(self, value: object) -> str:
        if isinstance(value, datetime | date | time):
            return value.isoformat()
        if is_a(value, "numpy", "generic"):
            return str(value)
        text = one_line(safe_repr(value)) if not (is_lazy(value) or _has_shape(value)) else _in_brief(value)
        if len(text) > self._limits.characters:
            self.texts_cut += 1
            return clip(text, self._limits.characters)
        return text


def literal(value: object, room: int) -> Description | None:
    """Describe a list, tuple, set, dict, dataclass or model; None where the value is none of these.

    What does not fit is shortened inside first; then items at its end are left out, and counted.
    """
    if parts_of(value) is None:
        return None
    for limits in _TIGHTER:
        writer = _Writer(limits, room)
        try:
            text = writer.write(value)
        except _TooLong:
            continue
        return Description(text, type_name(value), _left_out(writer.items_left_out, writer.texts_cut))
    return _filled(value, room)


def _filled(value: object, room: int) -> Description:
    """Take as many of the items as fit."""
    parts = parts_of(value)
    assert parts is not None
    room -= len(f"{parts.opening}{parts.closing}, … {parts.total:,} more items left out")
    written: list[str] = []
    inside = cut = 0
    for before, inner in parts.entries:
        entry = _fitting(before, inner, room)
        if entry is None:
            break
        text, items_left_out, texts_cut = entry
        inside, cut, room = inside + items_left_out, cut + texts_cut, room - len(text) - 2
        written.append(text)
    rest = parts.total - len(written)
    if rest > 0:
        written.append(f"… {rest:,} more items left out")
    text = f"{parts.opening}{', '.join(written)}{parts.closing}"
    return Description(text, type_name(value), _left_out(rest + inside, cut))


def _fitting(before: str, value: object, room: int) -> tuple[str, int, int] | None:
    for limits in _FILLING:
        writer = _Writer(limits, room - len(before), inside=True)
        try:
            return before + writer.write(value), writer.items_left_out, writer.texts_cut
        except _TooLong:
            continue
    return None


def _left_out(items: int, texts: int) -> str:
    told = [f"{items:,} item{'s' if items > 1 else ''}"] if items else []
    ends = f"the ends of {texts:,} texts" if texts > 1 else "the end of a text"
    return " and ".join([*told, ends] if texts else told)


def parts_of(value: object) -> _Parts | None:
    """Open a container or a record; None where the value is neither."""
    if isinstance(value, dict | types.MappingProxyType):
        return _Parts("{", "}", len(value), ((f"{_key(key)}: ", inner) for key, inner in value.items()))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _record(value, zip(cast("tuple[str, ...]", value._fields), value, strict=True), len(value))
    if isinstance(value, list | tuple | deque | set | frozenset):
        return _sequence_parts(value)
    if isinstance(value, type):
        return None
    if is_dataclass(value) and _is_generated(type(value).__repr__):
        shown = [field.name for field in fields(value) if field.repr]
        return _record(value, ((name, getattr(value, name, None)) for name in shown), len(shown))
    return _model_parts(value) or _array_parts(value)


def _sequence_parts(value: Collection[object]) -> _Parts:
    opening, closing = ("[", "]") if isinstance(value, list | deque) else ("{", "}")
    if isinstance(value, tuple):
        opening, closing = "(", ",)" if len(value) == 1 else ")"
    elif opening == "{" and len(value) <= _SORTED_SETS:
        # Sorted where that is possible, so that the same set is the same prompt.
        return _Parts(opening, closing, len(value), (("", inner) for inner in attempt(lambda: _sorted(value), value)))
    return _Parts(opening, closing, len(value), (("", inner) for inner in value))


def _sorted(values: Collection[object]) -> list[object]:
    return sorted(values)  # type: ignore[type-var]  # or it raises


def _record(value: object, entries: Iterable[tuple[str, object]], total: int) -> _Parts:
    return _Parts(f"{type_name(value)}(", ")", total, ((f"{name}=", inner) for name, inner in entries))


def _model_parts(value: object) -> _Parts | None:
    """Open a pydantic model by its own list of what it shows; one with a repr of its own is left to that."""
    arguments = getattr(type(value), "__repr_args__", None)
    if arguments is None or not getattr(type(value).__repr__, "__module__", "").startswith("pydantic"):
        return None
    listed: Iterator[tuple[str | None, object]] = arguments(value)
    shown = [(name, inner) for name, inner in listed if name is not None]
    return _record(value, shown, len(shown))


def _array_parts(value: object) -> _Parts | None:
    """Open a small array that stands inside something else."""
    if not is_a(value, "numpy", "ndarray") or getattr(value, "size", _NO_LIMIT) > _SMALL_ARRAY:
        return None
    listed = cast("_Array", value).tolist()
    return parts_of(listed) if isinstance(listed, list) else None


def _is_generated(method: object) -> bool:
    """Tell a repr that ``dataclass`` wrote; one that a person wrote may hide what has to be hidden."""
    code = getattr(getattr(method, "__wrapped__", None), "__code__", None)
    return isinstance(code, types.CodeType) and code.co_filename == "<string>"


def _has_shape(value: object) -> bool:
    return isinstance(attempt(lambda: getattr(value, "shape", None), None), tuple)


def _in_brief(value: object) -> str:
    shape = getattr(value, "shape", None)
    return f"<{type_name(value)}{f' of shape {short(shape)}' if isinstance(shape, tuple) else ''}>"


def _key(key: object) -> str:
    return clip(json.dumps(key, ensure_ascii=False) if isinstance(key, str) else one_line(safe_repr(key)), 200)
