"""The embedded llama.cpp: a model file on this machine, with no server to install."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast
from weakref import WeakSet

from roci_nb.config import RociConfig
from roci_nb.errors import RociError, ServerUnreachable, StreamBroken
from roci_nb.local.engine import engine_for, live_engine, require_engine, running_engines, unload_engines
from roci_nb.local.gguf import trained_window
from roci_nb.local.weights import (
    Weights,
    cached_path,
    fetch_weights,
    longest_answer,
    resolve_model_path,
    stored_path,
)
from roci_nb.local.windows import difference, leftover
from roci_nb.providers.base import Provider, estimate_tokens
from roci_nb.providers.chat_request import PATH, request_body
from roci_nb.providers.dialects import LLAMA_SERVER
from roci_nb.providers.embedded_models import as_the_server_tells, list_models, model_info, running_info
from roci_nb.providers.openai_compatible import LOOK_LIMIT_S, OpenAiCompatibleProvider
from roci_nb.providers.server_errors import Addressee
from roci_nb.types.events import GenerationWarning, TextStreamDelta
from roci_nb.types.model_info import ModelList
from roci_nb.types.progress import Progress
from roci_nb.types.requests import RequestPreview
from roci_nb.types.settings import GenerationSettings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from roci_nb.local.engine import Engine
    from roci_nb.types.base_url import BaseUrl
    from roci_nb.types.model_info import ModelInfo
    from roci_nb.types.requests import ProviderRequest, TokenCount

DEATH_IS_NOTICED_S = 1.0
"""How long after a broken stream the engine's end may take to show."""


class EmbeddedProvider(Provider):
    """A model by name or any GGUF file by path, in a llama.cpp of this process.

    The names are ``smollm2-135m``, fetched on first use, and ``gpt-oss-nano``, a toy of half a million parameters for
    tests and tutorials. Without ``max_tokens`` an answer of these two ends after 2,048 tokens, with "length".

    ``num_ctx`` is the window in tokens; a request's own wins. It is rounded up to a multiple of 256 and cut to what
    the model was trained for, with a warning. Another window than the running one loads the model again; the load is
    announced as a phase. Without any, whatever runs answers, and a load takes 8,192 or the model's own less.

    An engine stays, for each file that was used, until ``unload()`` on a provider of that file or the end of this
    process.
    """

    provider_key: ClassVar[str] = "embedded"

    def __init__(self, model: str, *, num_ctx: int | None = None, config: RociConfig | None = None) -> None:
        super().__init__(model)
        del config  # nothing leaves this machine, and no key is needed
        self._num_ctx = GenerationSettings(num_ctx=num_ctx).num_ctx

    async def _stream_text(self, request: ProviderRequest) -> AsyncIterator[TextStreamDelta]:
        require_engine()
        found = resolve_model_path(self.model.model_id)
        async with aclosing(_fetched(found)) as steps:
            async for progress in steps:
                yield TextStreamDelta(phase="downloading", progress=progress)
        path = _path(found)
        window = self._window(request)
        trained = await asyncio.to_thread(trained_window, path)
        loading = live_engine(path, window) is None
        if loading:
            again = " again" if live_engine(path, None) is not None else ""
            status = f"loading {path.stem if found is path else self.model.model_id}{again}"
            yield TextStreamDelta(phase="loading", progress=Progress(status, total=path.stat().st_size))
        started = time.perf_counter()
        async with self._engine(path, window) as engine:
            load_s = time.perf_counter() - started if loading else None
            if warnings := _window_warnings(engine, window, trained):
                yield TextStreamDelta(warnings=warnings)
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
        body, warnings = request_body(_without_window(request), self.model.model_id, LLAMA_SERVER)
        url = f"http://127.0.0.1:(a free port){PATH}"
        return RequestPreview("POST", url, (("Authorization", "[redacted]"),), body, warnings)

    async def _list_models(self) -> ModelList:
        return ModelList(await asyncio.to_thread(lambda: tuple(list_models())))

    async def _running(self) -> ModelList:
        return ModelList(await asyncio.to_thread(lambda: tuple(map(running_info, running_engines()))))

    async def _model_info(self) -> ModelInfo:
        found = resolve_model_path(self.model.model_id)
        engine = live_engine(_path(found))
        info = await asyncio.to_thread(model_info, self.model, found, engine)
        return info if engine is None else await EngineServer(self.model.model_id, engine).complete(info)

    async def _load(self, num_ctx: int | None) -> ModelInfo:
        require_engine()
        window = GenerationSettings(num_ctx=num_ctx).num_ctx or self._num_ctx
        found = resolve_model_path(self.model.model_id)
        async with aclosing(_fetched(found)) as steps:
            async for _ in steps:
                pass
        async with self._engine(_path(found), window):
            return await self._model_info()

    async def _unload(self) -> None:
        await unload_engines(_path(resolve_model_path(self.model.model_id)))

    def _engine(self, path: Path, window: int | None) -> AbstractAsyncContextManager[Engine]:
        return engine_for(path, alias=self.model.model_id, window=window, longest_answer=longest_answer(path))

    def _window(self, request: ProviderRequest) -> int | None:
        return request.settings.num_ctx or self._num_ctx

    def _live(self, request: ProviderRequest) -> Engine | None:
        found = resolve_model_path(self.model.model_id)
        return live_engine(_path(found), self._window(request)) if _path(found).is_file() else None


class EngineServer(OpenAiCompatibleProvider):
    """The server of one engine, in an error's words."""

    def __init__(self, model_id: str, engine: Engine) -> None:
        address = engine.address
        self._has_all = trained_window(engine.path) == address.window
        super().__init__(model_id, address.base_url, api_key=address.api_key, config=RociConfig())

    async def complete(self, info: ModelInfo) -> ModelInfo:
        """Complete what the file tells; as it is, where the engine goes at this moment."""
        try:
            props = await self._endpoint.get_json("/props", limit_s=LOOK_LIMIT_S)
            models = await self._endpoint.get_json("/v1/models", limit_s=LOOK_LIMIT_S)
        except RociError:
            return info
        return as_the_server_tells(info, props, models)

    def _addressee(self, url: BaseUrl, withheld: str | None) -> Addressee:
        del url, withheld
        more = "ask for a larger window (num_ctx)"
        return Addressee(
            name="the embedded engine",
            model_id=self.model.model_id,
            how_to_start="Run again: it starts by itself",
            how_to_get="Name a GGUF file, embedded:/path/model.gguf",
            larger_window="take a model that was trained for more" if self._has_all else more,
        )


async def _fetched(found: Path | Weights) -> AsyncGenerator[Progress, None]:
    """Fetch the weights where they are not there yet."""
    if isinstance(found, Weights) and cached_path(found) is None:
        yield Progress(f"downloading {found.name}")
        async with aclosing(fetch_weights(found)) as steps:
            async for progress in steps:
                yield progress


_told_of_leftover: WeakSet[Engine] = WeakSet()
"""The engines whose smaller window, from an earlier request, has been told of."""


def _window_warnings(engine: Engine, asked: int | None, trained: int | None) -> tuple[GenerationWarning, ...]:
    window = engine.address.window
    if asked is not None:
        said = difference(asked, window, trained)
    else:
        said = None if engine in _told_of_leftover else leftover(window, trained)
        _told_of_leftover.add(engine)
    return (GenerationWarning(said, setting="num_ctx"),) if said else ()


def _path(found: Path | Weights) -> Path:
    return stored_path(found) if isinstance(found, Weights) else found


def _without_window(request: ProviderRequest) -> ProviderRequest:
    """The engine was started with the window; its server can't take one."""
    return request.model_copy(update={"settings": request.settings.model_copy(update={"num_ctx": None})})
