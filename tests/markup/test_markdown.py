"""What people see of a model's Markdown."""

from __future__ import annotations

import subprocess
import sys

import pytest

from roci_nb.markup.highlight import LONGEST_HIGHLIGHTED
from roci_nb.markup.html import Html
from roci_nb.markup.markdown import LINK, render_markdown
from roci_nb.markup.styles import BARE_CODE, CODE, SCROLLER
from tests.markup.page import Page


def html(text: str) -> str:
    rendered = render_markdown(text)
    Page(rendered)
    return rendered


def code(content: str) -> str:
    return f'<div class="highlight"><pre style="{CODE}"><code style="{BARE_CODE}">{content}</code></pre></div>\n'


ORDINARY = {
    "a paragraph": ("one\ntwo", "<p>one\ntwo</p>\n"),
    "two paragraphs": ("one\n\ntwo", "<p>one</p>\n<p>two</p>\n"),
    "headings": ("# a\n### b\nc\n=", "<h1>a</h1>\n<h3>b</h3>\n<h1>c</h1>\n"),
    "emphasis": ("*a* __b__ ***c***", "<p><em>a</em> <strong>b</strong> <em><strong>c</strong></em></p>\n"),
    "strikethrough": ("~~a~~", "<p><s>a</s></p>\n"),
    "a hard break by spaces": ("a  \nb", "<p>a<br>\nb</p>\n"),
    "a hard break by a backslash": ("a\\\nb", "<p>a<br>\nb</p>\n"),
    "a rule": ("a\n\n---\n", "<p>a</p>\n<hr>\n"),
    "a code span": ("`a <b> $c$ \\d`", "<p><code>a &lt;b&gt; $c$ \\d</code></p>\n"),
    "a code span with ticks": ("`` a`b ``", "<p><code>a`b</code></p>\n"),
    "a quote": ("> a\n> b\n\nc", "<blockquote><p>a\nb</p>\n</blockquote>\n<p>c</p>\n"),
    "a tight list": ("- a\n- b", "<ul><li>a</li>\n<li>b</li>\n</ul>\n"),
    "a loose list": ("- a\n\n- b", "<ul><li><p>a</p>\n</li>\n<li><p>b</p>\n</li>\n</ul>\n"),
    "a list in a list": ("- a\n  1. b", "<ul><li>a<ol><li>b</li>\n</ol>\n</li>\n</ul>\n"),
    "a list that starts later": ("3. a\n4. b", '<ol start="3"><li>a</li>\n<li>b</li>\n</ol>\n'),
    "an indented code block": ("    a <b>", code("a &lt;b&gt;\n")),
    "escapes": (r"\*a\* \# \`", "<p>*a* # `</p>\n"),
    "entities": ("&copy; &amp; &#65; &nope;", "<p>© &amp; A &amp;nope;</p>\n"),
    "angle brackets": ("a < b > c <b>d</b>", "<p>a &lt; b &gt; c &lt;b&gt;d&lt;/b&gt;</p>\n"),
    "other scripts": ("数学 مرحبا é", "<p>数学 مرحبا é</p>\n"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("text", "expected"), ORDINARY.values(), ids=ORDINARY)
def test_markdown_reads_as_people_write_it(text: str, expected: str) -> None:
    assert html(text) == expected


LINKS = {
    "inline": "[a](https://e.example/?q=1&r=2)",
    "by reference": "[a][r]\n\n[r]: https://e.example/?q=1&r=2",
    "in angle brackets": "[a](<https://e.example/?q=1&r=2>)",
}


@pytest.mark.parametrize("text", LINKS.values(), ids=LINKS)
def test_a_link_opens_elsewhere_and_tells_nobody_where_from(text: str) -> None:
    assert html(text) == f'<p><a href="https://e.example/?q=1&amp;r=2" {LINK}>a</a></p>\n'


def test_a_link_keeps_its_title() -> None:
    assert 'title="say &quot;hi&quot; &lt;b&gt;"' in html("""[a](http://e.example 'say "hi" <b>')""")


def test_addresses_in_angle_brackets_are_links() -> None:
    assert Page(html("<https://e.example> <a@e.example>")).links == ["https://e.example", "mailto:a@e.example"]


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("see https://e.example/a_b_c.", "https://e.example/a_b_c"),
        ("(http://e.example/x)", "http://e.example/x"),
        ("https://e.example/Foo_(bar), then", "https://e.example/Foo_(bar)"),
        ("**https://e.example**", "https://e.example"),
    ],
)
def test_a_bare_address_is_a_link_without_the_punctuation_after_it(text: str, link: str) -> None:
    page = Page(html(text))
    assert page.links == [link]
    assert page.text.strip() == text.replace("**", "")


@pytest.mark.parametrize("text", ["`https://e.example`", "```\nhttps://e.example\n```", "ftp://e.example", "https://"])
def test_an_address_in_code_or_of_another_kind_is_no_link(text: str) -> None:
    assert Page(html(text)).links == []


@pytest.mark.parametrize("text", ["[a](javascript:alert(1))", "[a](/relative)", "[a](#part)", "![a](data:image/png,x)"])
def test_a_link_that_may_not_be_followed_stays_as_it_was_written(text: str) -> None:
    page = Page(html(text))
    assert page.links == []
    assert page.text == f"{text}\n"


def test_an_image_becomes_a_link_that_says_so() -> None:
    page = Page(html("![a *red* fox](http://e.example/fox.png)"))
    assert page.links == ["http://e.example/fox.png"]
    assert page.text == "[image: a red fox]\n"


def test_an_image_within_a_link_is_its_text() -> None:
    page = Page(html("[![fox](http://e.example/fox.png)](http://e.example)"))
    assert page.links == ["http://e.example"]
    assert page.text == "[image: fox]\n"


def test_an_image_without_a_name_is_still_there() -> None:
    assert Page(html("![](http://e.example/fox.png)")).text == "[image]\n"


def test_a_table_has_its_columns_aligned_as_it_says() -> None:
    assert html("| a | b | c |\n|---|:-:|--:|\n| 1 | **2** | 3 |") == (
        f'<div style="{SCROLLER}"><table cellpadding="4">'
        '<thead><tr><th style="text-align:left">a</th><th style="text-align:center">b</th>'
        '<th style="text-align:right">c</th></tr>\n</thead>\n'
        '<tbody><tr><td style="text-align:left">1</td><td style="text-align:center"><strong>2</strong></td>'
        '<td style="text-align:right">3</td></tr>\n</tbody>\n</table></div>\n'
    )


def test_a_table_in_a_list_and_an_open_one_close_their_scroller() -> None:
    for text in ("- a\n\n  | b |\n  |---|\n  | c |\n\nd", "| a |\n|---|", "> | a |\n> |---|\nb"):
        assert html(text).count(SCROLLER) == 1


def test_a_footnote_that_begins_with_a_table_keeps_its_label() -> None:
    assert Page(html("x[^1]\n\n[^1]:\n    | a |\n    |---|\n    | b |")).text.count("[1]") == 2


@pytest.mark.parametrize("tag", ["<br>", "<br/>", "<br />", "<BR>"])
def test_a_written_break_breaks_the_line(tag: str) -> None:
    assert ">x<br>\ny<" in html(f"| a |\n|---|\n| x{tag}y |")


def test_task_lists_show_boxes_that_nobody_can_click() -> None:
    page = Page(html("- [ ] open\n- [x] **done**\n- [X] too\n- [y] none\n- plain"))
    assert page.text.split("\n") == ["☐ open", "☑ done", "☑ too", "[y] none", "plain", "", ""]


def test_a_task_in_a_loose_list_shows_its_box() -> None:
    assert "<p>☑ a</p>" in html("- [x] a\n\n- b")


def test_footnotes_stay_where_they_are_written_under_their_own_label() -> None:
    assert html("a[^1] b[^note]\n\n[^1]: one\n[^note]: two\n\n    more") == (
        "<p>a<sup>[1]</sup> b<sup>[note]</sup></p>\n"
        "<div><p><sup>[1]</sup> one</p>\n</div>\n<div><p><sup>[note]</sup> two</p>\n<p>more</p>\n</div>\n"
    )


def test_a_footnote_that_nothing_refers_to_is_not_lost() -> None:
    assert "unused" in html("a\n\n[^1]: unused")


def test_a_footnote_of_code_only_keeps_its_label() -> None:
    assert "[1]" in Page(html("a[^1]\n\n[^1]:\n    ```\n    x\n    ```\n")).text


def test_a_footnote_in_a_footnote_keeps_both_labels() -> None:
    assert "[a] [b] c" in Page(html("[^a]: [^b]: c")).text


def test_footnotes_of_two_answers_cannot_collide() -> None:
    assert " id=" not in html("a[^1]\n\n[^1]: b") + html("[a](http://e.example#b)")


def test_code_of_a_known_language_has_pygments_classes_and_no_style() -> None:
    assert html("```python\nx = '<b>'\n```") == code(
        """x <span class="o">=</span> <span class="s1">'&lt;b&gt;'</span>\n"""
    )


@pytest.mark.parametrize("info", ["", "nosuchlanguage", "mermaid", '"><b', "python" * 20, "../x", "é"])
def test_code_of_an_unknown_language_is_plain(info: str) -> None:
    assert html(f"```{info}\nx = <b> & $c$\n```") == code("x = &lt;b&gt; &amp; $c$\n")


@pytest.mark.parametrize("info", ["python", "Python", "py title=x", "js", "c++", "bash", "json"])
def test_a_language_is_known_by_any_of_its_names(info: str) -> None:
    assert "<span class=" in html(f"```{info}\nx = 1\n```")


def test_long_code_is_plain() -> None:
    line = "x = 1\n"
    long = line * (LONGEST_HIGHLIGHTED // len(line) + 1)
    assert html(f"```python\n{long}```") == code(long)


@pytest.mark.parametrize("info", ["python", "bash", "json", "html", "pycon", "diff", "yaml", "c", "sql", "nosuch"])
def test_code_is_shown_character_for_character(info: str) -> None:
    source = "\n\n  a\t= 'b' # ünï <c>\n$ x\n>>> y\n\x0c{\n\n"
    assert Page(html(f"~~~{info}\n{source}~~~")).text == f"{source}\n"


def test_an_open_fence_is_code_already() -> None:
    assert html("a\n```\nb <c>") == "<p>a</p>\n" + code("b &lt;c&gt;")


@pytest.mark.parametrize("text", ["**a", "[a", "[a](", "`a", "| a |", "$a", "~~a", "![a](http://e.example"])
def test_what_is_not_closed_yet_shows_as_it_is(text: str) -> None:
    assert Page(html(text)).text == f"{text}\n"


def test_surrogates_and_nul_do_not_reach_the_page() -> None:
    assert html("a\0b \ud800 \ud83d\ude00") == "<p>a\ufffdb \ufffd 😀</p>\n"


@pytest.mark.parametrize("text", ["a\r\nb", "a\rb", "a\nb"])
def test_every_kind_of_line_end_is_one(text: str) -> None:
    assert html(text) == "<p>a\nb</p>\n"


def test_the_result_is_html_and_can_be_put_into_html() -> None:
    assert isinstance(render_markdown("a"), Html)


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    program = (
        "import sys, roci_nb.markup.markdown, roci_nb.markup.tables, roci_nb.markup.markdown_rules\n"
        "heavy = {'markdown_it', 'mdit_py_plugins', 'pygments', 'IPython'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
