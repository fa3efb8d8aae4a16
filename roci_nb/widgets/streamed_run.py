"""One answer that streams into a live view, on the background loop."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from roci_nb.display.live import LiveAnswer
from roci_nb.display.output_views import LIVE_INTERVAL_S
from roci_nb.display.view import Look, View
from roci_nb.errors import RociError, one_line
from roci_nb.generation.fold import AnswerFold
from roci_nb.generation.text import answer_deltas
from roci_nb.providers.base import estimate_tokens
from roci_nb.session.load_times import last_load_s, record_load
from roci_nb.types.messages import ModelMessage
from roci_nb.types.requests import ProviderRequest
from roci_nb.widgets.tuner_runs import TunerRun

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from roci_nb.session.state import InForce
    from roci_nb.types.events import TextStreamDelta


class StreamedRun:
    """Asks once; ``live`` is the view to show meanwhile. Nothing here waits in a handler's thread."""

    def __init__(self, number: int, prompt: str, in_force: InForce) -> None:
        provider, system = in_force.provider, in_force.options.system
        messages = (*([ModelMessage.system(system)] if system else []), ModelMessage.user(prompt))
        self._request = ProviderRequest(messages=messages, settings=in_force.settings)
        self._in_force = in_force
        self._number, self._prompt = number, prompt
        self._fold = AnswerFold(provider.model, self._request)
        look = Look(
            heading=in_force.heading,
            sources=in_force.sources,
            prompt_tokens=estimate_tokens(self._request).n,
            last_load_s=last_load_s(str(provider.model), provider.host),
        )
        self._view = View(look)
        self._view.segments.warnings.extend(in_force.warnings)
        self.live = LiveAnswer(self._view.segments, heading=in_force.heading)

    async def run(self) -> TunerRun | None:
        """Ask and show; return what came of it, None where nothing did. Raises what failed before the first word.

        Cancelled, it raises ``CancelledError``; ``ended("stopped")`` then gives what had come.
        """
        ticker = asyncio.create_task(self._tick())
        try:
            await self._stream()
        except RociError as error:
            if not self._fold.begun:
                raise
            return self.ended(one_line(str(error)))
        finally:
            ticker.cancel()
            with suppress(asyncio.CancelledError):
                await ticker
            record_load(str(self._in_force.provider.model), self._in_force.provider.host, self._view.segments.load_s)
        return self.ended(None)

    async def _stream(self) -> None:
        deltas = cast("AsyncGenerator[TextStreamDelta, None]", answer_deltas(self._in_force.provider, self._request))
        async with aclosing(deltas) as stream:
            async for delta in stream:
                self._fold.add(delta)
                self._view.add(delta)
                self.live.add(delta.text, delta.reasoning)

    async def _tick(self) -> None:
        while True:
            self.live.flush()
            await asyncio.sleep(LIVE_INTERVAL_S)

    def ended(self, problem: str | None) -> TunerRun | None:
        """Return the run as it ended; ``problem`` is what it broke of, "stopped" where the user ended it."""
        if problem is not None and not self._fold.begun:
            return None
        stopped = problem == "stopped"
        result = self._fold.result("cancelled" if stopped else None)
        result = replace(result, warnings=(*self._in_force.warnings, *result.warnings))
        bundle = self._view.bundle(result, self._in_force.provider.host, None if stopped else problem)
        ended = str(result.finish_reason) if problem is None else "stopped" if stopped else "broke"
        html = bundle.data["text/html"]
        return TunerRun(self._number, self._prompt, self._in_force.options.system, result, html, ended)
