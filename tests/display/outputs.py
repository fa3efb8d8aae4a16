"""Reads a finished output as a browser would: the renderer's elements, and the few that stand around an answer."""

from __future__ import annotations

import re

from tests.markup.page import ATTRIBUTES, TAGS, Page

STYLE = re.compile(r"[-a-z]+:[^;:<>\"]+(;[-a-z]+:[^;:<>\"]+)*")


class _Output(Page):
    tags = TAGS | {"details", "summary"}
    attributes = ATTRIBUTES | {
        "div": {"class", "style"},
        "details": {"style", "open"},
        "summary": {"style"},
        "table": {"cellpadding", "style"},
    }

    @classmethod
    def check_style(cls, value: str) -> None:
        assert STYLE.fullmatch(value), value
        assert "url" not in value


def check_output(html: str) -> None:
    """Fail on an element or attribute that is not ours."""
    assert not re.search("<(script|img)", html)
    _Output(html)
