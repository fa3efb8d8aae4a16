"""What is in force in this kernel: the model, the settings and the last answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roci_nb.config import RociConfig
from roci_nb.errors import ConfigError
from roci_nb.loop import call_blocking
from roci_nb.providers.discovery import find_servers
from roci_nb.providers.registry import provider_for
from roci_nb.session.choice import Choice, choose_model
from roci_nb.session.command import setting_value
from roci_nb.types.messages import ModelMessage
from roci_nb.types.requests import ProviderRequest
from roci_nb.types.settings import GenerationSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roci_nb.providers.base import Provider
    from roci_nb.session.command import Command


@dataclass(frozen=True, slots=True)
class InForce:
    """What one cell is answered with."""

    provider: Provider
    request: ProviderRequest
    choice: Choice | None = None
    """Set where the model was chosen for the user."""


@dataclass(slots=True)
class Session:
    """The state of one kernel; a cell's line wins over it, and it wins over the configuration."""

    model: str | None = None
    settings: GenerationSettings = field(default_factory=GenerationSettings)
    last_used: str | None = None
    _found: Choice | None = None

    def use(self, selector: str) -> Provider:
        """Choose the model of the cells to come; raises where there can't be one of that name."""
        provider = provider_for(selector)
        self.model = str(provider.model)
        return provider

    def set(self, assignments: Mapping[str, str]) -> None:
        """Set settings for the cells to come, all or none; ``default`` gives one back to the server."""
        values = {name: setting_value(name, text) for name, text in assignments.items()}
        cleared = {name for name, text in assignments.items() if text.lower() in ("default", "none", "unset")}
        asked = {name: value for name, value in values.items() if name not in cleared}
        merged = self.settings | GenerationSettings(**asked)  # type: ignore[arg-type]  # checked in our words
        self.settings = merged.model_copy(update=dict.fromkeys(cleared))

    def in_force(self, command: Command) -> InForce:
        """Work out who is asked what: line over session over configuration. Raises ``ConfigError``.

        Where none of them names a model, it is the one last used in this kernel, or the one that the servers leave
        no doubt about; that is found once and kept.
        """
        if not command.prompt.strip():
            raise ConfigError("the cell holds no prompt: write one below %%roci")
        config = RociConfig.from_env()
        selector = command.model or self.model or config.model or self.last_used
        choice = None
        if selector is None:
            choice = self._found = self._found or choose_model(call_blocking(lambda: find_servers(config)))
            selector = choice.selector
        said = [ModelMessage.user(command.prompt)]
        if command.system is not None:
            said.insert(0, ModelMessage.system(command.system))
        settings = config.settings | self.settings | command.settings
        provider = provider_for(selector, config)
        if choice is None:
            self.last_used = str(provider.model)
        return InForce(provider, ProviderRequest(messages=tuple(said), settings=settings), choice)
