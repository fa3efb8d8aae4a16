"""Any server with ``/v1/chat/completions``: llama-server, vLLM and others."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from roci_nb.config import RociConfig
from roci_nb.errors import ModelNotFound, RociError, ServerError, ServerUnreachable
from roci_nb.markup.strings import count, nearest
from roci_nb.providers.base import Provider, estimate_tokens
from roci_nb.providers.chat_reader import ChatCompletionsReader, read_reply
from roci_nb.providers.chat_request import PATH, hides_thoughts, request_body
from roci_nb.providers.dialects import LLAMA_SERVER, UNKNOWN, VLLM, Dialect
from roci_nb.providers.harmony import is_gpt_oss
from roci_nb.providers.server_errors import Addressee
from roci_nb.providers.transport import Endpoint, refuse_if_leaving
from roci_nb.types.base_url import BaseUrl
from roci_nb.types.events import GenerationWarning, TextStreamDelta
from roci_nb.types.json import int_of, object_of, objects_of, text_of, texts_of
from roci_nb.types.model_info import ModelInfo, ModelList
from roci_nb.types.models import LanguageModel
from roci_nb.types.progress import Progress
from roci_nb.types.requests import RequestPreview, TokenCount

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from pydantic import JsonValue

    from roci_nb.providers.transport import Timeouts
    from roci_nb.types.json import JsonObject
    from roci_nb.types.requests import ProviderRequest

RequestBody: TypeAlias = "tuple[JsonObject, tuple[GenerationWarning, ...]]"
LOADING_POLL_S = 0.25
"""How often a llama-server that is loading is asked again; it answers 503 until it is ready."""
LOOK_LIMIT_S = 5.0
"""How long the question who is there may take, before the request goes out without its answer."""


@dataclass(frozen=True, slots=True)
class ServerView:
    """What the server tells: who answers, which models there are, and the loaded window in tokens.

    ``family`` is the model's where the server names it: what it is called may not say that it is a gpt-oss.
    """

    dialect: Dialect = UNKNOWN
    models: tuple[str, ...] = ()
    window: int | None = None
    family: str = ""


class OpenAiCompatibleProvider(Provider):
    """A server that speaks OpenAI's chat completions.

    ``base_url`` may be written with or without ``/v1``; unset, it is the configuration's. ``api_key`` is sent to that
    address only; unset, it is the configuration's where it belongs to the address. ``headers`` go with every request.
    """

    provider_key: ClassVar[str] = "openai-compatible"
    default_port: ClassVar[int | None] = None

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
        parsed = None if base_url is None else BaseUrl.parse(base_url, default_port=self.default_port)
        url = parsed or config.base_url(self.provider_key)
        refuse_if_leaving(url, local_only=config.local_only)
        choice = config.key_for(self.provider_key, url)
        key = api_key or (choice.key.get_secret_value() if choice.key is not None else None)
        self._endpoint = Endpoint.with_key(
            url, self._addressee(url, choice.withheld), key=key, headers=headers, timeouts=timeouts
        )
        self._known_dialect: Dialect | None = None

    def _addressee(self, url: BaseUrl, withheld: str | None) -> Addressee:
        return Addressee(
            name=f"the server at {url}",
            model_id=self.model.model_id,
            how_to_start=f"Start a server (llama-server -m model.gguf --port {url.port}), or give its address: "
            "base_url=… or OPENAI_COMPAT_BASE_URL",
            how_to_get="Choose one that it has, or start the server with another model",
            key_hint=withheld or "pass api_key=…, or set OPENAI_COMPAT_API_KEY",
        )

    @property
    def base_url(self) -> BaseUrl:
        """The server's address."""
        return self._endpoint.base_url

    @property
    def host(self) -> str | None:
        """The host that requests go to where that is not this machine."""
        return None if self.base_url.is_loopback else self.base_url.host

    async def _stream_text(self, request: ProviderRequest) -> AsyncIterator[TextStreamDelta]:
        yield TextStreamDelta(phase="connecting")
        view: ServerView | None = None
        waiting_since = time.perf_counter()
        load_s: float | None = None
        while view is None:
            try:
                view = await self._look()
            except _StillLoading:
                load_s = time.perf_counter() - waiting_since
                yield TextStreamDelta(phase="loading", progress=Progress(f"loading {self.model.model_id}"))
                await asyncio.sleep(LOADING_POLL_S)
        body, warnings = self._body(request, view)
        warnings += self._warnings_of(view, request)
        yield TextStreamDelta(phase="queued_or_reading", warnings=warnings, sent=self._request_of(body))
        async with aclosing(self._answer(request, body, view)) as deltas:
            async for delta in deltas:
                if delta.finish_reason is not None and delta.timing is not None:
                    delta = replace(delta, timing=replace(delta.timing, load_s=load_s))  # noqa: PLW2901
                yield delta

    async def _answer(
        self, request: ProviderRequest, body: JsonObject, view: ServerView
    ) -> AsyncGenerator[TextStreamDelta, None]:
        """Send a request that is written, and read its answer; refusals come in this server's words."""
        family = view.family or self.model.model_id
        reader = ChatCompletionsReader(
            self._endpoint.addressee,
            context_window=view.window,
            harmony=is_gpt_oss(family),
            tools=[tool.name for tool in request.tools or ()],
            hide_reasoning=hides_thoughts(request, family),
        )
        try:
            async with self._endpoint.open("POST", PATH, body) as reply:
                async for delta in read_reply(reply, reader):
                    yield delta
        except ServerError as error:
            told = self._in_our_words(error, view)
            if told is error:
                raise
            raise told from error

    def _body(self, request: ProviderRequest, view: ServerView) -> RequestBody:
        return request_body(request, view.family or self.model.model_id, view.dialect, name=self.model.model_id)

    async def _look(self) -> ServerView:
        """Ask who is there. The window is asked for each time: the server may have been started anew."""
        if self._known_dialect is UNKNOWN:
            return ServerView()
        try:
            view = _view(await self._endpoint.get_json("/v1/models", limit_s=LOOK_LIMIT_S), self.model.model_id)
        except ServerUnreachable:
            raise
        except ServerError as error:
            if error.status == 503 and "loading" in error.body.lower():
                raise _StillLoading from None
            if error.status != 404:  # a hiccup: it is asked again with the next request
                return ServerView()
            view = ServerView()
        except RociError:
            return ServerView()
        self._known_dialect = view.dialect
        return view

    def _warnings_of(self, view: ServerView, request: ProviderRequest) -> tuple[GenerationWarning, ...]:
        del request
        if view.dialect is LLAMA_SERVER and len(view.models) == 1 and self.model.model_id not in view.models:
            only = view.models[0]
            return (GenerationWarning(f"the server has one model, {only}: it answers, whatever name is asked"),)
        return ()

    def _in_our_words(self, error: ServerError, view: ServerView) -> ServerError:
        """Tell a refusal better than its text alone can; the error itself where it is well told."""
        return self._with_installed(error, view) if isinstance(error, ModelNotFound) else error

    def _with_installed(self, error: ModelNotFound, view: ServerView) -> ModelNotFound:
        near = nearest(self.model.model_id, view.models)
        hint = f"Did you mean {near[0]}?" if near else self._endpoint.addressee.how_to_get
        has = f" (it has {', '.join(view.models[:8])}{', …' if len(view.models) > 8 else ''})" if view.models else ""
        return ModelNotFound(
            f"{self._endpoint.addressee.name} has no model {self.model.model_id!r}{has}. {hint}",
            model=self.model.model_id,
            installed=view.models,
            nearest=near,
            status=error.status,
            body=error.body,
        )

    async def _list_models(self) -> ModelList:
        rows = objects_of(object_of(await self._endpoint.get_json("/v1/models")).get("data"))
        return ModelList(_model_info(self.provider_key, row) for row in rows)

    async def _count_tokens(self, request: ProviderRequest) -> TokenCount:
        try:
            view = await self._look()
        except _StillLoading:
            return estimate_tokens(request)
        if view.dialect is not LLAMA_SERVER:
            return estimate_tokens(request)
        body, _ = self._body(request, view)
        try:
            counted = await self._endpoint.post_json(f"{PATH}/input_tokens", {**body, "stream": False})
        except ServerError:  # an older build: it counts in two steps, if at all
            return await self._count_by_template(body, request)
        n = int_of(object_of(counted).get("input_tokens"))
        return estimate_tokens(request) if n is None else TokenCount(n, exact=True)

    async def _count_by_template(self, body: JsonObject, request: ProviderRequest) -> TokenCount:
        try:
            rendered = await self._endpoint.post_json("/apply-template", {"messages": body["messages"]})
            prompt = text_of(object_of(rendered).get("prompt"))
            counted = await self._endpoint.post_json(
                "/tokenize", {"content": prompt, "add_special": True, "parse_special": True}
            )
        except ServerError:
            return estimate_tokens(request)
        tokens = object_of(counted).get("tokens")
        return TokenCount(len(tokens), exact=True) if isinstance(tokens, list) else estimate_tokens(request)

    async def _preview(self, request: ProviderRequest) -> RequestPreview:
        try:
            view = await self._look()
        except (_StillLoading, ServerUnreachable):
            view = ServerView(dialect=self._known_dialect or UNKNOWN)
        body, warnings = self._body(request, view)
        return replace(self._request_of(body), warnings=warnings)

    def _request_of(self, body: JsonObject) -> RequestPreview:
        return RequestPreview("POST", self.base_url.join(PATH), self._endpoint.shown_headers(), body)


class _StillLoading(Exception):
    """The server is there and loads its model."""


def _view(models: JsonValue, model_id: str) -> ServerView:
    rows = objects_of(object_of(models).get("data"))
    names = tuple(dict.fromkeys(name for row in rows for name in _names(row)))
    owners = {text_of(row.get("owned_by")) for row in rows}
    dialect = LLAMA_SERVER if "llamacpp" in owners else VLLM if "vllm" in owners else UNKNOWN
    row = next((row for row in rows if model_id in _names(row)), rows[0] if len(rows) == 1 else {})
    window = int_of(row.get("max_model_len")) or int_of(object_of(row.get("meta")).get("n_ctx"))
    return ServerView(dialect, names, window)


def _model_info(provider_key: str, row: JsonObject) -> ModelInfo:
    meta = object_of(row.get("meta"))
    window = int_of(meta.get("n_ctx")) or int_of(row.get("max_model_len"))
    n_params = int_of(meta.get("n_params"))
    return ModelInfo(
        model=LanguageModel(provider_key, text_of(row.get("id")) or "unnamed"),
        loaded=True if window is not None else None,
        size_bytes=int_of(meta.get("size")),
        parameters=None if n_params is None else count(n_params),
        quantization=text_of(meta.get("ftype")) or None,
        trained_window=int_of(meta.get("n_ctx_train")),
        loaded_window=window,
    )


def _names(row: JsonObject) -> list[str]:
    return texts_of([row.get("id")]) + texts_of(row.get("aliases"))
