"""Completion of ``%%roci`` and ``%roci``: options, values, models, verbs, and variables inside ``{{ }}``.

In the prompt itself nothing is offered: it is prose, and Python's names are noise there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roci_nb.session.options import BY_FLAG, OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MODEL_VERBS = ("use", "load", "unload")

_LINE = re.compile(r"\s*(%%?)roci(?=\s|$)\s*")
_FRAGMENT = re.compile(r"\S*$")
_DOTTED = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\.)?([A-Za-z_]\w*)?$")


@dataclass(frozen=True, slots=True)
class Offer:
    """What may stand in the place of ``fragment``, the text before the cursor that it completes."""

    fragment: str
    texts: tuple[str, ...] = ()
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Known:
    """What is there to offer; models are looked up when they are asked for, and never waited for long."""

    verbs: tuple[str, ...]
    settings: tuple[str, ...]
    models: Callable[[], Iterable[str]]
    variables: Mapping[str, object]


def complete(text: str, known: Known) -> Offer | None:
    """Complete a cell up to the cursor; None where it is no cell of ours."""
    line, newline, _ = text.partition("\n")
    found = _LINE.match(line)
    if found is None:
        last = text.rpartition("\n")[2]
        inner = _LINE.match(last)
        return _verb_line(last[inner.end() :], known) if inner is not None and inner[1] == "%" else None
    expression = _open_expression(text)
    if expression is not None:
        return _variable(expression, known.variables)
    if found[1] == "%":
        return _verb_line(text.rpartition("\n")[2][found.end() :], known) if not newline else None
    return Offer(_fragment(text)) if newline else _options(line[found.end() :], known)


def _open_expression(text: str) -> str | None:
    if "{{" not in text:
        return None
    from roci_nb.magic.expressions import open_expression

    return open_expression(text)


def _fragment(text: str) -> str:
    found = _FRAGMENT.search(text)
    return found.group() if found is not None else ""


def _matching(fragment: str, texts: Iterable[str], kind: str) -> Offer:
    return Offer(fragment, tuple(text for text in texts if text.startswith(fragment)), kind)


def _options(line: str, known: Known) -> Offer:
    fragment = _fragment(line)
    before = line[: len(line) - len(fragment)].split()
    flag, equals, value = fragment.partition("=")
    if equals and flag in BY_FLAG:
        return _value(flag, value, known)
    if before and before[-1] in BY_FLAG and BY_FLAG[before[-1]].metavar is not None:
        return _value(before[-1], fragment, known)
    if "--" in before or _is_prose(before):
        return Offer(fragment)
    if fragment.startswith("-"):
        given = {BY_FLAG[word].name for word in before if word in BY_FLAG and not BY_FLAG[word].repeated}
        flags = (option.flags[-1] for option in OPTIONS if option.name not in given)
        return _matching(fragment, flags, "option")
    return Offer(fragment) if before else _matching(fragment, known.models(), "model")


def _is_prose(words: list[str]) -> bool:
    """Say whether prose has begun: a word, not the first, that is neither an option nor an option's value."""
    takes_value = False
    for index, word in enumerate(words):
        if takes_value:
            takes_value = False
        elif word.startswith("-"):
            option = BY_FLAG.get(word)
            takes_value = option is not None and option.metavar is not None
        elif index > 0:
            return True
    return False


def _value(flag: str, fragment: str, known: Known) -> Offer:
    option = BY_FLAG[flag]
    if option.name == "model":
        return _matching(fragment, known.models(), "model")
    if option.name in ("file", "image"):
        return Offer(fragment, tuple(_paths(fragment)), "path")
    return _matching(fragment, option.values, "value")


def _paths(fragment: str) -> list[str]:
    folder, _, begin = fragment.rpartition("/")
    try:
        found = sorted(Path(folder or ("/" if fragment.startswith("/") else ".")).expanduser().iterdir())
    except OSError:
        return []
    head = f"{folder}/" if "/" in fragment else ""
    shown = (path for path in found if path.name.startswith(begin) and not (path.name[0] == "." and not begin))
    return [f"{head}{path.name}{'/' if path.is_dir() else ''}" for path in shown][:200]


def _verb_line(line: str, known: Known) -> Offer:
    verb, space, rest = line.partition(" ")
    if not space:
        return _matching(verb, known.verbs, "verb")
    if verb == "ask":
        return _options(rest, known)
    fragment = _fragment(rest)
    words = rest[: len(rest) - len(fragment)].split()
    if verb in MODEL_VERBS or (verb == "alias" and len(words) == 1):
        return _matching(fragment, known.models(), "model")
    if verb == "help":
        return _matching(fragment, known.verbs, "verb")
    if verb == "set":
        values = next((option.values for option in OPTIONS if words and option.name == words[-1]), ())
        return _matching(fragment, values or known.settings, "setting")
    return Offer(fragment)


def _variable(expression: str, variables: Mapping[str, object]) -> Offer:
    found = _DOTTED.search(expression)
    path, fragment = (found[1] or "", found[2] or "") if found is not None else ("", "")
    if not path:
        names = (name for name in variables if not name.startswith("_"))
        return _matching(fragment, sorted(names), "variable")
    try:
        value = variables[path.split(".")[0]]
        for name in path.split(".")[1:-1]:
            value = vars(value)[name]  # a plain attribute: a property could do anything
    except (KeyError, TypeError):
        return Offer(fragment)
    return _matching(fragment, (name for name in dir(value) if not name.startswith("_")), "attribute")
