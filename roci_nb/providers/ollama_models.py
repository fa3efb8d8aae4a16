"""What Ollama tells of its models: ``/api/tags``, ``/api/ps`` and ``/api/show`` (PROTOCOLS A.10)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roci_nb.providers.harmony import is_gpt_oss
from roci_nb.types.json import int_of, object_of, objects_of, text_of, texts_of
from roci_nb.types.model_info import ModelInfo
from roci_nb.types.models import LanguageModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue

    from roci_nb.types.json import JsonObject
    from roci_nb.types.settings import ReasoningEffort

_LEVELS: tuple[ReasoningEffort, ...] = ("low", "medium", "high")
_ON_AND_OFF: tuple[ReasoningEffort, ...] = ("off", "high")


def full_name(model_id: str) -> str:
    """Return a model's name with its tag: none means ``latest``."""
    return model_id if ":" in model_id.rpartition("/")[2] else f"{model_id}:latest"


def same_model(one: str, other: str) -> bool:
    """Say whether two names mean one model."""
    return full_name(one).lower() == full_name(other).lower()


def is_cloud(model_id: str) -> bool:
    """Say whether a name means a model that runs at ollama.com: tag ``cloud``, or one that ends so."""
    return full_name(model_id).endswith((":cloud", "-cloud"))


def list_models(document: JsonValue, running: Mapping[str, ModelInfo] | None) -> Iterator[ModelInfo]:
    """Read /api/tags, with what runs beside it, or /api/ps, where ``running`` is None and all are loaded.

    Capabilities stand out: /api/tags is wrong about tools (PROTOCOLS A.0); /api/show tells them.
    """
    for row in objects_of(object_of(document).get("models")):
        name = text_of(row.get("name")) or text_of(row.get("model"))
        if not name:
            continue
        info = _info(name, row)
        if running is None:
            yield _as_running(info, row)
        elif name in running:
            of_running = running[name]
            yield replace(
                info,
                loaded=True,
                loaded_window=of_running.loaded_window,
                memory_bytes=of_running.memory_bytes,
                gpu_share=of_running.gpu_share,
            )
        else:
            yield replace(info, loaded=False)


def _info(name: str, row: JsonObject) -> ModelInfo:
    details = object_of(row.get("details"))
    return ModelInfo(
        model=LanguageModel("ollama", name),
        size_bytes=int_of(row.get("size")),
        parameters=text_of(details.get("parameter_size")) or None,
        quantization=text_of(details.get("quantization_level")) or None,
        family=text_of(details.get("family")) or None,
        trained_window=int_of(details.get("context_length")),
        remote_host=text_of(row.get("remote_host")) or None,
    )


def _as_running(info: ModelInfo, row: JsonObject) -> ModelInfo:
    """In /api/ps, ``size`` is the memory in all and ``size_vram`` the part on GPUs."""
    memory, on_gpu = int_of(row.get("size")), int_of(row.get("size_vram"))
    return replace(
        info,
        loaded=True,
        size_bytes=None,
        memory_bytes=memory,
        gpu_share=on_gpu / memory if memory and on_gpu is not None else None,
        loaded_window=int_of(row.get("context_length")),
    )


def model_info(model: LanguageModel, shown: JsonValue, listed: ModelInfo | None) -> ModelInfo:
    """Read /api/show, with the size and the state that /api/tags and /api/ps tell."""
    document = object_of(shown)
    details, facts = object_of(document.get("details")), object_of(document.get("model_info"))
    architecture = text_of(facts.get("general.architecture"))
    known = frozenset(texts_of(document.get("capabilities"))) if "capabilities" in document else None
    family = text_of(details.get("family")) or architecture or None
    base = listed or ModelInfo(model=model)
    return replace(
        base,
        model=model,
        parameters=text_of(details.get("parameter_size")) or base.parameters,
        quantization=text_of(details.get("quantization_level")) or base.quantization,
        family=family,
        trained_window=int_of(facts.get(f"{architecture}.context_length")) or base.trained_window,
        capabilities=known,
        efforts=_efforts(known, text_of(document.get("template")), family or ""),
        remote_host=text_of(document.get("remote_host")) or base.remote_host,
    )


def _efforts(known: frozenset[str] | None, template: str, family: str) -> tuple[ReasoningEffort, ...] | None:
    """Levels are known where the template reads them; gpt-oss knows them by itself and can't be told to stop."""
    if known is not None and "thinking" not in known:
        return ()
    if ".ThinkLevel" in template or is_gpt_oss(family):
        return _LEVELS
    return None if known is None else _ON_AND_OFF
