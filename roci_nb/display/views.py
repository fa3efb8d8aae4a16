"""Where an answer is shown while it comes: a notebook's cell, a terminal, or nowhere until it is done."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from roci_nb.display.output_views import CellView, FinalView, LiveView
from roci_nb.display.terminal import TextView
from roci_nb.display.view import AnswerView, Look

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

LIVE_VARIABLE = "ROCI_NB_LIVE"
"""Says how an answer shows while it comes, where the choice by front end is wrong.

``text`` prints it on the cell's standard output (for a runner without a front end), ``html`` uses no widget, ``off``
shows nothing before it is done.
"""


def view_for(
    shell: InteractiveShell,
    look: Look | None = None,
    *,
    on_stop: Callable[[], None] | None = None,
    live: bool = True,
) -> AnswerView:
    """Choose the view that the front end can serve.

    ``on_stop`` ends the answer from a button in the view. Without ``live`` nothing shows before the answer is done.
    """
    look = look or Look()
    if getattr(shell, "kernel", None) is None:
        return TextView(look, final=False)
    wish = os.environ.get(LIVE_VARIABLE)
    if wish == "text":
        return TextView(look, final=True)
    # A front end with cells sends the id of the one that runs; nbclient and papermill do not (NOTEBOOK 11).
    if _cell_id(shell) is None or wish == "off" or not live:
        return FinalView(look)
    if wish == "html" or LiveView.refused or "google.colab" in sys.modules:
        return CellView(look)
    return LiveView(look, on_stop)


def _cell_id(shell: InteractiveShell) -> str | None:
    get_parent = getattr(shell, "get_parent", None)
    parent = get_parent() if callable(get_parent) else {}
    cell_id = parent.get("metadata", {}).get("cellId") if isinstance(parent, dict) else None
    return cell_id if isinstance(cell_id, str) else None
