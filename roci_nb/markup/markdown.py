"""A model's Markdown as safe HTML: shown as it was meant, and never active.

The parser never reads HTML, and what it reads is written by our own hand: only the elements and attributes that stand
in this package can come out, whatever goes in. Nothing that comes out makes a request by itself.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from roci_nb.markup.highlight import code_block
from roci_nb.markup.html import Html, escape, quote, whole
from roci_nb.markup.styles import CELL_PADDING, SCROLLER, WRAPPED
from roci_nb.markup.tex import CLOSING, formula

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

DEEPEST = 50
"""Blocks within blocks, brackets within brackets; markdown-it drops what lies deeper, so such a text stays plain."""

LINK = 'target="_blank" rel="noopener noreferrer nofollow"'
"""Every link opens elsewhere, and does not say where it was clicked."""

_SPANS = frozenset({"em", "strong", "s", "th", "td"})
_BLOCKS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "table", "thead", "tbody", "tr"}
)
_ALIGNMENTS = frozenset({"text-align:left", "text-align:center", "text-align:right"})

_ALLOWED_URL = re.compile(r"(?:https?://(?=[^/?#])|mailto:)[^\s\x00-\x1f\x7f]+", re.IGNORECASE)
_URL_CHARACTER = r"[^\s\x00-\x1f\x7f<>\"`\\()\[\]{}|^]"
_BARE_URL = re.compile(rf"\bhttps?://(?:{_URL_CHARACTER}|\({_URL_CHARACTER}*\))+")
_TASK = re.compile(r"\[([ xX])\](?=\s)")


def render_markdown(text: str) -> Html:
    r"""Turn Markdown that a model wrote into HTML that can only be read.

    CommonMark with tables, strikethrough, task lists and footnotes; code in Pygments' classes; formulas as ``\(…\)``
    and ``\[…\]`` for the front end's typesetter. Raw HTML is shown as text (``<br>`` breaks the line), images become
    links, and links lead to http, https and mailto only: any other stays as it was written. Any string will do, and
    none of it gets lost: what is nested too deep to be read as Markdown comes as plain text.
    """
    text = whole(text)
    try:
        return _rendered(text)
    except Exception:  # noqa: BLE001 - whatever a parser trips over, the answer is shown
        return raw_html(text)


def _rendered(text: str) -> Html:
    tokens = _parser().parse(text)
    if any(token.level >= DEEPEST - 1 for token in tokens):
        return raw_html(text)
    return _Writer().write(tokens)


def raw_html(text: str) -> Html:
    """Show a text as it is, in lines that wrap."""
    return Html(f'<pre style="{WRAPPED}">{quote(whole(text))}</pre>\n')


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.footnote import footnote_plugin

    from roci_nb.markup.markdown_rules import add_rules

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": DEEPEST}).enable(["table", "strikethrough"])
    parser.disable(["html_block", "html_inline"])
    # Footnotes stay where they are written, so that none is lost; the plugin would drop those without a reference.
    parser.use(footnote_plugin).disable(["footnote_inline", "footnote_tail"])
    add_rules(parser)
    parser.validateLink = is_allowed_url  # type: ignore[method-assign]
    return parser


def is_allowed_url(url: str) -> bool:
    """Say whether a link may lead there: http, https or mailto, and nothing a browser would read as another."""
    return _ALLOWED_URL.fullmatch(url) is not None


class _Writer:
    """Writes tokens as HTML; every element that is opened gets closed."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._open: list[str] = []
        self._lead = ""
        self._leaves: dict[str, Callable[[Token], None]] = {
            "text": lambda token: self._text(token.content),
            "code_inline": lambda token: self._add(f"<code>{quote(token.content)}</code>"),
            "softbreak": lambda _: self._add("\n"),
            "hardbreak": lambda _: self._add("<br>\n"),
            "hr": lambda _: self._add("<hr>\n"),
            "fence": lambda token: self._add(code_block(token.content, token.info.strip().partition(" ")[0])),
            "code_block": lambda token: self._add(code_block(token.content, "")),
            "image": self._image,
            "formula": lambda token: self._add(formula(token.content, token.markup, block=False)),
            "formula_block": lambda token: self._add(formula(token.content, token.markup, block=True)),
            "footnote_ref": lambda token: self._add(_footnote_mark(token)),
        }

    def write(self, tokens: Sequence[Token]) -> Html:
        """Write the blocks of a whole text."""
        for index, token in enumerate(tokens):
            if token.type == "inline":
                self._inline(token.children or [], is_task=index > 1 and _is_task(tokens[index - 2 : index + 1]))
            elif token.type == "list_item_open" and _is_task(tokens[index : index + 3]):
                self._start("li", ' style="list-style:none"')
            else:
                self._block_or_inline(token)
        while self._open:
            self._end()
        return Html("".join(self._parts))

    def _inline(self, tokens: Sequence[Token], *, is_task: bool) -> None:
        self._add_lead()
        if is_task:
            box = tokens[0].content
            self._add("☐" if box.startswith("[ ]") else "☑")
            tokens[0].content = box[3:]
        for token in tokens:
            self._block_or_inline(token)

    def _block_or_inline(self, token: Token) -> None:
        if token.hidden:
            return
        if token.nesting == 1:
            self._start_of(token)
        elif token.nesting == -1:
            self._end()
        elif token.type in self._leaves:
            self._leaves[token.type](token)
        else:
            self._text(token.content)

    def _start_of(self, token: Token) -> None:
        if token.type == "link_open":
            self._start_link(str(token.attrs.get("href", "")), str(token.attrs.get("title", "")))
        elif token.type == "footnote_reference_open":
            self._start("div")
            self._lead += f"{_footnote_mark(token)} "
        elif token.type == "table_open":
            self._start("table", f' cellpadding="{CELL_PADDING}"')
        elif token.tag in _BLOCKS or token.tag in _SPANS:
            self._start(token.tag, _attributes(token))
        else:
            self._open.append("")

    def _start(self, tag: str, attributes: str = "") -> None:
        self._open.append(tag)
        scroller = f'<div style="{SCROLLER}">' if tag == "table" else ""
        self._parts.append(f"{scroller}<{tag}{attributes}>")

    def _end(self) -> None:
        if not self._open:
            return
        if self._open[-1] == "div":
            self._add_lead()
        tag = self._open.pop()
        if tag:
            scroller = "</div>" if tag == "table" else ""
            self._parts.append(f"</{tag}>{scroller}" + ("\n" if tag in _BLOCKS or tag == "div" else ""))

    def _start_link(self, url: str, title: str) -> None:
        if "a" in self._open or not is_allowed_url(url):
            self._open.append("")
        else:
            hint = f' title="{quote(title)}"' if title else ""
            self._start("a", f' href="{quote(url)}"{hint} {LINK}')

    def _image(self, token: Token) -> None:
        alt = _plain_text(token.children or [])
        self._start_link(str(token.attrs.get("src", "")), "")
        self._parts.append(escape(f"[image: {alt}]" if alt else "[image]"))
        self._end()

    def _text(self, text: str) -> None:
        """Write text, and make links of the bare addresses in it."""
        done = 0
        for found in _BARE_URL.finditer(text):
            url = found[0].rstrip("*_~.,:;!?'")
            self._parts.append(escape(text[done : found.start()]))
            self._start_link(url, "")
            self._parts.append(escape(url))
            self._end()
            done = found.start() + len(url)
        self._parts.append(escape(text[done:]))

    def _add(self, html: str) -> None:
        self._parts.append(html)

    def _add_lead(self) -> None:
        """Write what stands before the first words of a footnote: its mark, after those of notes around it."""
        self._parts.append(self._lead)
        self._lead = ""


def _attributes(token: Token) -> str:
    if token.tag == "ol":
        start = token.attrs.get("start", 1)
        return f' start="{start}"' if isinstance(start, int) and start != 1 else ""
    if token.tag in ("td", "th"):
        # JupyterLab aligns every cell of an output's tables to the right, unless it is told otherwise.
        style = str(token.attrs.get("style", ""))
        return f' style="{style if style in _ALIGNMENTS else "text-align:left"}"'
    return ""


def _is_task(tokens: Sequence[Token]) -> bool:
    """Say whether a list's item begins here, and its text with a box: ``[ ]`` or ``[x]``."""
    if [token.type for token in tokens] != ["list_item_open", "paragraph_open", "inline"]:
        return False
    children = tokens[2].children or []
    return bool(children) and children[0].type == "text" and _TASK.match(children[0].content) is not None


def _footnote_mark(token: Token) -> Html:
    """Write a footnote's own label, without an anchor: two answers on one page may use the same."""
    return Html(f"<sup>[{escape(str(token.meta['label']))}]</sup>")


def _plain_text(tokens: Sequence[Token]) -> str:
    """Read the text out of what an image is called."""
    parts: list[str] = []
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif token.type == "formula":
            parts.append(token.markup + token.content + CLOSING[token.markup])
        else:
            parts.append(_plain_text(token.children) if token.children else token.content)
    return "".join(parts)
