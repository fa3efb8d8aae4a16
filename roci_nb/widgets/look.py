"""What ipywidgets has no control for: the panel's own look with names for a screen reader, and text to take along."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

_STATIC = Path(__file__).parent / "static"


class PanelLook(anywidget.AnyWidget):
    """Brings the style sheet, and gives sliders and icons the names that ipywidgets gives only to fields."""

    _esm = _STATIC / "panel.js"
    _css = _STATIC / "panel.css"


class TextToCopy(anywidget.AnyWidget):
    """A text that can be selected, and a button that puts it on the clipboard."""

    _esm = _STATIC / "copy.js"
    text: traitlets.Unicode[str, str | bytes] = traitlets.Unicode("").tag(sync=True)
    label: traitlets.Unicode[str, str | bytes] = traitlets.Unicode("").tag(sync=True)
