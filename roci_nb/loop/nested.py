"""``run``: the user's own coroutine, on the loop that it belongs to."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import TYPE_CHECKING, TypeVar, cast

from roci_nb.errors import ConfigError, RociError, Stopped
from roci_nb.loop.background import on_background_loop
from roci_nb.loop.crossing import partial_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


def run(awaitable: Awaitable[T]) -> T:
    """Run the user's own coroutine to its end on the loop that it belongs to, and return its result.

    Where a loop runs in this thread (a notebook), it runs nested on that loop, which nest-asyncio makes possible:
    the loop is patched at the first such call and not before. Elsewhere it is ``asyncio.run``. An interrupt cancels
    it, lets it run to its end and raises ``Stopped``. Raises ``ConfigError`` for a loop that can't be nested
    (uvloop): await it there.
    """
    if on_background_loop():
        if inspect.iscoroutine(awaitable):
            awaitable.close()  # it will never run: say so once, here
        raise RociError("run() on roci_nb's own loop would wait for itself: await the coroutine instead")
    if not inspect.isawaitable(awaitable):
        raise ConfigError(f"run() needs a coroutine, not a {type(awaitable).__name__}: run(generate_text(…))")
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _run_alone(awaitable)
    _allow_nesting(loop)
    task = asyncio.ensure_future(awaitable)
    try:
        return loop.run_until_complete(task)
    except KeyboardInterrupt as interrupt:
        stopped = _stopped(interrupt)
        if not task.done():
            task.cancel()
            try:
                loop.run_until_complete(task)
            except asyncio.CancelledError as error:
                stopped.partial = partial_of(error)
        raise stopped from None


def _run_alone(awaitable: Awaitable[T]) -> T:
    async def main() -> T:
        return await awaitable

    if isinstance(awaitable, asyncio.Future):
        return cast("T", awaitable.get_loop().run_until_complete(awaitable))
    try:
        return asyncio.run(main())
    except KeyboardInterrupt as interrupt:
        raise _stopped(interrupt) from None


def _stopped(interrupt: KeyboardInterrupt) -> Stopped:
    """Make the quiet interrupt; asyncio.run raises a bare one in the context of the cancelled task's error."""
    stopped = Stopped()
    stopped.partial = partial_of(interrupt) or partial_of(interrupt.__context__)
    return stopped


def _allow_nesting(loop: asyncio.AbstractEventLoop) -> None:
    """Patch a running loop so that it can run nested.

    nest-asyncio 1.6 silently drops the queued cells of Run All on ipykernel 7 and later; nest-asyncio2 does not.
    """
    kernel = sys.modules.get("ipykernel")
    major = int(str(getattr(kernel, "__version__", "0")).split(".", maxsplit=1)[0])
    try:
        if major >= 7:
            import nest_asyncio2

            nest_asyncio2.apply(loop)
        else:
            import nest_asyncio

            nest_asyncio.apply(loop)
    except ValueError as error:
        raise ConfigError(f"{type(loop).__name__} can't run nested ({error}): await the coroutine instead") from None
