"""What markdown-it does not read by itself: formulas in all four delimiters, and ``<br>``.

Each rule has markdown-it's signature: it looks at the place where the parser stands, and either leaves it alone
(False) or takes what it knows, adds a token unless ``silent``, and moves the parser behind it (True).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

LONGEST_FORMULA = 4000
"""In characters. Also what keeps the search for a closing delimiter from going through the whole answer each time."""

# No formula reaches over a code span or over another opening delimiter of its kind; possessive, so linear.
_SPANS = {
    "$$": re.compile(r"\$\$((?:[^\\$`]|\\.|\$(?!\$))++)\$\$", re.DOTALL),
    "$": re.compile(r"\$((?:[^\\$`]|\\.)++)\$", re.DOTALL),
    r"\(": re.compile(r"\\\(((?:[^\\`]|\\[^()])++)\\\)", re.DOTALL),
    r"\[": re.compile(r"\\\[((?:[^\\`]|\\[^\[\]])++)\\\]", re.DOTALL),
}
_ENVIRONMENT = re.compile(
    r"(\\begin\{((?:equation|align|alignat|flalign|gather|multline|eqnarray)\*?)\}(?:(?!\\end\{\2\}).)++\\end\{\2\})",
    re.DOTALL,
)
_CLOSING = {"$$": "$$", r"\[": r"\]"}
_REST_OF_BLOCK = re.compile(r"[ \t]*([.,;:]?)[ \t]*(?:\n|\Z)")

_BEFORE_DOLLAR = re.compile(r"[0-9A-Za-z$]")
_AFTER_DOLLAR = re.compile(r"[0-9$]|(?!(?:s|st|nd|rd|th)\b)[A-Za-z]")
_WORD = re.compile(r"\s\(?[A-Za-z]{2}")
_TEX = re.compile(r"[\\^_{}=]")
_MATHS = re.compile(r"[\\^_=+<>*{}|]")

_BREAK = re.compile(r"<br\s{0,9}/?>", re.IGNORECASE)


def add_rules(markdown: MarkdownIt) -> None:
    """Teach a parser the rules; their tokens are ``formula``, ``formula_block`` and ``hardbreak``."""
    markdown.inline.ruler.before("escape", "formula", _formula)
    markdown.inline.ruler.before("escape", "br", _line_break)
    interrupted = ["paragraph", "reference", "blockquote", "list"]
    markdown.block.ruler.before("fence", "formula_block", _formula_block, {"alt": interrupted})


def _formula(state: StateInline, silent: bool) -> bool:
    r"""Read ``$…$``, ``$$…$$``, ``\(…\)`` or ``\[…\]`` within a line of text."""
    opening = _opening(state.src, state.pos)
    if opening is None:
        return False
    found = _SPANS[opening].match(state.src, state.pos, min(state.posMax, state.pos + LONGEST_FORMULA))
    if found is None or not _is_meant(opening, found):
        return False
    if not silent:
        token = state.push("formula", "", 0)
        token.content, token.markup = found[1], opening
    state.pos = found.end()
    return True


def _opening(text: str, position: int) -> str | None:
    pair = text[position : position + 2]
    if pair in _SPANS:
        return pair
    return "$" if pair.startswith("$") else None


def _is_meant(opening: str, found: re.Match[str]) -> bool:
    """Tell a formula from money ("$5 and then $6"), shell variables and escaped brackets."""
    tex, text = found[1], found.string
    if not tex.strip():
        return False
    if opening == "$":
        before, after = text[max(0, found.start() - 1) : found.start()], found.end()
        return not (
            tex[0].isspace()
            or tex[-1].isspace()
            or _BEFORE_DOLLAR.match(before)
            or _AFTER_DOLLAR.match(text, after)
            or (tex[0].isdigit() and _WORD.search(tex) and not _TEX.search(tex))
        )
    if opening == r"\[":
        return bool(_MATHS.search(tex)) and not text.startswith("(", found.end())
    return True


def _formula_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    r"""Read ``$$…$$``, ``\[…\]`` or ``\begin{align}…\end{align}`` that fills whole lines, without an empty one."""
    first = state.bMarks[start] + state.tShift[start]
    opening = state.src[first : first + 2]
    if opening not in ("$$", r"\[", r"\b") or state.is_code_block(start):
        return False
    text = _lines(state, start, end, opening)
    found = (_ENVIRONMENT if opening == r"\b" else _SPANS[opening]).match(text)
    rest = _REST_OF_BLOCK.match(text, found.end()) if found is not None else None
    if found is None or rest is None or not found[1].strip():
        return False
    if silent:
        return True
    state.line = start + text.count("\n", 0, found.end()) + 1
    token = state.push("formula_block", "", 0)
    token.content, token.markup = found[1].strip() + rest[1], "" if opening == r"\b" else opening
    token.map = [start, state.line]
    return True


def _lines(state: StateBlock, start: int, end: int, opening: str) -> str:
    """Collect the lines from ``start`` to the one that may close the formula, without the marks of blocks around."""
    lines: list[str] = []
    length = 0
    for line in range(start, end):
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        outside = state.isEmpty(line) or state.sCount[line] < state.blkIndent
        if lines and (outside or text.startswith(r"\[") or length > LONGEST_FORMULA):
            break
        lines.append(text)
        length += len(text)
        if _CLOSING.get(opening, "\n") in (text if len(lines) > 1 else text[2:]):
            break
    return "\n".join(lines)


def _line_break(state: StateInline, silent: bool) -> bool:
    """Read ``<br>``, the only way to break a line in a table's cell; no other HTML is read at all."""
    found = _BREAK.match(state.src, state.pos, state.posMax) if state.src[state.pos] == "<" else None
    if found is None:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True
