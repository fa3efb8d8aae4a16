"""Settings tried on a prompt, and compared."""

from __future__ import annotations

from roci_nb.widgets.settings_panel import SettingsPanel


class Tuner(SettingsPanel):
    """Being built."""
