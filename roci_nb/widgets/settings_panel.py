"""The settings of the cells to come, as controls: the session's own state, not a copy."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import ipywidgets

from roci_nb.config import RociConfig
from roci_nb.errors import RociError, one_line
from roci_nb.loop import background_loop
from roci_nb.markup.html import element
from roci_nb.markup.tables import Table
from roci_nb.providers.registry import provider_for
from roci_nb.session.command import Command
from roci_nb.session.presets import SAMPLING, harm, preset
from roci_nb.types.settings import GenerationSettings
from roci_nb.widgets.controls import GROUPS, PRESET, SETTING_CONTROLS, SYSTEM
from roci_nb.widgets.found_session import found_session
from roci_nb.widgets.limits import ModelLimits, look_at
from roci_nb.widgets.look import PanelLook
from roci_nb.widgets.model_row import ModelRow
from roci_nb.widgets.quietly import Quietly
from roci_nb.widgets.setting_row import RowState, SettingRow, written
from roci_nb.widgets.shown import ShownInCell, reach_while_busy

if TYPE_CHECKING:
    from pydantic import JsonValue

    from roci_nb.providers.discovery import FoundServer
    from roci_nb.session.state import Session
    from roci_nb.types.model_info import ModelInfo

LOOK_EVERY_S = 20.0
"""How often an open panel asks the servers what they have."""
SOURCE = "panel"
_OBSERVED = ["model", "settings", "options"]


class SettingsPanel(ShownInCell):
    """Model, system prompt, preset and every setting as controls, in a cell.

    What is not set stands "as the server has it" and is not sent. Two panels of one session stay equal, and ``%roci
    set`` and ``%roci use`` show in both. ``close()`` leaves a table. ``model`` and ``rows`` hold the controls.
    """

    def __init__(self, session: Session | None = None, *, closable: bool = True) -> None:
        super().__init__()
        self.session = session or found_session()
        self._closable = closable
        self._quietly = Quietly()
        self._config = RociConfig.from_env()
        self._servers: tuple[FoundServer, ...] | None = None
        self._models: tuple[ModelInfo, ...] = ()
        self._limits = ModelLimits()
        self._again: asyncio.Event | None = None
        self._ask_servers = True

    def _make(self) -> ipywidgets.Box:
        controls = (SYSTEM, PRESET, *SETTING_CONTROLS)
        self.model = ModelRow(self._quietly, self._choose, self.look_again)
        self.rows = {control.name: SettingRow(control, self._quietly, self._take) for control in controls}
        children = [PanelLook(), self.model.box, self.rows["system"].box, self.rows["preset"].box]
        for title, group in GROUPS:
            children += [_heading(title), *(self.rows[control.name].box for control in group)]
        if self._closable:
            close = ipywidgets.Button(description="Close", tooltip="close the panel; a table of the settings stays")
            close.on_click(lambda _: self.close())
            reset = ipywidgets.Button(description="Reset all", tooltip="every setting as the server has it")
            reset.on_click(lambda _: self._reset_all())
            bar = ipywidgets.Box([reset, close])
            bar.add_class("roci-bar")
            children.append(bar)
        box = ipywidgets.VBox(children)
        if self._closable:
            box.add_class("roci-panel")
        return box

    def _begin(self) -> None:
        self.refresh()
        self.session.observe(self._session_changed, names=_OBSERVED)
        self.session.observe(self._answered, names="answered")
        self._work.start(self._watch)

    def _end(self) -> None:
        with suppress(ValueError):
            self.session.unobserve(self._session_changed, names=_OBSERVED)
            self.session.unobserve(self._answered, names="answered")

    def _session_changed(self, change: object) -> None:
        del change
        self.refresh()
        if self._in_use() != self._limits.selector:
            self._wake()

    def _answered(self, change: object) -> None:
        """Look again after an answer: its model is loaded now."""
        del change
        self.look_again()

    def look_again(self) -> None:
        """Ask the servers what they have now."""
        self._ask_servers = True
        self._wake()

    def _wake(self) -> None:
        if self._again is not None:
            background_loop().call_soon_threadsafe(self._again.set)

    def _in_use(self) -> str:
        """Name the model that answers the next cell, as far as that is known without asking."""
        name = self.session.model or self._config.model or self.session.last_used or ""
        return self.session.aliases.get(name, name)

    async def _watch(self) -> None:
        """Keep the list and the model's state true, on the background loop."""
        self._again = asyncio.Event()
        listed_at = 0.0
        while True:
            self._config = config = RociConfig.from_env()
            if self._in_use() != self._limits.selector or not self._ask_servers:
                await self._look_at_model(config)
            if self._ask_servers or time.monotonic() - listed_at > LOOK_EVERY_S:
                self._ask_servers, listed_at = False, time.monotonic()
                self._servers = await self.session.installed.look(config)
                embedded = await provider_for("embedded:gpt-oss-nano", config).list_models()
                self._models = (*(info for one in self._servers for info in one.models or ()), *embedded)
                self.refresh()
                await self._look_at_model(config)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._again.wait()
            self._again.clear()

    async def _look_at_model(self, config: RociConfig) -> None:
        name = self._in_use()
        self._limits = await look_at(name, config) if ":" in name else ModelLimits(name)
        self.refresh()

    def _choose(self, selector: str | None) -> None:
        self.session.model = selector

    def _take(self, name: str, value: JsonValue) -> None:
        """Put one value of the user's in force; a wrong one is told in its row, and changes nothing."""
        row = self.rows[name]
        try:
            if name == "system":
                self._set_option(name, value)
            elif name == "preset":
                self._choose_preset(value)
            else:
                checked = GenerationSettings(**{name: value})  # type: ignore[arg-type]  # checked in our words
                changed = self.session.settings.model_copy(update={name: getattr(checked, name)})
                row.accept()
                self.session.change(changed, SOURCE)
        except RociError as error:
            row.refuse(one_line(str(error)))
            return
        row.accept()
        self.refresh()  # also where nothing has changed: a refused value goes

    def _set_option(self, name: str, value: JsonValue) -> None:
        self.session.options = self.session.options.model_copy(update={name: value})

    def _choose_preset(self, name: JsonValue) -> None:
        """A preset is chosen to hold: what it speaks of is taken back from the single settings."""
        if name is not None:
            cleared = self.session.settings.model_copy(update=dict.fromkeys(SAMPLING))
            self.session.change(cleared, SOURCE)
        self._set_option("preset", name)

    def _reset_all(self) -> None:
        self.session.change(GenerationSettings(extra=self.session.settings.extra), SOURCE)
        self.session.options = self.session.options.model_copy(update={"system": None, "preset": None})

    def refresh(self) -> None:
        """Show what is in force."""
        if self._widget is None or self.closed:
            return
        try:
            settings, sources = self.session.layered(self._config, Command(""))
        except RociError:  # an unknown preset of the configuration: its row says so
            settings, sources = self.session.settings, self.session.sources
        in_use = self._in_use()
        limits = self._limits if self._limits.selector == in_use else ModelLimits(in_use)
        with self._quietly:
            self.model.show(self.session.model, in_use or None, self._servers, self._models, limits)
            self._show_options(in_use)
            for control in SETTING_CONTROLS:
                name = control.name
                self.rows[name].show(
                    RowState(
                        value=getattr(self.session.settings, name),
                        below=getattr(settings, name),
                        source=sources.get(name, ""),
                        reason=limits.reasons.get(name, ""),
                        note=self._note(name, limits),
                        choices=_levels(limits) if name == "reasoning_effort" else None,
                    )
                )
            reach_while_busy(self._widget)

    def _show_options(self, in_use: str) -> None:
        own, configured = self.session.options, self._config.options
        note = ""
        chosen = own.preset or configured.preset
        with suppress(RociError):
            harmful = harm(preset(chosen), in_use.partition(":")[2]) if chosen is not None else None
            changed = [name for name in SAMPLING if getattr(self.session.settings, name) is not None]
            over = f"{', '.join(changed)} {'is' if len(changed) == 1 else 'are'} set over it" if changed else ""
            note = f"⚠ {harmful}" if harmful else over if chosen is not None else ""
        for name, text in (("system", ""), ("preset", note)):
            value, below = getattr(own, name), getattr(configured, name)
            self.rows[name].show(RowState(value, below, SOURCE_OF[value is not None], note=text))

    def _note(self, name: str, limits: ModelLimits) -> str:
        value = getattr(self.session.settings, name)
        if name == "num_ctx" and limits.info is not None:
            loaded = limits.info.loaded_window if limits.info.loaded else None
            if value is None:
                return f"loaded with {loaded:,}" if loaded else ""
            if loaded and loaded != value:
                return f"loaded with {loaded:,}: the model will be loaded again with the next request"
            return "" if loaded else "the model will be loaded with it, with the next request"
        return limits.notes.get(name, "") if value is not None else ""

    def table(self) -> Table:
        """Return what the next cell is asked with, and where each of it came from."""
        settings, sources = self.session.layered(self._config, Command(""))
        options = self._config.options | self.session.options
        rows: list[tuple[str, str, str]] = [("model", self._in_use() or "not chosen", "")]
        rows += [(name, str(value), "") for name in ("system", "preset") if (value := getattr(options, name))]
        rows += [(name, _shown(value), sources.get(name, "")) for name, value in settings.in_force().items()]
        if not settings.in_force():
            rows.append(("settings", "as the server has them", ""))
        return Table(("", "", "from"), tuple(rows))


SOURCE_OF = {True: "session", False: "pyproject.toml"}


def _heading(title: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(element("h4", title, class_="roci-group"))


def _levels(limits: ModelLimits) -> tuple[tuple[str, str], ...] | None:
    if limits.info is None or limits.info.efforts is None:
        return None
    return tuple((level, level) for level in limits.info.efforts)


def _shown(value: object) -> str:
    return ", ".join(map(repr, value)) if isinstance(value, tuple) else written(cast("JsonValue", value))
