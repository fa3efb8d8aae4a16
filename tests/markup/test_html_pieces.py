"""The pieces that HTML is built from."""

from __future__ import annotations

import pickle

import pytest

from roci_nb.markup.html import Html, element, escape, quote


def test_text_is_escaped() -> None:
    assert escape("<b> & \"c\" 'd'") == "&lt;b&gt; &amp; &quot;c&quot; 'd'"


def test_dollars_and_backslashes_stand_alone_so_that_nothing_is_typeset() -> None:
    assert escape(r"$x$ \(") == r"<span>$</span>x<span>$</span> <span>\</span>("


def test_a_quoted_value_keeps_dollars_and_cannot_leave_its_quotes() -> None:
    assert quote('a"b$c\\') == "a&quot;b$c\\"


def test_children_that_are_not_html_are_escaped() -> None:
    assert element("p", "<b>", Html("<br>"), element("em", "&")) == "<p>&lt;b&gt;<br><em>&amp;</em></p>"


def test_attributes_are_quoted_and_their_names_made_html() -> None:
    built = element("div", class_="a", aria_hidden="true", title='"x"', id=None, tabindex=0)
    assert built == '<div class="a" aria-hidden="true" title="&quot;x&quot;" tabindex="0"></div>'


def test_an_element_that_holds_nothing_has_no_end() -> None:
    assert element("hr") == "<hr>"


@pytest.mark.parametrize(("tag", "names"), [("p onclick", {}), ("P", {}), ("p", {"onclick": "x"}), ("p", {"a b": "x"})])
def test_a_name_that_is_no_plain_name_is_refused(tag: str, names: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no tag or attribute"):
        element(tag, **names)


def test_html_survives_a_copy_as_html() -> None:
    assert isinstance(pickle.loads(pickle.dumps(Html("<b>"))), Html)
