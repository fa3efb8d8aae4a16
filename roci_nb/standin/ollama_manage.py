"""How Ollama's side gets, makes, copies and deletes models (PROTOCOLS A.10)."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from starlette.responses import Response

from roci_nb.local.gguf import GGUF_MAGIC
from roci_nb.providers.ollama_models import full_name
from roci_nb.standin.models import OLLAMA_REGISTRY, StoredModel, cast_model, is_name, own_model
from roci_nb.standin.ollama_chat import found_model
from roci_nb.standin.options import checked_options
from roci_nb.standin.transfers import transferred
from roci_nb.standin.wire import Call, Fault, Lines, document, error_text, fault_of, ndjson
from roci_nb.types.json import object_of, objects_of, text_of, texts_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from pydantic import JsonValue
    from starlette.requests import Request

    from roci_nb.standin.models import Shelf
    from roci_nb.standin.residents import Residents
    from roci_nb.types.json import JsonObject

_DIGEST = re.compile(r"^sha256[:-][0-9a-f]{64}$")
_UNUSED = "the template is stored and shown; the model keeps its own"


@dataclass(frozen=True, slots=True)
class OllamaManagement:
    """Changes one shelf; uploaded files lie in ``blobs``."""

    shelf: Shelf
    residents: Residents
    blobs: Path

    async def pull(self, call: Call) -> Response | Lines:
        """Answer ``/api/pull``."""
        body = call.json()
        name = _checked_name(text_of(body.get("model")) or text_of(body.get("name")))
        return await _reported(self._pulled(name), body)

    async def push(self, call: Call) -> Response | Lines:
        """Answer ``/api/push``: nothing of the stand-in's goes anywhere."""
        body = call.json()
        name = _checked_name(text_of(body.get("model")) or text_of(body.get("name")))
        return await _reported(self._pushed(name), body)

    async def create(self, call: Call) -> Response | Lines:
        """Answer ``/api/create``."""
        body = call.json()
        name = _checked_name(text_of(body.get("model")) or text_of(body.get("name")))
        files = object_of(body.get("files"))
        if not body.get("from") and not files:
            raise Fault(400, {"error": "neither 'from' or 'files' was specified"})
        if any(file.startswith("/") or ".." in file.split("/") for file in files):
            raise Fault(400, {"error": "file path must be relative"})
        return await _reported(self._created(name, body, files), body)

    async def copy(self, call: Call) -> Response:
        """Answer ``/api/copy``."""
        body = call.json()
        source, destination = text_of(body.get("source")), text_of(body.get("destination"))
        if not is_name(source):
            raise Fault(400, {"error": f'source "{source}" is invalid'})
        if not is_name(destination):
            raise Fault(400, {"error": f'destination "{destination}" is invalid'})
        model = self.shelf.find(source)
        if model is None:
            raise Fault(404, {"error": f'model "{source}" not found'})
        self.shelf.put(replace(model, name=destination, modified=time.time()))
        return Response()

    async def delete(self, call: Call) -> Response:
        """Answer ``/api/delete``."""
        body = call.json()
        model = found_model(self.shelf, text_of(body.get("model")) or text_of(body.get("name")))
        self.shelf.remove(model)
        await self.residents.unload(model.name)
        return Response()

    async def embed(self, call: Call) -> Response:
        """Answer ``/api/embed``: as Ollama does for a chat model, and the stand-in has no other."""
        name = text_of(call.json().get("model"))
        if self.shelf.find(name) is None:
            raise Fault(404, {"error": f'model "{name}" not found, try pulling it first'})
        raise Fault(501, {"error": "This server does not support embeddings. Start it with `--embeddings`"})

    async def has_blob(self, call: Call) -> Response:
        """Answer ``HEAD /api/blobs/:digest``."""
        path = self._blob(call.path["digest"])
        return Response(status_code=200 if path is not None and path.is_file() else 404)

    async def take_blob(self, request: Request) -> Response:
        """Answer ``POST /api/blobs/:digest``; a model's file may be larger than the memory."""
        wanted = request.path_params["digest"].replace("-", ":")
        path = self._blob(wanted)
        if path is None:
            return document({"error": "invalid digest format"}, 400)
        if path.is_file():
            return Response(status_code=200)
        sums = hashlib.sha256()
        part = path.with_suffix(f".{secrets.token_hex(4)}.part")
        try:
            with part.open("wb") as file:
                async for block in request.stream():
                    sums.update(block)
                    await asyncio.to_thread(file.write, block)
            got = f"sha256:{sums.hexdigest()}"
            if got != wanted:
                return document({"error": f'digest mismatch, expected "{wanted}", got "{got}"'}, 400)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return Response(status_code=201)

    def _blob(self, digest: str) -> Path | None:
        return self.blobs / digest.replace(":", "-") if _DIGEST.match(digest) else None

    async def _pulled(self, name: str) -> AsyncGenerator[JsonObject, None]:
        yield {"status": "pulling manifest"}
        facts = OLLAMA_REGISTRY.get(full_name(name).lower())
        if facts is None:
            raise Fault(500, {"error": "pull model manifest: file does not exist"})
        model = cast_model(full_name(name), *facts)
        for file in model.files:
            async with aclosing(transferred(file)) as steps:
                async for step in steps:
                    yield _pulling(step.status, step.total or file.size, step.completed or 0)
        yield {"status": "verifying sha256 digest"}
        yield {"status": "writing manifest"}
        if self.shelf.find(name) is None:
            self.shelf.put(model)
        yield {"status": "success"}

    async def _pushed(self, name: str) -> AsyncGenerator[JsonObject, None]:
        yield {"status": "retrieving manifest"}
        if self.shelf.find(name) is None:
            raise Fault(404, {"error": f"model '{name}' not found"})
        raise Fault(401, {"error": "unauthorized"})

    async def _created(self, name: str, body: JsonObject, files: JsonObject) -> AsyncGenerator[JsonObject, None]:
        if files:
            yield {"status": "parsing GGUF"}
            base = await self._from_files(name, files)
        else:
            origin = text_of(body.get("from"))
            if self.shelf.find(origin) is None:
                async with aclosing(self._pulled(origin)) as steps:
                    async for step in steps:
                        if step["status"] != "success":
                            yield step
            base = found_model(self.shelf, origin)
            base = replace(base, parent=base.name)
        model = _changed(base, name, body)
        if body.get("template"):
            yield {"status": _UNUSED}
        for layer in (model.speaker.name, model.template, model.system, repr(model.parameters)):
            if layer:
                yield {"status": f"using existing layer sha256:{hashlib.sha256(layer.encode()).hexdigest()}"}
        yield {"status": "writing manifest"}
        if (held := self.shelf.find(name)) is not None:
            await self.residents.unload(held.name)
        self.shelf.put(model)
        yield {"status": "success"}

    async def _from_files(self, name: str, files: JsonObject) -> StoredModel:
        file, digest = next(iter(files.items()))
        path = self._blob(text_of(digest))
        if path is None:
            raise Fault(400, {"error": "invalid digest format"})
        if not path.is_file():
            raise Fault(500, {"error": f"open {path}: no such file or directory"})
        with path.open("rb") as opened:
            if opened.read(len(GGUF_MAGIC)) != GGUF_MAGIC:
                raise Fault(500, {"error": "invalid file magic"})
        return await asyncio.to_thread(own_model, name, path, file)


def _checked_name(name: str) -> str:
    if not name:
        raise Fault(400, {"error": "model is required"})
    if not is_name(name):
        raise Fault(400, {"error": "invalid model name"})
    return name


def _changed(base: StoredModel, name: str, body: JsonObject) -> StoredModel:
    """Put on what ``create`` asks: parameters are merged, the rest is replaced where something is given."""
    license_text = body.get("license")
    told = "\n".join(texts_of(license_text)) if isinstance(license_text, list) else text_of(license_text)
    return replace(
        base,
        name=full_name(name),
        parameters={**base.parameters, **checked_options(body.get("parameters"))},
        system=text_of(body.get("system")) or base.system,
        template=text_of(body.get("template")) or base.template,
        license=told or base.license,
        messages=tuple(objects_of(body.get("messages"))) or base.messages,
        modified=time.time(),
    )


def _pulling(digest: str, total: int, completed: int) -> JsonObject:
    line: JsonObject = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": total}
    return {**line, "completed": completed} if completed else line


async def _reported(steps: AsyncGenerator[JsonObject, None], body: JsonObject) -> Response | Lines:
    """Stream the steps, or wait for the last; a fault in a stream is a line under status 200, as Ollama has it."""
    if body.get("stream") is not False:
        return ndjson(_told(steps))
    last: JsonValue = None
    async with aclosing(steps):
        async for step in steps:
            last = step
    return document(last)


async def _told(steps: AsyncGenerator[JsonObject, None]) -> AsyncGenerator[JsonObject, None]:
    try:
        async with aclosing(steps):
            async for step in steps:
                yield step
    except Exception as error:  # noqa: BLE001 - told in the stream
        yield {"error": error_text(fault_of(error).body)}
