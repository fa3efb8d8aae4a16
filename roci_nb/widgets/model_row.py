"""The model as a menu of what the servers have, with its state in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from roci_nb.markup.html import element
from roci_nb.markup.strings import size, window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from traitlets import Bunch

    from roci_nb.providers.discovery import FoundServer
    from roci_nb.types.model_info import ModelInfo
    from roci_nb.widgets.controls import Choice
    from roci_nb.widgets.limits import ModelLimits
    from roci_nb.widgets.quietly import Quietly


class ModelRow:
    """The menu of models; ``choose`` is called with a selector or None, ``again`` to have the servers asked."""

    def __init__(self, quietly: Quietly, choose: Callable[[str | None], None], again: Callable[[], None]) -> None:
        self._quietly = quietly
        self._choose = choose
        self.name = ipywidgets.HTML()
        self.menu = ipywidgets.Dropdown(options=[("asking the servers …", "")], description="model")
        self.again = ipywidgets.Button(description="⟳", tooltip="ask the servers again")
        self.note = ipywidgets.HTML()
        self.again.on_click(lambda _: again())
        self.menu.observe(self._changed, "value")
        self.box = ipywidgets.Box([self.name, self.menu, self.again, self.note])
        for widget, style in (
            (self.box, "roci-row"),
            (self.box, "roci-choice"),
            (self.name, "roci-name"),
            (self.menu, "roci-field"),
            (self.again, "roci-again"),
            (self.note, "roci-note"),
        ):
            widget.add_class(style)

    def _changed(self, change: Bunch) -> None:
        if self._quietly.is_users():
            self._choose(change["new"] or None)

    def show(
        self,
        chosen: str | None,
        otherwise: str | None,
        servers: Sequence[FoundServer] | None,
        models: Sequence[ModelInfo],
        limits: ModelLimits,
    ) -> None:
        """Show what there is; ``otherwise`` is the model that answers while none is chosen in the session."""
        choices: list[Choice] = [(f"not chosen here · {otherwise or 'the only one loaded or installed'}", "")]
        choices += [(_line(info), str(info.model)) for info in models]
        if chosen is not None and chosen not in [value for _, value in choices]:
            choices.append((chosen if servers is None else f"{chosen} · not listed", chosen))
        with self._quietly:
            source = "set" if chosen is not None else "not chosen"
            self.name.value = element("span", "model", title="who answers") + element("small", source)
            if list(self.menu.options) != choices:
                self.menu.options = choices
            self.menu.value = chosen or ""
            (self.box.add_class if chosen is not None else self.box.remove_class)("roci-set")
            (self.box.add_class if limits.problem else self.box.remove_class)("roci-wrong")
            self.note.value = element("span", _note(servers, limits), role="alert" if limits.problem else "status")


def _line(info: ModelInfo) -> str:
    state = {True: "● loaded", False: None, None: None}[info.loaded]
    if info.downloaded is False:
        state = "to download"
    known = (
        state,
        size(info.size_bytes) if info.size_bytes is not None else None,
        window(held) if (held := info.loaded_window or info.trained_window) else None,
    )
    return " · ".join([str(info.model), *filter(None, known)])


def _note(servers: Sequence[FoundServer] | None, limits: ModelLimits) -> str:
    if limits.problem:
        return f"⚠ {limits.problem}"
    parts = []
    if limits.info is not None:
        parts = [_state(limits.info)]
    if servers is not None:
        answering = [server.name for server in servers if server.models is not None]
        silent = [server.name for server in servers if server.models is None]
        parts += [f"{' and '.join(answering)} {'answer' if len(answering) > 1 else 'answers'}"] if answering else []
        parts += [f"no answer from {', '.join(silent)}"] if silent else []
    return " · ".join(parts) or "asking the servers …"


def _state(info: ModelInfo) -> str:
    if info.downloaded is False:
        return "not downloaded yet: the next request fetches it"
    if not info.loaded:
        return "not loaded: the next request loads it"
    memory = f", {size(info.memory_bytes)} of memory" if info.memory_bytes is not None else ""
    return f"loaded{memory}, window {window(info.loaded_window)}" if info.loaded_window else f"loaded{memory}"
