"""The embedded engines of this process: llama.cpp's real HTTP server, one child process for each model file.

::

    async with engine_for(path, alias="smollm2-135m", window=None) as engine:
        ...  # requests to engine.address.base_url with engine.address.api_key

An engine stays when the block ends, for the next one, and goes with this process, however that ends. Callers may
sit on different loops and threads.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from roci_nb.errors import EngineFailed, MissingExtra
from roci_nb.local.engine_process import GOING_S, Engine, EngineAddress
from roci_nb.local.engine_seats import EngineLoad, EngineSeats, EngineWish, ModelFile, RunningEngine
from roci_nb.local.gguf import trained_window
from roci_nb.local.windows import fitted_window

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

__all__ = [
    "Engine",
    "EngineAddress",
    "engine_for",
    "live_engine",
    "require_engine",
    "running_engines",
    "stop_all",
    "unload_engines",
]


def require_engine() -> None:
    """Raise ``MissingExtra`` where xllamacpp is not installed."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtra("embedded", "the embedded engine")


@asynccontextmanager
async def engine_for(
    path: Path, *, alias: str, window: int | None = None, longest_answer: int | None = None
) -> AsyncGenerator[Engine, None]:
    """Hold the engine of a model file, loading it first where ``live_engine`` has none.

    ``alias`` is the name that a new engine gives its model. ``window`` is in tokens, for each slot: None takes
    whatever runs; another one than runs loads the model anew. Then an engine that is in use stays until the new one
    is ready and its last user has left it, so that a load that fails or is stopped costs nobody an answer; an idle
    one makes room first. ``window`` is rounded up and cut to what the model was trained for (``fitted_window``);
    ``engine.address.window`` is what it came to. ``longest_answer`` ends the answers of a new engine, in tokens,
    where a request names no limit. Callers share one load; when the last that waits for it is cancelled, it is
    ended. Raises ``MissingExtra`` without xllamacpp, ``EngineFailed`` where the model can't be loaded.
    """
    require_engine()
    try:
        model = ModelFile.of(path)
    except OSError as error:
        raise EngineFailed(f"can't read {path} ({error.strerror}): name a GGUF file that is there") from None
    trained = await asyncio.to_thread(trained_window, path)
    asked = None if window is None else fitted_window(window, trained)
    seat = _engines.take_seat(
        EngineWish(model, path, alias, asked, asked or fitted_window(None, trained), longest_answer)
    )
    if isinstance(seat, EngineLoad):
        seat = await _loaded(seat)
    try:
        yield seat.engine
    finally:
        _engines.leave(seat)


async def _loaded(load: EngineLoad) -> RunningEngine:
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
        model = ModelFile.of(path)
    except OSError:
        return None
    running = _engines.find(model, None if window is None else fitted_window(window, trained_window(path)))
    return running.engine if running else None


def running_engines() -> tuple[Engine, ...]:
    """Return the live engines of this process, the oldest first."""
    return tuple(running.engine for running in _engines.all_alive())


async def unload_engines(path: Path) -> None:
    """End the idle engines of a model file, and return when their memory is free; one in use ends with its last user.

    A load that someone waits for goes on.
    """
    processes = await asyncio.to_thread(_engines.retire, path)
    for process in processes:
        await asyncio.to_thread(process.wait_end, GOING_S)


def stop_all() -> None:
    """End every engine and every load of this process; blocks for the moment that takes."""
    _engines.end_all()


_engines = EngineSeats()
atexit.register(stop_all)


def _forget_after_fork() -> None:
    global _engines  # noqa: PLW0603 - the registry of this process
    _engines.let_go()
    _engines = EngineSeats()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
