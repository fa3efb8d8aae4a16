"""What a panel and a tuner share: their place in a cell, and the static picture that they leave there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

from roci_nb.display.live import WIDGET_VIEW
from roci_nb.widgets.loop_work import LoopWork

if TYPE_CHECKING:
    import ipywidgets
    from IPython.display import DisplayHandle

    from roci_nb.markup.tables import Table

_open: WeakSet[ShownInCell] = WeakSet()


class ShownInCell:
    """Widgets in a cell that can be closed; then a table of what they held stands in the same output.

    ``widget`` is made when it is first asked for. In a terminal the table is all there is.
    """

    def __init__(self) -> None:
        self._work = LoopWork()
        self._widget: ipywidgets.Box | None = None
        self._handles: list[DisplayHandle] = []
        self._making = threading.RLock()
        self.closed = False

    def _make(self) -> ipywidgets.Box:
        raise NotImplementedError

    def _begin(self) -> None:
        """Start what goes on while the widgets are open."""

    def _end(self) -> None:
        """Let go of what is not the widgets' own."""

    def table(self) -> Table:
        """Return what is in force as a table."""
        raise NotImplementedError

    @property
    def widget(self) -> ipywidgets.Box:
        """The box of all controls, to be put into a layout of one's own."""
        with self._making:
            if self._widget is None:
                self._widget = self._make()
                reach_while_busy(self._widget)
                _open.add(self)
                self._begin()
            return self._widget

    @property
    def is_busy(self) -> bool:
        """Whether anything of it is under way: while it is open, it watches the servers."""
        return self._work.is_busy

    def close(self) -> None:
        """End what is under way, free the widgets, and leave the table."""
        if self.closed:
            return
        self.closed = True
        self._work.close()
        self._end()
        self.show_static()
        if self._widget is not None:
            free(self._widget)
        _open.discard(self)

    def show_static(self) -> None:
        """Put the table where the widgets are, or where it stands already."""
        for handle in self._handles:
            handle.update(self._static(), raw=True)

    def _static(self) -> dict[str, object]:
        table = self.table()
        return {"text/html": table._repr_html_(), "text/plain": str(table)}

    def _ipython_display_(self) -> None:
        from IPython.core.getipython import get_ipython
        from IPython.display import display

        if getattr(get_ipython(), "kernel", None) is None:
            print(self)  # noqa: T201 - a terminal's way to show it
        elif self.closed:
            display(self._static(), raw=True)
        else:
            view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
            handle = display({WIDGET_VIEW: view, **self._static()}, raw=True, display_id=True)
            self._handles.append(handle)

    def __repr__(self) -> str:
        return str(self.table())


def close_all() -> None:
    """Close what is open."""
    for shown in tuple(_open):
        shown.close()


def all_widgets(box: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    """Return a widget and those in it, the innermost first."""
    inner = [widget for child in getattr(box, "children", ()) for widget in all_widgets(child)]
    return [*inner, box]


def free(box: ipywidgets.Widget) -> None:
    """Close a widget and those in it, with their layouts and styles: each has a channel of its own."""
    for widget in all_widgets(box):
        for part in (getattr(widget, "layout", None), getattr(widget, "style", None), widget):
            if part is not None and part.comm is not None:
                part.close()


def reach_while_busy(box: ipywidgets.Widget) -> None:
    """Let the front end's messages pass a cell that is running.

    ipykernel 7.4 sends a comm's messages to the subshell that wrote to it last: the one that is busy (NOTEBOOK 5).
    """
    for widget in all_widgets(box):
        if widget.comm is not None:
            getattr(widget.comm, "__dict__", {}).pop("_reply_subshell_id", None)
