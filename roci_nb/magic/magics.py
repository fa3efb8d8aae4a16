"""``%%roci`` and ``%roci``: registered at load, everything else imported at the first use."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import HasTraits, TraitError, TraitType

from roci_nb.errors import InvalidSetting, RociError, show_as_one_line
from roci_nb.session.options import OPTIONS, help_text

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from roci_nb.magic.cells import Cells

log = logging.getLogger("roci_nb")

QUESTION_VERBS = ("ask", "fix", "continue")
"""Verbs behind which a question mark is the user's, and no call for help."""


class ConfiguredOption(TraitType[object, object]):
    """An option of ``%%roci`` as configuration: the session's own, under IPython's name for it."""

    default_value = None
    info_text = "a value of the option"

    def validate(self, obj: HasTraits, value: object) -> object:
        """Check a value as ``%roci set`` does; the session's state is the one that counts."""
        if value is None:
            return None
        from roci_nb.types.options import CellOptions
        from roci_nb.types.settings import GenerationSettings

        name = self.name or ""
        if name == "model":
            return str(value)
        kind = CellOptions if name in CellOptions.model_fields else GenerationSettings
        given = list(value) if isinstance(value, tuple) else value
        try:
            checked: object = getattr(kind(**{name: given}), name)  # type: ignore[arg-type]  # checked in our words
        except InvalidSetting as error:
            if getattr(obj, "loading", False):  # a wrong value in a file must not take the magic away
                log.warning("RociMagics.%s is ignored: %s", name, error)
                return None
            raise TraitError(str(error)) from None
        return checked


def _configurable(names: dict[str, str]) -> dict[str, ConfiguredOption]:
    return {name: ConfiguredOption(allow_none=True, help=purpose).tag(config=True) for name, purpose in names.items()}


CONFIGURABLE = {option.name: option.purpose for option in OPTIONS if option.target != "cell"} | {
    "model": "the model where a cell names none",
    "presence_penalty": "make words that were used less likely",
    "frequency_penalty": "make words less likely the more they were used",
}


class _CellMagics(Magics):
    """The two faces of one name: a cell is a prompt, a line is a verb."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        self._cells: Cells | None = None
        self._making = threading.Lock()
        self.loading = True
        super().__init__(shell=shell)
        self.loading = False

    @property
    def cells(self) -> Cells:
        """The cells of this kernel; what is configured goes into their session when it is made."""
        with self._making:  # a completion makes them in a thread of its own
            if self._cells is None:
                from roci_nb.magic.cells import Cells
                from roci_nb.magic.configuration import join
                from roci_nb.session.state import Session

                session = Session()
                join(self, session)
                self._cells = Cells(self.shell, session)
            return self._cells

    @no_var_expand  # {braces} and $dollars of a line are the user's prose
    @line_cell_magic
    def roci(self, line: str, cell: str | None = None) -> None:
        """Ask a language model; the help is written from the options' table when the extension loads."""
        try:
            if cell is None:
                from roci_nb.magic.verbs import run_verb

                shown = run_verb(self.cells, line)
            else:
                shown = self.cells.ask(line, cell)
        except RociError as error:
            show_as_one_line(error, f"{type(error).__name__}: {error}")
            raise
        if isinstance(shown, str):
            print(shown)  # noqa: T201 - the verb's answer
        elif shown is not None:
            from IPython.display import display

            display(shown)

    def close(self) -> None:
        """End what is under way."""
        if self._cells is not None:
            self._cells.close()


_CellMagics.roci.__doc__ = help_text()
RociMagics = magics_class(type("RociMagics", (_CellMagics,), _configurable(CONFIGURABLE)))


def keep_question_marks(lines: list[str]) -> list[str]:
    """Keep IPython from reading ``%roci ask … ?`` as a call for help on its last word."""
    return [_as_call(line) if _is_question(line) else line for line in lines]


def _is_question(line: str) -> bool:
    words = line.split()
    return line.rstrip().endswith("?") and words[0] == "%roci" and len(words) > 2 and words[1] in QUESTION_VERBS


def _as_call(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    argument = line.strip().removeprefix("%roci").strip()
    return f"{indent}get_ipython().run_line_magic('roci', {argument!r})\n"


def load(shell: InteractiveShell) -> None:
    """Register the magics, the completer and the transformer that leaves question marks alone."""
    from roci_nb.magic.completer import RociCompleter

    magics = RociMagics(shell)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(keep_question_marks)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(RociCompleter(magics).match)


def unload(shell: InteractiveShell) -> None:
    """Take all of it away again."""
    magics = shell.magics_manager.registry.pop("RociMagics", None)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("roci", None)
    if keep_question_marks in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(keep_question_marks)
    if shell.Completer is not None:
        matchers = shell.Completer.custom_matchers
        matchers[:] = [
            matcher for matcher in matchers if type(getattr(matcher, "__self__", None)).__name__ != "RociCompleter"
        ]
    if magics is not None:
        magics.close()
        if magics in shell.configurables:
            shell.configurables.remove(magics)
    shown = sys.modules.get("roci_nb.widgets.shown")
    if shown is not None:
        shown.close_all()
    live = sys.modules.get("roci_nb.display.live")
    if live is not None:
        live.close_finished()
