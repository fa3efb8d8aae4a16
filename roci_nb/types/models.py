"""Which model: the selector ``provider:model_id``."""

from __future__ import annotations

from dataclasses import dataclass

from roci_nb.errors import SelectorError


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A model at a provider. ``str()`` gives the selector back; colons in the model id are kept."""

    provider_key: str
    model_id: str

    def __post_init__(self) -> None:
        key, model_id = self.provider_key, self.model_id
        if not all(isinstance(part, str) for part in (key, model_id)):
            raise SelectorError("a model has two texts: provider_key and model_id, as in ollama and gpt-oss:20b")
        if not key or ":" in key or any(map(str.isspace, key)):
            raise SelectorError(f"{key!r} is no provider's key: write one word without a colon, such as ollama")
        if not model_id.strip():
            raise SelectorError(f"{key}: names no model: write {key}:MODEL, with the model's own name")

    @classmethod
    def parse(cls, selector: str) -> LanguageModel:
        """Read ``"provider:model_id"``. Only the form is checked; raises ``SelectorError``."""
        key, colon, model_id = selector.strip().partition(":")
        if not colon:
            raise SelectorError(
                f"{selector!r} names no provider: write provider:model_id, such as ollama:{selector.strip() or 'phi4'}"
            )
        return cls(provider_key=key, model_id=model_id.strip())

    def __str__(self) -> str:
        return f"{self.provider_key}:{self.model_id}"
