"""Who has a seat in which engine of this process, and who waits for which load.

Callers sit on different loops and threads: what they share is guarded by one lock, under which nothing waits.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roci_nb.local.engine_process import GOING_S, Engine, EngineProcess

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

SLOTS = 2
"""How many requests an engine answers at a time; each slot has the whole window."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file and its state: one that was written anew is another model."""

    path: Path
    modified_ns: int
    size: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Look at the file; raises ``OSError``."""
        stat = path.stat()
        return cls(path.resolve(), stat.st_mtime_ns, stat.st_size)


@dataclass(frozen=True, slots=True)
class EngineWish:
    """What a caller wants of an engine."""

    model: ModelFile
    path: Path
    alias: str
    window: int | None
    """In tokens, fitted to the model; None takes whatever runs."""
    new_window: int
    """What an engine that has to be started gets."""
    longest_answer: int | None = None


@dataclass(eq=False, slots=True)
class RunningEngine:
    """An engine and how many use it; a retired one ends with its last user."""

    engine: Engine
    process: EngineProcess
    model: ModelFile
    window: int
    """What it was started for; ``engine.address.window`` is what it has."""
    users: int = 0
    retired: bool = False

    def serves(self, model: ModelFile, window: int | None) -> bool:
        """Say whether it is the engine for a wish."""
        fits = window in {None, self.window, self.engine.address.window}
        return fits and self.model == model and not self.retired and self.engine.alive

    def retire(self) -> None:
        """Take nobody new; end when nobody is left."""
        self.retired = True
        self.end_if_unused()

    def end_if_unused(self) -> None:
        """End a retired engine that nobody uses."""
        if self.retired and self.users == 0:
            self.process.end()


@dataclass(eq=False, slots=True)
class EngineLoad:
    """An engine that is being started, and how many wait for it."""

    wish: EngineWish
    waiters: int = 0
    dropped: bool = False
    process: EngineProcess | None = None
    running: RunningEngine | None = None
    outcome: Future[RunningEngine] = field(default_factory=Future)

    def serves(self, model: ModelFile, window: int | None) -> bool:
        """Say whether it will be the engine for a wish."""
        return self.wish.model == model and window in {None, self.wish.new_window}


class EngineSeats:
    """The engines and the loads of this process, and who has a seat in which."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[RunningEngine] = []
        self._loads: list[EngineLoad] = []

    def find(self, model: ModelFile, window: int | None) -> RunningEngine | None:
        """Return the engine that a wish would get at once."""
        with self._lock:
            return self._find(model, window)

    def all_alive(self) -> list[RunningEngine]:
        """Return the engines that run, the oldest first."""
        with self._lock:
            self._running = [running for running in self._running if running.engine.alive]
            return list(self._running)

    def take_seat(self, wish: EngineWish) -> RunningEngine | EngineLoad:
        """Count the caller among the users of an engine, or among those who wait for a load."""
        with self._lock:
            running = self._find(wish.model, wish.window)
            if running is not None:
                running.users += 1
                return running
            load = next((load for load in self._loads if load.serves(wish.model, wish.window)), None)
            if load is None:
                load = EngineLoad(wish)
                self._begin(load)
            load.waiters += 1
            return load

    def leave(self, running: RunningEngine) -> None:
        """Take back a seat in an engine."""
        with self._lock:
            self._leave(running)

    def give_up(self, load: EngineLoad) -> None:
        """Take back a seat in a load, or in the engine that it has become this moment."""
        with self._lock:
            if load.running is not None:
                self._leave(load.running)
                return
            load.waiters -= 1
            if load.waiters == 0:
                self._drop(load)

    def retire(self, path: Path) -> list[EngineProcess]:
        """Let the engines of a model file go; give the processes of those that end at once."""
        path = path.resolve()
        with self._lock:
            going = [running for running in self._running if running.model.path == path]
            for running in going:
                running.retire()
            return [running.process for running in going if running.users == 0]

    def end_all(self) -> None:
        """End every engine and every load."""
        with self._lock:
            processes = [running.process for running in self._running]
            processes += [load.process for load in self._loads if load.process is not None]
            self._running.clear()
            for load in tuple(self._loads):
                self._drop(load)
        for process in processes:
            process.end()
        for process in processes:
            process.wait_end(GOING_S)

    def let_go(self) -> None:
        """In a forked child: these engines are its parent's, and end with it."""
        for running in self._running:
            running.process.let_go()
        for load in self._loads:
            if load.process is not None:
                load.process.let_go()

    def _find(self, model: ModelFile, window: int | None) -> RunningEngine | None:
        return next((running for running in reversed(self._running) if running.serves(model, window)), None)

    def _leave(self, running: RunningEngine) -> None:
        running.users -= 1
        running.end_if_unused()

    def _begin(self, load: EngineLoad) -> None:
        for running in self._running:
            # The new engine may need the memory of an idle one that it replaces.
            if running.model.path == load.wish.model.path and running.users == 0:
                running.retire()
        load.outcome.set_running_or_notify_cancel()  # a waiter that is cancelled must not cancel it for the others
        self._loads.append(load)
        # A daemon and no executor's thread: the interpreter would wait for those, and so for the load, at its exit.
        threading.Thread(target=self._run, args=(load,), name=f"roci_nb loads {load.wish.alias}", daemon=True).start()

    def _drop(self, load: EngineLoad) -> None:
        load.dropped = True
        if load in self._loads:
            self._loads.remove(load)
        if load.process is not None:
            load.process.end()

    def _run(self, load: EngineLoad) -> None:
        wish = load.wish
        try:
            process = EngineProcess(
                wish.path, alias=wish.alias, window=wish.new_window, slots=SLOTS, longest_answer=wish.longest_answer
            )
            with self._lock:
                load.process = process
                if load.dropped:
                    process.end()
            address = process.wait_ready()
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            with self._lock:
                self._drop(load)
            load.outcome.set_exception(error)
            return
        engine = Engine(process, address, path=wish.path, alias=wish.alias)
        running = RunningEngine(engine, process, wish.model, wish.new_window)
        with self._lock:
            self._settle(load, running)
        load.outcome.set_result(running)

    def _settle(self, load: EngineLoad, running: RunningEngine) -> None:
        """Hand the seats of those who waited over to the engine that they waited for."""
        if load.dropped:
            running.process.end()
            return
        self._loads.remove(load)
        running.users = load.waiters
        load.running = running
        for other in self._running:
            if other.model.path == running.model.path:
                other.retire()
        self._running = [other for other in self._running if other.engine.alive] + [running]
