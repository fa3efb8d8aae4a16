"""The blocking side: sync twins for scripts, cells and callbacks, and the interrupt that ends them."""

from __future__ import annotations

import asyncio
import functools
import inspect
import signal
import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast, overload

from roci_nb.errors import RociError, Stopped
from roci_nb.loop.background import on_background_loop
from roci_nb.loop.crossing import TICK_S, Crossing, once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
    from types import FrameType

T = TypeVar("T")
P = ParamSpec("P")


def iterate_blocking(
    source: Callable[[], AsyncIterator[T]], *, on_wait: Callable[[], None] | None = None
) -> Iterator[T]:
    """Iterate ``source()`` on the background loop from ordinary code, whether or not a loop runs in this thread.

    An interrupt closes the connection, wherever the caller's code is just then, and raises ``Stopped``. ``on_wait``
    is called in this thread at every tick in which nothing came.
    """
    if on_background_loop():
        raise RociError("a blocking call on roci_nb's own loop would wait for itself: await the async twin instead")
    return _iterate_blocking(source, on_wait)


def _iterate_blocking(source: Callable[[], AsyncIterator[T]], on_wait: Callable[[], None] | None) -> Iterator[T]:
    arrived = threading.Event()
    crossing = Crossing(source, arrived.set)
    release = _stop_on_interrupt(crossing)
    try:
        done = False
        while not done:
            done = crossing.done
            yield from crossing.take()
            arrived.clear()
            if not done and crossing.arm() and not arrived.wait(TICK_S) and on_wait is not None:
                on_wait()
        if isinstance(crossing.error, asyncio.CancelledError):
            raise crossing.stopped()
        if crossing.error is not None:
            raise crossing.error
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, Stopped):
            raise
        crossing.drain()
        raise crossing.stopped() from None
    finally:
        release()
        if not crossing.done:
            crossing.drain()


def _stop_on_interrupt(crossing: Crossing[T]) -> Callable[[], None]:
    """Cancel the crossing at SIGINT, also while the caller's own loop body runs; return the undoing.

    Without it, an interrupt in the body of ``for delta in stream_text_sync(…)`` leaves the iterator alive in the
    traceback, and the server goes on generating.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    previous = signal.getsignal(signal.SIGINT)
    if not callable(previous):
        return lambda: None

    def interrupt(signum: int, frame: FrameType | None) -> None:
        if not crossing.done:
            crossing.cancel()
            if previous is signal.default_int_handler:
                crossing.drain()
                raise crossing.stopped()
        previous(signum, frame)

    def release() -> None:
        # In another order than they were taken, an outer handler stays in the chain; it does nothing once done.
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, interrupt)
    return release


@overload
def sync_twin(function: Callable[P, Coroutine[object, object, T]]) -> Callable[P, T]: ...
@overload
def sync_twin(function: Callable[P, AsyncIterator[T]]) -> Callable[P, Iterator[T]]: ...
def sync_twin(
    function: Callable[P, Coroutine[object, object, T]] | Callable[P, AsyncIterator[T]],
) -> Callable[P, T] | Callable[P, Iterator[T]]:
    """Make the blocking twin of a coroutine function, or of a function that returns an async iterator."""
    if inspect.iscoroutinefunction(function):
        coroutine_function = cast("Callable[P, Coroutine[object, object, T]]", function)

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return call_blocking(lambda: coroutine_function(*args, **kwargs))

        return _named_as_twin(call, function)
    iterator_function = cast("Callable[P, AsyncIterator[T]]", function)

    def iterate(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        iterator = iterator_function(*args, **kwargs)  # here, so that a wrong argument is told at once
        return iterate_blocking(lambda: iterator)

    return _named_as_twin(iterate, function)


def call_blocking(call: Callable[[], Awaitable[T]]) -> T:
    """Await ``call()`` on the background loop from ordinary code; interrupted as ``iterate_blocking``."""
    [result] = iterate_blocking(lambda: once(call))
    return result


def _named_as_twin(twin: Callable[P, T], function: Callable[P, object]) -> Callable[P, T]:
    functools.update_wrapper(twin, function, assigned=("__module__", "__doc__", "__annotations__"), updated=())
    twin.__name__ = twin.__qualname__ = f"{function.__name__}_sync"
    del twin.__dict__["__wrapped__"]  # it is no coroutine function, whatever inspect finds behind it
    twin.__dict__["__signature__"] = inspect.signature(function)
    return twin
