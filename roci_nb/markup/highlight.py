"""Program code as HTML: Pygments' spans, whose classes JupyterLab's theme colours."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from roci_nb.markup.html import Html, quote, whole
from roci_nb.markup.styles import BARE_CODE, CODE

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_HIGHLIGHTED = 16 * 1024
"""Longer code stays plain: the spans make it three times as long."""

UNCOLOURED = frozenset({"n", "nx", "w"})
"""Names and spaces: no theme colours them, and every line of code is full of them."""

_LANGUAGE = re.compile(r"[A-Za-z0-9+#._-]{1,32}")


class _Kind(Protocol):
    """A kind of token in Pygments' tree; the root is in the standard list."""

    parent: _Kind

    def __hash__(self) -> int: ...


class _Lexer(Protocol):
    def get_tokens(self, text: str, /) -> Iterable[tuple[_Kind, str]]: ...


def code_block(code: str, language: str) -> Html:
    """Show code in a block of its own, coloured where the language is known and the code not too long.

    Token classes come from Pygments' standard list; the style is our own, and ``language`` goes nowhere.
    """
    content = _coloured(code, language) if len(code) <= LONGEST_HIGHLIGHTED else None
    shown = quote(code) if content is None else content
    inner = f'<pre style="{CODE}"><code style="{BARE_CODE}">{shown}</code></pre>'
    return Html(f'<div class="highlight">{inner}</div>\n')


def _coloured(code: str, language: str) -> str | None:
    lexer = _lexer(language.lower()) if _LANGUAGE.fullmatch(language) else None
    if lexer is None:
        return None
    code = whole(code)
    tokens = list(lexer.get_tokens(code))
    if "".join(text for _, text in tokens) != code:
        return None  # A lexer that drops or adds something would show other code than the model wrote.
    runs = groupby(tokens, key=lambda token: _class(token[0]))
    return "".join(_span(name, quote("".join(text for _, text in run))) for name, run in runs)


def _span(name: str, content: str) -> str:
    return f'<span class="{name}">{content}</span>' if name and not content.isspace() else content


@lru_cache(maxsize=64)
def _lexer(language: str) -> _Lexer | None:
    # An unknown name makes Pygments look through every installed package for plugins: asked once.
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
    from pygments.util import ClassNotFound  # type: ignore[import-untyped]

    try:
        lexer: _Lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
    return lexer


@cache
def _class(kind: _Kind) -> str:
    """Find the short class of a token's kind, or of the nearest kind above it that has one."""
    from pygments.token import STANDARD_TYPES  # type: ignore[import-untyped]

    names: dict[_Kind, str] = STANDARD_TYPES
    while kind not in names:
        kind = kind.parent
    name = names[kind]
    return "" if name in UNCOLOURED else name
