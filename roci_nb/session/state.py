"""What is in force in this kernel: the model, the settings, the options, and what was said with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from traitlets import HasTraits, Instance, Int, Unicode

from roci_nb.config import RociConfig
from roci_nb.errors import ConfigError, InvalidSetting
from roci_nb.generation.conversation import Conversation
from roci_nb.loop import call_blocking
from roci_nb.providers.discovery import find_servers
from roci_nb.providers.registry import provider_for
from roci_nb.session.choice import choose_model
from roci_nb.session.command import Command, option_value, setting_value
from roci_nb.session.installed import InstalledModels
from roci_nb.session.ledger import UsageLedger
from roci_nb.session.options import VALUES
from roci_nb.session.presets import harm, preset
from roci_nb.types.events import GenerationWarning
from roci_nb.types.options import CellOptions
from roci_nb.types.settings import GenerationSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roci_nb.providers.base import Provider
    from roci_nb.session.choice import Choice

INSTALLED_WAIT_S = 1.0
"""How long a cell waits for the servers to tell whether its first word is a model's name."""
CLEARING = ("default", "none", "unset")
"""Values that give a setting back to whoever is next in line."""


@dataclass(frozen=True, slots=True)
class InForce:
    """Who answers a cell, and with what.

    ``sources`` says of each setting where it came from. ``heading`` is what must be said above the answer: that the
    model was chosen for the user, or which server a bare name was resolved to.
    """

    provider: Provider
    settings: GenerationSettings
    options: CellOptions
    sources: Mapping[str, str] = field(default_factory=dict)
    heading: str | None = None
    warnings: tuple[GenerationWarning, ...] = ()


class Session(HasTraits):
    """The state of one kernel, of which the magic and the panel are two faces.

    A cell's line wins over it, and it wins over the configuration. ``model``, ``settings`` and ``options`` can be
    observed; ``answered`` counts the answers: with each a model may have been loaded.
    """

    model: Unicode[str | None, str | bytes | None] = Unicode(None, allow_none=True)
    settings: Instance[GenerationSettings] = Instance(GenerationSettings)
    options: Instance[CellOptions] = Instance(CellOptions)
    answered: Int[int, int] = Int(0)

    def __init__(self) -> None:
        super().__init__(settings=GenerationSettings(), options=CellOptions())
        self.sources: dict[str, str] = {}
        self.aliases: dict[str, str] = {}
        self.last_used: str | None = None
        self.installed = InstalledModels()
        self.conversations: dict[str, Conversation] = {}
        self.ledger = UsageLedger()
        self.windows_told: set[str] = set()
        """The models whose window was seen in a footer: that one is short is said once."""
        self._found: Choice | None = None
        self._warned: set[str] = set()

    def use(self, name: str) -> Provider:
        """Choose the model of the cells to come; raises where there can't be one of that name."""
        if len(name.split()) != 1:
            raise ConfigError(f"{name!r} is no model: %roci use PROVIDER:MODEL")
        selector, _ = self.resolve(name, RociConfig.from_env())
        provider = provider_for(selector)
        self.model = str(provider.model)
        return provider

    def set(self, assignments: Mapping[str, str], source: str = "session") -> None:
        """Set settings and options for the cells to come, all or none; ``default`` takes one back."""
        cleared = {
            name for name, text in assignments.items() if text.lower() in CLEARING and text not in VALUES.get(name, ())
        }
        options = {
            name: None if name in cleared else option_value(name, text)
            for name, text in assignments.items()
            if name in CellOptions.model_fields
        }
        settings = {name: setting_value(name, text) for name, text in assignments.items() if name not in options}
        asked = {name: value for name, value in settings.items() if name not in cleared}
        merged = self.settings | GenerationSettings(**asked)  # type: ignore[arg-type]  # checked in our words
        checked = CellOptions(**options)  # type: ignore[arg-type]  # checked in our words
        if checked.preset is not None:
            preset(checked.preset)
        self.change(merged.model_copy(update=dict.fromkeys(cleared & settings.keys())), source)
        self.options = self.options.model_copy(update={name: getattr(checked, name) for name in options})

    def change(self, settings: GenerationSettings, source: str) -> None:
        """Put other settings in force; ``source`` is what the footer says of those that differ."""
        before, after = self.settings.in_force(), settings.in_force()
        changed = {name: source for name, value in after.items() if before.get(name) != value}
        self.sources = {name: self.sources[name] for name in after if name in self.sources} | changed
        self.settings = settings

    def resolve(self, name: str, config: RociConfig) -> tuple[str, str | None]:
        """Return the selector that a name means, and what is to be said of that.

        A name is a selector, an alias, or a model's own name that one server has.
        """
        if name in self.aliases:
            return self.aliases[name], None
        found = self.installed.selectors_of(name, config, wait_s=INSTALLED_WAIT_S) if name else ()
        if len(found) == 1:
            return found[0], f"{name} is {found[0]}" if found[0] != name else None
        if len(found) > 1:
            raise ConfigError(f"several servers have {name}; choose one: {' | '.join(found)}")
        return name, None

    def is_model(self, word: str) -> bool:
        """Say whether a line's first word is an alias or an installed model's own name."""
        if word in self.aliases:
            return True
        # A capital letter and no figure: a sentence begins so, and the servers need not be asked.
        if not (word.islower() or any(character.isdigit() for character in word)):
            return False
        return bool(self.installed.selectors_of(word, RociConfig.from_env(), wait_s=INSTALLED_WAIT_S))

    def in_force(self, command: Command) -> InForce:
        """Work out who is asked, with which settings: line over session over configuration.

        Where nothing names a model, it is the one last used in this kernel, or the one that the servers leave no doubt
        about; that is found once and kept. Raises ``ConfigError``.
        """
        config = RociConfig.from_env()
        provider, heading = self._provider(command, config)
        options = config.options | self.options | command.options
        settings, sources = self.layered(config, command)
        warning = harm(preset(options.preset), provider.model.model_id) if options.preset is not None else None
        warnings = (GenerationWarning(warning),) if warning is not None else ()
        return InForce(provider, settings, options, sources, heading, warnings)

    def layered(self, config: RociConfig, command: Command) -> tuple[GenerationSettings, dict[str, str]]:
        """Merge the settings, line over session over preset over configuration; say where each came from."""
        options = config.options | self.options | command.options
        layers = [("pyproject.toml", config.settings), ("", self.settings), ("line", command.settings)]
        if options.preset is not None:
            chosen = preset(options.preset)
            place = 2 if command.options.preset else 1
            # Left out of the layers below, not put as None over them: a merge keeps what the winner leaves unset.
            cleared = dict.fromkeys(chosen.clears)
            layers[:place] = [(source, layer.model_copy(update=cleared)) for source, layer in layers[:place]]
            layers.insert(place, (f"preset {chosen.name}", chosen.settings))
        settings, sources = GenerationSettings(), dict[str, str]()
        for source, layer in layers:
            settings |= layer
            sources |= {name: source or self.sources.get(name, "session") for name in layer.in_force()}
        return settings, sources

    def _provider(self, command: Command, config: RociConfig) -> tuple[Provider, str | None]:
        named = command.model or self.model or config.model or self.last_used
        if named is None:
            choice = self._found = self._found or choose_model(call_blocking(lambda: find_servers(config)))
            return provider_for(choice.selector, config), str(choice)
        if named == command.model and ":" in named and named not in self.aliases:
            selector, heading = self._selector_or_installed(named, config)
        else:
            selector, heading = self.resolve(named, config)
        provider = provider_for(selector, config)
        self.last_used = str(provider.model)
        return provider, heading

    def _selector_or_installed(self, named: str, config: RociConfig) -> tuple[str, str | None]:
        """Read a word with a colon: a selector where its first part is a provider's key, else a model's own name."""
        from roci_nb.providers.registry import provider_keys

        if named.partition(":")[0] in provider_keys():
            return named, None
        return self.resolve(named, config)

    def conversation(self, options: CellOptions) -> Conversation | None:
        """Return the conversation that a cell takes part in; None where it stands alone."""
        if options.alone:
            return None
        return self.conversations.setdefault(options.chat or "", Conversation())

    def unheard(self, warnings: tuple[GenerationWarning, ...]) -> tuple[GenerationWarning, ...]:
        """Leave out what has been said in this kernel of the same ignored setting."""
        new = tuple(warning for warning in warnings if warning.setting is None or warning.message not in self._warned)
        self._warned |= {warning.message for warning in new if warning.setting is not None}
        return new


def check_alias(name: str) -> str:
    """Return a name that may stand for a model; raises ``InvalidSetting``."""
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise InvalidSetting(f"{name!r} is no name: write one word of letters, digits, - _ and .", setting="alias")
    return name
