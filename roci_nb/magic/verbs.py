"""The verbs of a ``%roci`` line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roci_nb.config import RociConfig
from roci_nb.errors import ConfigError
from roci_nb.loop import call_blocking
from roci_nb.markup.strings import nearest
from roci_nb.markup.tables import Table
from roci_nb.providers.discovery import find_servers
from roci_nb.providers.registry import provider_for
from roci_nb.session.command import parse_assignments, parse_command
from roci_nb.session.options import VERBS
from roci_nb.session.state import check_alias
from roci_nb.types.model_info import ModelList

if TYPE_CHECKING:
    from collections.abc import Callable

    from roci_nb.magic.cells import Cells
    from roci_nb.providers.base import Provider
    from roci_nb.session.state import Session


def run_verb(cells: Cells, line: str) -> object:
    """Do what a ``%roci`` line says; return the value that it shows, or None."""
    name, _, rest = line.strip().partition(" ")
    if not name:
        return in_force(cells.session)
    verb = _CALLS.get(name)
    if verb is None:
        near = nearest(name, VERBS, 1)
        advice = f"did you mean %roci {near[0]} {VERBS[near[0]][0]}".rstrip() + "?" if near else "%roci help lists them"
        raise ConfigError(f"%roci has no verb {name!r}: {advice} (a prompt is a cell, or %roci ask …)")
    return verb(cells, rest.strip())


def in_force(session: Session) -> object:
    """Return what the next cell is asked with, and where each of it came from."""
    config = RociConfig.from_env()
    model = session.model or config.model or session.last_used
    where = "session" if session.model else str(config.source("model")) if config.model else "last used"
    rows = [("model", model or "none chosen", where if model else "%roci use PROVIDER:MODEL")]
    layers = ((config.settings, config.options, "pyproject.toml"), (session.settings, session.options, None))
    found: dict[str, tuple[str, str]] = {}
    for settings, options, source in layers:
        for name, value in {**options.in_force(), **settings.in_force()}.items():
            found[name] = (str(value), source or session.sources.get(name, "session"))
    rows += [(name, value, source) for name, (value, source) in found.items()]
    if not found:
        rows.append(("settings", "as the server has them", ""))
    rows += [(f"alias {name}", selector, "session") for name, selector in session.aliases.items()]
    return Table(("", "", "from"), tuple(rows))


def _use(cells: Cells, rest: str) -> object:
    if not rest:
        raise ConfigError("%roci use needs a model: %roci use PROVIDER:MODEL (%roci models lists them)")
    cells.session.use(rest)
    return in_force(cells.session)


def _set(cells: Cells, rest: str) -> object:
    if not rest:
        raise ConfigError("%roci set needs a name and a value: %roci set temperature 0.7")
    cells.session.set(parse_assignments(rest))
    return in_force(cells.session)


def _alias(cells: Cells, rest: str) -> object:
    words, aliases = rest.split(), cells.session.aliases
    if len(words) == 2 and words[1] in ("-", "none"):
        aliases.pop(words[0], None)
    elif len(words) == 2:
        aliases[check_alias(words[0])] = str(provider_for(words[1]).model)
    elif words:
        raise ConfigError("%roci alias NAME PROVIDER:MODEL makes one, %roci alias NAME - takes it away")
    return Table(("alias", "model"), tuple(aliases.items()) or (("none yet", ""),))


def _models(cells: Cells, rest: str) -> object:
    del cells, rest
    servers = call_blocking(lambda: find_servers(RociConfig.from_env()))
    found = [info for server in servers for info in server.models or ()]
    embedded = call_blocking(provider_for("embedded:smollm2-135m").list_models)
    return ModelList([*found, *embedded])


def _ps(cells: Cells, rest: str) -> object:
    return ModelList(info for info in _listed(_models(cells, rest)) if info.loaded)


def _listed(models: object) -> ModelList:
    return models if isinstance(models, ModelList) else ModelList()


def _load(cells: Cells, rest: str) -> object:
    command = parse_command(rest, "", (), rest.split()[:1])
    provider = _provider(cells, command.model)
    return call_blocking(lambda: provider.load(num_ctx=command.settings.num_ctx or cells.session.settings.num_ctx))


def _unload(cells: Cells, rest: str) -> object:
    provider = _provider(cells, rest or None)
    call_blocking(provider.unload)
    return call_blocking(provider.running)


def _provider(cells: Cells, name: str | None) -> Provider:
    config = RociConfig.from_env()
    named = name or cells.session.model or config.model or cells.session.last_used
    if named is None:
        raise ConfigError("no model is named: %roci load PROVIDER:MODEL")
    return provider_for(cells.session.resolve(named, config)[0], config)


def _panel(cells: Cells, rest: str) -> object:
    del rest
    from roci_nb.widgets.settings_panel import SettingsPanel

    return SettingsPanel(cells.session)


def _tune(cells: Cells, rest: str) -> object:
    del rest
    from roci_nb.widgets.tuner import Tuner

    return Tuner(cells.session)


def _usage(cells: Cells, rest: str) -> object:
    return cells.session.ledger.by(rest) if rest else cells.session.ledger


def _history(cells: Cells, rest: str) -> object:
    return cells.conversation(rest)


def _sent(cells: Cells, rest: str) -> object:
    return cells.sent(_number(rest, "sent"))


def _code(cells: Cells, rest: str) -> object:
    cells.insert_code(_number(rest, "code"))
    return None


def _reset(cells: Cells, rest: str) -> object:
    conversation = cells.conversation(rest)
    conversation.reset()
    return conversation


def _stop(cells: Cells, rest: str) -> object:
    return cells.stop(_number(rest, "stop") if rest else None)


def _help(cells: Cells, rest: str) -> object:
    del cells
    if rest and rest not in VERBS:
        raise ConfigError(f"%roci has no verb {rest!r}: %roci help lists them")
    shown = {rest: VERBS[rest]} if rest else VERBS
    return Table(
        ("%roci …", ""), tuple((f"{name} {usage}".strip(), purpose) for name, (usage, purpose) in shown.items())
    )


def _number(text: str, verb: str) -> int:
    if not text:
        return 1
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"%roci {verb} takes a number from 1 up, not {text!r}")
    return int(text)


_CALLS: dict[str, Callable[[Cells, str], object]] = {
    "ask": lambda cells, rest: cells.ask(rest, ""),
    "use": _use,
    "set": _set,
    "alias": _alias,
    "models": _models,
    "ps": _ps,
    "load": _load,
    "unload": _unload,
    "panel": _panel,
    "tune": _tune,
    "usage": _usage,
    "history": _history,
    "sent": _sent,
    "code": _code,
    "fix": lambda cells, rest: cells.fix(rest),
    "continue": lambda cells, _: cells.go_on(),
    "reset": _reset,
    "save": lambda cells, rest: cells.save(rest),
    "restore": lambda cells, rest: cells.restore(rest),
    "stop": _stop,
    "help": _help,
}
