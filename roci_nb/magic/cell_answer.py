"""The answer to one cell: asked, shown, and kept, in the cell's own time or in the background."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from roci_nb.errors import ContextOverflow, RociError, Stopped, one_line
from roci_nb.generation.fold import AnswerFold
from roci_nb.generation.text import answer_deltas
from roci_nb.loop import Stopper, iterate_blocking, partial_of
from roci_nb.session.ledger import LedgerEntry
from roci_nb.session.load_times import record_load

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator

    from roci_nb.display.view import AnswerView
    from roci_nb.generation.conversation import Conversation, TurnEnd
    from roci_nb.session.state import InForce, Session
    from roci_nb.types.events import GenerationWarning, TextStreamDelta
    from roci_nb.types.requests import ProviderRequest
    from roci_nb.types.results import GenerateTextResult


@dataclass(frozen=True, slots=True)
class Asking:
    """What one cell asks, ready to go; ``begun`` is what an answer that is continued has said already.

    ``run`` is the turn's, as ``Conversation.begin`` numbers it.
    """

    in_force: InForce
    request: ProviderRequest
    conversation: Conversation | None = None
    key: str | None = None
    cell: str = ""
    cell_id: str = ""
    begun: str = ""
    turns: int = 0
    run: int = 0


class CellAnswer:
    """Streams one answer into its view, and leaves the turn, the usage and the result behind.

    ``bind`` is called with the result, whatever the end: an answer that was stopped or broke is kept too.
    """

    def __init__(
        self,
        asking: Asking,
        session: Session,
        view: AnswerView,
        stopper: Stopper,
        bind: Callable[[GenerateTextResult, bool], None],
    ) -> None:
        self.asking = asking
        self.stopper = stopper
        self.result: GenerateTextResult | None = None
        self.failure: BaseException | None = None
        self._session = session
        self._view = view
        self._bind = bind
        self._warnings: list[GenerationWarning] = []
        self._fold = AnswerFold(asking.in_force.provider.model, asking.request)

    def run(self) -> GenerateTextResult:
        """Ask and show; blocks. Raises ``Stopped``, or what the answer failed of."""
        in_force, fold = self.asking.in_force, self._fold
        answer = iterate_blocking(self._deltas, on_wait=self._view.tick, stopper=self.stopper, comes_back=True)
        try:
            with closing(cast("Generator[TextStreamDelta, None, None]", answer)) as deltas:
                for delta in deltas:
                    fold.add(delta)
                    self._show(delta)
        except KeyboardInterrupt as interrupt:
            self._stopped(interrupt)
        except ContextOverflow as error:
            told = self._with_choices(error)
            self._failed(told)
            raise told from error
        except Exception as error:
            self._failed(error)
            raise
        self.result = result = self._kept(fold.result(), "done")
        self._view.finish(self._as_shown(result), host=in_force.provider.host)
        return result

    def _with_choices(self, error: ContextOverflow) -> ContextOverflow:
        """Say what else a conversation that does not fit leaves to do; nothing of it is left out in silence."""
        if not self.asking.turns:
            return error
        choices = (
            f"or send fewer of the {self.asking.turns} earlier turns (-1 none, --budget N the newest that fit), "
            "or ask for a larger window: --num-ctx N"
        )
        told = ContextOverflow(
            f"{error}; {choices}",
            prompt_tokens=error.prompt_tokens,
            window=error.window,
            status=error.status,
            body=error.body,
        )
        told.partial = error.partial
        return told

    def _deltas(self) -> AsyncIterator[TextStreamDelta]:
        in_force = self.asking.in_force
        deltas = answer_deltas(in_force.provider, self.asking.request)
        return deltas if in_force.options.timeout is None else _in_time(deltas, in_force.options.timeout)

    def _show(self, delta: TextStreamDelta) -> None:
        new = self._session.unheard((*delta.warnings, *self._first_warnings()))
        self._warnings.extend(new)
        self._view.add(replace(delta, warnings=new) if delta.warnings != new else delta)

    def _first_warnings(self) -> tuple[GenerationWarning, ...]:
        return self.asking.in_force.warnings if self._view.segments.phase == "connecting" else ()

    def _stopped(self, interrupt: KeyboardInterrupt) -> None:
        partial = partial_of(interrupt) or self._fold.partial
        stopped = replace(self._fold.result("cancelled"), text=partial.text, reasoning=partial.reasoning)
        self.result = stopped = self._kept(stopped, "stopped")
        self._view.finish(self._as_shown(stopped), host=self.asking.in_force.provider.host)
        quiet = Stopped("stopped")
        quiet.partial = partial
        raise quiet from interrupt

    def _failed(self, error: Exception) -> None:
        self.failure = error
        if self._fold.begun:
            self.result = broken = self._kept(self._fold.result(), "failed")
            host = self.asking.in_force.provider.host
            self._view.finish(self._as_shown(broken), host=host, problem=one_line(str(error)))
        else:
            self._keep_turn("failed", None)
            self._view.fail(one_line(str(error)) if self.asking.in_force.options.bg else None)

    def _kept(self, result: GenerateTextResult, state: TurnEnd) -> GenerateTextResult:
        """Keep an answer: its turn, its tokens, its load time, its name. Showing it comes after."""
        if self.asking.begun:
            result = replace(result, text=self.asking.begun + result.text)
        self._keep_turn(state, result)
        model, host = result.model, self.asking.in_force.provider.host
        self._session.ledger.add(
            LedgerEntry(
                cell=self.asking.cell,
                model=str(model),
                conversation=self.asking.in_force.options.chat or "",
                usage=result.usage,
                timing=result.timing,
                finish_reason=result.finish_reason,
                cell_id=self.asking.cell_id,
            )
        )
        record_load(str(model), host, self._view.segments.load_s)
        self._bind(result, state == "done")
        return result

    def _keep_turn(self, state: TurnEnd, result: GenerateTextResult | None) -> None:
        conversation, key = self.asking.conversation, self.asking.key
        if conversation is not None and key is not None:
            conversation.finish(key, state, result, run=self.asking.run)

    def _as_shown(self, result: GenerateTextResult) -> GenerateTextResult:
        """Leave out the warnings that this kernel has heard, and what an answer that goes on has said before."""
        return replace(result, warnings=tuple(self._warnings), text=result.text[len(self.asking.begun) :])


async def _in_time(deltas: AsyncIterator[TextStreamDelta], seconds: float) -> AsyncIterator[TextStreamDelta]:
    """End an answer that takes longer than the user waits."""
    deadline = asyncio.get_running_loop().time() + seconds
    async with aclosing(cast("AsyncGenerator[TextStreamDelta, None]", deltas)) as stream:
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    delta = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise RociError(f"the answer took longer than {seconds:g} s: allow more with --timeout") from None
            yield delta
