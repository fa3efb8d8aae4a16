"""The two sides as apps: which path is answered by whom, and what an unknown path is told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from roci_nb.standin.gates import LoopbackOnly
from roci_nb.standin.lmstudio_models import LmStudioModels, lmstudio_refusal
from roci_nb.standin.models import DEFAULT_WINDOW, LMSTUDIO_CAST, OLLAMA_CAST, Shelf
from roci_nb.standin.ollama_chat import OllamaChat, found_model
from roci_nb.standin.ollama_manage import OllamaManagement
from roci_nb.standin.ollama_models import OllamaModels
from roci_nb.standin.openai_chat import Dialect, OpenAiChat, Place, openai_refusal
from roci_nb.standin.options import checked_options, window_of
from roci_nb.standin.wire import Door, document

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from roci_nb.standin.residents import Residents
    from roci_nb.types.json import JsonObject


def ollama_app(residents: Residents, blobs: Path, closing: asyncio.Event) -> ASGIApp:
    """Make Ollama's side; ``closing`` ends what is under way."""
    door = partial(Door, closing=closing)
    shelf = Shelf(OLLAMA_CAST, tagged=True)
    chat, models = OllamaChat(shelf, residents), OllamaModels(shelf, residents)
    management = OllamaManagement(shelf, residents, blobs)
    openai = OpenAiChat(residents, _ollamas_dialect(shelf))
    routes = [
        Route("/", door(models.greeting), methods=["GET"]),
        Route("/api/version", door(models.version), methods=["GET"]),
        Route("/api/tags", door(models.tags), methods=["GET"]),
        Route("/api/ps", door(models.running), methods=["GET"]),
        Route("/api/show", door(models.show), methods=["POST"]),
        Route("/api/chat", door(chat.chat), methods=["POST"]),
        Route("/api/generate", door(chat.generate), methods=["POST"]),
        Route("/api/pull", door(management.pull), methods=["POST"]),
        Route("/api/push", door(management.push), methods=["POST"]),
        Route("/api/create", door(management.create), methods=["POST"]),
        Route("/api/copy", door(management.copy), methods=["POST"]),
        Route("/api/delete", door(management.delete), methods=["DELETE"]),
        Route("/api/embed", door(management.embed), methods=["POST"]),
        Route("/api/embeddings", door(management.embed), methods=["POST"]),
        Route("/api/blobs/{digest}", door(management.has_blob), methods=["HEAD"]),
        Route("/api/blobs/{digest}", management.take_blob, methods=["POST"]),
        Route("/v1/chat/completions", door(openai.chat, told=openai_refusal), methods=["POST"]),
        Route("/v1/models", door(models.openai_models), methods=["GET"]),
        Route("/v1/models/{model:path}", door(models.openai_model, told=openai_refusal), methods=["GET"]),
    ]
    handlers = {404: _unknown_to_ollama, 405: _wrong_method_for_ollama}
    return LoopbackOnly(Starlette(routes=routes, exception_handlers=handlers))


def _ollamas_dialect(shelf: Shelf) -> Dialect:
    def place(name: str, body: JsonObject) -> Place:
        del body
        model = found_model(shelf, name)
        return Place(model.name, model, window_of(checked_options(model.parameters)) or DEFAULT_WINDOW)

    return Dialect(fingerprint="fp_ollama", place=place, takes_json_object=True, truncates=True)


async def _unknown_to_ollama(request: Request, error: Exception) -> Response:
    del request, error
    return Response("404 page not found", 404, media_type="text/plain")


async def _wrong_method_for_ollama(request: Request, error: Exception) -> Response:
    del request, error
    return Response("405 method not allowed", 405, media_type="text/plain")


def lmstudio_app(residents: Residents, closing: asyncio.Event) -> ASGIApp:
    """Make LM Studio's side; ``closing`` ends what is under way."""
    door = partial(Door, closing=closing)
    shelf = Shelf(LMSTUDIO_CAST, tagged=False)
    models = LmStudioModels(shelf, residents)
    dialect = Dialect(fingerprint=None, place=models.place, takes_json_object=False, truncates=True)
    chat = OpenAiChat(residents, dialect)
    routes = [
        Route("/lmstudio-greeting", door(models.greeting), methods=["GET"]),
        Route("/v1/models", door(models.openai_models), methods=["GET"]),
        Route("/v1/chat/completions", door(chat.chat, told=lmstudio_refusal), methods=["POST"]),
        Route("/api/v0/models", door(models.older_models), methods=["GET"]),
        Route("/api/v0/models/{model:path}", door(models.older_model), methods=["GET"]),
        Route("/api/v1/models", door(models.models), methods=["GET"]),
        Route("/api/v1/models/load", door(models.load), methods=["POST"]),
        Route("/api/v1/models/unload", door(models.unload), methods=["POST"]),
        Route("/api/v1/models/download", door(models.download), methods=["POST"]),
        Route("/api/v1/models/download/status/{job}", door(models.download_status), methods=["GET"]),
    ]
    handlers = {404: _unknown_to_lmstudio, 405: _unknown_to_lmstudio}
    return LoopbackOnly(Starlette(routes=routes, exception_handlers=handlers))


async def _unknown_to_lmstudio(request: Request, error: Exception) -> Response:
    """Answer as LM Studio does: 200, and an error inside."""
    del error
    return document({"error": f"Unexpected endpoint or method. ({request.method} {request.url.path})"})
