"""RociConfig: addresses, keys and defaults from the environment, ``.env`` and pyproject.toml.

What wins and what is trusted are two orders. In force: pyproject.toml > environment > ``.env`` > built-in, so that a
project can say what it uses. Trusted: built-in and code > environment > ``.env`` > pyproject.toml, so that a folder
from elsewhere can't send the user's key to its own server.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import BeforeValidator, PrivateAttr, SecretStr

from roci_nb.errors import ConfigError
from roci_nb.markup.strings import nearest
from roci_nb.markup.tables import html_table
from roci_nb.types.base_url import BaseUrl
from roci_nb.types.options import CellOptions
from roci_nb.types.settings import GenerationSettings
from roci_nb.types.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from roci_nb.markup.html import Html


class Source(IntEnum):
    """Where a value came from; a larger one is trusted more."""

    PYPROJECT = 1
    DOTENV = 2
    ENVIRONMENT = 3
    CODE = 4
    BUILT_IN = 5

    def __str__(self) -> str:
        return _NAMES[self]


_NAMES = {
    Source.PYPROJECT: "pyproject.toml",
    Source.DOTENV: ".env",
    Source.ENVIRONMENT: "the environment",
    Source.CODE: "code",
    Source.BUILT_IN: "built in",
}
_VARIABLES = {
    "ollama_base_url": ("OLLAMA_BASE_URL", "OLLAMA_HOST"),
    "lmstudio_base_url": ("LMSTUDIO_BASE_URL",),
    "openai_base_url": ("OPENAI_BASE_URL",),
    "openai_compatible_base_url": ("OPENAI_COMPAT_BASE_URL", "OPENAI_BASE_URL"),
    "ollama_api_key": ("OLLAMA_API_KEY",),
    "lmstudio_api_key": ("LM_API_TOKEN",),
    "openai_api_key": ("OPENAI_API_KEY",),
    "openai_compatible_api_key": ("OPENAI_COMPAT_API_KEY", "OPENAI_API_KEY"),
    "model": ("ROCI_MODEL",),
    "local_only": ("ROCI_LOCAL_ONLY",),
}
_DEFAULT_PORTS = {"ollama_base_url": 11434, "lmstudio_base_url": 1234, "openai_compatible_base_url": 8080}
_HOME_OF_KEY = {"ollama": "https://ollama.com", "openai": "https://api.openai.com"}
_TABLES: dict[str, type[Value]] = {"settings": GenerationSettings, "options": CellOptions}
_TRUTH = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _as_secret(value: object) -> object:
    return SecretStr(value) if isinstance(value, str) else value


Key = Annotated[SecretStr | None, BeforeValidator(_as_secret)]


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """The key to send to an address, or why a key that is known is withheld from it."""

    key: SecretStr | None = None
    withheld: str | None = None


class RociConfig(Value):
    """Addresses, keys and defaults. ``from_env()`` reads them; the constructor takes them from code.

    Keys never show: not in a repr, an error or a log.
    """

    ollama_base_url: str = "http://localhost:11434"
    lmstudio_base_url: str = "http://localhost:1234"
    openai_base_url: str = "https://api.openai.com"
    openai_compatible_base_url: str = "http://localhost:8080"
    ollama_api_key: Key = None
    lmstudio_api_key: Key = None
    openai_api_key: Key = None
    openai_compatible_api_key: Key = None
    model: str | None = None
    local_only: bool = False
    settings: GenerationSettings = GenerationSettings()
    options: CellOptions = CellOptions()

    expected: ClassVar = {
        "options": "CellOptions",
        "settings": "GenerationSettings",
        "local_only": "true or false",
        "model": "provider:model_id",
    }

    _sources: dict[str, Source] = PrivateAttr(default_factory=dict)
    _variables: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def from_env(cls, directory: Path | None = None) -> Self:
        """Read the environment, ``.env`` and ``[tool.roci_nb]``, both of ``directory`` (the current one) or above.

        An empty value is unset. Raises ``ConfigError`` for a value that can't be read, naming where it stands.
        """
        directory = Path.cwd() if directory is None else directory
        values: dict[str, object] = {}
        sources: dict[str, Source] = {}
        variables: dict[str, str] = {}
        for source, layer, named in _layers(directory):
            if values.get("local_only") is True:  # a protection: no later layer takes it away
                layer.pop("local_only", None)
            values.update(layer)
            sources.update(dict.fromkeys(layer, source))
            variables.update({name: named.get(name, "") for name in layer})
        config = cls(**values)  # type: ignore[arg-type]  # checked by the constructor, in our words
        config._sources.update(sources)
        config._variables.update(variables)
        return config

    def _repr_html_(self) -> Html:
        shown = [(name, _shown(getattr(self, name)), str(self.source(name))) for name in type(self).model_fields]
        return html_table(("", "value", "from"), [row for row in shown if row[1]])

    def source(self, name: str) -> Source:
        """Say where the value of the field ``name`` came from."""
        return self._sources.get(name, Source.CODE if name in self.model_fields_set else Source.BUILT_IN)

    def base_url(self, provider_key: str) -> BaseUrl:
        """Return the address of a provider that has a server."""
        name = _field(provider_key, "base_url")
        try:
            return BaseUrl.parse(str(getattr(self, name)), default_port=_DEFAULT_PORTS.get(name))
        except ConfigError as error:
            raise ConfigError(f"{self._called(name)} in {self.source(name)}: {error}") from None

    def key_for(self, provider_key: str, url: BaseUrl) -> KeyChoice:
        """Choose the key for an address: only the one that belongs to it.

        A key belongs to its service's own host, and to the provider's configured address where that comes from the
        key's own source or a more trusted one. OPENAI_API_KEY belongs to OPENAI_BASE_URL and to no other address:
        whatever listens on a default port is not OpenAI.
        """
        name = _field(provider_key, "api_key")
        key: SecretStr | None = getattr(self, name)
        if key is None:
            return KeyChoice()
        # OPENAI_API_KEY serves both wires; its home is api.openai.com whichever of them asks.
        home = _HOME_OF_KEY.get(provider_key.partition("-")[0])
        if home is not None and BaseUrl.parse(home).origin == url.origin:
            return KeyChoice(key)
        address = _field(provider_key, "base_url")
        if self.base_url(provider_key).origin != url.origin:
            return KeyChoice(withheld=f"the key of {self._called(name)} belongs to another host: pass api_key=")
        if self.source(address) < self.source(name):
            return KeyChoice(
                withheld=f"the key from {self.source(name)} was not sent to an address from {self.source(address)}: "
                "set both in one place, or pass api_key="
            )
        if self._variables.get(name) == "OPENAI_API_KEY" and self._variables.get(address) != "OPENAI_BASE_URL":
            return KeyChoice(withheld="OPENAI_API_KEY is for OpenAI: pass api_key=, or set OPENAI_COMPAT_API_KEY")
        return KeyChoice(key)

    def _called(self, name: str) -> str:
        return self._variables.get(name) or _VARIABLES[name][0]


def _shown(value: object) -> str:
    """Show a value; nothing where it is not set."""
    if isinstance(value, GenerationSettings | CellOptions):
        return ", ".join(f"{name} {one}" for name, one in value.in_force().items())
    return "" if value is None else str(value)


def _field(provider_key: str, kind: str) -> str:
    return f"{provider_key.replace('-', '_')}_{kind}"


def _layers(directory: Path) -> Iterator[tuple[Source, dict[str, object], dict[str, str]]]:
    """Give the layers, the weakest first, each with the variables that its values stand in."""
    yield Source.DOTENV, *_from_variables(_dotenv(directory), ".env")
    yield Source.ENVIRONMENT, *_from_variables(os.environ, "the environment")
    yield Source.PYPROJECT, _from_pyproject(directory), {}


def _from_variables(variables: Mapping[str, str | None], where: str) -> tuple[dict[str, object], dict[str, str]]:
    found: dict[str, object] = {}
    named: dict[str, str] = {}
    for name, candidates in _VARIABLES.items():
        for variable in candidates:
            value = (variables.get(variable) or "").strip()
            if value:
                found[name] = _truth(value, f"{variable} in {where}") if name == "local_only" else value
                named[name] = variable
                break
    return found, named


def _truth(text: str, where: str) -> bool:
    try:
        return _TRUTH[text.lower()]
    except KeyError:
        raise ConfigError(f"{where} must be 1 or 0, not {text!r}") from None


def _upwards(directory: Path, name: str) -> Path | None:
    """Find the nearest file of this name, in ``directory`` or above it, not beyond the user's home."""
    home = Path.home()
    for folder in (directory, *directory.parents):
        if (folder / name).is_file():
            return folder / name
        if folder == home:
            return None
    return None


def _dotenv(directory: Path) -> Mapping[str, str | None]:
    path = _upwards(directory, ".env")
    if path is None:
        return {}
    from dotenv import dotenv_values

    try:
        return dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read ({error}): mend it or move it away") from None


def _from_pyproject(directory: Path) -> dict[str, object]:
    path = _upwards(directory, "pyproject.toml")
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read ({error}): mend it") from None
    tool = document.get("tool", {})
    table = tool.get("roci_nb", {}) if isinstance(tool, dict) else {}
    where = f"[tool.roci_nb] in {path}"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table")
    return {name: value for name, value in _checked(table, where) if value != ""}


def _checked(table: dict[str, object], where: str) -> Iterator[tuple[str, object]]:
    allowed = [name for name in RociConfig.model_fields if not name.endswith("api_key")]
    for name, value in table.items():
        if name.endswith("api_key"):
            raise ConfigError(
                f"{where} holds {name}: a key belongs into the environment or .env, not into a shared file"
            )
        if name not in allowed:
            near = nearest(name, allowed)
            advice = f"did you mean {near[0]}?" if near else f"it knows {', '.join(allowed)}"
            raise ConfigError(f"{where} has an unknown {name!r}: {advice}")
        kind = _TABLES.get(name)
        try:
            yield name, kind(**value) if kind is not None and isinstance(value, dict) else value
        except (ConfigError, TypeError) as error:
            raise ConfigError(f"{where}: {name}: {error}") from None
