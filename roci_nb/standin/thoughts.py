"""What SmolLM2 thinks before it speaks: what is asked, in the user's words, then a sentence for each level above."""

from __future__ import annotations

import re
import time
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from roci_nb.markup.strings import clip
from roci_nb.standin.hearing import in_pieces
from roci_nb.standin.turn import Figures, Piece
from roci_nb.types.usage import Usage

if TYPE_CHECKING:
    from roci_nb.standin.hearing import Answer
    from roci_nb.standin.options import Effort
    from roci_nb.standin.speakers import Ear
    from roci_nb.standin.turn import Turn
    from roci_nb.types.json import JsonObject

_QUOTED_CHARACTERS = 100
_BEGINNINGS: dict[Effort, tuple[str, ...]] = {
    "low": (),
    "medium": (" I should explain",),
    "high": (" I should explain", " I should also mention"),
}
"""How each further sentence begins: begun for it, a thought stays with the question."""
_LONGEST_SENTENCE = 40
_LONGEST_QUESTION = 1000
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")


async def thought(ear: Ear, turn: Turn) -> Answer:
    """Think about a turn; the figures' finish is "length" where the answer's limit is used up."""
    quoted = clip(" ".join(turn.question.split()), _QUOTED_CHARACTERS)
    said = f"The user says: “{quoted}”" + ("" if quoted.endswith((".", "!", "?", "…")) else ".")
    tokens = len(await ear.tokens(said))
    spent = Figures(usage=Usage(output_tokens=tokens, reasoning_tokens=tokens))
    yield Piece(thinking=said)
    for beginning in _BEGINNINGS[turn.effort or "medium"]:
        left = _LONGEST_SENTENCE
        if turn.limit is not None:
            left = min(left, turn.limit - (spent.usage.output_tokens or 0))
        if left <= 0:
            break
        said += beginning
        yield Piece(thinking=beginning)
        async with aclosing(_sentence(ear, turn, said, left)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Figures):
                    spent = piece.after(spent)
                else:
                    said += piece.thinking
                    yield piece
    out = turn.limit is not None and (spent.usage.output_tokens or 0) >= turn.limit
    yield replace(spent, finish="length" if out else "stop")


async def _sentence(ear: Ear, turn: Turn, begun: str, limit: int) -> Answer:
    """Go on to the end of a sentence; what is behind it is not waited for."""
    longest = min(_LONGEST_QUESTION, ear.engine.address.window // 6)  # a character has up to three tokens or so
    question = f"{turn.question[-longest:]}\n\nBefore you answer: what do I want to know?"
    messages: list[JsonObject] = [{"role": "user", "content": question}, {"role": "assistant", "content": begun}]
    sampling: JsonObject = {"temperature": 0.2, "dry_multiplier": 0.8, "max_tokens": limit}
    sampling["seed"] = turn.sampling.get("seed")
    tokens = 0
    began = time.perf_counter()
    figures = Figures()
    async with aclosing(in_pieces(ear.answers(messages, sampling))) as pieces:
        async for piece in pieces:
            if isinstance(piece, Figures):
                figures = piece
                continue
            if tokens == 0:
                began = time.perf_counter()
            tokens += 1
            end = _SENTENCE_END.search(piece.text)
            yield Piece(thinking=piece.text if end is None else piece.text[: end.end()].rstrip("\n"))
            if end is not None:  # the engine's own figures would come at its end
                figures = Figures(generation_s=time.perf_counter() - began)
                break
    yield replace(figures, usage=Usage(None, tokens, None, tokens))
