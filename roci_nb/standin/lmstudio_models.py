"""LM Studio's side: its models, loads, unloads and downloads (PROTOCOLS D.1, D.2), after its documentation alone."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roci_nb.standin.models import DEFAULT_WINDOW, LMSTUDIO_REGISTRY, StoredModel, cast_model
from roci_nb.standin.openai_chat import Place, openai_error
from roci_nb.standin.options import FOREVER_S
from roci_nb.standin.transfers import transferred
from roci_nb.standin.wire import Call, Fault, document, now_text
from roci_nb.types.json import int_of, object_of, text_of

if TYPE_CHECKING:
    from pydantic import JsonValue
    from starlette.responses import Response

    from roci_nb.standin.models import Shelf
    from roci_nb.standin.residents import Resident, Residents
    from roci_nb.types.json import JsonObject

_MARK = "lmstudio:"
"""Before an instance's id among the residents, which both sides share."""
JIT_TTL_S = 3600.0
"""How long a model stays that a chat has loaded."""


@dataclass(frozen=True, slots=True)
class LmStudioModels:
    """Tells of the models of one shelf, and changes which are loaded."""

    shelf: Shelf
    residents: Residents
    jobs: dict[str, JsonObject] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def greeting(self, call: Call) -> Response:
        """Answer ``/lmstudio-greeting``."""
        del call
        return document({"lmstudio": True})

    async def openai_models(self, call: Call) -> Response:
        """Answer ``/v1/models``."""
        del call
        rows: list[JsonValue] = [
            {"id": model.name, "object": "model", "owned_by": "organization_owner"} for model in self.shelf.all()
        ]
        return document({"data": rows, "object": "list"})

    async def models(self, call: Call) -> Response:
        """Answer ``/api/v1/models``."""
        del call
        rows: list[JsonValue] = [_row(model, self._instances(model)) for model in self.shelf.all()]
        return document({"models": rows})

    async def older_models(self, call: Call) -> Response:
        """Answer ``/api/v0/models``."""
        del call
        rows: list[JsonValue] = [_older_row(model, self._instances(model)) for model in self.shelf.all()]
        return document({"data": rows, "object": "list"})

    async def older_model(self, call: Call) -> Response:
        """Answer ``/api/v0/models/{id}``."""
        model = self._found(call.path["model"])
        return document(_older_row(model, self._instances(model)))

    async def load(self, call: Call) -> Response:
        """Answer ``/api/v1/models/load``."""
        body = call.json()
        model = self._found(text_of(body.get("model")))
        window = int_of(body.get("context_length")) or DEFAULT_WINDOW
        names = {held.name for held in self._instances(model)}
        numbered = (model.name, *(f"{model.name}:{number}" for number in range(2, len(names) + 3)))
        instance = next(name for name in numbered if _MARK + name not in names)
        async with self.residents.seat(_MARK + instance, model, window, FOREVER_S) as seat:
            told: JsonObject = {"type": "llm", "instance_id": instance, "load_time_seconds": round(seat.load_s, 3)}
            told["status"] = "loaded"
            if body.get("echo_load_config"):
                told["load_config"] = {"context_length": seat.resident.window}
        return document(told)

    async def unload(self, call: Call) -> Response:
        """Answer ``/api/v1/models/unload``."""
        instance = text_of(call.json().get("instance_id"))
        if self.residents.find(_MARK + instance) is None:
            raise not_found(f'Model instance "{instance}" not found')
        await self.residents.unload(_MARK + instance)
        return document({"instance_id": instance})

    async def download(self, call: Call) -> Response:
        """Answer ``/api/v1/models/download``."""
        key = text_of(call.json().get("model"))
        if self.shelf.find(key) is not None:
            return document({"status": "already_downloaded"})
        if key.lower() not in LMSTUDIO_REGISTRY:
            raise not_found(f'Model "{key}" not found')
        model = cast_model(key.lower(), *LMSTUDIO_REGISTRY[key.lower()])
        job: JsonObject = {"job_id": f"job_{secrets.token_hex(5)}", "status": "downloading"}
        job |= {"total_size_bytes": model.size, "downloaded_bytes": 0, "started_at": now_text()}
        self.jobs[text_of(job["job_id"])] = job
        task = asyncio.ensure_future(self._run(job, model))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return document({name: value for name, value in job.items() if name != "downloaded_bytes"})

    async def download_status(self, call: Call) -> Response:
        """Answer ``/api/v1/models/download/status/{job}``."""
        job = self.jobs.get(call.path["job"])
        if job is None:
            raise not_found(f'Job "{call.path["job"]}" not found', "job_not_found")
        return document(job)

    async def _run(self, job: JsonObject, model: StoredModel) -> None:
        began, before = time.monotonic(), 0
        try:
            for file in model.files:
                async with aclosing(transferred(file)) as steps:
                    async for step in steps:
                        done = before + (step.completed or 0)
                        job["downloaded_bytes"] = done
                        job["bytes_per_second"] = round(done / max(time.monotonic() - began, 1e-3))
                before += file.size
        except Exception as error:  # noqa: BLE001 - told by the job
            job |= {"status": "failed", "error": str(error)}
            return
        job |= {"status": "completed", "downloaded_bytes": before, "completed_at": now_text()}
        self.shelf.put(model)

    def place(self, name: str, body: JsonObject) -> Place:
        """Find the instance or the model that a chat names; one that is not loaded is loaded for it."""
        if not name:
            name = next((held.name.removeprefix(_MARK) for held in self._all_instances()), "")
        held = self.residents.find(_MARK + name)
        if held is None:
            model = self.shelf.find(name)
            loaded = self._instances(model) if model is not None else []
            if model is None:
                raise not_found(f'Model "{name}" not found' if name else NOTHING_LOADED)
            if not loaded:
                ttl = int_of(body.get("ttl"))
                return Place(_MARK + model.name, model, DEFAULT_WINDOW, JIT_TTL_S if ttl is None else float(ttl))
            held = loaded[0]
        return Place(held.name, held.model, held.window)

    def _found(self, key: str) -> StoredModel:
        model = self.shelf.find(key)
        if model is None:
            raise not_found(f'Model "{key}" not found')
        return model

    def _all_instances(self) -> list[Resident]:
        return [held for held in reversed(self.residents.all()) if held.name.startswith(_MARK)]

    def _instances(self, model: StoredModel) -> list[Resident]:
        return [held for held in self._all_instances() if held.model.name == model.name]


NOTHING_LOADED = "No models loaded. Please load a model in the developer page or use the 'lms load' command."


def not_found(message: str, kind: str = "model_not_found") -> Fault:
    """Return the refusal of a name; whether LM Studio's status is 404 or 400 differs by version."""
    return Fault(404, {"error": {"message": message, "type": kind, "param": "model", "code": kind}})


def lmstudio_refusal(fault: Fault) -> Response:
    """Refuse a chat: as it is where the fault has LM Studio's form, in OpenAI's where it is a text."""
    formed = isinstance(object_of(fault.body).get("error"), dict) or fault.status == 400
    return document(fault.body if formed else openai_error(fault), fault.status)


def _row(model: StoredModel, instances: list[Resident]) -> JsonObject:
    capabilities: JsonObject = {"vision": False, "trained_for_tool_use": model.can("tools")}
    if model.can("thinking"):
        capabilities["reasoning"] = {"allowed_options": ["low", "medium", "high"], "default": "medium"}
    loaded: list[JsonValue] = [
        {"id": held.name.removeprefix(_MARK), "config": {"context_length": held.window}} for held in instances
    ]
    return {
        "type": "llm",
        "publisher": _publisher(model),
        "key": model.name,
        "display_name": f"{model.name.rpartition('/')[2]} (stand-in: {model.speaker.name})",
        "architecture": model.family,
        "quantization": {"name": model.speaker.quantization, "bits_per_weight": 4},
        "size_bytes": model.size,
        "params_string": model.speaker.parameters,
        "loaded_instances": loaded,
        "max_context_length": model.speaker.trained_window or 8192,
        "format": "gguf",
        "capabilities": capabilities,
        "description": model.license,
    }


def _older_row(model: StoredModel, instances: list[Resident]) -> JsonObject:
    row: JsonObject = {
        "id": model.name,
        "object": "model",
        "type": "llm",
        "publisher": _publisher(model),
        "arch": model.family,
        "compatibility_type": "gguf",
        "quantization": model.speaker.quantization,
        "state": "loaded" if instances else "not-loaded",
        "max_context_length": model.speaker.trained_window or 8192,
        "capabilities": ["tool_use"] if model.can("tools") else [],
    }
    return {**row, "loaded_context_length": instances[0].window} if instances else row


def _publisher(model: StoredModel) -> str:
    return model.name.partition("/")[0] if "/" in model.name else "roci_nb"
