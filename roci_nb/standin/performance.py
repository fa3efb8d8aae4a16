"""Who speaks: how the two small models answer a turn together.

The nano calls tools, reads what they return, writes free JSON, and answers the few questions that it knows. SmolLM2
writes everything else: prose, JSON that fits a schema, and a thought before it. Each answer has one speaker, and
says so in its first line; where a line would spoil the answer (typed answers, tool calls), it heads the thought.
"""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from roci_nb.errors import ServerError
from roci_nb.standin.brevity import kept_short
from roci_nb.standin.hearing import Answer, Heard, heard, in_pieces
from roci_nb.standin.speakers import Ear, nano_speaker
from roci_nb.standin.thoughts import thought
from roci_nb.standin.turn import Figures, Piece, Turn, label
from roci_nb.standin.typed import is_json, typed_sampling

if TYPE_CHECKING:
    from roci_nb.types.json import JsonObject

_LONGEST_QUESTION = 160
"""In characters: the nano was trained on short ones."""
_KNOWN_SHARE = 0.6
"""How much of a question the nano must take up, to be trusted with it."""
_FILLERS = frozenset(
    "a an and are at be briefly but can could do does explain for from give how i in is it let me my of on one please "  # noqa: SIM905
    "say sentence short so tell that the this to us was what when which who why will with would write you your".split()
)
_PLAIN_SYSTEM = re.compile(r"(you are a helpful( \w+)? assistant\.?)?", re.IGNORECASE)


async def perform(ear: Ear, turn: Turn) -> Answer:
    """Answer a turn."""
    if not turn.model.helped:
        answer = _alone(ear, turn)
    elif turn.typed_blindly:
        answer = _lost(ear, turn)
    elif (of_nano := await _asked_nano(turn)) is not None:
        answer = _as_nano(turn, of_nano)
    else:
        answer = _as_prose(ear, turn)
    async with aclosing(answer) as pieces:
        async for piece in pieces:
            yield piece


async def _alone(ear: Ear, turn: Turn) -> Answer:
    """Let a user's own file answer, by itself and without a label: it is what its name says."""
    sampling = {**turn.sampling, "max_tokens": turn.limit} if turn.format is None else typed_sampling(turn)
    if turn.effort is not None:
        sampling |= {"reasoning_effort": turn.effort, "chat_template_kwargs": {"reasoning_effort": turn.effort}}
    async with aclosing(in_pieces(ear.answers(turn.messages, sampling, turn.tools))) as pieces:
        async for piece in pieces:
            yield piece


async def _lost(ear: Ear, turn: Turn) -> Answer:
    """Answer as Ollama does for gpt-oss without thinking and with a format: its parser drops all of the text."""
    whole = await heard(ear.answers(turn.plain(), typed_sampling(turn)))
    yield replace(whole.figures, finish="stop")


async def _asked_nano(turn: Turn) -> Heard | None:
    """Let the nano answer where it is the one that can; None where it isn't."""
    reads_a_result, free_json = turn.last.get("role") == "tool", turn.format == "json"
    is_known_kind = (
        not turn.is_begun
        and turn.format is None
        and len(turn.question) <= _LONGEST_QUESTION
        and _PLAIN_SYSTEM.fullmatch(turn.system.strip()) is not None
    )
    if isinstance(turn.format, dict) or not (turn.tools or reads_a_result or is_known_kind or free_json):
        return None
    sampling: JsonObject = {**turn.sampling, "max_tokens": turn.limit, "dry_multiplier": 0}
    sampling["reasoning_effort"] = turn.effort or "medium"
    if free_json:
        sampling["response_format"] = {"type": "json_object"}
    try:
        async with nano_speaker().engine(None) as engine:
            whole = await heard(Ear(engine).answers(turn.current(), sampling, turn.tools))
    except ServerError:  # a prompt that is too long for it
        return None
    if free_json:
        return whole if is_json(whole.text) else None
    if (turn.tools and whole.calls) or (reads_a_result and whole.text):
        return whole
    if not is_known_kind or not whole.text or whole.calls:
        return None
    return whole if _takes_up(turn.question, whole) or await _takes_up_at_length(turn, sampling) else None


async def _takes_up_at_length(turn: Turn, sampling: JsonObject) -> bool:
    """At low effort the nano thinks in a word, which tells little: look at what it would think otherwise."""
    if turn.effort != "low":
        return False
    async with nano_speaker().engine(None) as engine:
        longer = {**sampling, "reasoning_effort": "medium", "max_tokens": None}
        return _takes_up(turn.question, await heard(Ear(engine).answers(turn.current(), longer)))


async def _as_nano(turn: Turn, whole: Heard) -> Answer:
    line = label(nano_speaker().name, turn.name)
    in_thought = (turn.format is not None or whole.calls) and turn.effort is not None
    in_text = turn.format is None and not whole.calls
    for piece in whole.pieces:
        if piece.thinking and turn.effort is None:
            continue
        if piece.thinking and in_thought:
            in_thought = False
            yield replace(piece, thinking=line + piece.thinking)
            continue
        if piece.text and in_text:
            in_text = False
            yield Piece(text=line)
        yield piece
    yield whole.figures


async def _as_prose(ear: Ear, turn: Turn) -> Answer:
    spent = Figures()
    line = label(ear.engine.alias, turn.name)
    if turn.effort is not None and not turn.is_begun:
        if turn.format is not None:
            yield Piece(thinking=line)
        async with aclosing(thought(ear, turn)) as thoughts:
            async for piece in thoughts:
                if isinstance(piece, Figures):
                    spent = piece
                else:
                    yield piece
        if spent.finish == "length":
            yield replace(spent, usage=replace(spent.usage, input_tokens=await ear.count(turn.plain())))
            return
    sampling = dict(turn.sampling) if turn.format is None else typed_sampling(turn)
    sampling["max_tokens"] = None if turn.limit is None else turn.limit - (spent.usage.output_tokens or 0)
    if turn.format is None and not turn.is_begun:
        yield Piece(text=line)
    answer = in_pieces(ear.answers(turn.plain(), sampling))
    if turn.format is None:
        answer = kept_short(answer)
    async with aclosing(answer) as pieces:
        async for piece in pieces:
            yield (await _counted(ear, turn, piece)).after(spent) if isinstance(piece, Figures) else piece


async def _counted(ear: Ear, turn: Turn, figures: Figures) -> Figures:
    """Count the prompt where the engine was stopped before it could tell."""
    if figures.usage.input_tokens is not None:
        return figures
    return replace(figures, usage=replace(figures.usage, input_tokens=await ear.count(turn.plain())))


def _takes_up(question: str, whole: Heard) -> bool:
    """Say whether the nano's answer is about what was asked."""
    asked = _words(question)
    return bool(asked) and len(asked & _words(f"{whole.thought} {whole.text}")) >= _KNOWN_SHARE * len(asked)


def _words(text: str) -> set[str]:
    return {word.rstrip("s") or word for word in re.findall(r"\w+", text.lower())} - _FILLERS
