"""The embedded llama.cpp: a model file on this machine, with no server to install."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast

from roci_nb.config import RociConfig
from roci_nb.errors import ServerUnreachable, StreamBroken
from roci_nb.local.engine import engine_for, live_engine, require_engine
from roci_nb.local.weights import Weights, cached_path, fetch_weights, resolve_model_path, stored_path
from roci_nb.providers.base import Provider, estimate_tokens
from roci_nb.providers.chat_request import PATH, request_body
from roci_nb.providers.dialects import LLAMA_SERVER
from roci_nb.providers.openai_compatible import OpenAiCompatibleProvider
from roci_nb.providers.server_errors import Addressee
from roci_nb.types.events import TextStreamDelta
from roci_nb.types.progress import Progress
from roci_nb.types.requests import RequestPreview
from roci_nb.types.settings import GenerationSettings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from roci_nb.local.engine import Engine
    from roci_nb.types.base_url import BaseUrl
    from roci_nb.types.requests import ProviderRequest, TokenCount

DEATH_IS_NOTICED_S = 1.0
"""How long after a broken stream the engine's end may take to show."""


class EmbeddedProvider(Provider):
    """A model by name (``smollm2-135m``, fetched on first use) or any GGUF file by path.

    ``num_ctx`` is the window in tokens; a request's own wins. Another window than the running one loads the model
    again; the load is announced as a phase.
    """

    provider_key: ClassVar[str] = "embedded"

    def __init__(self, model: str, *, num_ctx: int | None = None, config: RociConfig | None = None) -> None:
        super().__init__(model)
        del config  # nothing leaves this machine, and no key is needed
        self._num_ctx = GenerationSettings(num_ctx=num_ctx).num_ctx

    async def _stream_text(self, request: ProviderRequest) -> AsyncIterator[TextStreamDelta]:
        require_engine()
        found = resolve_model_path(self.model.model_id)
        if isinstance(found, Weights) and cached_path(found) is None:
            yield TextStreamDelta(phase="downloading", progress=Progress(f"downloading {found.name}"))
            async with aclosing(fetch_weights(found)) as steps:
                async for progress in steps:
                    yield TextStreamDelta(phase="downloading", progress=progress)
        path = _path(found)
        window = self._window(request)
        loading = live_engine(path, window) is None
        if loading:
            again = " again" if live_engine(path, None) is not None else ""
            status = f"loading {path.stem if found is path else self.model.model_id}{again}"
            yield TextStreamDelta(phase="loading", progress=Progress(status, total=path.stat().st_size))
        started = time.perf_counter()
        async with engine_for(path, alias=self.model.model_id, window=window) as engine:
            load_s = time.perf_counter() - started if loading else None
            async for delta in self._answer(engine, request, load_s):
                yield delta

    async def _answer(
        self, engine: Engine, request: ProviderRequest, load_s: float | None
    ) -> AsyncIterator[TextStreamDelta]:
        server = EngineServer(self.model.model_id, engine)
        stream = cast("AsyncGenerator[TextStreamDelta, None]", server._stream_text(_without_window(request)))  # noqa: SLF001 - a provider made of a provider
        try:
            async with aclosing(stream) as deltas:
                async for delta in deltas:
                    if delta.finish_reason is not None and delta.timing is not None and load_s is not None:
                        yield replace(delta, timing=replace(delta.timing, load_s=load_s))
                    elif delta.phase != "connecting":
                        yield delta
        except (StreamBroken, ServerUnreachable) as error:
            deadline = time.monotonic() + DEATH_IS_NOTICED_S
            while engine.alive and time.monotonic() < deadline:  # noqa: ASYNC110 - a process has no event
                await asyncio.sleep(0.02)
            failure = engine.failure()
            raise error if failure is None else failure from error

    async def _count_tokens(self, request: ProviderRequest) -> TokenCount:
        """Count by the engine where one runs; a count is no reason to load a model."""
        engine = self._live(request)
        if engine is None:
            return estimate_tokens(request)
        return await EngineServer(self.model.model_id, engine)._count_tokens(_without_window(request))  # noqa: SLF001 - see above

    async def _preview(self, request: ProviderRequest) -> RequestPreview:
        engine = self._live(request)
        if engine is not None:
            return await EngineServer(self.model.model_id, engine)._preview(_without_window(request))  # noqa: SLF001 - see above
        body, _ = request_body(_without_window(request), self.model.model_id, LLAMA_SERVER)
        return RequestPreview("POST", f"http://127.0.0.1:(a free port){PATH}", (("Authorization", "[redacted]"),), body)

    def _window(self, request: ProviderRequest) -> int | None:
        return request.settings.num_ctx or self._num_ctx

    def _live(self, request: ProviderRequest) -> Engine | None:
        found = resolve_model_path(self.model.model_id)
        return live_engine(_path(found), self._window(request)) if _path(found).is_file() else None


class EngineServer(OpenAiCompatibleProvider):
    """The server of one engine, in an error's words."""

    def __init__(self, model_id: str, engine: Engine) -> None:
        address = engine.address
        super().__init__(model_id, address.base_url, api_key=address.api_key, config=RociConfig())

    def _addressee(self, url: BaseUrl, withheld: str | None) -> Addressee:
        del url, withheld
        return Addressee(
            name="the embedded engine",
            model_id=self.model.model_id,
            how_to_start="Run again: it starts by itself",
            how_to_get="Name a GGUF file, embedded:/path/model.gguf",
            larger_window="ask for a larger window (num_ctx)",
        )


def _path(found: Path | Weights) -> Path:
    return stored_path(found) if isinstance(found, Weights) else found


def _without_window(request: ProviderRequest) -> ProviderRequest:
    """The engine was started with the window; its server can't take one."""
    return request.model_copy(update={"settings": request.settings.model_copy(update={"num_ctx": None})})
