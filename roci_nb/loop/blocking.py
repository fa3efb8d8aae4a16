"""The blocking side: sync twins for scripts, cells and callbacks, and the interrupt that ends them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast, overload

from roci_nb.errors import RociError, Stopped
from roci_nb.loop.background import on_background_loop
from roci_nb.loop.crossing import TICK_S, Crossing, once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
    from types import FrameType

T = TypeVar("T")
P = ParamSpec("P")


class Stopper:
    """Stops an iteration from elsewhere, a button or another thread, as an interrupt does."""

    def __init__(self) -> None:
        self._cancel: Callable[[], None] | None = None
        self._asked = False

    def stop(self) -> None:
        """Stop it now, or as soon as it begins."""
        self._asked = True
        if self._cancel is not None:
            self._cancel()

    def attach(self, cancel: Callable[[], None]) -> None:
        """Name what ends the work; callable from any thread."""
        self._cancel = cancel
        if self._asked:
            cancel()


def iterate_blocking(
    source: Callable[[], AsyncIterator[T]],
    *,
    on_wait: Callable[[], None] | None = None,
    stopper: Stopper | None = None,
    comes_back: bool = False,
) -> Iterator[T]:
    """Iterate ``source()`` on the background loop from ordinary code, whether or not a loop runs in this thread.

    An interrupt closes the connection, wherever the caller's code is just then, and raises ``Stopped``; with
    ``comes_back`` not there but here, when the caller asks for the next item: half of what it does is never left
    undone. ``on_wait`` is called in this thread at every tick in which nothing came.
    """
    if on_background_loop():
        raise RociError("a blocking call on roci_nb's own loop would wait for itself: await the async twin instead")
    return _iterate_blocking(source, on_wait, stopper, comes_back)


def _iterate_blocking(
    source: Callable[[], AsyncIterator[T]],
    on_wait: Callable[[], None] | None,
    stopper: Stopper | None,
    comes_back: bool,
) -> Iterator[T]:
    arrived = threading.Event()
    crossing = Crossing(source, arrived.set)
    if stopper is not None:
        stopper.attach(crossing.cancel)
    waiting = _Waiting(cast("Crossing[object]", crossing), comes_back)
    release = _stop_on_interrupt(waiting)
    try:
        done = False
        while not done:
            done = crossing.done
            yield from crossing.take()
            arrived.clear()
            if waiting.interrupted:
                crossing.drain()
                raise crossing.stopped()
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
            # The garbage collector may end an iterator on the loop's own thread, which must not wait for itself.
            crossing.cancel() if on_background_loop() else crossing.drain()


@dataclass(slots=True, eq=False)
class _Waiting:
    """Blocking code that waits for what crosses."""

    crossing: Crossing[object]
    comes_back: bool
    interrupted: bool = False


_live: list[_Waiting] = []
_previous: Callable[[int, FrameType | None], object] | None = None


def _stop_on_interrupt(waiting: _Waiting) -> Callable[[], None]:
    """Cancel the crossing at SIGINT, also while the caller's own loop body runs; return the undoing.

    Without it, an interrupt in the body of ``for delta in stream_text_sync(…)`` leaves the iterator alive in the
    traceback, and the server goes on generating. One handler serves all; it goes with the last of them.
    """
    global _previous  # noqa: PLW0603 - a process has one handler
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    current = signal.getsignal(signal.SIGINT)
    if current is not _interrupt:
        if not callable(current):
            return lambda: None
        _live.clear()  # whoever took the handler from us has ended what was live then
        _previous = current
        signal.signal(signal.SIGINT, _interrupt)
    _live.append(waiting)

    def release() -> None:
        with contextlib.suppress(ValueError):
            _live.remove(waiting)
        in_main = threading.current_thread() is threading.main_thread()
        if not _live and in_main and signal.getsignal(signal.SIGINT) is _interrupt:
            signal.signal(signal.SIGINT, _previous)

    return release


def _interrupt(signum: int, frame: FrameType | None) -> None:
    live = [waiting for waiting in _live if waiting.comes_back or not waiting.crossing.done]
    for waiting in live:
        waiting.interrupted = True
        waiting.crossing.cancel()
    if live and _previous is signal.default_int_handler:
        if live[-1].comes_back:
            return
        for waiting in live:
            waiting.crossing.drain()
        raise live[-1].crossing.stopped()
    if _previous is not None:
        _previous(signum, frame)


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
    signature = inspect.signature(function)
    if isinstance(signature.return_annotation, str):
        blocking = signature.return_annotation.replace("AsyncIterator", "Iterator")
        signature = signature.replace(return_annotation=blocking)
        twin.__annotations__ = {**twin.__annotations__, "return": blocking}
    twin.__dict__["__signature__"] = signature
    return twin
