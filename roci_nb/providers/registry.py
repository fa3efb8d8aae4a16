"""Provider keys and what makes a provider of each."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from roci_nb.config import RociConfig
from roci_nb.errors import ConfigError, SelectorError, UnknownProvider
from roci_nb.local.weights import WEIGHTS
from roci_nb.markup.strings import nearest
from roci_nb.types.models import LanguageModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from roci_nb.providers.base import Provider

ProviderFactory: TypeAlias = "Callable[[str, RociConfig], Provider]"

_BUILT_IN = {
    "ollama": ("roci_nb.providers.ollama", "OllamaProvider"),
    "lmstudio": ("roci_nb.providers.lmstudio", "LmStudioProvider"),
    "openai": ("roci_nb.providers.openai", "OpenAiProvider"),
    "openai-compatible": ("roci_nb.providers.openai_compatible", "OpenAiCompatibleProvider"),
    "embedded": ("roci_nb.providers.embedded", "EmbeddedProvider"),
    "scripted": ("roci_nb.providers.scripted", "ScriptedProvider"),
}


class _BuiltIn(Protocol):
    """How our own providers are made."""

    def __call__(self, model: str, *, config: RociConfig) -> Provider: ...


_registered: dict[str, ProviderFactory] = {}


def provider_keys() -> tuple[str, ...]:
    """Return the keys that a selector may begin with."""
    return tuple(dict.fromkeys((*_BUILT_IN, *_registered)))


def register_provider(key: str, factory: ProviderFactory) -> None:
    """Let ``provider_for("key:model_id")`` call ``factory(model_id, config)``; a key given again is replaced."""
    LanguageModel(provider_key=key, model_id="any")  # checks the key's form
    if not callable(factory):
        raise ConfigError(f"the factory of {key} must be callable as factory(model_id, config)")
    _registered[key] = factory


def provider_for(selector: str | LanguageModel, config: RociConfig | None = None) -> Provider:
    """Make the provider that a selector names.

    Raises ``SelectorError`` for a selector without a provider and ``UnknownProvider`` for one that nobody
    registered; both name what may be meant.
    """
    model = _parsed(selector) if isinstance(selector, str) else selector
    key = model.provider_key
    if key not in provider_keys():
        near = _meant(str(model))
        raise UnknownProvider(f"there is no provider {key!r}: {_did_you_mean(near)}", key=key, nearest=near)
    return _factory(key)(model.model_id, config or RociConfig.from_env())


def _parsed(selector: str) -> LanguageModel:
    if ":" not in selector:
        raise SelectorError(f"{selector!r} names no provider: {_did_you_mean(_meant(selector))}")
    return LanguageModel.parse(selector)


def _factory(key: str) -> ProviderFactory:
    if key in _registered:
        return _registered[key]
    module, name = _BUILT_IN[key]
    provider = cast("_BuiltIn", getattr(importlib.import_module(module), name))
    return lambda model_id, config: provider(model_id, config=config)


def _meant(text: str) -> tuple[str, ...]:
    """Guess selectors: a mistyped key, or a model's name without one."""
    key, colon, rest = text.partition(":")
    keys = nearest(key, (*provider_keys(), *_KNOWN_ELSEWHERE)) if colon and rest else ()
    if keys:
        return tuple(f"{near}:{rest}" for near in keys)
    name = text.strip() or "gpt-oss:20b"
    if name.endswith(".gguf") or name.startswith("smollm2") or name in WEIGHTS:
        return (f"embedded:{name}",)
    if "/" in name and not colon:
        return (f"lmstudio:{name}", f"ollama:{name}")
    return (f"ollama:{name}",)


_KNOWN_ELSEWHERE = ("ollama",)


def _did_you_mean(selectors: tuple[str, ...]) -> str:
    return f"did you mean {' or '.join(selectors[:2])}?"
