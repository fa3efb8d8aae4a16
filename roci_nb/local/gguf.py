"""The header of a GGUF file: what a model tells of itself before it is loaded.

A broken or hostile file costs no more than a moment and no more than a little memory, and tells nothing: None. What
is wrong with it is llama.cpp's to say, which reads it next.
"""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_Fact: TypeAlias = int | str | None

GGUF_MAGIC = b"GGUF"
VERSIONS = (2, 3)
"""What llama.cpp reads; version 1 counted otherwise."""
MOST_FACTS = 10_000
"""Real models have some fifty."""
MOST_TEXTS = 2_000_000
"""In all lists together: a vocabulary of 200,000 tokens comes with 450,000 merges."""
LONGEST_KEY = 1000
"""In bytes; the format allows 65,535, real ones have some thirty."""
LONGEST_TEXT = 1_000_000
"""A longer one is passed over; the longest chat templates have some 30,000 characters."""
LARGEST_WINDOW = 2**31 - 1
KEPT_HEADERS = 64

_UINT8, _INT8, _UINT16, _INT16, _UINT32, _INT32, _FLOAT32, _BOOL, _TEXT, _LIST, _UINT64, _INT64, _FLOAT64 = range(13)
_INTEGERS = {
    _UINT8: struct.Struct("<B"),
    _INT8: struct.Struct("<b"),
    _UINT16: struct.Struct("<H"),
    _INT16: struct.Struct("<h"),
    _UINT32: struct.Struct("<I"),
    _INT32: struct.Struct("<i"),
    _UINT64: struct.Struct("<Q"),
    _INT64: struct.Struct("<q"),
}
_WIDTHS = {kind: number.size for kind, number in _INTEGERS.items()} | {_FLOAT32: 4, _BOOL: 1, _FLOAT64: 8}
_U32, _U64 = _INTEGERS[_UINT32], _INTEGERS[_UINT64]

_ARCHITECTURE, _FILE_TYPE, _SIZE, _TEMPLATE = _WANTED = (
    "general.architecture",
    "general.file_type",
    "general.size_label",
    "tokenizer.chat_template",
)
_WINDOW = ".context_length"
"""Behind the architecture."""

_FILE_TYPES = (
    "F32 F16 Q4_0 Q4_1 - - - Q8_0 Q5_0 Q5_1 Q2_K Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K IQ2_XXS IQ2_XS "
    "Q2_K_S IQ3_XS IQ3_XXS IQ1_S IQ4_NL IQ3_S IQ3_M IQ2_S IQ2_M IQ4_XS IQ1_M BF16 - - - TQ1_0 TQ2_0 MXFP4"
)
FILE_TYPES: Mapping[int, str] = MappingProxyType(
    {number: name for number, name in enumerate(_FILE_TYPES.split()) if name != "-"}
)
"""llama.cpp's numbers for how most of a file's weights are stored."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a header tells; None, or ``""``, is what it does not tell."""

    architecture: str = ""
    trained_window: int | None = None
    file_type: str | None = None
    parameters: str | None = None
    """As its maker rounds it: 135M."""
    chat_template: str = ""


def read_header(path: Path) -> GgufHeader | None:
    """Read a model's header; None where the file is no whole GGUF. May read some megabytes: a vocabulary is passed."""
    state = _state(path)
    return None if state is None else _header(path, *state)


def trained_window(path: Path) -> int | None:
    """Return the most tokens that the model was trained to see; None where the file does not tell.

    It stands near the beginning, and is read no further than that.
    """
    state = _state(path)
    return None if state is None else _trained_window(path, *state)


def _state(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else None


@lru_cache(KEPT_HEADERS)
def _header(path: Path, modified_ns: int, size: int) -> GgufHeader | None:
    del modified_ns  # a file that was written anew is read anew
    facts: dict[str, _Fact] = {}
    try:
        with path.open("rb") as file:
            facts.update(_Reader(file, size).facts())
    except (OSError, _BrokenError):
        return None
    file_type = facts.get(_FILE_TYPE)
    return GgufHeader(
        _text(facts.get(_ARCHITECTURE)),
        _window_in(facts),
        FILE_TYPES.get(file_type) if isinstance(file_type, int) else None,
        _text(facts.get(_SIZE)) or None,
        _text(facts.get(_TEMPLATE)),
    )


@lru_cache(KEPT_HEADERS)
def _trained_window(path: Path, modified_ns: int, size: int) -> int | None:
    del modified_ns
    facts: dict[str, _Fact] = {}
    try:
        with path.open("rb") as file:
            for key, fact in _Reader(file, size).facts():
                facts[key] = fact
                if (window := _window_in(facts)) is not None:
                    return window
    except (OSError, _BrokenError):
        pass
    return None


def _window_in(facts: Mapping[str, _Fact]) -> int | None:
    window = facts.get(_text(facts.get(_ARCHITECTURE)) + _WINDOW)
    return window if isinstance(window, int) and 0 < window <= LARGEST_WINDOW else None


def _text(fact: _Fact) -> str:
    return fact if isinstance(fact, str) else ""


class _BrokenError(Exception):
    """This is no GGUF, or not all of one."""


class _Reader:
    """Reads a header front to back, never past the end that the file's size gives, never more than was budgeted."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size
        self._texts_left = MOST_TEXTS

    def facts(self) -> Iterator[tuple[str, _Fact]]:
        """Yield the wanted keys with their whole numbers and texts; all else is passed over, and kept nowhere."""
        if self._take(len(GGUF_MAGIC)) != GGUF_MAGIC or self._number(_U32) not in VERSIONS:
            raise _BrokenError
        self._pass(_U64.size)  # how many tensors
        count = self._number(_U64)
        if count > MOST_FACTS:
            raise _BrokenError
        for _ in range(count):
            key, kind = self._text(LONGEST_KEY), self._number(_U32)
            if key is None:
                raise _BrokenError
            if key in _WANTED or key.endswith(_WINDOW):
                yield key, self._fact(kind)
            else:
                self._pass_fact(kind)

    def _fact(self, kind: int) -> _Fact:
        if kind in _INTEGERS:
            return self._number(_INTEGERS[kind])
        if kind == _TEXT:
            return self._text(LONGEST_TEXT)
        self._pass_fact(kind)
        return None

    def _pass_fact(self, kind: int) -> None:
        if kind == _LIST:
            self._pass_list()
        elif kind == _TEXT:
            self._pass(self._number(_U64))
        elif kind in _WIDTHS:
            self._pass(_WIDTHS[kind])
        else:
            raise _BrokenError

    def _pass_list(self) -> None:
        kind, count = self._number(_U32), self._number(_U64)
        if kind in _WIDTHS:
            self._pass(_WIDTHS[kind] * count)
            return
        if kind != _TEXT or count > self._texts_left:  # llama.cpp reads no lists of lists either
            raise _BrokenError
        self._texts_left -= count
        for _ in range(count):
            self._pass(self._number(_U64))

    def _text(self, longest: int) -> str | None:
        length = self._number(_U64)
        if length > longest:
            self._pass(length)
            return None
        return self._take(length).decode("utf-8", "replace")

    def _number(self, form: struct.Struct) -> int:
        value: int = form.unpack(self._take(form.size))[0]
        return value

    def _take(self, length: int) -> bytes:
        self._spend(length)
        data = self._file.read(length)
        if len(data) < length:  # it shrank meanwhile
            raise _BrokenError
        return data

    def _pass(self, length: int) -> None:
        self._spend(length)
        self._file.seek(length, 1)

    def _spend(self, length: int) -> None:
        if length > self._left:
            raise _BrokenError
        self._left -= length
