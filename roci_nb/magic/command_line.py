"""``python -m roci_nb ask``: a ``%%roci`` cell from the words of a shell's command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roci_nb.errors import ConfigError
from roci_nb.magic.cells import Cells
from roci_nb.session.options import BY_FLAG
from roci_nb.session.state import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

_OF_NOTEBOOKS = {"-o": "binds a variable", "--bg": "answers beside other cells", "--chat": "names a conversation"}


def ask(words: Sequence[str], piped: str = "") -> None:
    """Ask what the words of a command line say, with ``piped`` text below; prints the answer as it comes."""
    cells = bare_cells()
    line, prose = split_words(words, cells)
    sent = cells.ask(line, "\n\n".join(part for part in (prose, piped) if part.strip()))
    if sent is not None:
        print(sent)  # noqa: T201 - the dry run's answer


def bare_cells() -> Cells:
    """Return cells without a notebook: a shell that keeps no history and reads no configuration."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    return Cells(shell, Session())


def split_words(words: Sequence[str], cells: Cells) -> tuple[str, str]:
    """Tell a line's model and options from its prose: the shell has taken the quotes off, so they are put back."""
    line: list[str] = []
    rest = list(words)
    if rest and _may_be_model(rest[0]) and (":" in rest[0] or cells.session.is_model(rest[0])):
        line.append(rest.pop(0))
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
        flag, equals, _ = rest[0].partition("=")
        if flag in _OF_NOTEBOOKS:
            raise ConfigError(f"{flag} {_OF_NOTEBOOKS[flag]}, which is for a notebook: leave it out")
        line.append(rest.pop(0) if not equals else _quoted_option(rest.pop(0)))
        option = BY_FLAG.get(flag)
        if option is not None and option.metavar is not None and not equals and rest:
            line.append(_quoted(rest.pop(0)))
    if rest and rest[0] == "--":
        rest.pop(0)
    return " ".join(line), " ".join(rest)


def _may_be_model(word: str) -> bool:
    return not word.startswith("-") and len(word.split()) == 1


def _quoted_option(word: str) -> str:
    flag, _, value = word.partition("=")
    return f"{flag}={_quoted(value)}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
