"""The smallest pieces of HTML: text that is escaped, values that are quoted, elements built from both.

A plain ``str`` is never taken for HTML: only ``Html`` is, and ``element`` escapes every child that is not.
"""

from __future__ import annotations

import html
import re

VOID_TAGS = frozenset({"br", "hr", "img"})

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_TYPESET = re.compile(r"[$\\]")


class Html(str):
    """Text that is HTML already; whoever makes one vouches for it."""

    __slots__ = ()


def escape(text: str) -> Html:
    r"""Make of any text the content of an element, which shows it and does nothing else.

    A front end typesets what stands between ``$``, ``\(`` or ``\begin`` anywhere in HTML, and TeX can hold links
    and styles. Each dollar and backslash therefore stands in an element of its own, where it pairs with nothing.
    """
    return Html(_TYPESET.sub(r"<span>\g<0></span>", quote(text)))


def quote(text: str) -> Html:
    """Make of any text the value of a double-quoted attribute, or what stands inside ``<code>`` and ``<pre>``.

    Those are never typeset, so dollars and backslashes stay bare. Characters that have no place in a page or in
    the JSON of a notebook (NUL, lone surrogates) become U+FFFD.
    """
    return Html(html.escape(whole(text), quote=False).replace('"', "&quot;"))


def whole(text: str) -> str:
    """Replace NULs and lone surrogates by U+FFFD, and join a pair of surrogates to the character that it means."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "\ufffd")


def element(tag: str, /, *children: str, **attributes: str | int | None) -> Html:
    """Build one element: ``element("td", name, style="text-align:right")``.

    Children are escaped unless they are ``Html``. An attribute that is None is left out; its name may end in ``_``
    (``class_``), and ``aria_hidden`` gives ``aria-hidden``. Tags and names are the code's own, never a model's.
    """
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    for name in (tag, *names):
        if not _NAME.fullmatch(name) or name.startswith("on"):
            raise ValueError(f"{name!r} is no tag or attribute that this package writes")
    start = "".join([tag, *(f' {name}="{quote(str(value))}"' for name, value in names.items())])
    if tag in VOID_TAGS:
        return Html(f"<{start}>")
    content = "".join(child if isinstance(child, Html) else escape(child) for child in children)
    return Html(f"<{start}>{content}</{tag}>")
