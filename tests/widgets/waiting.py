"""Waiting for what the background loop does, with a generous limit."""

import threading
import time
from collections.abc import Callable


def wait_until(seen: Callable[[], object], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    pause = threading.Event()
    while not seen():
        assert time.monotonic() < deadline, "it has not come"
        pause.wait(0.01)
