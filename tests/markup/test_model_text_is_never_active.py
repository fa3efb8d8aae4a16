"""Law 2, for any text: only our elements and attributes, links that may be followed, formulas that only draw."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roci_nb.markup import markdown
from roci_nb.markup.html import escape, whole
from roci_nb.markup.markdown import is_allowed_url, render_markdown
from tests.markup.page import Page

ACTIVE = [
    "<script>alert(1)</script>",
    "<script src=//evil.example/x.js></script>",
    "<ScRiPt\n>alert(1)</sCrIpT >",
    "<<script>script>alert(1)<</script>/script>",
    "<img src=x onerror=alert(1)>",
    '<img srcset="http://evil.example/x 2x">',
    '<p onclick="alert(1)" style="background:url(http://evil.example/x)">x</p>',
    "<style>@import 'http://evil.example/x.css'; *{background:url(http://evil.example)}</style>",
    '<meta http-equiv="refresh" content="0;url=http://evil.example">',
    '<link rel=stylesheet href="http://evil.example/x.css"><link rel=prefetch href=//evil.example>',
    '<base href="http://evil.example/">',
    "<svg onload=alert(1)><image href=http://evil.example/x /><script>alert(1)</script></svg>",
    '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    '<iframe src="http://evil.example" srcdoc="<script>alert(1)</script>"></iframe>',
    '<object data="http://evil.example/x.swf"></object><embed src="http://evil.example/x.swf">',
    '<video src="http://evil.example/v" poster="http://evil.example/p" autoplay></video>',
    '<audio src="http://evil.example/a" autoplay></audio>',
    '<picture><source srcset="http://evil.example/x"><img></picture>',
    '<table background="http://evil.example/x"><tr><td>x</td></tr></table>',
    '<input type=image src="http://evil.example/x"><button formaction="javascript:alert(1)">x</button>',
    '<form action="http://evil.example"><input name=a></form>',
    '<a href="javascript:alert(1)">x</a>',
    '<details open ontoggle="alert(1)">x</details>',
    '<div data-commandlinker-command="notebook:run-cell" class="jp-Dialog">x</div>',
    "<!-- <img src=x> --><![CDATA[<script>alert(1)</script>]]><?php x ?><!DOCTYPE html>",
    '<template><script>alert(1)</script></template><noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "</p></div></td></body></html>",
    '<br onclick="alert(1)">',
    "<br/onmouseover=alert(1)>",
    "![x](http://evil.example/x.png)",
    '![x](http://evil.example/x.png "title")',
    "![x][ref]\n\n[ref]: http://evil.example/x.png",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "![x](file:///etc/passwd)",
    "![x](/api/contents)",
    "![<img src=x onerror=alert(1)>](http://evil.example)",
    '![" onerror="alert(1)](http://evil.example)',
    "[![x](http://evil.example/x.png)](http://evil.example)",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](<java\tscript:alert(1)>)",
    "[x](\x01javascript:alert(1))",
    "[x](java&#10;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;avascript&colon;alert(1))",
    "[x](javascript&#58;alert(1))",
    "[x](java\\script:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox(1))",
    "[x](blob:http://evil.example/x)",
    "[x](view-source:http://evil.example)",
    "[x](ms-word:ofe|u|http://evil.example)",
    "[x](//evil.example)",
    "[x](\\\\evil.example\\x)",
    "[x](relative)",
    "[x](#anchor)",
    "[x](http:evil.example)",
    "[x](http:///evil.example)",
    "[x][r]\n\n[r]: javascript:alert(1)",
    "[x][r]\n\n[r]: <data:text/html,x> 'title'",
    '[x](http://e.example "a\\" onmouseover=\\"alert(1)")',
    "[x](http://e.example '\"><script>alert(1)</script>')",
    '[x](http://e.example/"onmouseover="alert(1))',
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    '<http://e.example/?a=<b>&c="d">',
    "<http://e.example/onmouseover='alert(1)'>",
    "[<http://a.example>](http://b.example)",
    "[http://a.example](http://b.example)",
    'http://e.example/"onmouseover="alert(1)',
    "http://e.example/<script>alert(1)</script>",
    "xhttp://e.example javascript://e.example/%0aalert(1)",
    "```html\n<script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "```python onclick=alert(1) style=x\nx = '<script>'\n```",
    "```\n</code></pre><script>alert(1)</script>",
    "~~~\n```\n</pre><img src=x onerror=alert(1)>\n~~~",
    "```mermaid\ngraph TD; A[\"<img src='http://evil.example/x'>\"]\n```",
    "`` ` <script>alert(1)</script> ` ``",
    "`a`<img src=x>`b`",
    "`unclosed <img src=x onerror=alert(1)>",
    "    <script>indented</script>",
    "| <script>a</script> | `|` |\n|---|--:|\n| <img src=x> | ![x](http://evil.example) |",
    '| a |\n|:-:" style="x|\n| b |',
    "# <script>alert(1)</script> {onclick=alert(1)}\n\n=====",
    "[^<img>]: <script>alert(1)</script>\n\nx[^<img>]",
    '[^"x]: note\n\nx[^"x]',
    "- [x] <script>alert(1)</script>\n- [ ](javascript:alert(1))",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x&#62;",
    "\\<script>alert(1)\\</script>",
    "*<b onclick=alert(1)>*",
    "{% include 'x' %} {{ x }} ${alert(1)}",
    "99. x\n999999999. y",
]

ACTIVE_TEX = [
    r"\href{javascript:alert(1)}{x}",
    r"\url{javascript:alert(1)}",
    r"\style{background:url(http://evil.example)}{x}",
    r"\class{jp-Dialog}{x}",
    r"\cssId{main}{x}",
    r"\data{commandlinker-command=x}{x}",
    r"\bbox[background:url(http://evil.example)]{x}",
    r"\mmlToken{mi}[href='javascript:alert(1)']{x}",
    r"\fcolorbox{red;background:url(//evil.example)}{white}{x}",
    r"\textcolor{red;background:url(//evil.example)}{x}",
    r"\color[RGB]{1,2,3}x",
    r"\require{html}",
    r"\unicode[x;background:url(//evil.example)]{65}",
    r"\includegraphics{http://evil.example/x.png}",
    r"\htmlStyle{color:red}{x}",
    r"\htmlData{a=b}{x}",
    r"\def\frac{x}",
    r"\gdef\x{\x\x}\x",
    r"\newcommand{\pi}{3}",
    r"\let\sum=\href",
    r"\DeclareMathOperator{\sin}{cos}",
    r"\newenvironment{align}{}{}",
    r"\csname href\endcsname{javascript:alert(1)}{x}",
    r"\text{\href{javascript:alert(1)}{x}}",
    r"\begin{style}x\end{style}",
    r"\begin\href{javascript:alert(1)}{x}",
    r"\begin{align}\href{javascript:alert(1)}{x}\end{align}",
    r"\ref{x} \eqref{x}",
    r"{x",
    r"x}{",
    "{" * 70 + "}" * 70,
    "x\\",
    r"\) \href{javascript:alert(1)}{x} \(",
    r"\] \style{background:url(//evil.example)}{x} \[",
]

WRAPPED = [f"{left}{tex}{right}" for tex in ACTIVE_TEX for left, right in ((r"\(", r"\)"), ("$$\n", "\n$$"), ("", ""))]

GLUE = [
    *("$", "$$", r"\(", r"\)", r"\[", r"\]", "\\", "{", "}", r"\begin{align}", r"\end{align}", "`", "```", "~~~"),
    *("\n", "\n\n", "\n> ", "\n- ", "\n1. ", "\n    ", "\t", "|", "|-|-|\n", "\n| a | b |\n|--:|:-:|\n", "\n---\n"),
    *("[", "]", "(", ")", "![", "](", "](http://e.example", "](<", ">", "<", "[^1]", "\n[^1]: ", "\n[r]: ", "[r]"),
    *("*", "**", "_", "~~", "#", "\n# ", "- [ ] ", "&", "&#", ";", '"', "'", "<br>", "http://", "mailto:a@b.example"),
    *("\0", "\r", "\x0b", "\x1b[31m", "\u2028", "\ufeff", "\ud800", "\udc00", "\u202e", "é", "数", "😀", " ", "x"),
]

hostile = st.lists(
    st.one_of(st.sampled_from(GLUE), st.sampled_from(ACTIVE + WRAPPED), st.text(max_size=8)), max_size=14
).map("".join)
anything = st.one_of(hostile, st.text(alphabet=st.characters(), max_size=60))


def vouched(formula: str) -> bool:
    r"""Say whether a string that the typesetter takes is one formula of ours: ``\(…\)`` or ``\[…\]``, nothing around."""
    inner = re.fullmatch(r"\\\((.*)\\\)|\\\[(.*)\\\]", formula, re.DOTALL)
    forbidden = (
        r"\\(?:href|url|style|class|cssId|data|bbox|mmlToken|fcolorbox|require|unicode|includegraphics|html\w+|g?def|let"
        r"|newcommand|newenvironment|DeclareMathOperator|csname|(?:eq)?ref|label)(?![A-Za-z])"
    )
    return inner is not None and not re.search(forbidden, formula)


@pytest.mark.parametrize("text", [*ACTIVE, *WRAPPED])
def test_an_active_thing_comes_out_as_something_to_read(text: str) -> None:
    page = Page(render_markdown(text))
    assert all(map(vouched, page.typeset))


@settings(max_examples=300, deadline=None)
@given(anything)
def test_any_text_gives_only_our_elements_balanced_and_inert(text: str) -> None:
    page = Page(markdown._rendered(whole(text)))  # not render_markdown: that would forgive an error of the parser
    assert all(map(vouched, page.typeset))


@settings(max_examples=200, deadline=None)
@given(anything)
def test_escaped_text_is_shown_as_it_is_and_never_typeset(text: str) -> None:
    page = Page(escape(text))
    assert page.text == whole(text)
    assert page.typeset == []


@pytest.mark.parametrize(
    "url",
    ["http://a.example", "https://a.example/?q=1#x", "HTTPS://a.example", "mailto:a@b.example", "http://[::1]:80/"],
)
def test_a_link_may_lead_to_the_web_and_to_mail(url: str) -> None:
    assert is_allowed_url(url)


@pytest.mark.parametrize(
    "url",
    ["", "x", "/x", "//x.example", "#x", "http:x.example", "http:///x", "javascript:1", "data:,x", "ftp://x.example"],
)
def test_a_link_may_lead_nowhere_else(url: str) -> None:
    assert not is_allowed_url(url)


@pytest.mark.parametrize("url", ["javascript:1", "\tjavascript:1", "\x01http://x.example", "http://x.example\n", "a b"])
def test_an_address_with_blanks_or_controls_is_no_address(url: str) -> None:
    assert not is_allowed_url(url)


DEEP = {
    "quotes": "> " * 400,
    "lists": "".join("  " * depth + "- a\n" for depth in range(120)),
    "dashes": "- " * 400,
    "quotes and lists": "> - " * 200,
    "brackets": "[" * 3000,
    "images": "![" * 1500,
    "links": "[" * 800 + "x" + "](http://e.example)" * 800,
    "stars": "**a" * 2000,
    "notes": "[^a]: " * 500,
    "braces": "$" + "{" * 3000 + "$",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_what_is_nested_too_deep_is_still_shown_in_full(text: str) -> None:
    page = Page(markdown._rendered(text + "the end"))
    assert "the end" in page.text


@pytest.mark.parametrize("depth", range(20, 60))
def test_no_depth_of_quotes_swallows_the_words(depth: int) -> None:
    assert "the end" in Page(markdown._rendered("> " * depth + "the end")).text
    assert "the end" in Page(markdown._rendered("- " * depth + "the end")).text


def test_an_error_of_the_parser_costs_the_layout_and_not_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> str:
        raise RecursionError

    monkeypatch.setattr(markdown, "_rendered", broken)
    page = Page(render_markdown("# answer <b>$x$"))
    assert page.text.strip() == "# answer <b>$x$"


SLOW = {
    "brackets": "[",
    "images": "![",
    "half links": "[a](",
    "half titles": '[a](x "',
    "emphasis": "*a_ ",
    "ticks": "`$",
    "dollars": "$a ",
    "half formulas": r"\(",
    "half blocks": "\\[a\n",
    "double dollars": "$$a\n",
    "environments": "\\begin{align}\n",
    "notes": "[^",
    "tables": "|\n|-|\n",
    "addresses": "http://(",
    "items": "- a\n",
}


@pytest.mark.parametrize("piece", SLOW.values(), ids=SLOW)
def test_hostile_repetition_takes_no_more_than_its_length(piece: str) -> None:
    def cost(length: int) -> float:
        text = piece * (length // len(piece))
        start = time.process_time()
        markdown._rendered(text)
        return time.process_time() - start

    cost(100)
    # Eight times the text: 8 when linear, 64 when quadratic. The added time keeps the clock's grain out.
    assert cost(16_000) < 30 * (cost(2_000) + 0.02)
