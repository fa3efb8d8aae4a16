"""Cancelling a call of httpx's so that no connection is lost unclosed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


async def cancelled_with_care(call: Callable[[], Awaitable[T]], let_go: Callable[[T], Awaitable[None]]) -> T:
    """Await a call; a cancellation reaches it through anyio, whose shields httpcore closes connections behind.

    asyncio's own breaks through those: a request that is cancelled while the pool lets idle connections go loses
    them, open, to the garbage collector. What the call gave in spite of the cancellation is handed to ``let_go``.
    """
    scope = anyio.CancelScope()

    async def within() -> T | None:
        with scope:
            return await call()
        return None  # the scope was cancelled

    task = asyncio.ensure_future(within())
    try:
        result = await asyncio.shield(task)
    except asyncio.CancelledError:
        scope.cancel()
        while not task.done():
            with suppress(asyncio.CancelledError):  # it is on its way out already
                await asyncio.wait([task])
        came = None if task.cancelled() or task.exception() is not None else task.result()
        if came is not None:
            await let_go(came)
        raise
    assert result is not None  # only a cancelled scope gives None
    return result
