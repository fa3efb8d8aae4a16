"""LM Studio: OpenAI's wire for the chat, its own for the models (PROTOCOLS D)."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from roci_nb.errors import (
    BadReply,
    InvalidSetting,
    RociError,
    ServerError,
    ServerUnreachable,
    Unauthorized,
    Unsupported,
)
from roci_nb.providers.base import estimate_tokens
from roci_nb.providers.chat_request import request_body
from roci_nb.providers.dialects import LM_STUDIO
from roci_nb.providers.lmstudio_errors import in_our_words, not_found
from roci_nb.providers.lmstudio_models import PATHS, Instance, Shelf, Target, read_shelf
from roci_nb.providers.lmstudio_request import ONE_INSTANCE, cut_warnings, fitted, loaded_warning, target_warnings
from roci_nb.providers.openai_compatible import LOOK_LIMIT_S, OpenAiCompatibleProvider, ServerView
from roci_nb.providers.server_errors import Addressee, error_from_reply
from roci_nb.types.events import TextStreamDelta
from roci_nb.types.json import float_of, int_of, object_of, text_of
from roci_nb.types.model_info import ModelInfo, ModelList
from roci_nb.types.progress import Progress
from roci_nb.types.usage import Timing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from pydantic import JsonValue

    from roci_nb.providers.openai_compatible import RequestBody
    from roci_nb.types.base_url import BaseUrl
    from roci_nb.types.json import JsonObject
    from roci_nb.types.requests import ProviderRequest, RequestPreview, TokenCount

LOADING_POLL_S = 0.5
"""How often LM Studio is asked, while nothing comes, whether the model is still loading."""


class LmStudioModel(str):
    """A model's key as LM Studio lists it, such as ``openai/gpt-oss-20b``."""

    __slots__ = ()

    @classmethod
    def custom(cls, model_id: str) -> LmStudioModel:
        """Name any model that LM Studio has or can get."""
        return cls(model_id)


class LmStudioProvider(OpenAiCompatibleProvider):
    """LM Studio at ``base_url``, or where the configuration says; ``model`` is a key or a loaded instance's id.

    The loaded instance answers, as it is; a model that is not loaded is loaded by LM Studio itself, with the user's
    settings. Only a ``num_ctx`` that is asked for, and differs from the loaded window, loads it again.
    """

    provider_key: ClassVar[str] = "lmstudio"
    default_port: ClassVar[int | None] = 1234

    def _addressee(self, url: BaseUrl, withheld: str | None) -> Addressee:
        return Addressee(
            name=f"LM Studio at {url}",
            model_id=self.model.model_id,
            how_to_start="Start its server (lms server start, or in its developer page), or give its address: "
            "base_url=… or LMSTUDIO_BASE_URL",
            how_to_get=f"Get it: lms get {self.model.model_id}",
            key_hint=withheld or "set LM_API_TOKEN, or pass api_key=…",
            larger_window="ask for a larger window (num_ctx), which loads the model again",
        )

    async def _stream_text(self, request: ProviderRequest) -> AsyncIterator[TextStreamDelta]:
        yield TextStreamDelta(phase="connecting")
        target = self._target(await self._seen(), request.settings.num_ctx)
        self._refuse_images(request, target)
        asked = request.settings.num_ctx
        warnings = target_warnings(target, asked)
        if asked is not None and target.needs_load(asked):
            yield self._loading(target, asked)
            before, target = target, await self._loaded_with(target, asked)
            warnings += (loaded_warning(before, target, asked),)
        body, of_body = self._written(request, target)
        warnings += of_body + cut_warnings(request, target.window)
        waiting = self._loading(target) if target.waits_for_load else TextStreamDelta(phase="queued_or_reading")
        yield replace(waiting, warnings=warnings, sent=self._request_of(body))
        answer = self._answer(request, body, _view(target))
        async with aclosing(self._told_when_loaded(answer) if target.waits_for_load else answer) as deltas:
            async for delta in deltas:
                yield delta if delta.finish_reason is None else await self._completed(delta, request, target)

    async def _told_when_loaded(
        self, answer: AsyncGenerator[TextStreamDelta, None]
    ) -> AsyncGenerator[TextStreamDelta, None]:
        """Say when the model that a request waits for has loaded: the request itself tells nothing of it."""
        async with aclosing(answer) as deltas:
            first, loaded = asyncio.ensure_future(anext(deltas)), asyncio.ensure_future(self._until_loaded())
            try:
                await asyncio.wait({first, loaded}, return_when=asyncio.FIRST_COMPLETED)
                if not first.done():
                    yield TextStreamDelta(phase="queued_or_reading")
                yield await first
            finally:
                first.cancel()
                loaded.cancel()
                await asyncio.gather(first, loaded, return_exceptions=True)
            async for delta in deltas:
                yield delta

    async def _until_loaded(self) -> None:
        while True:
            await asyncio.sleep(LOADING_POLL_S)
            try:
                if self._target(await self._seen()).instance is not None:
                    return
            except RociError:  # the answer tells it
                continue

    async def _completed(self, last: TextStreamDelta, request: ProviderRequest, target: Target) -> TextStreamDelta:
        """Complete the last delta with what is known only now: the window of a model that was loaded meanwhile."""
        if target.waits_for_load:
            try:
                target = self._target(await self._seen())
            except RociError:
                target = replace(target, instance=None)
        timing = replace(last.timing or Timing(), load_s=target.load_s)
        warnings = last.warnings + cut_warnings(request, target.window, last.usage)
        return replace(last, timing=timing, context_window=target.window, warnings=warnings)

    def _loading(self, target: Target, window: int | None = None) -> TextStreamDelta:
        again = "" if window is None else f" with a window of {window:,}"
        size = None if target.model is None else target.model.info.size_bytes
        return TextStreamDelta(phase="loading", progress=Progress(f"loading {self.model.model_id}{again}", total=size))

    def _refuse_images(self, request: ProviderRequest, target: Target) -> None:
        if target.model is not None and target.model.vision is False and any(m.images for m in request.messages):
            raise Unsupported(
                f"{self.model.model_id} sees no images, says LM Studio: leave them out, or choose a model with vision",
                feature="images",
            )

    def _written(self, request: ProviderRequest, target: Target) -> RequestBody:
        request, warnings = fitted(request, target.model, loads=target.instance is None)
        name = self.model.model_id if target.instance is None else target.instance.id
        family = _view(target).family or self.model.model_id
        body, of_body = request_body(request, family, LM_STUDIO, name=name)
        return body, warnings + of_body

    def _in_our_words(self, error: ServerError, view: ServerView) -> ServerError:
        return in_our_words(error, self.model.model_id, self._endpoint.addressee.name, view.models)

    async def _asked(self, path: str, body: JsonValue = None, *, limit_s: float | None = None) -> JsonValue:
        """Ask LM Studio's own API; a 200 may be an error there."""
        endpoint = self._endpoint
        answer = await (endpoint.get_json(path, limit_s=limit_s) if body is None else endpoint.post_json(path, body))
        if object_of(answer).get("error"):
            raise error_from_reply(None, json.dumps(answer).encode(), endpoint.addressee)
        return answer

    async def _shelf(self) -> Shelf:
        """Ask which models there are, by the first API that knows; never cached, for anyone may load and unload."""
        refused: RociError | None = None
        for api, path in PATHS.items():
            try:
                answer = await self._asked(path, limit_s=LOOK_LIMIT_S)
            except Unauthorized:
                raise
            except (ServerError, BadReply) as error:
                refused = self._in_our_words(error, ServerView()) if isinstance(error, ServerError) else error
                continue
            if (shelf := read_shelf(api, answer)) is not None:
                return shelf
        raise refused or BadReply(
            f"{self._endpoint.addressee.name} lists no models: is it LM Studio? Check the address", raw=""
        )

    async def _seen(self) -> Shelf:
        """Ask which models there are; where nobody tells, the request goes out all the same."""
        try:
            return await self._shelf()
        except (ServerUnreachable, Unauthorized):
            raise
        except RociError:
            return Shelf()

    def _target(self, shelf: Shelf, num_ctx: int | None = None) -> Target:
        return Target.choose(shelf, self.model.model_id, num_ctx)

    async def _loaded_with(self, target: Target, num_ctx: int | None) -> Target:
        """Load the model, in the place of the instance that would have answered: memory rarely holds it twice."""
        assert target.model is not None
        body: JsonObject = {"model": target.name, "echo_load_config": True}
        if num_ctx is not None:
            body["context_length"] = num_ctx
        if target.instance is not None:
            await self._asked("/api/v1/models/unload", {"instance_id": target.instance.id})
        started = time.perf_counter()
        try:
            answer = object_of(await self._asked("/api/v1/models/load", body))
        except ServerError as error:
            told = self._in_our_words(error, _view(target))
            if target.instance is not None:
                gone = f"{target.instance.id} was unloaded to make room, and then: {told}"
                told = ServerError(gone, status=error.status, body=error.body)
            raise told from error
        window = int_of(object_of(answer.get("load_config")).get("context_length")) or num_ctx
        instance = Instance(text_of(answer.get("instance_id")) or target.model.key, window)
        took = float_of(answer.get("load_time_seconds"))
        return replace(target, instance=instance, load_s=time.perf_counter() - started if took is None else took)

    async def _list_models(self) -> ModelList:
        return ModelList(model.info for model in (await self._shelf()).models)

    async def _running(self) -> ModelList:
        return ModelList(info for model in (await self._shelf()).models for info in model.running())

    async def _model_info(self) -> ModelInfo:
        target = self._known(await self._shelf())
        assert target.model is not None
        return target.model.loaded_as(target.instance)

    def _known(self, shelf: Shelf, num_ctx: int | None = None) -> Target:
        target = self._target(shelf, num_ctx)
        if target.model is None:
            raise not_found(self.model.model_id, self._endpoint.addressee.name, shelf.keys)
        return target

    async def _load(self, num_ctx: int | None) -> ModelInfo:
        target = self._known(await self._shelf(), num_ctx)
        if target.instance is None or num_ctx not in (None, target.window):
            if target.shelf.api != "v1":
                raise self._unsupported("load models before LM Studio 0.4")
            if target.is_one_instance:
                raise InvalidSetting(f"num_ctx can't be had: {ONE_INSTANCE.format(target.name)}", setting="num_ctx")
            target = await self._loaded_with(target, num_ctx)
        assert target.model is not None
        return target.model.loaded_as(target.instance)

    async def _unload(self) -> None:
        target = self._known(await self._shelf())
        assert target.model is not None
        one = target.instance if target.is_one_instance else None
        instances = target.model.instances if one is None else (one,)
        if instances and target.shelf.api != "v1":
            raise self._unsupported("unload models before LM Studio 0.4")
        for instance in instances:
            await self._asked("/api/v1/models/unload", {"instance_id": instance.id})

    async def _count_tokens(self, request: ProviderRequest) -> TokenCount:
        return estimate_tokens(request)

    async def _preview(self, request: ProviderRequest) -> RequestPreview:
        try:
            shelf = await self._seen()
        except (ServerUnreachable, Unauthorized):
            shelf = Shelf()
        target = self._target(shelf, request.settings.num_ctx)
        body, warnings = self._written(request, target)
        warnings = (*target_warnings(target, request.settings.num_ctx), *warnings)
        return replace(self._request_of(body), warnings=warnings)


def _view(target: Target) -> ServerView:
    family = "" if target.model is None else f"{target.model.info.family or ''} {target.model.key}"
    return ServerView(LM_STUDIO, target.shelf.keys, target.window, family.strip())
