"""What the embedded engine tells of its models: the files' own headers, and the engines that run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roci_nb.local.engine import running_engines
from roci_nb.local.gguf import GgufHeader, read_header
from roci_nb.local.weights import PACKAGED, WEIGHTS, Weights, cached_path, stored_path
from roci_nb.markup.strings import count
from roci_nb.providers.harmony import is_gpt_oss
from roci_nb.types.json import int_of, object_of, objects_of, text_of
from roci_nb.types.model_info import ModelInfo
from roci_nb.types.models import LanguageModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import JsonValue

    from roci_nb.local.engine import Engine
    from roci_nb.types.settings import ReasoningEffort

KEY = "embedded"
_THOUGHTS = ("reasoning_content", "reasoning_effort", "enable_thinking", "<think>")
"""What stands in the chat template of a model that thinks."""
_LEVELS: tuple[ReasoningEffort, ...] = ("low", "medium", "high")
_ON_AND_OFF: tuple[ReasoningEffort, ...] = ("off", "high")


def list_models() -> Iterator[ModelInfo]:
    """Give the models that have a name, fetched or not, and the files that run besides."""
    engines = {engine.path.resolve(): engine for engine in running_engines()}
    for name, weights in WEIGHTS.items():
        yield model_info(LanguageModel(KEY, name), weights, engines.pop(stored_path(weights).resolve(), None))
    for name, packaged in PACKAGED.items():
        yield model_info(LanguageModel(KEY, name), packaged.path, engines.pop(packaged.path.resolve(), None))
    for engine in engines.values():
        yield running_info(engine)


def running_info(engine: Engine) -> ModelInfo:
    """Tell of one engine: its file by its name where it has one."""
    return model_info(LanguageModel(KEY, _name_of(engine.path) or engine.alias), engine.path, engine)


def model_info(model: LanguageModel, found: Path | Weights, engine: Engine | None) -> ModelInfo:
    """Tell what is known without asking a server; reads the file's header."""
    if isinstance(found, Weights) and cached_path(found) is None:
        return ModelInfo(model, loaded=False, size_bytes=found.size, downloaded=False, about=found.about)
    path = stored_path(found) if isinstance(found, Weights) else found
    header = read_header(path) or GgufHeader()
    template = header.chat_template
    known = frozenset(_capabilities(template, tools="tools" in template)) if template else None
    return ModelInfo(
        model,
        loaded=engine is not None,
        size_bytes=path.stat().st_size if path.is_file() else None,
        parameters=header.parameters,
        quantization=header.file_type,
        family=header.architecture or None,
        trained_window=header.trained_window,
        loaded_window=None if engine is None else engine.address.window,
        capabilities=known,
        efforts=_efforts(known, template, header.architecture),
        downloaded=True,
        about=_about(path),
    )


def as_the_server_tells(info: ModelInfo, props: JsonValue, models: JsonValue) -> ModelInfo:
    """Complete what the file tells with a live engine's ``/props`` and ``/v1/models``, which count and try."""
    document = object_of(props)
    caps, template = object_of(document.get("chat_template_caps")), text_of(document.get("chat_template"))
    tools = bool(caps.get("supports_tools") and caps.get("supports_tool_calls"))
    known = set(_capabilities(template, tools=tools))
    if object_of(document.get("modalities")).get("vision"):
        known.add("vision")
    meta = object_of(next(iter(objects_of(object_of(models).get("data"))), {}).get("meta"))
    parameters = int_of(meta.get("n_params"))
    return replace(
        info,
        loaded=True,
        parameters=info.parameters if parameters is None else count(parameters),
        quantization=info.quantization or text_of(meta.get("ftype")) or None,
        trained_window=int_of(meta.get("n_ctx_train")) or info.trained_window,
        capabilities=frozenset(known),
        efforts=_efforts(frozenset(known), template, info.family or ""),
    )


def _capabilities(template: str, *, tools: bool) -> Iterator[str]:
    if tools:
        yield "tools"
    if any(mark in template for mark in _THOUGHTS):
        yield "thinking"


def _efforts(known: frozenset[str] | None, template: str, family: str) -> tuple[ReasoningEffort, ...] | None:
    if known is None:
        return None
    if "thinking" not in known:
        return ()
    if is_gpt_oss(family) or "reasoning_effort" in template:
        return _LEVELS
    return _ON_AND_OFF if "enable_thinking" in template else None


def _name_of(path: Path) -> str | None:
    named = {weights.name: stored_path(weights) for weights in WEIGHTS.values()}
    named |= {packaged.name: packaged.path for packaged in PACKAGED.values()}
    return next((name for name, known in named.items() if known.resolve() == path.resolve()), None)


def _about(path: Path) -> str | None:
    name = _name_of(path)
    told = WEIGHTS.get(name or "") or PACKAGED.get(name or "")
    return told.about if told is not None else None
