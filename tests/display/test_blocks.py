from hypothesis import given
from hypothesis import strategies as st

from roci_nb.display.blocks import AnswerBlocks


def cut(text: str, pieces: int = 1) -> tuple[list[str], AnswerBlocks]:
    blocks = AnswerBlocks()
    finished = []
    for at in range(0, len(text), pieces):
        finished += blocks.feed(text[at : at + pieces])
    return finished, blocks


def test_a_paragraph_is_finished_when_the_next_one_begins_at_the_margin():
    finished, blocks = cut("One\ntwo.\n\n")
    assert finished == []
    assert blocks.feed("Three") == ["One\ntwo.\n"]
    assert blocks.open == "Three"


def test_a_list_goes_on_after_a_blank_line_while_lines_are_indented():
    finished, blocks = cut("1. one\n\n   more\n\n")
    assert finished == []
    assert blocks.feed("After") == ["1. one\n\n   more\n"]


def test_a_fence_is_cut_from_what_stands_before_it_and_finished_by_its_end():
    finished, blocks = cut("Look:\n```python\nx = 1\n\ny = 2\n```\nDone")
    assert finished == ["Look:", "```python\nx = 1\n\ny = 2\n```"]
    assert (blocks.kind, blocks.open) == ("text", "Done")


def test_an_open_fence_is_code_without_its_first_line():
    _, blocks = cut("```python\nx = 1\ny")
    assert (blocks.kind, blocks.open) == ("code", "x = 1\ny")


def test_nothing_inside_a_fence_ends_a_block():
    finished, blocks = cut("~~~~\n```\n\n# no heading\n\nx\n~~~\n")
    assert (finished, blocks.kind) == ([], "code")


def test_a_display_formula_is_not_cut():
    for opening, closing in (("$$", "$$"), ("\\[", "\\]")):
        finished, blocks = cut(f"{opening}\na\n\nb\n{closing}\n\n")
        assert finished == []
        assert blocks.feed("x") == [f"{opening}\na\n\nb\n{closing}\n"]
    finished, _ = cut("$$a$$\n\nNext")
    assert finished == ["$$a$$\n"]


def test_a_heading_is_a_block_of_its_own():
    finished, blocks = cut("Before\n# Title\nAfter")
    assert finished == ["Before", "# Title"]
    assert blocks.open == "After"


def test_endless_prose_is_frozen_at_a_line_end():
    finished, blocks = cut("word word word\n" * 3000, pieces=1000)
    assert finished
    assert len(blocks.open) < 20_000


MARKDOWN = st.lists(
    st.sampled_from(["word", " ", "\n", "\n\n", "```", "~~~", "# ", "- ", "  ", "$$", "\\[", "\\]", "|", "\r", "🙂"]),
    max_size=60,
).map("".join)


@given(MARKDOWN, st.integers(1, 7))
def test_any_split_gives_the_same_blocks_and_nothing_is_lost(text, pieces):
    finished, blocks = cut(text, pieces)
    at_once, whole = cut(text, max(len(text), 1))
    assert finished == at_once
    assert (blocks.kind, blocks.open) == (whole.kind, whole.open)
    if blocks.kind == "code":  # whose first line the view shows by its look
        return
    shown = "".join(finished) + blocks.open
    for word in ("word", "🙂"):
        assert shown.count(word) == text.count(word)
