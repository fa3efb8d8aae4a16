import asyncio

from roci_nb.standin.brevity import LONG_TOKENS, LONGEST_TOKENS, Prose, kept_short
from roci_nb.standin.turn import Figures, Piece


def said(words):
    """What is passed on of an answer that comes word by word."""
    prose, text = Prose(), ""
    for word in words:
        text += prose.add(word)
        if prose.is_enough:
            break
    return text, prose


def test_a_short_answer_is_left_alone():
    words = ["The", " sky", " is", " blue", ".", " It", " scatters", " 3.5", " times", "."]
    text, prose = said(words)
    assert text == "".join(words)
    assert not prose.is_enough


def test_a_long_answer_ends_at_a_paragraph_and_a_longer_one_at_a_sentence():
    filler = [f" word{i}" for i in range(LONG_TOKENS)]
    text, prose = said([*filler, ".", "\n", "\n", "More", "."])
    assert prose.is_enough
    assert text.endswith(".")
    filler = [f" word{i}" for i in range(LONGEST_TOKENS)]
    text, prose = said([*filler, ".", " More", " words"])
    assert prose.is_enough
    assert text.endswith(f"word{LONGEST_TOKENS - 1}.")


def test_sentences_that_begin_alike_end_it():
    text, prose = said(word for n in range(9) for word in (" Italy", " is", f" number{n}", ".", " And", f" so{n}", "."))
    assert prose.is_enough
    assert text.count("Italy") == 3


def test_code_and_lists_are_never_cut():
    lines = [f"x = {n}\n" for n in range(300)]
    text, prose = said(["```python\n", *lines, "```", " Done", ".", " More"])
    assert "x = 299" in text
    items = [f"{n}. Mix it\n" for n in range(1, 9)]
    text, prose = said(items)
    assert text == "".join(items)
    assert not prose.is_enough


def test_what_is_cut_off_ends_at_the_engine_with_figures():
    closed = []

    async def answer():
        try:
            for n in range(10_000):
                yield Piece(text=f" word{n}.")
            yield Figures()
        finally:
            closed.append(True)

    async def hear():
        return [piece async for piece in kept_short(answer())]

    *pieces, figures = asyncio.run(hear())
    assert closed == [True]
    assert isinstance(figures, Figures)
    assert figures.usage.output_tokens == len(pieces) <= LONGEST_TOKENS + 2
