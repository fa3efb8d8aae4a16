"""Where ``{{ … }}`` stands in a prompt: pure scanning, nothing is evaluated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENING = "{{"
CLOSING = "}}"

# A whole string, a bracket, or a quote whose string does not end: each is met once, so the scan is linear.
_TOKEN = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|["'()\[\]{}]""", re.DOTALL)
_PAIRS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class ExpressionSpan:
    """One ``{{ expression }}``: ``text[start:end]``, braces included."""

    start: int
    end: int
    expression: str


def expression_spans(text: str) -> Iterator[ExpressionSpan]:
    """Find the expressions of a prompt in order; braces in their strings and brackets don't close them.

    Braces around nothing (``{{ }}``) are none, and neither is a ``{{`` that nothing closes. Where strings or brackets
    don't end, the next ``}}`` closes: such an expression is wrong, and whoever evaluates it can say so.
    """
    position = 0
    while (start := text.find(OPENING, position)) >= 0:
        end = _end(text, start + len(OPENING))
        if end is None:
            return
        expression = text[start + len(OPENING) : end - len(CLOSING)].strip()
        if expression:
            yield ExpressionSpan(start, end, expression)
        position = end


def open_expression(text: str) -> str | None:
    """Give the unfinished expression that the cursor stands in, for the text before it; None outside of braces.

    Space before it is left out: ``"{{ df.he"`` gives ``"df.he"``, ``"{{"`` gives ``""``.
    """
    position = 0
    while (start := text.find(OPENING, position)) >= 0:
        end = _end(text, start + len(OPENING))
        if end is None:
            return text[start + len(OPENING) :].lstrip()
        position = end
    return None


def _end(text: str, start: int) -> int | None:
    """Give the position after the ``}}`` that closes the expression that starts here."""
    plain = text.find(CLOSING, start)
    if plain < 0:
        return None
    awaited: list[str] = []
    for token in _TOKEN.finditer(text, start):
        mark = token.group()
        if mark in _PAIRS:
            awaited.append(_PAIRS[mark])
        elif awaited and mark == awaited[-1]:
            awaited.pop()
        elif not awaited and text.startswith(CLOSING, token.start()):
            return token.start() + len(CLOSING)
        elif len(mark) == 1:
            break
    return plain + len(CLOSING)
