"""What a server tells of its models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.markup.strings import percent, size, window
from roci_nb.markup.tables import html_table, text_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roci_nb.markup.html import Html
    from roci_nb.types.models import LanguageModel
    from roci_nb.types.settings import ReasoningEffort


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model of a server; ``None`` is what the server does not tell.

    Windows are tokens: ``loaded_window`` is what counts now, ``trained_window`` the most that the model takes.
    ``size_bytes`` is its file, ``memory_bytes`` what it takes loaded, ``gpu_share`` the part of that on GPUs, from 0
    to 1. ``capabilities`` holds "tools", "thinking", "vision" and others; ``efforts`` the levels that it knows.
    ``remote_host`` is where it runs when that is not the server itself. ``downloaded`` is False where the weights would
    be fetched first; ``about`` is a word on what the model is good for.
    """

    model: LanguageModel
    loaded: bool | None = None
    size_bytes: int | None = None
    memory_bytes: int | None = None
    gpu_share: float | None = None
    parameters: str | None = None
    quantization: str | None = None
    family: str | None = None
    trained_window: int | None = None
    loaded_window: int | None = None
    capabilities: frozenset[str] | None = None
    efforts: tuple[ReasoningEffort, ...] | None = None
    remote_host: str | None = None
    instance_id: str | None = None
    downloaded: bool | None = None
    about: str | None = None

    def can(self, capability: str) -> bool | None:
        """Say whether the model has a capability; None where the server does not tell."""
        return None if self.capabilities is None else capability in self.capabilities

    def _facts(self) -> Iterator[tuple[str, str]]:
        state = {True: "loaded", False: "not loaded", None: None}[self.loaded]
        if self.downloaded is False:
            state = "not downloaded"
        facts = {
            "model": str(self.model),
            "state": state,
            "size": size(self.size_bytes) if self.size_bytes is not None else None,
            "memory": size(self.memory_bytes) if self.memory_bytes is not None else None,
            "on GPU": percent(self.gpu_share) if self.gpu_share is not None else None,
            "parameters": self.parameters,
            "quantization": self.quantization,
            "family": self.family,
            "window loaded": window(self.loaded_window) if self.loaded_window is not None else None,
            "window trained": window(self.trained_window) if self.trained_window is not None else None,
            "capabilities": ", ".join(sorted(self.capabilities)) if self.capabilities else None,
            "effort": ", ".join(self.efforts) if self.efforts else None,
            "runs at": self.remote_host,
            "about": self.about,
        }
        return ((name, fact) for name, fact in facts.items() if fact is not None)

    def __str__(self) -> str:
        return text_table(("", ""), self._facts())

    def _repr_html_(self) -> Html:
        return html_table(("", ""), self._facts())


class ModelList(tuple[ModelInfo, ...]):
    """Models as a table that shows itself; a tuple in every other way."""

    __slots__ = ()

    def _table(self) -> list[tuple[str | None, ...]]:
        return [
            (
                str(info.model),
                "●" if info.loaded else "to download" if info.downloaded is False else "",
                size(info.size_bytes) if info.size_bytes is not None else None,
                info.quantization,
                window(info.loaded_window or info.trained_window),
                ", ".join(sorted(info.capabilities)) if info.capabilities else None,
                *((info.about or "",) if self._is_told_about else ()),
            )
            for info in self
        ]

    @property
    def _is_told_about(self) -> bool:
        return any(info.about for info in self)

    def _headers(self) -> tuple[str, ...]:
        return (*_HEADERS, "about") if self._is_told_about else _HEADERS

    def __str__(self) -> str:
        return text_table(self._headers(), self._table()) if self else "no models"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> Html:
        return html_table(self._headers(), self._table() or [("no models", "", "", "", "", "")])


_HEADERS = ("model", "loaded", "size", "quantization", "window", "capabilities")
