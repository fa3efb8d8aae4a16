"""Settings tried on a prompt, run by run, and compared."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import ipywidgets

from roci_nb.errors import RociError, one_line
from roci_nb.markup.html import Html, element
from roci_nb.session.command import Command
from roci_nb.session.ledger import LedgerEntry
from roci_nb.session.state import Session
from roci_nb.widgets.found_session import found_session
from roci_nb.widgets.look import PanelLook, TextToCopy
from roci_nb.widgets.quietly import Quietly
from roci_nb.widgets.recipes import as_cell, as_modelfile, as_python
from roci_nb.widgets.settings_panel import SettingsPanel
from roci_nb.widgets.shown import ShownInCell, free, reach_while_busy
from roci_nb.widgets.streamed_run import StreamedRun
from roci_nb.widgets.tuner_runs import comparison_html, table_of

if TYPE_CHECKING:
    from roci_nb.markup.tables import Table
    from roci_nb.widgets.loop_work import LoopTask
    from roci_nb.widgets.tuner_runs import TunerRun

RUNS_KEPT = 10
SOURCE = "tuner"
_RECIPES = (("as a %%roci cell", "cell"), ("as Python", "python"), ("as Modelfile lines", "modelfile"))


class Tuner(ShownInCell):
    """A prompt, settings, and what they make of it, run by run, in a cell.

    The settings begin as the session's and are the tuner's own; ``Use these settings`` puts a run's into the session.
    A run is no turn of the notebook's conversation. ``close()`` leaves the table of the last ten.
    """

    def __init__(self, session: Session | None = None) -> None:
        super().__init__()
        self.session = session or found_session()
        self.draft = _copy_of(self.session)
        self.panel = SettingsPanel(self.draft, closable=False)
        self.runs: tuple[TunerRun, ...] = ()
        self._quietly = Quietly()
        self._number = 0
        self._streaming = False
        self._running: LoopTask | None = None

    def _make(self) -> ipywidgets.Box:
        self.prompt = ipywidgets.Textarea(description="prompt", placeholder="what to ask", rows=3)
        self.run = ipywidgets.Button(description="Run", button_style="primary", tooltip="ask with these settings")
        self.stop = ipywidgets.Button(description="Stop", tooltip="stop this run; what has come is kept", disabled=True)
        self.status = ipywidgets.HTML()
        self.answer = ipywidgets.VBox([ipywidgets.HTMLMath()])
        self.table_view = ipywidgets.HTML()
        self.shown = ipywidgets.Dropdown(options=[("no run yet", 0)], description="show run")
        self.beside = ipywidgets.Dropdown(options=[("no other", 0)], description="beside")
        self.use = ipywidgets.Button(
            description="Use these settings", tooltip="put this run's settings into the session"
        )
        self.recipe = ipywidgets.Dropdown(options=_RECIPES, description="take along")
        self.copy = TextToCopy()
        close = ipywidgets.Button(description="Close", tooltip="close the tuner; the table of its runs stays")
        self._connect(close)
        ask = _box("roci-ask", self.prompt, _box("roci-bar", self.run, self.stop, self.status))
        self.choosing = _box(
            "roci-choosing",
            self.table_view,
            _box("roci-bar", self.shown, self.beside),
            _box("roci-bar", self.use, self.recipe),
            self.copy,
        )
        self.answer.add_class("roci-tuner-answer")
        self.status.add_class("roci-status")
        main = _box("roci-main", ask, self.answer, self.choosing, _box("roci-bar", close))
        settings = _box("roci-settings", self.panel.widget)
        root = ipywidgets.VBox([PanelLook(), _box("roci-columns", main, settings)])
        root.add_class("roci-panel")
        root.add_class("roci-tuner")
        return root

    def _connect(self, close: ipywidgets.Button) -> None:
        self.run.on_click(lambda _: self.start())
        self.stop.on_click(lambda _: self.stop_run())
        self.use.on_click(lambda _: self._use())
        close.on_click(lambda _: self.close())
        for menu in (self.shown, self.beside, self.recipe):
            menu.observe(self._chosen, "value")

    def _begin(self) -> None:
        self._redraw()

    def _end(self) -> None:
        self.panel.close()

    @property
    def is_busy(self) -> bool:
        """Whether anything of it is under way, a run or a look at the servers."""
        return super().is_busy or self.panel.is_busy

    def start(self) -> None:
        """Ask what stands in the prompt; returns at once. Does nothing while a run is under way."""
        prompt = self.prompt.value
        if not prompt.strip():
            self._say("⚠ there is no prompt yet: write one, then Run")
            return
        if self._streaming or self.run.disabled or self.closed:
            return
        self._streaming, self.run.disabled, self.stop.disabled = True, True, False
        self._say("")
        self._number += 1
        number = self._number
        self._running = self._work.start(lambda: self._ask(number, prompt))

    def stop_run(self) -> None:
        """Stop the run that is under way; what has come is kept."""
        if self._running is not None:
            self.stop.disabled = True
            self._running.cancel()

    async def _ask(self, number: int, prompt: str) -> None:
        streamed: StreamedRun | None = None
        run: TunerRun | None = None
        problem = ""
        try:
            # It may look for a model, and waits for that: not on this loop.
            in_force = await asyncio.to_thread(self.draft.in_force, Command(prompt))
            streamed = StreamedRun(number, prompt, in_force)
            self._put(streamed.live.widget)
            run = await streamed.run()
        except asyncio.CancelledError:
            run = streamed.ended("stopped") if streamed is not None else None
            problem = "■ stopped" if run is not None else "■ stopped before the first word"
            raise
        except RociError as error:
            problem = f"⚠ {one_line(str(error))}"
        except Exception as error:  # noqa: BLE001 - told in place: nobody else hears of it
            problem = f"⚠ {type(error).__name__}: {one_line(str(error))}"
        finally:
            self._finish(run, problem)
            if streamed is not None:
                streamed.live.close()

    def _finish(self, run: TunerRun | None, problem: str) -> None:
        """Show what came of a run; the tuner is ready for the next."""
        if run is not None:
            self._keep(run)
        if self.closed:  # while it streamed: the table that stands there lacks it
            self.show_static()
            return
        self._streaming = False
        self._say(problem)
        self._redraw(newest=run is not None)
        self.run.disabled, self.stop.disabled = False, True
        self.panel.look_again()  # it may be loaded now

    def _keep(self, run: TunerRun) -> None:
        self.runs = (*self.runs, run)[-RUNS_KEPT:]
        result = run.result
        self.session.ledger.add(
            LedgerEntry(
                cell=SOURCE,
                model=str(result.model),
                conversation="",
                usage=result.usage,
                timing=result.timing,
                finish_reason=result.finish_reason,
            )
        )

    def _chosen(self, change: object) -> None:
        del change
        if self._quietly.is_users():
            self._redraw()

    def _redraw(self, *, newest: bool = False) -> None:
        with self._quietly:
            menu = [(run.label, run.number) for run in reversed(self.runs)]
            for one, first in ((self.shown, ("no run yet", 0)), (self.beside, ("no other", 0))):
                options = [*([] if one is self.shown and menu else [first]), *menu]
                kept = one.value if one.value in [value for _, value in options] else options[0][1]
                if list(one.options) != options:
                    one.options = options
                one.value = self.runs[-1].number if newest and one is self.shown else kept
            for widget in (self.use, self.recipe):
                widget.disabled = not self.runs
            self.choosing.layout.display = None if self.runs else "none"
            table = table_of(self.runs)._repr_html_() if self.runs else Html("")
            self.table_view.value = element(
                "div", table, class_="roci-scroll", tabindex=0, aria_label="runs", role="region"
            )
            run, other = self._run_of(self.shown.value), self._run_of(self.beside.value)
            self._show_recipe(run)
            if self._streaming:  # the live view stands there
                return
            html = "" if run is None else run.html if other is None or other is run else comparison_html(run, other)
            self._put(ipywidgets.HTMLMath(html))

    def _show_recipe(self, run: TunerRun | None) -> None:
        if run is None:
            self.copy.text = ""
            return
        asked = (run.result.model, run.prompt, run.system, run.settings)
        texts = {"cell": as_cell, "python": as_python}
        write = texts.get(self.recipe.value)
        self.copy.text = write(*asked) if write is not None else as_modelfile(run.system, run.settings)
        self.copy.label = f"run {run.number} {self.recipe.label}"

    def _run_of(self, number: int) -> TunerRun | None:
        return next((run for run in self.runs if run.number == number), None)

    def _put(self, widget: ipywidgets.Widget) -> None:
        """Show a widget as the answer, in place of what was there."""
        before = self.answer.children
        self.answer.children = [widget]
        for old in before:
            free(old)
        reach_while_busy(self.widget)

    def _say(self, text: str) -> None:
        kind = "alert" if text.startswith("⚠") else "status"
        self.status.value = element("span", text, role=kind, class_="roci-warn" if kind == "alert" else None)

    def _use(self) -> None:
        run = self._run_of(self.shown.value)
        if run is None:
            return
        self.session.options = self.session.options.model_copy(update={"preset": None, "system": run.system})
        self.session.change(run.settings, SOURCE)
        self.session.model = str(run.result.model)
        self._say(f"run #{run.number}'s settings are in force for the cells to come")

    def table(self) -> Table:
        """Return the runs as a table; before the first, the settings."""
        return table_of(self.runs) if self.runs else self.panel.table()


def _copy_of(session: Session) -> Session:
    """Make a session to try things in; what is found of the servers is shared."""
    draft = Session()
    draft.installed, draft.aliases, draft.last_used = session.installed, session.aliases, session.last_used
    draft.sources = dict(session.sources)
    draft.model, draft.settings, draft.options = session.model, session.settings, session.options
    return draft


def _box(name: str, *children: ipywidgets.Widget) -> ipywidgets.Box:
    box = ipywidgets.Box(children)
    box.add_class(name)
    return box
