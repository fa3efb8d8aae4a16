"""``%%roci`` and ``%roci``: registered at load, everything else imported at the first use."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from IPython.core.magic import Magics, line_cell_magic, magics_class

from roci_nb.errors import ConfigError, RociError, Stopped, one_line, show_as_one_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from IPython.core.interactiveshell import InteractiveShell

    from roci_nb.session.command import Command
    from roci_nb.session.state import InForce, Session
    from roci_nb.types.events import TextStreamDelta

LAST = "_roci"
"""The name of the last answer in the user's namespace."""

VERBS = {"use": "use PROVIDER:MODEL", "set": "set NAME VALUE [NAME VALUE …]"}


@magics_class
class RociMagics(Magics):
    """The two faces of one name: a cell is a prompt, a line is a verb."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell)
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The state of this kernel."""
        if self._session is None:
            from roci_nb.session.state import Session

            self._session = Session()
        return self._session

    @line_cell_magic
    def roci(self, line: str, cell: str | None = None) -> None:
        """Ask a language model: the cell is the prompt, the answer streams below it.

        ::

            %%roci [PROVIDER:MODEL] [options] [--] [prose]
            prompt

            -m, --model PROVIDER:MODEL   the model of this cell
            -s, --system TEXT            instructions for the model
            -t, --temperature T          how freely words are chosen, from 0 up
            --top-p P                    choose among the likeliest words that make up this share
            --max-tokens N               the longest answer, in tokens
            --num-ctx N                  the window, in tokens; another one loads the model again
            --seed N                     the same seed gives the same answer
            -o NAME                      bind the result to this name

        ``_roci`` is the last answer. ``%roci use PROVIDER:MODEL`` chooses the model of the cells to come,
        ``%roci set NAME VALUE`` a setting; ``%roci`` alone shows both.
        """
        try:
            if cell is None:
                self._verb(line)
            else:
                self._ask(line, cell)
        except RociError as error:
            show_as_one_line(error, f"{type(error).__name__}: {error}")
            raise

    def _verb(self, line: str) -> None:
        verb, _, rest = line.strip().partition(" ")
        if verb == "use" and rest.strip():
            self.session.use(rest.strip())
        elif verb == "set":
            from roci_nb.session.command import parse_assignments

            self.session.set(parse_assignments(rest))
        elif verb:
            raise ConfigError(_no_such_verb(verb))
        self._show_session()

    def _show_session(self) -> None:
        settings = " · ".join(f"{name} {value}" for name, value in self.session.settings.in_force().items())
        model = self.session.model or "no model chosen"
        print(f"{model} · {settings}" if settings else f"{model} · settings as the server has them")  # noqa: T201 - the verb's answer

    def _ask(self, line: str, cell: str) -> None:
        from roci_nb.providers.registry import provider_keys
        from roci_nb.session.command import named_output, parse_command

        output = named_output(line)
        if output is not None:
            self.shell.user_ns.pop(output, None)  # a cell that fails leaves no older answer under its name
        command = parse_command(line, cell, provider_keys())
        self._answer(self.session.in_force(command), command)

    def _answer(self, in_force: InForce, command: Command) -> None:
        from roci_nb.display.views import view_for
        from roci_nb.generation.fold import AnswerFold
        from roci_nb.generation.text import answer_deltas
        from roci_nb.loop import iterate_blocking, partial_of

        provider, request = in_force.provider, in_force.request
        view = view_for(self.shell, heading=None if in_force.choice is None else str(in_force.choice))
        fold = AnswerFold(provider.model, request)
        answer = iterate_blocking(lambda: answer_deltas(provider, request), on_wait=view.tick)
        try:
            with closing(cast("Generator[TextStreamDelta, None, None]", answer)) as deltas:
                for delta in deltas:
                    fold.add(delta)
                    view.add(delta)
        except KeyboardInterrupt as interrupt:
            partial = partial_of(interrupt) or fold.partial
            self.shell.user_ns[LAST] = stopped = replace(
                fold.result("cancelled"), text=partial.text, reasoning=partial.reasoning
            )
            view.finish(stopped, host=provider.host)
            quiet = Stopped("stopped")
            quiet.partial = partial
            raise quiet from interrupt
        except Exception as error:
            if fold.begun:
                self.shell.user_ns[LAST] = broken = fold.result()
                view.finish(broken, host=provider.host, problem=one_line(str(error)))
            else:
                view.fail()
            raise
        self.shell.user_ns[LAST] = result = fold.result()
        if command.output is not None:
            self.shell.user_ns[command.output] = result
        view.finish(result, host=provider.host)


def _no_such_verb(verb: str) -> str:
    from roci_nb.markup.strings import nearest

    near = nearest(verb, VERBS, 1)
    advice = f"did you mean %roci {VERBS[near[0]]}?" if near else f"there are {' and '.join(VERBS.values())}"
    return f"%roci has no verb {verb!r}: {advice} (a prompt is a cell: %%roci)"


def load(shell: InteractiveShell) -> None:
    """Register the magics."""
    shell.register_magics(RociMagics(shell))


def unload(shell: InteractiveShell) -> None:
    """Take the magics away again."""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("roci", None)
    shell.magics_manager.registry.pop(RociMagics.__name__, None)
