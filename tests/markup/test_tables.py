"""Tables and bars."""

from __future__ import annotations

import pytest

from roci_nb.markup.html import element
from roci_nb.markup.strings import UNKNOWN
from roci_nb.markup.tables import bar, html_table, text_table

HEADERS = ("model", "size", "tok/s")
ROWS = [("gpt-oss:20b", "13.8 GB", 42), ("smollm2", "98 MB", None)]


def test_a_text_table_has_columns_and_its_numbers_to_the_right() -> None:
    assert text_table(HEADERS, ROWS).split("\n") == [
        "model           size  tok/s",
        "───────────  ───────  ─────",
        "gpt-oss:20b  13.8 GB     42",
        f"smollm2        98 MB      {UNKNOWN}",
    ]


def test_a_text_table_without_headers_has_rows_only() -> None:
    assert text_table(("", ""), [("POST", "http://x"), ("Accept", "*/*")]) == "POST    http://x\nAccept  */*"


def test_a_cell_of_several_lines_goes_on_below_itself() -> None:
    assert text_table(("", ""), [("body", "{\n  1\n}"), ("end", "")]) == "body  {\n        1\n      }\nend"


def test_wide_characters_take_two_columns() -> None:
    assert text_table(("", ""), [("数学", "a"), ("e\u0301t\u00e9", "b")]) == "数学  a\ne\u0301té   b"


@pytest.mark.parametrize("rows", [[], [()]])
def test_an_empty_table_is_its_headers(rows: list[tuple[()]]) -> None:
    assert text_table(("a", "b"), rows).split("\n")[:2] == ["a  b", "─  ─"]
    assert "<th" in html_table(("a", "b"), rows)


def test_no_headers_and_no_rows_are_nothing() -> None:
    assert text_table((), []) == ""


def test_a_short_row_is_filled_up() -> None:
    assert text_table(("a", "b"), [("1",), ("2", "x", "more")]).split("\n")[2:] == ["1", "2  x  more"]


def test_an_html_table_escapes_its_cells() -> None:
    table = html_table(("<a>",), [("<b> $x$",)])
    assert "&lt;a&gt;" in table
    assert "&lt;b&gt; <span>$</span>x<span>$</span>" in table


def test_an_html_table_takes_html_as_it_is() -> None:
    assert "<em>&amp;</em>" in html_table(("a",), [(element("em", "&"),)])


def test_an_html_table_says_where_each_column_stands() -> None:
    table = html_table(HEADERS, ROWS)
    assert table.count("text-align:left") == 3
    assert table.count("text-align:right") == 6
    assert f">{UNKNOWN}</td>" in table


def test_an_html_table_without_headers_has_no_head() -> None:
    assert "<thead>" not in html_table(("", ""), [("a", "b")])


@pytest.mark.parametrize("cell", [7, -7, 0.5, "1,234", "~96", "<1%", "13.8 GB", "42 tok/s", "12k"])
def test_numbers_with_units_stand_to_the_right(cell: str | float) -> None:
    assert text_table(("a long header",), [(cell,)]).endswith(f" {cell}")


@pytest.mark.parametrize("cell", ["2024-01-01", "127.0.0.1:80", "3 of 4 parts", "v1", ""])
def test_what_only_begins_like_a_number_stands_to_the_left(cell: str) -> None:
    assert text_table(("a long header",), [(cell,)]).split("\n")[2:] == [cell]


@pytest.mark.parametrize(
    ("share", "drawn"),
    [
        *((0, "░░░░░░░░"), (0.001, "█░░░░░░░"), (0.5, "████░░░░"), (0.999, "███████░"), (1, "████████")),
        *((7, "████████"), (-1, "░░░░░░░░"), (None, "╌╌╌╌╌╌╌╌"), (float("nan"), "╌╌╌╌╌╌╌╌")),
    ],
)
def test_a_bar_is_full_only_at_all_and_empty_only_at_nothing(share: float | None, drawn: str) -> None:
    assert bar(share) == drawn


def test_a_bar_is_as_wide_as_asked() -> None:
    assert [len(bar(0.3, width)) for width in (0, 1, 2, 20)] == [0, 1, 2, 20]
