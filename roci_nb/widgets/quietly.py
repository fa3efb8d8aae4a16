"""What a face shows by itself is no wish of the user's."""

from __future__ import annotations

import threading
from typing import Self


class Quietly:
    """Entered while a face shows something; whoever hears a change meanwhile, in any thread, can tell.

    A change that comes in another thread waits for the end of the showing, and is the user's then.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0

    def __enter__(self) -> Self:
        self._lock.acquire()
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        self._lock.release()

    def is_users(self) -> bool:
        """Say whether a change that is heard now is the user's."""
        with self._lock:
            return self._depth == 0
