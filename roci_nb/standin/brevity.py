"""Where SmolLM2's prose ends: at a sentence's end, once it is long or turns in circles.

Left alone, a model of that size goes on to its limit, and what it says late is not worth reading.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from contextlib import aclosing
from typing import TYPE_CHECKING

from roci_nb.standin.turn import Figures, Piece
from roci_nb.types.usage import Usage

if TYPE_CHECKING:
    from roci_nb.standin.hearing import Answer

LONG_TOKENS = 160
"""From here on the next paragraph's end is the answer's."""
LONGEST_TOKENS = 260
"""And from here on the next sentence's."""
_CIRCLE = 3
"""Sentences that begin with the same two words, of which a circle is made."""

_SENTENCE_END = re.compile(r"""(?<!^\d)(?<!^\d\d)[.!?]["')*]*(?=\s|[A-Z])|\n""", re.MULTILINE)
_FENCE = re.compile(r"^\s*```", re.MULTILINE)
_LIST_ITEM = re.compile(r"\s*([-*+]|\d+[.)])\s")


async def kept_short(answer: Answer) -> Answer:
    """Pass an answer on until it has said enough; leaving ends it at the engine."""
    prose, began = Prose(), time.perf_counter()
    async with aclosing(answer) as pieces:
        async for piece in pieces:
            if isinstance(piece, Figures):
                yield piece
                return
            if prose.tokens == 0:
                began = time.perf_counter()
            said = prose.add(piece.text)
            yield Piece(text=said) if said != piece.text else piece
            if prose.is_enough:
                break
    yield Figures(usage=Usage(None, prose.tokens, None, 0), generation_s=time.perf_counter() - began)


class Prose:
    """What has been said, a sentence after the other; code is left alone."""

    def __init__(self) -> None:
        self.tokens = 0
        self.is_enough = False
        self._open = ""
        self._text = ""
        self._beginnings: Counter[tuple[str, ...]] = Counter()

    def add(self, text: str) -> str:
        """Take a token's text; returns what of it is to be said."""
        self.tokens += 1
        self._text += text
        self._open += text
        if len(_FENCE.findall(self._text)) % 2:
            self._open = ""
            return text
        while (end := _SENTENCE_END.search(self._open)) is not None:
            sentence, self._open = self._open[: end.end()], self._open[end.end() :]
            if self._ends_with(sentence):
                self.is_enough = True
                return text[: len(text) - len(self._open)].rstrip("\n")
        return text

    def _ends_with(self, sentence: str) -> bool:
        if sentence.rstrip().endswith(":"):
            return False
        words = tuple(re.findall(r"\w+", sentence.lower())[:2])
        if len(words) == 2 and not _LIST_ITEM.match(sentence):
            self._beginnings[words] += 1
            if self._beginnings[words] >= _CIRCLE:
                return True
        return self.tokens >= LONGEST_TOKENS or (self.tokens >= LONG_TOKENS and sentence.endswith("\n"))
