"""IPython's configuration and the session: two names of one state."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from traitlets import Bunch, HasTraits

    from roci_nb.session.state import Session


def join(configured: HasTraits, session: Session) -> None:
    """Bring what is configured into the session, and keep the two the same from then on."""
    names = list(configured.trait_names(config=True))
    busy = threading.Lock()

    def from_configuration(change: Bunch) -> None:
        with _unless_busy(busy) as free:
            if free:  # else it is our own writing
                _take(session, change.name, change.new)

    def from_session(_: Bunch) -> None:
        with _unless_busy(busy) as free:
            state = {**session.settings.in_force(), **session.options.in_force(), "model": session.model}
            for name in names if free else ():
                setattr(configured, name, state.get(name))

    for name in names:
        if (value := getattr(configured, name)) is not None:
            _take(session, name, value)
    configured.observe(from_configuration, names=names)
    session.observe(from_session, names=["model", "settings", "options"])


@contextmanager
def _unless_busy(lock: threading.Lock) -> Iterator[bool]:
    free = lock.acquire(blocking=False)
    try:
        yield free
    finally:
        if free:
            lock.release()


def _take(session: Session, name: str, value: object) -> None:
    if name == "model":
        session.model = None if value is None else str(value)
    else:
        session.set({name: "default" if value is None else _written(value)}, "%config")


def _written(value: object) -> str:
    """Write a value as it stands on a line."""
    return value if isinstance(value, str) else json.dumps(value, default=list)
