"""The embedded engines of this process: llama.cpp's real HTTP server, one child process for each model file.

::

    async with engine_for(path, alias="smollm2-135m", window=None) as engine:
        ...  # requests to engine.address.base_url with engine.address.api_key

An engine stays when the block ends, for the next one, and goes with this process, however that ends. Callers may
sit on different loops and threads: what they share is guarded by one lock, under which nothing waits.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import os
import threading
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roci_nb.errors import EngineFailed, MissingExtra
from roci_nb.local.engine_process import GOING_S, Engine, EngineAddress, EngineProcess

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path
    from typing import Self

__all__ = ["Engine", "EngineAddress", "engine_for", "live_engine", "require_engine", "running_engines", "stop_all"]

SLOTS = 2
"""How many requests an engine answers at a time; each slot has the whole window."""
DEFAULT_WINDOW = 8192
"""Tokens for each slot where nobody asks for a window; a model trained for fewer gets its own."""


def require_engine() -> None:
    """Raise ``MissingExtra`` where xllamacpp is not installed."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtra("embedded", "the embedded engine")


@asynccontextmanager
async def engine_for(path: Path, *, alias: str, window: int | None = None) -> AsyncGenerator[Engine, None]:
    """Hold the engine of a model file, loading it first where ``live_engine`` has none.

    ``alias`` is the name that a new engine gives its model. ``window`` is in tokens, for each slot: None takes
    whatever runs; another one than runs loads the model anew, and the engine before goes when its last user has
    left it. Callers share one load; when the last that waits for it is cancelled, it is ended. Raises
    ``MissingExtra`` without xllamacpp, ``EngineFailed`` where the model can't be loaded.
    """
    require_engine()
    try:
        model = _ModelFile.of(path)
    except OSError as error:
        raise EngineFailed(f"can't read {path} ({error.strerror}): name a GGUF file that is there") from None
    seat = _engines.take_seat(model, path, alias, window)
    if isinstance(seat, _Load):
        seat = await _loaded(seat)
    try:
        yield seat.engine
    finally:
        _engines.leave(seat)


async def _loaded(load: _Load) -> _Running:
    """Wait for a load in which we have a seat."""
    try:
        return await asyncio.wrap_future(load.outcome)
    except EngineFailed as failure:  # each waiter its own: an error gathers a traceback and a partial answer
        raise EngineFailed(str(failure), log=failure.log) from None
    except BaseException:
        _engines.give_up(load)
        raise


def live_engine(path: Path, window: int | None = None) -> Engine | None:
    """Return the engine that ``engine_for`` would take as it is; None when it would have to wait for a load."""
    try:
        running = _engines.find(_ModelFile.of(path), window)
    except OSError:
        return None
    return running.engine if running else None


def running_engines() -> tuple[Engine, ...]:
    """Return the live engines of this process, the oldest first."""
    return tuple(running.engine for running in _engines.all_alive())


def stop_all() -> None:
    """End every engine and every load of this process; blocks for the moment that takes."""
    _engines.end_all()


@dataclass(frozen=True, slots=True)
class _ModelFile:
    """A file and its state: one that was written anew is another model."""

    path: Path
    modified_ns: int
    size: int

    @classmethod
    def of(cls, path: Path) -> Self:
        stat = path.stat()
        return cls(path.resolve(), stat.st_mtime_ns, stat.st_size)


@dataclass(eq=False, slots=True)
class _Running:
    """An engine and how many use it; a retired one ends with its last user."""

    engine: Engine
    process: EngineProcess
    model: _ModelFile
    users: int = 0
    retired: bool = False

    def serves(self, model: _ModelFile, window: int | None) -> bool:
        fits = window in {None, self.engine.asked_window, self.engine.address.window}
        return fits and self.model == model and not self.retired and self.engine.alive

    def retire(self) -> None:
        self.retired = True
        self.end_if_unused()

    def end_if_unused(self) -> None:
        if self.retired and self.users == 0:
            self.process.end()


@dataclass(eq=False, slots=True)
class _Load:
    """An engine that is being started, and how many wait for it."""

    model: _ModelFile
    path: Path
    alias: str
    window: int | None
    waiters: int = 0
    dropped: bool = False
    process: EngineProcess | None = None
    running: _Running | None = None
    outcome: Future[_Running] = field(default_factory=Future)

    def serves(self, model: _ModelFile, window: int | None) -> bool:
        return self.model == model and window in {None, self.window or DEFAULT_WINDOW}


class _Engines:
    """The engines and the loads of this process, and who has a seat in which."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[_Running] = []
        self._loads: list[_Load] = []

    def find(self, model: _ModelFile, window: int | None) -> _Running | None:
        with self._lock:
            return self._find(model, window)

    def all_alive(self) -> list[_Running]:
        with self._lock:
            self._running = [running for running in self._running if running.engine.alive]
            return list(self._running)

    def take_seat(self, model: _ModelFile, path: Path, alias: str, window: int | None) -> _Running | _Load:
        """Count the caller among the users of an engine, or among those who wait for a load."""
        with self._lock:
            running = self._find(model, window)
            if running is not None:
                running.users += 1
                return running
            load = next((load for load in self._loads if load.serves(model, window)), None)
            if load is None:
                load = _Load(model, path, alias, window)
                self._begin(load)
            load.waiters += 1
            return load

    def leave(self, running: _Running) -> None:
        """Take back a seat in an engine."""
        with self._lock:
            self._leave(running)

    def give_up(self, load: _Load) -> None:
        """Take back a seat in a load, or in the engine that it has become this moment."""
        with self._lock:
            if load.running is not None:
                self._leave(load.running)
                return
            load.waiters -= 1
            if load.waiters == 0:
                self._drop(load)

    def end_all(self) -> None:
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

    def _find(self, model: _ModelFile, window: int | None) -> _Running | None:
        return next((running for running in reversed(self._running) if running.serves(model, window)), None)

    def _leave(self, running: _Running) -> None:
        running.users -= 1
        running.end_if_unused()

    def _begin(self, load: _Load) -> None:
        for running in self._running:
            # The new engine may need the memory of an idle one that it replaces.
            if running.model.path == load.model.path and running.users == 0:
                running.retire()
        load.outcome.set_running_or_notify_cancel()  # a waiter that is cancelled must not cancel it for the others
        self._loads.append(load)
        # A daemon and no executor's thread: the interpreter would wait for those, and so for the load, at its exit.
        threading.Thread(target=self._run, args=(load,), name=f"roci_nb loads {load.alias}", daemon=True).start()

    def _drop(self, load: _Load) -> None:
        load.dropped = True
        if load in self._loads:
            self._loads.remove(load)
        if load.process is not None:
            load.process.end()

    def _run(self, load: _Load) -> None:
        try:
            process = EngineProcess(load.path, alias=load.alias, window=load.window or DEFAULT_WINDOW, slots=SLOTS)
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
        engine = Engine(process, address, path=load.path, alias=load.alias, window=load.window)
        running = _Running(engine, process, load.model)
        with self._lock:
            self._settle(load, running)
        load.outcome.set_result(running)

    def _settle(self, load: _Load, running: _Running) -> None:
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


_engines = _Engines()
atexit.register(stop_all)


def _forget_after_fork() -> None:
    global _engines  # noqa: PLW0603 - the registry of this process
    _engines.let_go()
    _engines = _Engines()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
