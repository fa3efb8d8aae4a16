"""A conversation: turns that belong to the cells which asked them."""

from __future__ import annotations

import asyncio
import itertools
import threading
import uuid
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from roci_nb.errors import ConfigError
from roci_nb.generation.fold import AnswerFold
from roci_nb.generation.text import answer_deltas, as_provider
from roci_nb.loop import hop, iterate_on_loop, sync_twin
from roci_nb.markup.strings import clip, count, plain_text
from roci_nb.markup.tables import html_table, text_table
from roci_nb.providers.base import estimate_tokens
from roci_nb.types.messages import ModelMessage
from roci_nb.types.requests import ProviderRequest
from roci_nb.types.settings import GenerationSettings
from roci_nb.types.usage import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator

    from roci_nb.generation.text import Asked
    from roci_nb.markup.html import Html
    from roci_nb.types.events import TextStreamDelta
    from roci_nb.types.results import GenerateTextResult

TurnEnd: TypeAlias = Literal["done", "stopped", "failed"]
TurnState: TypeAlias = "TurnEnd | Literal['running']"

_MARKS: dict[TurnState, str] = {"done": "●", "stopped": "■", "failed": "✗", "running": "◐"}
_HEADERS = ("", "turn", "asked", "answered", "tokens")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one cell asked, and what was answered.

    ``stale`` says that an earlier turn has been asked again, answered or dropped since: the answer was given to
    another conversation than the one that stands here now. ``run`` tells the runs of one cell from each other.
    """

    key: str
    message: ModelMessage
    state: TurnState = "running"
    reply: str = ""
    model: str = ""
    usage: Usage = Usage()
    stale: bool = False
    run: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Context:
    """The earlier turns as they are sent; ``left_out`` counts those for which the budget had no room."""

    messages: tuple[ModelMessage, ...] = ()
    turns: int = 0
    left_out: int = 0
    tokens: int = 0
    """Our estimate."""


class Conversation:
    """Turns in the order in which their cells were first asked.

    In a notebook the magic keeps it. Alone it asks by itself: ``Conversation("ollama:gpt-oss:20b").ask_sync("Hi")``.
    A turn that is asked again takes its old place and sees only the turns before it; the later ones stay, are still
    sent to turns after them, and are marked stale. Stopped and failed turns are kept and not sent. Of an earlier
    answer only the text is sent: not its reasoning, and not its tool calls.
    """

    def __init__(
        self, provider: Asked | None = None, *, system: str | None = None, settings: GenerationSettings | None = None
    ) -> None:
        self._provider = provider
        self._system = system
        self._settings = settings or GenerationSettings()
        self._lock = threading.RLock()
        self._turns: list[Turn] = []
        self._runs = itertools.count(1)

    @classmethod
    def of(cls, turns: Iterable[Turn]) -> Conversation:
        """Make a conversation of turns that were kept."""
        conversation = cls()
        conversation._turns.extend(turns)
        return conversation

    def new_key(self) -> str:
        """Return a key for a turn that no cell id names."""
        return f"turn-{uuid.uuid4().hex[:12]}"

    def context(self, key: str | None, *, budget: int | None = None) -> Context:
        """Return what is sent before the turn ``key``; a new one comes after all others.

        With a ``budget`` only the newest turns that fit into so many tokens, by our estimate, are sent.
        """
        with self._lock:
            place = self._place(key)
            before = [turn for turn in self._turns[:place] if turn.state == "done"]
        kept: list[Turn] = []
        tokens = 0
        for turn in reversed(before):
            cost = estimate_tokens(ProviderRequest(messages=_messages(turn))).n
            if budget is not None and tokens + cost > budget:
                break
            tokens += cost
            kept.insert(0, turn)
        messages = tuple(message for turn in kept for message in _messages(turn))
        return Context(messages, len(kept), len(before) - len(kept), tokens)

    def begin(self, key: str, message: ModelMessage, *, model: str = "") -> int:
        """Begin a turn, or begin it anew: it takes its place, and later ones are stale. Returns the run's number."""
        with self._lock:
            place = self._place(key)
            run = next(self._runs)
            self._turns[place : place + 1] = [Turn(key, message, model=model, run=run)]
            self._make_stale(place + 1)
            return run

    def finish(self, key: str, state: TurnEnd, result: GenerateTextResult | None = None, *, run: int) -> None:
        """End the run that ``begin`` named.

        A turn that was dropped meanwhile stays dropped, and one that was begun anew belongs to its newer run.
        """
        with self._lock:
            place = self._place(key)
            if place == len(self._turns) or self._turns[place].run != run:
                return
            turn = self._turns[place]
            reply, usage = (turn.reply, turn.usage) if result is None else (result.text, result.usage)
            self._turns[place] = replace(turn, state=state, reply=reply, usage=usage)
            if state == "done":  # a later turn that was begun meanwhile was asked without this answer
                self._make_stale(place + 1)

    def drop(self, keys: Iterable[str]) -> None:
        """Forget the turns of cells that were deleted; those after them are stale."""
        with self._lock:
            for key in keys:
                place = self._place(key)
                if place < len(self._turns):
                    del self._turns[place]
                    self._make_stale(place)

    def reset(self) -> None:
        """Forget all turns."""
        with self._lock:
            self._turns.clear()

    def _place(self, key: str | None) -> int:
        return next((place for place, turn in enumerate(self._turns) if turn.key == key), len(self._turns))

    def _make_stale(self, start: int) -> None:
        self._turns[start:] = [replace(turn, stale=True) for turn in self._turns[start:]]

    def stream(self, message: str | ModelMessage) -> AsyncIterator[TextStreamDelta]:
        """Ask, and stream the answer; it becomes a turn, however it ends."""
        return iterate_on_loop(lambda: self._answered(_user(message), []))

    async def ask(self, message: str | ModelMessage) -> GenerateTextResult:
        """Ask, and return the answer; it becomes a turn, however it ends."""
        results: list[GenerateTextResult] = []

        async def whole() -> None:
            async for _ in self._answered(_user(message), results):
                pass

        await hop(whole)
        return results[0]

    async def _answered(
        self, message: ModelMessage, results: list[GenerateTextResult]
    ) -> AsyncIterator[TextStreamDelta]:
        if self._provider is None:
            raise ConfigError("this conversation has no model: Conversation('provider:model')")
        provider = as_provider(self._provider)
        system = [ModelMessage.system(self._system)] if self._system else []
        request = ProviderRequest(messages=(*system, *self.context(None).messages, message), settings=self._settings)
        key, fold = self.new_key(), AnswerFold(provider.model, request)
        run = self.begin(key, message, model=str(provider.model))
        state: TurnEnd = "failed"
        deltas = cast("AsyncGenerator[TextStreamDelta, None]", answer_deltas(provider, request))
        try:
            async with aclosing(deltas) as stream:
                async for delta in stream:
                    fold.add(delta)
                    if delta.finish_reason is not None:  # whole, though its reader may close the stream here
                        state = "done"
                    yield delta
        except (asyncio.CancelledError, GeneratorExit):
            state = "done" if state == "done" else "stopped"
            raise
        finally:
            results.append(fold.result(None if state == "done" else "cancelled"))
            self.finish(key, state, results[0], run=run)

    def __len__(self) -> int:
        return len(self._turns)

    def __iter__(self) -> Iterator[Turn]:
        with self._lock:
            return iter(tuple(self._turns))

    def _rows(self) -> list[tuple[str | None, ...]]:
        return [
            (
                _MARKS[turn.state] + (" stale" if turn.stale else ""),
                str(number),
                _clipped(turn.message.text),
                _clipped(turn.reply),
                count(turn.usage.total_tokens),
            )
            for number, turn in enumerate(self, 1)
        ]

    def __repr__(self) -> str:
        return text_table(_HEADERS, self._rows()) if len(self) else "a conversation without turns"

    def _repr_html_(self) -> Html:
        return html_table(_HEADERS, self._rows() or [("", "", "no turns yet", "", "")])

    ask_sync = sync_twin(ask)
    stream_sync = sync_twin(stream)


def _messages(turn: Turn) -> tuple[ModelMessage, ModelMessage]:
    return turn.message, ModelMessage.assistant(turn.reply)


def _clipped(text: str) -> str:
    """Make one line of a text for the table, without what a terminal would act on."""
    return clip(" ".join(plain_text(text).split()), 80)


def _user(message: str | ModelMessage) -> ModelMessage:
    return ModelMessage.user(message) if isinstance(message, str) else message
