"""What LM Studio tells of its models, by each of its APIs (PROTOCOLS D.1, D.2 and D.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from roci_nb.providers.harmony import is_gpt_oss
from roci_nb.types.json import int_of, object_of, objects_of, text_of, texts_of
from roci_nb.types.model_info import ModelInfo
from roci_nb.types.models import LanguageModel
from roci_nb.types.settings import ReasoningEffort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import JsonValue

    from roci_nb.types.json import JsonObject

Api: TypeAlias = Literal["v1", "v0", "openai"]

PATHS: dict[Api, str] = {"v1": "/api/v1/models", "v0": "/api/v0/models", "openai": "/v1/models"}
"""Where models are told of, the most telling first; an old LM Studio knows only the later ones."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A model as it is loaded: the id that a request may name, and its window in tokens."""

    id: str
    window: int | None


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One model: its key is the ``model_id`` of ``info``; ``names`` are others that mean it as it would be loaded.

    ``variants`` are its other quantizations, ``efforts`` the server's own words for the reasoning that it takes;
    None is what the server does not tell.
    """

    info: ModelInfo
    names: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    instances: tuple[Instance, ...] = ()
    vision: bool | None = None
    efforts: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        """The name that it is loaded by."""
        return self.info.model.model_id

    def instance_for(self, name: str, num_ctx: int | None = None) -> Instance | None:
        """Choose the loaded instance that ``name`` means; of several, one with the window that is asked for."""
        if (named := self.instance_named(name)) is not None:
            return named
        if name not in (self.key, *self.names):
            return None  # another quantization than the loaded one
        fitting = (instance for instance in self.instances if instance.window == num_ctx)
        return next(fitting, self.instances[0] if self.instances else None)

    def instance_named(self, name: str) -> Instance | None:
        """Find an instance by an id of its own, which is not the model's name."""
        if name in (self.key, *self.names):
            return None
        return next((instance for instance in self.instances if instance.id == name), None)

    def loaded_as(self, instance: Instance | None) -> ModelInfo:
        """Tell of the model as one instance of it."""
        if instance is None:
            return self.info
        return replace(self.info, loaded=True, loaded_window=instance.window, instance_id=instance.id)

    def running(self) -> Iterator[ModelInfo]:
        """Tell of each instance."""
        return (self.loaded_as(instance) for instance in self.instances)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The models of a server, and the API that told of them; None where none did."""

    api: Api | None = None
    models: tuple[StoredModel, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The models' names."""
        return tuple(model.key for model in self.models)

    def find(self, name: str) -> StoredModel | None:
        """Find a model by its key, an instance's id or a variant's name."""
        for names in (_own_names, _instance_ids, _variants):
            for model in self.models:
                if name in names(model):
                    return model
        return None


@dataclass(frozen=True, slots=True)
class Target:
    """What ``name`` means on a server now: a model where it is listed, and the instance that is to answer."""

    name: str
    shelf: Shelf
    model: StoredModel | None
    instance: Instance | None
    load_s: float | None = None

    @classmethod
    def choose(cls, shelf: Shelf, name: str, num_ctx: int | None = None) -> Target:
        """Choose by name; of several instances, one with the window that is asked for."""
        model = shelf.find(name)
        return cls(name, shelf, model, None if model is None else model.instance_for(name, num_ctx))

    @property
    def window(self) -> int | None:
        """The loaded window."""
        return None if self.instance is None else self.instance.window

    @property
    def waits_for_load(self) -> bool:
        """Whether the request itself will load the model: it is listed, and not loaded."""
        return self.instance is None and self.model is not None and self.model.info.loaded is not None

    @property
    def is_one_instance(self) -> bool:
        """Whether an instance was named by an id of its own."""
        return self.model is not None and self.model.instance_named(self.name) is not None

    def needs_load(self, num_ctx: int) -> bool:
        """Say whether that window takes a load, and one that we can ask for.

        An instance that was named is left as it is. A quantization that was named would be loaded anew each time:
        nobody tells whether it is the loaded one.
        """
        if self.shelf.api != "v1" or self.model is None or self.name not in _own_names(self.model):
            return False
        return self.window != num_ctx and not self.is_full(num_ctx)

    def is_full(self, num_ctx: int) -> bool:
        """Whether the model is loaded with the most that it takes, and less than is asked for."""
        return self.model is not None and num_ctx > (self.model.info.trained_window or num_ctx) == self.window


def _own_names(model: StoredModel) -> tuple[str, ...]:
    return (model.key, *model.names)


def _instance_ids(model: StoredModel) -> tuple[str, ...]:
    return tuple(instance.id for instance in model.instances)


def _variants(model: StoredModel) -> tuple[str, ...]:
    return model.variants


def read_shelf(api: Api, document: JsonValue) -> Shelf | None:
    """Read a list of models; None where the document is none."""
    rows = object_of(document).get("models" if api == "v1" else "data")
    if not isinstance(rows, list):
        return None
    return Shelf(api, tuple(_READERS[api](row) for row in objects_of(rows)))


def _native_v1(row: JsonObject) -> StoredModel:
    told, selected = row.get("capabilities"), text_of(row.get("selected_variant"))
    abilities = object_of(told)
    reasoning = abilities.get("reasoning")
    family, key = text_of(row.get("architecture")), text_of(row.get("key")) or "unnamed"
    options = tuple(texts_of(object_of(reasoning).get("allowed_options"))) or None
    instances = tuple(
        Instance(text_of(instance.get("id")), int_of(object_of(instance.get("config")).get("context_length")))
        for instance in objects_of(row.get("loaded_instances"))
    )
    known = {
        "tools": abilities.get("trained_for_tool_use") is True,
        "vision": abilities.get("vision") is True,
        "thinking": options is not None or is_gpt_oss(f"{family} {key}"),  # early versions tell no reasoning
        "embedding": row.get("type") == "embedding",
    }
    return StoredModel(
        ModelInfo(
            model=LanguageModel("lmstudio", key),
            loaded=bool(instances),
            size_bytes=int_of(row.get("size_bytes")),
            parameters=text_of(row.get("params_string")) or None,
            quantization=text_of(object_of(row.get("quantization")).get("name")) or None,
            family=family or None,
            trained_window=int_of(row.get("max_context_length")),
            loaded_window=instances[0].window if instances else None,
            capabilities=_capabilities(known) if isinstance(told, dict) or known["embedding"] else None,
            efforts=_our_efforts(options),
            instance_id=instances[0].id if instances else None,
        ),
        names=(selected,) if selected else (),
        variants=tuple(texts_of(row.get("variants"))),
        instances=instances,
        vision=bool(abilities["vision"]) if "vision" in abilities else None,
        efforts=options,
    )


def _capabilities(known: dict[str, bool]) -> frozenset[str]:
    return frozenset(name for name, able in known.items() if able)


def _our_efforts(options: tuple[str, ...] | None) -> tuple[ReasoningEffort, ...] | None:
    if options is None:
        return None
    return tuple(cast("ReasoningEffort", option) for option in options if option in get_args(ReasoningEffort))


def _native_v0(row: JsonObject) -> StoredModel:
    """Capabilities stay unknown: of thinking it says nothing."""
    key, kind, state = text_of(row.get("id")) or "unnamed", text_of(row.get("type")), text_of(row.get("state"))
    window = int_of(row.get("loaded_context_length"))
    info = ModelInfo(
        model=LanguageModel("lmstudio", key),
        loaded=state == "loaded" if state else None,
        quantization=text_of(row.get("quantization")) or None,
        family=text_of(row.get("arch")) or None,
        trained_window=int_of(row.get("max_context_length")),
        loaded_window=window,
        capabilities=frozenset({"embedding"}) if kind == "embeddings" else None,
        instance_id=key if state == "loaded" else None,
    )
    instances = (Instance(key, window),) if state == "loaded" else ()
    return StoredModel(info, instances=instances, vision={"vlm": True, "llm": False}.get(kind))


def _openai(row: JsonObject) -> StoredModel:
    return StoredModel(ModelInfo(model=LanguageModel("lmstudio", text_of(row.get("id")) or "unnamed")))


_READERS: dict[Api, Callable[[JsonObject], StoredModel]] = {"v1": _native_v1, "v0": _native_v0, "openai": _openai}
