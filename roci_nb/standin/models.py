"""The models that the stand-in has, by the names that the guide and the servers use, and what ``create`` adds."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from roci_nb.providers.ollama_models import full_name
from roci_nb.standin.speakers import nano_speaker, own_speaker, prose_speaker
from roci_nb.types.json import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from roci_nb.standin.speakers import Speaker
    from roci_nb.types.json import JsonObject

DEFAULT_WINDOW = 4096
"""Ollama's, in tokens, on a machine without a large GPU."""
OWN_PARAMETERS: JsonObject = {"temperature": 0.3}
"""What the Modelfiles of the stand-in set: at Ollama's own 0.8 a small model loses its thread."""

_THINKS = ("completion", "tools", "thinking")
_CALLS = ("completion", "tools")
_SPEAKS = ("completion",)

OLLAMA_CAST: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "gpt-oss:20b": ("gptoss", _THINKS),
        "gpt-oss:120b": ("gptoss", _THINKS),
        "gpt-oss-120b:q4_k_m": ("gptoss", _THINKS),
        "llama3.3:latest": ("llama", _CALLS),
        "llama3.1:latest": ("llama", _CALLS),
        "mistral:latest": ("llama", _CALLS),
        "codellama:latest": ("llama", _SPEAKS),
        "deepseek-r1:latest": ("qwen3", _THINKS),
        "qwen2.5:latest": ("qwen2", _CALLS),
    }
)
"""The guide's names: their family and what they can do."""
OLLAMA_REGISTRY: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        **OLLAMA_CAST,
        "gpt-oss:latest": ("gptoss", _THINKS),
        **{f"gpt-oss-120b:{tag}": ("gptoss", _THINKS) for tag in ("q4_0", "q5_k_m", "q6_k", "q8_0", "fp16")},
        "llama3.2:latest": ("llama", _CALLS),
    }
)
"""What ``pull`` finds."""
LMSTUDIO_CAST: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "openai/gpt-oss-20b": ("gpt-oss", _THINKS),
        "openai/gpt-oss-120b": ("gpt-oss", _THINKS),
        "gpt-oss-120b": ("gpt-oss", _THINKS),
    }
)
LMSTUDIO_REGISTRY: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        **LMSTUDIO_CAST,
        "meta/llama-3.3-70b": ("llama", _CALLS),
        "qwen/qwen2.5-7b-instruct": ("qwen2", _CALLS),
    }
)
"""What a download finds."""

_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*(/[\w.-]+)*(:[\w.-]+)?$")


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One name and what stands behind it.

    Without ``helped`` the speaker is the user's own file, and does everything itself; with it the two small models
    share the work.
    """

    name: str
    family: str
    capabilities: tuple[str, ...]
    speaker: Speaker
    helped: bool = True
    parameters: JsonObject = field(default_factory=dict)
    system: str = ""
    template: str = ""
    license: str = ""
    messages: tuple[JsonObject, ...] = ()
    parent: str = ""
    modified: float = field(default_factory=time.time)

    @property
    def is_gpt_oss(self) -> bool:
        """Whether it thinks in levels and can't be kept from it."""
        return self.family in ("gptoss", "gpt-oss")

    @property
    def files(self) -> tuple[Speaker, ...]:
        """The files behind it."""
        return (self.speaker, nano_speaker()) if self.helped else (self.speaker,)

    @property
    def size(self) -> int:
        """In bytes, of its files."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """What tells it from another, in hexadecimal."""
        facts = [self.name, self.parameters, self.system, self.template, list(self.messages), self.speaker.name]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def can(self, capability: str) -> bool:
        """Say whether it can do that."""
        return capability in self.capabilities

    def details(self, *, listed: bool = False) -> JsonObject:
        """Return Ollama's ``details``; ``listed`` adds what only /api/tags tells."""
        told: JsonObject = {
            "parent_model": self.parent,
            "format": "gguf",
            "family": self.family,
            "families": [self.family],
            "parameter_size": self.speaker.parameters,
            "quantization_level": self.speaker.quantization,
        }
        if listed:
            told |= {"context_length": self.speaker.trained_window or 8192, "embedding_length": 576}
        return told


def cast_model(name: str, family: str, capabilities: tuple[str, ...]) -> StoredModel:
    """Make a model of the stand-in's own."""
    small = f"{prose_speaker().name} and {nano_speaker().name}"
    return StoredModel(
        name=name,
        family=family,
        capabilities=capabilities,
        speaker=prose_speaker(),
        parameters=dict(OWN_PARAMETERS),
        license=f"This is roci_nb's stand-in: {small} ({prose_speaker().license}; {nano_speaker().license}) answer "
        f"under the name {name}. Install Ollama or LM Studio for the model itself.",
    )


def is_name(name: str) -> bool:
    """Say whether Ollama would take that as a model's name."""
    return _NAME.match(name) is not None


class Shelf:
    """The models of one server; changed from its loop alone."""

    def __init__(self, cast: Mapping[str, tuple[str, tuple[str, ...]]], *, tagged: bool) -> None:
        self._tagged = tagged
        self._models = {name: cast_model(name, *facts) for name, facts in cast.items()}

    def _key(self, name: str) -> str:
        return full_name(name) if self._tagged else name

    def find(self, name: str) -> StoredModel | None:
        """Return a model by its name; without a tag, ``latest`` is meant."""
        key = self._key(name).lower()
        return next((model for known, model in self._models.items() if known.lower() == key), None)

    def all(self) -> list[StoredModel]:
        """Return the models, the newest first."""
        return sorted(self._models.values(), key=lambda model: -model.modified)

    def put(self, model: StoredModel) -> None:
        """Keep a model, in the place of one of the same name."""
        key = self._key(model.name)
        self._models[key] = replace(model, name=key)

    def remove(self, model: StoredModel) -> None:
        """Forget a model."""
        self._models.pop(model.name, None)


def own_model(name: str, path: Path, file: str) -> StoredModel:
    """Make a model of a user's file; what it can do is read from its chat template."""
    speaker = own_speaker(text_of(file).rpartition("/")[2] or name, path)
    template = speaker.header.chat_template
    thinks = any(mark in template for mark in ("reasoning_content", "reasoning_effort", "enable_thinking", "<think>"))
    found = ("completion", *(("tools",) if "tools" in template else ()), *(("thinking",) if thinks else ()))
    family = speaker.header.architecture or "unknown"
    return StoredModel(name=name, family=family, capabilities=found, speaker=speaker, helped=False)
