"""What a prompt may name of the notebook itself: ``above``, ``In``, ``Out``, ``last_error``; and the user's variables.

A kernel knows the order in which cells ran, not where they stand in the document. It keeps what a cell printed and
its last value (IPython 9), but no pictures and no other rich output.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from roci_nb.errors import ConfigError
from roci_nb.magic.description import describe
from roci_nb.magic.excerpts import excerpt, without_style

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_PROMPT = re.compile(r"\s*%{1,2}roci\b")
_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n|$)")
_SOURCE_CHARACTERS = 2000
_PRINTED_CHARACTERS = 1000
_VALUE_TOKENS = 200
_TRACEBACK_CHARACTERS = 3000


@dataclass(frozen=True, slots=True)
class ExecutedCell:
    """A cell that has run: its number, its source, and as much of its output as the kernel kept, as text."""

    number: int
    source: str
    output: str

    def __llm__(self) -> str:
        """Tell the cell to a model; the beginning of its source and the end of its output where they are long."""
        source, _ = excerpt(self.source, _SOURCE_CHARACTERS)
        printed = self.output or "(none that the kernel kept as text)"
        return f"Cell In[{self.number}]:\n{_fenced(source)}\nIts output:\n{_fenced(printed)}"


@dataclass(frozen=True, slots=True)
class ReportedError:
    """An error of which only IPython's report is left."""

    name: str
    message: str
    report: str

    def __llm__(self) -> str:
        """Tell the error to a model by the end of its report."""
        return excerpt(self.report, _TRACEBACK_CHARACTERS, end=True)[0]


class NotebookSpecials(Mapping[str, object]):
    """Names whose values are looked up when they are asked for; one that has no value raises ``ConfigError``."""

    def __init__(self, values: Mapping[str, Callable[[], object]]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> object:
        return self._values[name]()

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def notebook_specials(shell: InteractiveShell) -> Mapping[str, object]:
    """Give ``above``, ``In``, ``Out`` and ``last_error`` of this kernel, each found when it is asked for.

    ``above`` is the cell that ran last before the one that runs now, prompts left out: those are in the conversation.
    ``last_error`` is the last exception of the user's own code, not one of a prompt's.
    """
    return NotebookSpecials(
        {
            "above": lambda: _above(shell),
            "In": lambda: shell.user_ns.get("In", []),
            "Out": lambda: shell.user_ns.get("Out", {}),
            "last_error": lambda: _last_error(shell),
        }
    )


def user_variables(shell: InteractiveShell) -> Mapping[str, object]:
    """Give the user's own variables: what IPython put beside them (``get_ipython``, ``open``, ``exit``) is left out."""
    hidden = shell.user_ns_hidden
    return {
        name: value
        for name, value in shell.user_ns.items()
        if not name.startswith("__") and not (name in hidden and hidden[name] is value)
    }


def _above(shell: InteractiveShell) -> ExecutedCell:
    inputs = _inputs(shell)
    # The cell that runs now has the number before the next one, and is in the history already.
    for number in range(min(shell.execution_count - 1, len(inputs)) - 1, 0, -1):
        source = inputs[number].strip()
        if source and not _PROMPT.match(source):
            return ExecutedCell(number, source, _output(shell, number))
    raise ConfigError("no cell but prompts has run in this kernel before this one: run the cell that you mean first")


def _inputs(shell: InteractiveShell) -> list[str]:
    return [] if shell.history_manager is None else cast("list[str]", shell.history_manager.input_hist_raw)


def _output(shell: InteractiveShell, number: int) -> str:
    """Put together what a cell printed and gave; its value is told anew, for a model."""
    parts: list[str] = []
    results = cast("Mapping[int, object]", shell.user_ns.get("_oh", {}))
    for output in getattr(shell.history_manager, "outputs", {}).get(number, ()):
        kind, bundle = output.output_type, output.bundle
        if kind in ("out_stream", "err_stream"):
            parts.append(excerpt(_as_shown("".join(bundle.get("stream", ()))), _PRINTED_CHARACTERS, end=True)[0])
        elif kind == "execute_result" and number not in results:
            parts.append(excerpt(_as_shown(str(bundle.get("text/plain", ""))), _PRINTED_CHARACTERS)[0])
    if number in results:
        parts.append(describe(results[number], _VALUE_TOKENS).text)
    error = _reported(shell, number)
    if error is not None:
        parts.append(f"{error.name}: {error.message}")
    return "\n".join(part for part in parts if part)


def _last_error(shell: InteractiveShell) -> BaseException | ReportedError:
    error: object = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    if isinstance(error, BaseException) and not _is_a_prompts(error):
        return error
    inputs = _inputs(shell)
    for number in sorted(getattr(shell.history_manager, "exceptions", {}), reverse=True):
        reported = _reported(shell, number)
        if reported is not None and not (number < len(inputs) and _PROMPT.match(inputs[number])):
            return reported
    raise ConfigError("no cell has failed in this kernel: run the one that fails first")


def _is_a_prompts(error: BaseException) -> bool:
    """Tell an error of ``%%roci`` itself, such as a misspelled ``{{ last_eror }}``."""
    magic = __name__.rpartition(".")[0]
    return any(
        str(frame.f_globals.get("__name__", "")).startswith(magic)
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _reported(shell: InteractiveShell, number: int) -> ReportedError | None:
    """Read IPython's report of the error that a cell ended with."""
    report = getattr(shell.history_manager, "exceptions", {}).get(number)
    if not isinstance(report, dict):
        return None
    lines = _as_shown("\n".join(map(str, report.get("traceback", ()))))
    return ReportedError(str(report.get("ename", "")), _as_shown(str(report.get("evalue", ""))), lines)


def _as_shown(printed: str) -> str:
    """Leave out colours, and what a progress bar has written over."""
    return _OVERWRITTEN.sub("", without_style(printed)).rstrip()


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text}\n{fence}"
