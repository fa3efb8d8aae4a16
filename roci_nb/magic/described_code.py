"""Functions, classes, modules and errors in words: their signature, their source, where they went wrong."""

from __future__ import annotations

import inspect
import linecache
import sys
import sysconfig
import textwrap
import traceback
import types
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from roci_nb.magic.excerpts import Description, attempt, excerpt, type_name, without_style
from roci_nb.markup.strings import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FUNCTIONS = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)
_LINES_BEFORE = 2
_MOST_CAUSES = 3
_MOST_INSIDE = 10
_LIBRARIES = tuple({str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")})


def code(value: object, room: int) -> Description | None:
    """Describe an error, a function, a class or a module; None where the value is none of these."""
    if isinstance(value, BaseException):
        return _error(value, room)
    if isinstance(value, type):
        return _callable(value, f"class {value.__name__}", room)
    if isinstance(value, _FUNCTIONS):
        return _callable(value, f"function {getattr(value, '__qualname__', value.__name__)}", room)
    if isinstance(value, types.ModuleType):
        return _module(value, room)
    return None


def _callable(value: Callable[..., object], title: str, room: int) -> Description:
    """Tell a function or class by its source where that fits, else by signature and docstring."""
    source = textwrap.dedent(attempt(lambda: inspect.getsource(value), "")).rstrip()
    if source and len(source) <= room:
        return Description(source, type_name(value))
    signature = attempt(lambda: str(inspect.signature(value)), "(…)")
    documentation = attempt(lambda: inspect.getdoc(value), None)
    parts = [title + signature, documentation or "(no docstring)"]
    if isinstance(value, type):
        public = [f"- {name}" for name, method in vars(value).items() if callable(method) and not name.startswith("_")]
        parts += ["methods:", *public] if public else []
    text, cut = excerpt("\n".join(parts), room)
    left_out = f"the source, {source.count(chr(10)) + 1:,} lines" if source else ""
    return Description(text, type_name(value), " and ".join(filter(None, [left_out, cut])))


def _module(module: types.ModuleType, room: int) -> Description:
    names = [name for name in vars(module) if not name.startswith("_")]
    documentation = attempt(lambda: inspect.getdoc(module), None)
    parts = [f"module {module.__name__}", documentation or "(no docstring)", f"names: {', '.join(names)}"]
    text, cut = excerpt("\n".join(parts), room)
    return Description(text, type_name(module), cut)


def _error(error: BaseException, room: int) -> Description:
    """Tell type, message and the frames of the user's own code, the last of them where not all fit."""
    inside = error.exceptions[:_MOST_INSIDE] if isinstance(error, BaseExceptionGroup) else ()
    head = [_message(error, room // 2), *(f"- {_message(inner, 300)}" for inner in inside)]
    causes = list(islice(_causes(error), _MOST_CAUSES))
    frames = list(_frames(error.__traceback__))
    left = room - sum(len(line) + 1 for line in [*head, *causes]) - len("raised at:\n… 1,000 earlier frames left out\n")
    kept: list[str] = []
    for frame in reversed(frames):
        left -= len(frame) + 1
        if left < 0 and kept:
            break
        kept.insert(0, frame)
    left_out = f"{len(frames) - len(kept):,} earlier frames" if len(kept) < len(frames) else ""
    told = ["raised at:", *([f"… {left_out} left out"] if left_out else []), *kept] if kept else []
    text, cut = excerpt("\n".join([*head, *told, *causes]), room)
    return Description(text, type_name(error), " and ".join(filter(None, [left_out, cut])))


def _message(error: BaseException, limit: int) -> str:
    lines = attempt(lambda: traceback.format_exception_only(error), [type_name(error)])
    return clip(without_style("".join(lines)).rstrip(), limit)


def _causes(error: BaseException) -> Iterator[str]:
    """Tell what the error came of, and that of what."""
    while True:
        if error.__cause__ is not None:
            error, link = error.__cause__, "caused by"
        elif error.__context__ is not None and not error.__suppress_context__:
            error, link = error.__context__, "while handling"
        else:
            return
        yield f"{link} {_message(error, 500)}"


def _frames(trace: types.TracebackType | None) -> Iterator[str]:
    """Write the frames of the user's code with the lines around; runs of library frames are counted only."""
    skipped: list[tuple[str, int, str]] = []
    for frame, line in traceback.walk_tb(trace):
        filename, name = frame.f_code.co_filename, frame.f_code.co_name
        if frame.f_globals.get("__name__") != "__main__" and _is_library(filename):
            skipped.append((filename, line, name))
            continue
        if skipped and "IPython" not in skipped[-1][0]:
            yield _in_the_library(skipped)
        skipped = []
        yield f"{_place(filename)}, line {line}, in {name}\n{_lines_around(filename, line)}"
    if skipped and "IPython" not in skipped[-1][0]:
        yield _in_the_library(skipped)


def _is_library(filename: str) -> bool:
    return filename.startswith(("<frozen", "<string>", *_LIBRARIES)) or "site-packages" in filename


def _in_the_library(skipped: list[tuple[str, int, str]]) -> str:
    filename, line, name = skipped[-1]
    parts = Path(filename).parts
    inside = parts[parts.index("site-packages") + 1 :] if "site-packages" in parts else parts[-2:]
    return f"({len(skipped)} frames of libraries, the last: {'/'.join(inside)}, line {line}, in {name})"


def _place(filename: str) -> str:
    """Name a cell as the notebook does, a file by its path."""
    ipython = sys.modules.get("IPython")
    shell = attempt(ipython.get_ipython, None) if ipython is not None else None
    named = attempt(lambda: shell.compile.format_code_name(filename), None) if shell is not None else None
    return " ".join(named) if isinstance(named, tuple) else filename


def _lines_around(filename: str, line: int) -> str:
    numbered = [(n, linecache.getline(filename, n).rstrip()) for n in range(max(1, line - _LINES_BEFORE), line + 2)]
    return "\n".join(f"{'→' if n == line else ' '} {n:>4} {clip(text, 200)}" for n, text in numbered if text)
