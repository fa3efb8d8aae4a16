"""Which text is a formula, and how it reaches the typesetter."""

from __future__ import annotations

import pytest

from roci_nb.markup.markdown import render_markdown
from roci_nb.markup.markdown_rules import LONGEST_FORMULA
from roci_nb.markup.styles import BARE_CODE, CODE, WIDE
from tests.markup.page import Page


def typeset(text: str) -> list[str]:
    return Page(render_markdown(text)).typeset


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("Let $x_1^2$ be", r"\(x_1^2\)"),
        (r"Let \(a < b\) be", r"\(a < b\)"),
        (r"Let \( a \) be", r"\(a\)"),
        ("$$e = mc^2$$", r"\[e = mc^2\]"),
        ("so $$e = mc^2$$ is", r"\[e = mc^2\]"),
        (r"so \[e = mc^2\] is", r"\[e = mc^2\]"),
        (r"\[ x \]", r"\[x\]"),
        ("$$\na\n=\nb\n$$", "\\[a\n=\nb\\]"),
        ("Thus:\n\\[\na\n\\]\nand", r"\[a\]"),
        ("- item\n  \\[\n  a + b\n  \\]", r"\[a + b\]"),
        ("> $$\n> a\n> $$", r"\[a\]"),
        ("$$\na\n$$.", r"\[a.\]"),
        (
            "\\begin{align*}\na &= b \\\\\nc &= d\n\\end{align*}",
            "\\[\\begin{align*}\na &= b \\\\\nc &= d\n\\end{align*}\\]",
        ),
        (r"$$\begin{pmatrix} a \\[2pt] b \end{pmatrix}$$", r"\[\begin{pmatrix} a \\[2pt] b \end{pmatrix}\]"),
        (r"\[ a \\[2pt] b = c \]", r"\[a \\[2pt] b = c\]"),
        ("$$a \\text{ for $x$ in } B$$", r"\[a \text{ for $x$ in } B\]"),
        (r"$\{1, 2\}$", r"\(\{1, 2\}\)"),
        (r"$a \$ b$", r"\(a \$ b\)"),
        ("the $n$th", r"\(n\)"),
        ("$n$-gon", r"\(n\)"),
        ("($x$)", r"\(x\)"),
        ("**$x$**", r"\(x\)"),
        (r"$2 \times 3 \text{ apples}$", r"\(2 \times 3 \text{ apples}\)"),
        ("| $x$ |\n|---|", r"\(x\)"),
        (r"\textcolor is \(\textcolor{red}{x}\)", r"\(\textcolor{red}{x}\)"),
        (r"$\operatorname*{arg\,max}_x \mathbb{R}$", r"\(\operatorname*{arg\,max}_x \mathbb{R}\)"),
    ],
)
def test_a_formula_goes_to_the_typesetter_whole(text: str, formula: str) -> None:
    assert typeset(text) == [formula]


@pytest.mark.parametrize(
    "text",
    [
        "price $5 and then $6",
        "$5",
        "5$ and 6$",
        "from $10 to $20 or $1,000.50.",
        "US$5 and A$6",
        "between $5-$6",
        "**$5** to **$10**",
        "$20 (about £15) or 5$",
        "$HOME/bin:$PATH",
        "$ x $",
        "a $x and `b$` c",
        "$$",
        "$$$$",
        "$",
        r"\$x\$",
        "&#36;x&#36;",
        r"as \[1\] says",
        r"\[1\] Smith",
        r"f\[optional argument\]",
        r"\[a=b\](http://e.example)",
        r"\\(x\\)",
        r"\( \)",
        "$$\n\nx\n\n$$",
        "`$x$` and ``\\(y\\)``",
        "```\n$x$\n```",
        r"C:\(x86) C:\begin{align}x\end{align} \ref{x}",
        "$" + "x" * LONGEST_FORMULA + "$",
    ],
)
def test_what_is_no_formula_is_never_typeset(text: str) -> None:
    assert typeset(text) == []


def test_a_lone_dollar_stays_a_dollar() -> None:
    assert render_markdown("price $5 and then $6") == "<p>price <span>$</span>5 and then <span>$</span>6</p>\n"


def test_a_backslash_stays_a_backslash() -> None:
    page = Page(render_markdown(r"C:\dir\begin{x} and a \\\\ b"))
    assert page.text == r"C:\dir\begin{x} and a \\ b" + "\n"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (r"a $\href{javascript:alert(1)}{x}$ b", r"<p>a <code>$\href{javascript:alert(1)}{x}$</code> b</p>"),
        (r"a \(\nosuchcommand\) b", r"<p>a <code>\(\nosuchcommand\)</code> b</p>"),
        ("$$\n\\def\\x{y}\n$$", f'<pre style="{CODE}"><code style="{BARE_CODE}">$$\\def\\x{{y}}$$</code></pre>'),
        ("a ${b$ c", "<p>a <code>${b$</code> c</p>"),
    ],
)
def test_a_formula_with_a_command_that_may_act_is_shown_as_its_source(text: str, source: str) -> None:
    assert render_markdown(text).strip() == source


def test_a_bare_percent_sign_does_not_hide_the_rest_of_the_formula() -> None:
    assert typeset(r"$50% + 10\% + x$") == [r"\(50\% + 10\% + x\)"]


def test_a_label_is_left_out_since_two_of_a_name_are_an_error_on_a_page() -> None:
    assert typeset("$$a = b \\label{eq:1}$$") == [r"\[a = b\]"]


def test_less_than_within_a_formula_is_escaped() -> None:
    assert r"<span>\(a&lt;b \&amp; c\)</span>" in render_markdown(r"$a<b \& c$")


def test_a_formula_that_is_not_closed_yet_shows_as_text() -> None:
    assert Page(render_markdown("so $$\na = b")).text == "so $$\na = b\n"


def test_a_formula_on_lines_of_its_own_scrolls_by_itself() -> None:
    assert f'<div style="{WIDE}">' in render_markdown("$$\nx = y\n$$")
