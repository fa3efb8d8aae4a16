"""OpenAI itself: the same wire, behind a key."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, ClassVar

from roci_nb.errors import Unauthorized
from roci_nb.providers.base import estimate_tokens
from roci_nb.providers.dialects import OPENAI
from roci_nb.providers.openai_compatible import OpenAiCompatibleProvider, ServerView
from roci_nb.providers.server_errors import Addressee
from roci_nb.types.events import GenerationWarning
from roci_nb.types.json import object_of, texts_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pydantic import JsonValue

    from roci_nb.providers.openai_compatible import RequestBody
    from roci_nb.types.base_url import BaseUrl
    from roci_nb.types.events import TextStreamDelta
    from roci_nb.types.json import JsonObject
    from roci_nb.types.model_info import ModelList
    from roci_nb.types.requests import ProviderRequest, TokenCount

_LOOSE = GenerationWarning(
    "the answer may not fit the schema: OpenAI keeps to one only where each object has additionalProperties false and "
    "requires all its properties",
    setting="response_format",
)


class OpenAiProvider(OpenAiCompatibleProvider):
    """OpenAI, or a server at ``base_url`` that wants its fields; a key is needed.

    Nothing is asked before a request: OpenAI tells neither a model's window nor what it can do.
    """

    provider_key: ClassVar[str] = "openai"

    def _addressee(self, url: BaseUrl, withheld: str | None) -> Addressee:
        self._no_key = withheld or "set OPENAI_API_KEY, or pass api_key=…"
        return Addressee(
            name=f"OpenAI at {url}",
            model_id=self.model.model_id,
            how_to_start="Check the network, or the address: base_url=… or OPENAI_BASE_URL",
            how_to_get="await provider.list_models() tells what your key may use",
            key_hint=self._no_key,
            larger_window="choose a model with a larger window",
        )

    def _require_key(self) -> None:
        if not any(name.lower() == "authorization" for name in self._endpoint.headers):
            raise Unauthorized(
                f"{self._endpoint.addressee.name} needs a key: {self._no_key} "
                f"(a server without keys is openai-compatible:{self.model.model_id})"
            )

    async def _look(self) -> ServerView:
        return ServerView(dialect=OPENAI)

    def _answer(
        self, request: ProviderRequest, body: JsonObject, view: ServerView
    ) -> AsyncGenerator[TextStreamDelta, None]:
        self._require_key()
        return super()._answer(request, body, view)

    def _body(self, request: ProviderRequest, view: ServerView) -> RequestBody:
        body, warnings = super()._body(request, view)
        schema = object_of(object_of(body.get("response_format")).get("json_schema"))
        if schema and not is_closed(schema.get("schema")):
            schema["strict"] = False  # OpenAI refuses it otherwise
            warnings += (_LOOSE,)
        return body, warnings

    async def _list_models(self) -> ModelList:
        self._require_key()
        return await super()._list_models()

    async def _count_tokens(self, request: ProviderRequest) -> TokenCount:
        return estimate_tokens(request)


def is_closed(schema: JsonValue) -> bool:
    """Say whether OpenAI's strict mode takes a schema: objects are closed and need all that they have."""
    if isinstance(schema, list):
        return all(map(is_closed, schema))
    if not isinstance(schema, dict):
        return True
    properties = object_of(schema.get("properties"))
    if schema.get("type") == "object" or properties:
        if schema.get("additionalProperties") is not False:
            return False
        if properties.keys() - texts_of(schema.get("required")):
            return False
    named = [object_of(schema.get(name)).values() for name in ("properties", "$defs", "definitions")]
    nested = [schema.get(name) for name in ("items", "anyOf", "allOf", "oneOf")]
    return all(map(is_closed, (*chain.from_iterable(named), *nested)))
