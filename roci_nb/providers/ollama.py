"""Ollama, by its native API (PROTOCOLS A)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from roci_nb.config import RociConfig
from roci_nb.errors import ConfigError, ContextOverflow, ModelNotFound, RociError, ServerError
from roci_nb.markup.strings import nearest
from roci_nb.providers.base import Provider
from roci_nb.providers.framing import LineSplitter
from roci_nb.providers.harmony import is_gpt_oss
from roci_nb.providers.ollama_models import is_cloud, list_models, model_info, same_model
from roci_nb.providers.ollama_reader import OllamaReader
from roci_nb.providers.ollama_request import chat_body
from roci_nb.providers.ollama_windows import overflow_of, with_unasked_reload, with_window
from roci_nb.providers.server_errors import Addressee
from roci_nb.providers.transport import Endpoint, refuse_if_leaving
from roci_nb.types.base_url import BaseUrl
from roci_nb.types.events import TextStreamDelta
from roci_nb.types.model_info import ModelInfo, ModelList
from roci_nb.types.progress import Progress
from roci_nb.types.requests import RequestPreview

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from roci_nb.providers.transport import Reply, Timeouts
    from roci_nb.types.json import JsonObject
    from roci_nb.types.requests import ProviderRequest

PATH = "/api/chat"
POLL_S = 0.5
"""How often /api/ps is asked, while nothing comes, whether the model is still loading."""
UNLOAD_POLL_S, UNLOAD_POLLS = 0.1, 100
"""How often, and how many times at most, it is asked whether an unloaded model is gone."""


class OllamaModel(str):
    """A model id of Ollama's; the guide's built-ins by name, any other by ``custom``."""

    __slots__ = ()

    LLAMA33: ClassVar[OllamaModel]
    LLAMA31: ClassVar[OllamaModel]
    MISTRAL: ClassVar[OllamaModel]
    CODE_LLAMA: ClassVar[OllamaModel]
    DEEPSEEK_R1: ClassVar[OllamaModel]
    QWEN25: ClassVar[OllamaModel]

    @classmethod
    def custom(cls, model_id: str) -> OllamaModel:
        """Name any model that Ollama has or can pull."""
        return cls(model_id)


OllamaModel.LLAMA33 = OllamaModel("llama3.3")
OllamaModel.LLAMA31 = OllamaModel("llama3.1")
OllamaModel.MISTRAL = OllamaModel("mistral")
OllamaModel.CODE_LLAMA = OllamaModel("codellama")
OllamaModel.DEEPSEEK_R1 = OllamaModel("deepseek-r1")
OllamaModel.QWEN25 = OllamaModel("qwen2.5")


class OllamaProvider(Provider):
    """Ollama at ``base_url``, or where the configuration says.

    A request never reloads the user's model: unless ``num_ctx`` is asked for, the loaded window is sent back as it
    is. ``api_key`` is for a server behind a proxy that wants one; the configuration's goes to ollama.com only.
    """

    provider_key: ClassVar[str] = "ollama"

    @property
    def takes_begun_answers(self) -> bool:
        """Whether a last assistant message is gone on with; gpt-oss's template closes it."""
        return not is_gpt_oss(self.model.model_id)

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        config: RociConfig | None = None,
    ) -> None:
        super().__init__(model)
        config = config or RociConfig.from_env()
        url = config.base_url(self.provider_key) if base_url is None else BaseUrl.parse(base_url, default_port=11434)
        refuse_if_leaving(url, local_only=config.local_only)
        self._local_only = config.local_only
        choice = config.key_for(self.provider_key, url)
        key = api_key or (choice.key.get_secret_value() if choice.key is not None else None)
        self._endpoint = Endpoint.with_key(
            url,
            Addressee(
                name=f"Ollama at {url}",
                model_id=self.model.model_id,
                how_to_start="Start it (ollama serve), or give its address: base_url=… or OLLAMA_BASE_URL",
                how_to_get=f"Pull it: ollama pull {self.model.model_id}",
                key_hint=choice.withheld or "pass api_key=…, or set OLLAMA_API_KEY",
                larger_window="ask for a larger window (num_ctx), which loads the model again",
            ),
            key=key,
            headers=headers,
            timeouts=timeouts,
        )
        self._known: ModelInfo | None = None

    @property
    def base_url(self) -> BaseUrl:
        """The server's address."""
        return self._endpoint.base_url

    @property
    def host(self) -> str | None:
        """The host that prompts go to where that is not this machine; a cloud model's is ollama.com's."""
        remote = self._known.remote_host if self._known is not None else None
        if remote is not None or is_cloud(self.model.model_id):
            return remote or "ollama.com"
        return None if self.base_url.is_loopback else self.base_url.host

    async def _stream_text(self, request: ProviderRequest) -> AsyncIterator[TextStreamDelta]:
        yield TextStreamDelta(phase="connecting")
        info = await self._capabilities()
        loaded = await self._loaded()
        body, warnings = chat_body(request, info, request.settings.num_ctx or _window(loaded))
        load = self._announced_load(request, info, loaded)
        yield replace(load or TextStreamDelta(phase="queued_or_reading"), sent=self._request_of(body))
        if warnings:
            yield TextStreamDelta(warnings=warnings)
        reader = OllamaReader(
            self._endpoint.addressee,
            harmony=_speaks_harmony(info),
            tools=request.tools or (),
            hide_reasoning=request.settings.reasoning_effort == "off" and _speaks_harmony(info),
        )
        async with AsyncExitStack() as stack:
            opening = asyncio.ensure_future(stack.enter_async_context(self._endpoint.open("POST", PATH, body)))
            try:
                while not (await asyncio.wait({opening}, timeout=POLL_S))[0]:
                    yield await self._waiting(info, load)
                async for delta in _deltas(await opening, reader):
                    yield delta
            except ServerError as error:
                yield reader.repair(error.body) or _raise(await self._explained(error, request))
            finally:
                opening.cancel()
                await asyncio.gather(opening, return_exceptions=True)
        last = reader.end()
        if load is None and loaded is not None:
            last = with_unasked_reload(last)
        if loaded is None or request.settings.num_ctx not in (None, loaded.loaded_window):
            loaded = None  # it was loaded for this answer, which is whole, whatever becomes of the server
            with suppress(RociError):
                loaded = await self._loaded()
        window = _window(loaded) or request.settings.num_ctx
        yield replace(with_window(last, window, request), gpu_share=None if loaded is None else loaded.gpu_share)

    def _announced_load(
        self, request: ProviderRequest, info: ModelInfo, loaded: ModelInfo | None
    ) -> TextStreamDelta | None:
        """Say that a load is coming: the model is not there, or it has another window than was asked for."""
        asked = request.settings.num_ctx
        if info.remote_host is not None or (loaded is not None and asked in (None, loaded.loaded_window)):
            return None
        again = "" if loaded is None else f" again with a window of {asked:,}"
        status = f"loading {self.model.model_id}{again}"
        return TextStreamDelta(phase="loading", progress=Progress(status, total=info.size_bytes))

    async def _waiting(self, info: ModelInfo, load: TextStreamDelta | None) -> TextStreamDelta:
        """Tell what is waited for: /api/ps lists a model only once it has loaded."""
        loaded = await self._loaded()
        if loaded is None and info.remote_host is None:
            return load or TextStreamDelta(
                phase="loading", progress=Progress(f"loading {self.model.model_id}", total=info.size_bytes)
            )
        return TextStreamDelta(phase="queued_or_reading")

    async def _capabilities(self) -> ModelInfo:
        """Ask /api/show, once: what it tells does not change while the model stays what it is."""
        if self._known is None:
            self._known = await self._model_info()
        if self._local_only and (self._known.remote_host is not None or is_cloud(self.model.model_id)):
            raise ConfigError(
                f"local_only is set, and {self.model} runs elsewhere: choose a local model, or unset local_only"
            )
        return self._known

    async def _loaded(self) -> ModelInfo | None:
        """Ask /api/ps, each time: whoever else uses the server may have loaded the model otherwise."""
        running = await self._running()
        return next((info for info in running if same_model(info.model.model_id, self.model.model_id)), None)

    async def _list_models(self) -> ModelList:
        tags = await self._endpoint.get_json("/api/tags")
        return ModelList(list_models(tags, {info.model.model_id: info for info in await self._running()}))

    async def _running(self) -> ModelList:
        return ModelList(list_models(await self._endpoint.get_json("/api/ps"), None))

    async def _model_info(self) -> ModelInfo:
        model_id = self.model.model_id
        try:
            shown = await self._endpoint.post_json("/api/show", {"model": model_id})
        except ServerError as error:
            raise await self._with_installed(error) from None
        listed = next((row for row in await self._list_models() if same_model(row.model.model_id, model_id)), None)
        return model_info(self.model, shown, listed)

    async def _explained(self, error: ServerError, request: ProviderRequest) -> ServerError:
        """Say of an error what Ollama leaves out: which models there are, how large the window is."""
        if not isinstance(error, ContextOverflow) or error.window is not None:
            return await self._with_installed(error)
        window = request.settings.num_ctx or _window(await self._loaded())
        return overflow_of(error, request, window, self._endpoint.addressee)

    async def _with_installed(self, error: ServerError) -> ServerError:
        """Name the models that there are, where one is missing."""
        if not isinstance(error, ModelNotFound):
            return error
        model_id = self.model.model_id
        installed = [info.model.model_id for info in await self._list_models()]
        near = nearest(model_id, installed)
        hint = f"Did you mean {near[0]}? Otherwise pull it" if near else "Pull it"
        return ModelNotFound(
            f"{self._endpoint.addressee.name} has no model {model_id!r}. {hint}: ollama pull {model_id}",
            model=model_id,
            installed=installed,
            nearest=near,
            status=error.status,
            body=error.body,
        )

    async def _load(self, num_ctx: int | None) -> ModelInfo:
        loaded = await self._loaded()
        if loaded is None or num_ctx not in (None, loaded.loaded_window):
            body: JsonObject = {"model": self.model.model_id, "messages": []}
            if num_ctx is not None:
                body["options"] = {"num_ctx": num_ctx}
            try:
                await self._endpoint.post_json(PATH, {**body, "stream": False})
            except ServerError as error:
                raise await self._with_installed(error) from None
        return await self._model_info()

    async def _unload(self) -> None:
        if await self._loaded() is not None:
            body: JsonObject = {"model": self.model.model_id, "messages": [], "keep_alive": 0, "stream": False}
            await self._endpoint.post_json(PATH, body)
        for _ in range(UNLOAD_POLLS):  # it answers before the memory is free; one in use goes with its last user
            if await self._loaded() is None:
                return
            await asyncio.sleep(UNLOAD_POLL_S)

    async def _preview(self, request: ProviderRequest) -> RequestPreview:
        info, loaded = await self._capabilities(), await self._loaded()
        body, warnings = chat_body(request, info, request.settings.num_ctx or _window(loaded))
        return replace(self._request_of(body), warnings=warnings)

    def _request_of(self, body: JsonObject) -> RequestPreview:
        return RequestPreview("POST", self.base_url.join(PATH), self._endpoint.shown_headers(), body)


async def _deltas(reply: Reply, reader: OllamaReader) -> AsyncIterator[TextStreamDelta]:
    if "html" in reply.content_type:
        raise reply.not_json(await reply.read())
    lines = LineSplitter()
    async for chunk in reply.chunks():
        for line in lines.feed(chunk):
            for delta in reader.read(line):
                yield delta
    for delta in reader.read(lines.rest()):
        yield delta


def _raise(error: ServerError) -> TextStreamDelta:
    raise error


def _window(info: ModelInfo | None) -> int | None:
    return None if info is None else info.loaded_window


def _speaks_harmony(info: ModelInfo) -> bool:
    return is_gpt_oss(info.family or "") or is_gpt_oss(info.model.model_id)
