"""One setting as a row of controls: its name and where it came from, the control, and a button that takes it back."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import ipywidgets

from roci_nb.markup.html import Html, element
from roci_nb.session.command import setting_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import JsonValue
    from traitlets import Bunch

    from roci_nb.widgets.controls import Choice, Control
    from roci_nb.widgets.quietly import Quietly

SEEDS = 2**31
_ESCAPED = {"n": "\n", "t": "\t", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class RowState:
    """What a row shows.

    ``value`` is what the session holds, None while it is not set; then ``below`` is what holds all the same, and
    ``source`` says of either where it came from. ``reason`` says why the server can't take it, ``note`` what its user
    should know. ``choices`` stands in for the control's own, where the model knows fewer.
    """

    value: JsonValue = None
    below: JsonValue = None
    source: str = ""
    reason: str = ""
    note: str = ""
    choices: tuple[Choice, ...] | None = None


class SettingRow:
    """The row of one control; ``take`` is called with the setting's name and the value that the user gives it."""

    def __init__(self, control: Control, quietly: Quietly, take: Callable[[str, JsonValue], None]) -> None:
        self.control = control
        self._quietly = quietly
        self._take = take
        self._state = RowState()
        self._problem = ""
        self.name = ipywidgets.HTML()
        self.slider: ipywidgets.Widget | None = None
        self.field = self._make_field()
        self.dice: ipywidgets.Button | None = None
        self.reset = ipywidgets.Button(description="↺", tooltip=f"{control.label}: {control.unset}")
        self.note = ipywidgets.HTML()
        self.reset.on_click(lambda _: self._take(control.name, None))
        self.field.observe(self._field_changed, "value")
        middle = self._make_middle()
        self.box = ipywidgets.Box([self.name, *middle, self.reset, self.note])
        self.box.add_class("roci-row")
        self.box.add_class(f"roci-{control.kind}")
        self.name.add_class("roci-name")
        self.note.add_class("roci-note")
        self.reset.add_class("roci-reset")
        self.show(RowState())

    def _make_field(self) -> ipywidgets.Widget:
        control = self.control
        if control.kind == "choice":
            return ipywidgets.Dropdown(options=[(control.unset, "")], description=control.label)
        if control.kind == "tags":
            return ipywidgets.TagsInput(allow_duplicates=False, tooltip=control.hint, placeholder="add a text")
        if control.kind == "prose":
            return ipywidgets.Textarea(description=control.label, continuous_update=False, rows=2)
        options = {"options": control.suggestions} if control.suggestions else {}
        kind = ipywidgets.Combobox if control.suggestions else ipywidgets.Text
        return kind(description=control.label, continuous_update=False, tooltip=control.hint, **options)

    def _make_middle(self) -> list[ipywidgets.Widget]:
        control = self.control
        self.field.add_class("roci-field")
        if control.kind == "seed":
            self.dice = ipywidgets.Button(description="⚄", tooltip="a new seed")
            self.dice.add_class("roci-dice")
            self.dice.on_click(lambda _: self._take("seed", secrets.randbelow(SEEDS)))
            return [self.field, self.dice]
        if control.kind != "slider":
            return [self.field]
        kind = ipywidgets.IntSlider if control.step == 1 else ipywidgets.FloatSlider
        self.slider = kind(
            control.neutral, min=control.low, max=control.high, step=control.step, readout=False, tooltip=control.hint
        )
        self.slider.add_class("roci-slide")
        self.slider.observe(self._slider_changed, "value")
        return [self.slider, self.field]

    def _slider_changed(self, change: Bunch) -> None:
        if self._quietly.is_users():
            value = change["new"]
            self._take(self.control.name, value if isinstance(value, int) else round(value, 4))

    def _field_changed(self, change: Bunch) -> None:
        if self._quietly.is_users():
            self._take(self.control.name, self._read(change["new"]))

    def _read(self, given: object) -> JsonValue:
        if isinstance(given, str) and self.control.kind not in ("choice", "prose"):
            text = given.strip()
            return setting_value(self.control.name, text) if text else None
        if isinstance(given, str):
            return given if given.strip() else None
        return [_unescaped(str(tag)) for tag in given] or None if isinstance(given, list | tuple) else None

    def refuse(self, problem: str) -> None:
        """Say in place why the value can't be; it stays as it was typed, and what was in force stays in force."""
        self._problem = problem
        self._redraw()

    def show(self, state: RowState) -> None:
        """Show what is in force; a refused value goes when there is a new one."""
        with self._quietly:
            if state.value != self._state.value:
                self._problem = ""
            self._state = state
            self._redraw()

    def accept(self) -> None:
        """Forget what was refused: a value has been taken."""
        self._problem = ""

    def _redraw(self) -> None:
        state, control = self._state, self.control
        with self._quietly:
            is_set = state.value is not None
            origin = f"set · {state.source}" if is_set else state.source if state.below is not None else control.unset
            self.name.value = element("span", control.label, title=control.hint) + element("small", origin)
            note = self._problem or state.reason or state.note
            is_alarming = bool(self._problem) or note.startswith("⚠")
            self.note.value = element("span", note, role="alert" if is_alarming else "status") if note else Html("")
            self.reset.disabled = not is_set and not self._problem
            _mark(self.box, "roci-set", on=is_set)
            _mark(self.box, "roci-off", on=bool(state.reason))
            _mark(self.box, "roci-wrong", on=bool(self._problem))
            self._show_field(state)
            if self.slider is not None:
                shown = state.value if is_set else state.below if state.below is not None else control.neutral
                self.slider.value = min(max(cast("float", shown), control.low), control.high)
            for one in (self.slider, self.field, self.dice):
                if one is not None and one.has_trait("disabled"):
                    one.disabled = bool(state.reason)

    def _show_field(self, state: RowState) -> None:
        control = self.control
        if control.kind == "choice":
            choices = list(control.choices if state.choices is None else state.choices)
            if "" not in (value for _, value in choices):
                unset = control.unset if state.below is None else f"{state.below} · {state.source}"
                choices.insert(0, (unset, ""))
            value = str(state.value or "")
            if value not in [known for _, known in choices]:
                choices.append((f"{value} · unknown to this model", value))
            if list(self.field.options) != choices:
                self.field.options = choices
            self.field.value = value
        elif control.kind == "tags":
            tags = [_escaped(str(text)) for text in cast("Sequence[str]", state.value or ())]
            if list(self.field.value) != tags:
                self.field.value = tags
        else:
            if not self._problem:
                self.field.value = written(state.value)
            self.field.placeholder = written(state.below) or control.example


def written(value: JsonValue) -> str:
    """Write a value as it is typed; "" where there is none."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def _mark(box: ipywidgets.Widget, name: str, *, on: bool) -> None:
    (box.add_class if on else box.remove_class)(name)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPED.get(match[1], match[0]), text)
