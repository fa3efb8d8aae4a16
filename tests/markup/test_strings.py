"""Numbers, times and names as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roci_nb.markup.strings import UNKNOWN, clip, clock, count, nearest, percent, plain_text, seconds, size, window


@pytest.mark.parametrize(
    ("n", "text"),
    [
        *((0, "0"), (96, "96"), (999, "999"), (1000, "1k"), (2100, "2.1k"), (2000, "2k"), (9949, "9.9k")),
        *((9960, "10k"), (12_345, "12k"), (999_499, "999k"), (999_500, "1M"), (1_200_000, "1.2M"), (3 * 10**9, "3B")),
    ],
)
def test_a_count_is_shortened_by_thousands(n: int, text: str) -> None:
    assert count(n) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [
        *((4096, "4k"), (8192, "8k"), (32768, "32k"), (131072, "128k"), (1_048_576, "1M"), (10_485_760, "10M")),
        *((512, "512"), (4000, "4,000"), (5000, "5,000"), (128_000, "128,000"), (40_960, "40k"), (0, "0")),
    ],
)
def test_a_window_has_the_name_it_is_known_by(n: int, text: str) -> None:
    assert window(n) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [
        *(
            (0, "0 B"),
            (512, "512 B"),
            (1500, "1.5 kB"),
            (98_000, "98 kB"),
            (1_400_000, "1.4 MB"),
            (98_000_000, "98 MB"),
        ),
        *((999_600_000, "1.0 GB"), (13_800_000_000, "13.8 GB"), (65_000_000_000, "65.0 GB"), (2.5e12, "2.5 TB")),
    ],
)
def test_a_size_is_in_decimal_units(n: float, text: str) -> None:
    assert size(n) == text


@pytest.mark.parametrize(
    ("s", "text"),
    [
        *((0.0, "<0.1 s"), (0.02, "<0.1 s"), (0.4, "0.4 s"), (8.9, "8.9 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s")),
        *((125, "2 min 05 s"), (3599.6, "1 h 00 min"), (3720, "1 h 02 min")),
    ],
)
def test_a_duration_is_as_exact_as_it_is_short(s: float, text: str) -> None:
    assert seconds(s) == text


@pytest.mark.parametrize(
    ("s", "text"),
    [(0, "0:00"), (4.9, "0:04"), (59.99, "0:59"), (750, "12:30"), (3723, "1:02:03"), (-1, "0:00")],
)
def test_a_clock_counts_up(s: float, text: str) -> None:
    assert clock(s) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0%"),
        (0.001, "<1%"),
        (0.0135, "1%"),
        (0.5, "50%"),
        (0.994, "99%"),
        (0.999, "99%"),
        (1, "100%"),
        (1.2, "120%"),
    ],
)
def test_a_share_is_neither_nothing_nor_all_too_soon(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize("show", [count, window, size, seconds, clock, percent])
def test_the_unknown_is_a_dash_and_never_zero(show: object) -> None:
    assert callable(show)
    assert show(None) == UNKNOWN


@pytest.mark.parametrize("show", [seconds, clock, percent])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_unknown(show: object, value: float) -> None:
    assert callable(show)
    assert show(value) == UNKNOWN


def test_a_clipped_text_is_no_longer_than_asked_and_says_that_it_goes_on() -> None:
    assert clip("a short text", 20) == "a short text"
    assert clip("a longer text", 9) == "a longer…"
    assert clip("a longer text", 3) == "a…"
    assert clip("abc", 0) == ""


@given(st.text(), st.integers(0, 20))
def test_clipping_never_passes_the_limit(text: str, limit: int) -> None:
    assert len(clip(text, limit)) <= limit


MODELS = ["gpt-oss:20b", "gpt-oss:120b", "llama3.2:latest", "qwen2.5-coder:7b"]


@pytest.mark.parametrize(
    ("word", "names", "best"),
    [
        ("llama", ["openai", "ollama", "lmstudio"], "ollama"),
        ("olama", ["openai", "ollama", "lmstudio"], "ollama"),
        ("OLLAMA", ["openai", "ollama"], "ollama"),
        ("lm-studio", ["openai", "ollama", "lmstudio"], "lmstudio"),
        ("temp", ["top_p", "temperature"], "temperature"),
        ("temprature", ["top_p", "temperature"], "temperature"),
        ("gpt-oss-20b", MODELS, "gpt-oss:20b"),
        ("gpt-oss:20b", MODELS, "gpt-oss:20b"),
        ("llama3.2", MODELS, "llama3.2:latest"),
        ("coder", MODELS, "qwen2.5-coder:7b"),
    ],
)
def test_the_nearest_name_is_the_one_that_was_meant(word: str, names: list[str], best: str) -> None:
    assert nearest(word, names)[0] == best


@pytest.mark.parametrize("word", ["", "x", "zzzzzz", "a"])
def test_nothing_is_near_to_what_is_like_none(word: str) -> None:
    assert nearest(word, ["ollama", "lmstudio", "openai"]) == ()


def test_the_nearest_names_are_few_and_each_once() -> None:
    assert nearest("gpt-oss", [*MODELS, *MODELS], 2) == ("gpt-oss:20b", "gpt-oss:120b")


@given(st.text(), st.lists(st.text()), st.integers(0, 5))
def test_what_is_near_is_always_one_of_the_names(word: str, names: list[str], n: int) -> None:
    found = nearest(word, iter(names), n)
    assert len(found) <= n
    assert set(found) <= set(names)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("line\n\tindented\r\n", "line\n\tindented\r\n"),
        ("\x1b[2J\x1b]52;c;cm0=\x07clean", "[2J]52;c;cm0=clean"),
        ("a\x00b\x08c\x7fd\x9be\x85f", "abcdef"),
        ("half \ud800 a pair", "half  a pair"),
        ("naïve 数 😀", "naïve 数 😀"),
    ],
)
def test_plain_text_has_no_control_character_that_a_terminal_obeys(text: str, shown: str) -> None:
    assert plain_text(text) == shown
