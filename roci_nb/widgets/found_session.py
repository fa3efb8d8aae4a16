"""The session that a panel shows, where it is given none."""

from __future__ import annotations

from roci_nb.session.state import Session

_own: list[Session] = []


def found_session() -> Session:
    """Return the loaded extension's session; without the extension one that all panels share."""
    from IPython.core.getipython import get_ipython

    registry = getattr(getattr(get_ipython(), "magics_manager", None), "registry", {})
    cells = getattr(registry.get("RociMagics"), "cells", None)
    session = getattr(cells, "session", None)
    if isinstance(session, Session):
        return session
    if not _own:
        _own.append(Session())
    return _own[0]
