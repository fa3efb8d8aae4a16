"""Reads HTML as a browser would, and holds it against what may stand in ours."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from roci_nb.markup import styles

ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title", "target", "rel"},
    "ol": {"start"},
    "li": {"style"},
    "th": {"style"},
    "td": {"style"},
    "div": {"class", "style"},
    "span": {"class"},
    "pre": {"style"},
    "code": {"style"},
    "table": {"cellpadding"},
}
TAGS = {
    *ATTRIBUTES,
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "blockquote", "em", "strong", "s", "sup", "br", "hr"),
    *("thead", "tbody", "tr"),
}
VOID = {"br", "hr"}
STYLES = {
    "text-align:left",
    "text-align:center",
    "text-align:right",
    "list-style:none",
    "white-space:pre-wrap",
    styles.CODE,
    styles.BARE_CODE,
    styles.SCROLLER,
    styles.WIDE,
}
URL = re.compile(r"(https?://[^/?#\s]|mailto:)[^\s\x00-\x20\x7f]*", re.IGNORECASE)
CLASS = re.compile(r"highlight|[a-z][a-z0-9]{0,2}")
TYPESET = re.compile(r"\$|\\\(|\\\[|\\begin|\\(?:eq)?ref|\\[\\$]")


class Page(HTMLParser):
    """Fails on anything that is not ours; knows the text, the links, and what a typesetter would look at."""

    tags = TAGS
    attributes = ATTRIBUTES

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.links: list[str] = []
        self.typeset: list[str] = []
        self._strings: list[str] = [""]
        self.text = ""
        html.encode()  # no lone surrogates
        assert "\0" not in html
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"
        self._end_string()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.tags, f"<{tag}>"
        assert not (tag == "a" and "a" in self.open), "a link in a link"
        assert len({name for name, _ in attrs}) == len(attrs)
        for name, value in attrs:
            assert name in self.attributes.get(tag, set()), f"<{tag} {name}>"
            assert value is not None
            self._check_value(name, value)
        if tag == "a":
            found = dict(attrs)
            assert found["target"] == "_blank"
            assert found["rel"] == "noopener noreferrer nofollow"
            self.links.append(found["href"] or "")
        if tag != "br":
            self._end_string()
        if tag not in VOID:
            self.open.append(tag)

    @classmethod
    def check_style(cls, value: str) -> None:
        assert value in STYLES, value

    def _check_value(self, name: str, value: str) -> None:
        if name == "href":
            assert URL.fullmatch(value), value
        elif name == "style":
            self.check_style(value)
        elif name == "class":
            assert CLASS.fullmatch(value), value
        elif name in ("start", "cellpadding"):
            assert value.isdecimal()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> within {self.open}"
        self._end_string()
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data
        if not {"code", "pre"} & set(self.open):
            self._strings[-1] += data

    def _end_string(self) -> None:
        # MathJax looks at the text between two tags (but for <br>) as one string, and not into <code> and <pre>.
        string = self._strings[-1]
        if len(string) > 1 and TYPESET.search(string):
            self.typeset.append(string.strip())
        self._strings.append("")

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")
