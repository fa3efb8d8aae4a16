"""Which names are loaded, with what window and until when.

A name has one window, and asking for another loads it anew, as Ollama does. The names share the two small models, and
a model runs with one window at a time: loading a name with another window puts the names with the former one out,
as Ollama puts models out where memory is short.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.local.engine import unload_engines
from roci_nb.standin.options import DEFAULT_KEEP_ALIVE_S, FOREVER_S
from roci_nb.standin.speakers import Ear, nano_speaker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from roci_nb.local.engine import Engine
    from roci_nb.standin.models import StoredModel


@dataclass(eq=False, slots=True)
class Resident:
    """A name that is loaded."""

    name: str
    model: StoredModel
    window: int
    """What was asked for, up to what the model was trained for; the engine may round it up to 256."""
    engine: Engine
    keep_s: float = DEFAULT_KEEP_ALIVE_S
    expires: float = 0.0
    users: int = 0
    timer: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """A loaded model to ask."""

    resident: Resident
    load_s: float

    @property
    def ear(self) -> Ear:
        """Its engine."""
        return Ear(self.resident.engine)


class Residents:
    """The loaded names of both servers; used from their one loop alone."""

    def __init__(self) -> None:
        self._held: dict[str, Resident] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def all(self) -> list[Resident]:
        """Return what is loaded, the last first; an engine that has died is not."""
        for name, held in list(self._held.items()):
            if not held.engine.alive:
                self._drop(name)
        return list(reversed(self._held.values()))

    def find(self, name: str) -> Resident | None:
        """Return a name's place; None where it is not loaded."""
        return next((held for held in self.all() if held.name == name), None)

    @asynccontextmanager
    async def seat(
        self, name: str, model: StoredModel, window: int, keep_s: float | None = None
    ) -> AsyncIterator[Seat]:
        """Hold a name's engine, loading it where it is not loaded with that window."""
        path, trained = model.speaker.path, model.speaker.trained_window
        began = time.perf_counter()
        async with model.speaker.engine(window) as engine:
            load_s = time.perf_counter() - began
            told = window if (trained := trained or model.speaker.trained_window) is None else min(window, trained)
            for other in self.all():
                if other.model.speaker.path == path and other.engine is not engine:
                    self._drop(other.name)
            held = self._held.pop(name, None) or Resident(name, model, told, engine)
            held.model, held.window, held.engine = model, told, engine
            if keep_s is not None:
                held.keep_s = keep_s
            self._held[name] = held
            held.users += 1
            self._rest(held)
            try:
                yield Seat(held, load_s)
            finally:
                held.users -= 1
                self._rest(held)

    async def unload(self, name: str) -> None:
        """Let a name go, and the engine with the last name that needs it."""
        held = self._held.get(name)
        if held is None:
            return
        self._drop(name)
        path = held.model.speaker.path
        if not any(other.model.speaker.path == path for other in self._held.values()):
            await unload_engines(path)
        if not self._held:
            await unload_engines(nano_speaker().path)

    async def close(self) -> None:
        """Let everything go that was loaded here."""
        for name in list(self._held):
            await self.unload(name)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _rest(self, held: Resident) -> None:
        """Count its time anew; it is not up while someone asks."""
        held.expires = time.time() + held.keep_s
        if held.timer is not None:
            held.timer.cancel()
            held.timer = None
        if held.users or self._held.get(held.name) is not held:
            return
        if held.keep_s <= 0:
            self._expire(held)
        elif held.keep_s < FOREVER_S:
            wait = min(held.keep_s, 1e8)
            held.timer = asyncio.get_running_loop().call_later(wait, self._expire, held)

    def _expire(self, held: Resident) -> None:
        if held.users == 0 and self._held.get(held.name) is held:
            task = asyncio.ensure_future(self.unload(held.name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _drop(self, name: str) -> None:
        held = self._held.pop(name, None)
        if held is not None and held.timer is not None:
            held.timer.cancel()
