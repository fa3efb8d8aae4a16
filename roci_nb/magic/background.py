"""Answers that go on while other cells run."""

from __future__ import annotations

import atexit
import contextvars
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.errors import ConfigError

if TYPE_CHECKING:
    from roci_nb.magic.cell_answer import CellAnswer

ENDING_S = 3.0
"""How long an interpreter that ends waits for the connections to close."""


@dataclass(frozen=True, slots=True)
class BackgroundAnswer:
    """One answer in a thread of its own; ``number`` is what ``%roci stop`` calls it."""

    number: int
    answer: CellAnswer
    thread: threading.Thread

    def stop(self) -> None:
        """End it; what has come is kept."""
        self.answer.stopper.stop()


class BackgroundAnswers:
    """The answers of this kernel that are under way in the background."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, BackgroundAnswer] = {}
        self._count = 0
        atexit.register(self.stop_all)

    def start(self, answer: CellAnswer) -> int:
        """Go on with an answer whose view stands in its cell already; return its number."""
        with self._lock:
            self._count += 1
            number = self._count
        # The cell's context goes along: what the thread prints or shows belongs to that cell.
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run, args=(self._run, number, answer), name=f"roci_nb answers {number}", daemon=True
        )
        with self._lock:
            self._running[number] = BackgroundAnswer(number, answer, thread)
        thread.start()
        return number

    def _run(self, number: int, answer: CellAnswer) -> None:
        try:
            answer.run()
        except (Exception, KeyboardInterrupt):  # noqa: BLE001, S110 - the view and the result tell it
            pass
        finally:
            with self._lock:
                self._running.pop(number, None)

    def stop(self, number: int | None) -> tuple[int, ...]:
        """End one answer, or all of them; return the numbers of those that were running."""
        running = self.running()
        if number is not None and number not in running:
            there = ", ".join(map(str, running)) or "none"
            raise ConfigError(f"no answer {number} is under way: there is {there}")
        ended = tuple(running) if number is None else (number,)
        for one in ended:
            running[one].stop()
        return ended

    def running(self) -> dict[int, BackgroundAnswer]:
        """Return the answers that are under way, by number."""
        with self._lock:
            return dict(self._running)

    def stop_all(self) -> None:
        """End all of them, and wait for that; for a kernel that shuts down."""
        for background in self.running().values():
            background.stop()
        for background in self.running().values():
            background.thread.join(ENDING_S)

    def close(self) -> None:
        """End all of them, and forget about the interpreter's end."""
        self.stop_all()
        atexit.unregister(self.stop_all)
