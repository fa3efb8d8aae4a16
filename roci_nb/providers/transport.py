"""The HTTP client: connections pooled by host, timeouts, and the one place that maps httpx's errors to ours."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import httpx

from roci_nb.errors import (
    BadReply,
    ConfigError,
    ServerUnreachable,
    StreamBroken,
)
from roci_nb.loop import close_at_exit, on_background_loop
from roci_nb.providers.cancellation import cancelled_with_care
from roci_nb.providers.server_errors import Addressee, error_from_reply
from roci_nb.providers.time_limits import Waits, limit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from pydantic import JsonValue

    from roci_nb.types.base_url import BaseUrl

log = logging.getLogger("roci_nb")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; ``None`` is no limit.

    ``first_byte_s`` has none by default: a model of 65 GB may be loading. ``idle_s`` counts from one byte to the
    next: a long tool call arrives only in Ollama's last line.
    """

    connect_s: float | None = 10.0
    first_byte_s: float | None = None
    idle_s: float | None = 600.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's address with what every request to it carries."""

    base_url: BaseUrl
    addressee: Addressee
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeouts: Timeouts = Timeouts()

    @classmethod
    def with_key(
        cls,
        base_url: BaseUrl,
        addressee: Addressee,
        *,
        key: str | None,
        headers: Mapping[str, str] | None,
        timeouts: Timeouts | None,
    ) -> Endpoint:
        """Make an endpoint whose key and headers are fit to send; raises ``ConfigError`` that does not show them."""
        given = {name.lower(): _header_value(name, value) for name, value in (headers or {}).items()}
        if key is not None and "authorization" not in given:
            given["authorization"] = f"Bearer {_header_value('api_key', key)}"
        secrets = {part for value in given.values() for part in (value, value.removeprefix("Bearer ")) if len(part) > 3}
        longest_first = tuple(sorted(secrets, key=len, reverse=True))
        return cls(base_url, replace(addressee, secrets=longest_first), given, timeouts or Timeouts())

    def shown_headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers; what the user gave is redacted, whatever its name."""
        return tuple((name, "[redacted]") for name in self.headers)

    async def get_json(self, path: str, *, limit_s: float | None = None) -> JsonValue:
        """GET a JSON document; raises our errors."""
        return await self._json("GET", path, None, limit_s)

    async def post_json(self, path: str, body: JsonValue, *, limit_s: float | None = None) -> JsonValue:
        """POST one JSON document and return the reply's; raises our errors."""
        return await self._json("POST", path, body, limit_s)

    async def _json(self, method: str, path: str, body: JsonValue, limit_s: float | None) -> JsonValue:
        in_time = limit(limit_s, f"{self.addressee.name} did not answer", self.timeouts)
        async with in_time, self.open(method, path, body) as reply:
            return reply.as_json(await reply.read())

    @asynccontextmanager
    async def open(self, method: str, path: str, body: JsonValue = None) -> AsyncIterator[Reply]:
        """Send a request and give its reply, once its status says success; leaving closes the connection.

        Sent again once where a pooled connection turned out to be stale: nothing was received, so nothing is lost.
        """
        url = self.base_url.join(path)
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        log.debug("%s %s", method, url)
        with self.our_errors(url):
            response = await self._send(method, url, content)
        try:
            reply = Reply(response, self)
            if not response.is_success:
                raise error_from_reply(
                    response.status_code,
                    await reply.read(),
                    self.addressee,
                    retry_after=response.headers.get("retry-after"),
                    location=response.headers.get("location"),
                )
            yield reply
        finally:
            await response.aclose()

    async def _send(self, method: str, url: str, content: bytes | None) -> httpx.Response:
        client, timeouts = _client(self.base_url), self.timeouts
        headers = {"Accept-Encoding": "identity", **self.headers}
        if content is not None:
            headers["Content-Type"] = "application/json"
        for last in (False, True):
            request = client.build_request(
                method, url, content=content, headers=headers, timeout=httpx.Timeout(None, connect=timeouts.connect_s)
            )
            try:
                async with limit(timeouts.first_byte_s, f"{self.addressee.name} did not answer", timeouts):
                    send = functools.partial(client.send, request, stream=True)
                    return await cancelled_with_care(send, httpx.Response.aclose)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if last:
                    raise
        raise AssertionError("the second try returns or raises")

    @contextlib.contextmanager
    def our_errors(self, url: str, *, answering: bool = False) -> Iterator[None]:
        """Map httpx's errors to ours; ``answering`` is from the first byte of the body on."""
        name, how = self.addressee.name, self.addressee.how_to_start
        try:
            yield
        except httpx.ProxyError as error:
            raise ServerUnreachable(
                f"the proxy for {url} failed ({error}): check HTTP_PROXY and NO_PROXY", url=url
            ) from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ServerUnreachable(_why_unreachable(self.base_url, how, error), url=str(self.base_url)) from error
        except httpx.DecodingError as error:
            raise BadReply(
                f"{name} sent a compressed reply that is broken ({error}): is a proxy in between?"
            ) from error
        except httpx.TransportError as error:
            if answering:
                raise StreamBroken(
                    f"{name} closed the connection in mid-answer: look at its log, then run again"
                ) from error
            raise StreamBroken(
                f"{name} closed the connection without an answer: look at its log, then run again"
            ) from error
        except (httpx.InvalidURL, ValueError) as error:
            raise ConfigError(f"a request to {self.base_url} can't be made: check address and headers") from error


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful reply whose body is still to be read."""

    response: httpx.Response
    endpoint: Endpoint

    @property
    def content_type(self) -> str:
        """The media type, in small letters and without parameters."""
        value: str = self.response.headers.get("content-type", "")
        return value.partition(";")[0].strip().lower()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes; raises ``IdleTimeout`` and ``StreamBroken``."""
        response, timeouts = self.response, self.endpoint.timeouts
        encoded = "content-encoding" in response.headers
        body = response.aiter_bytes() if encoded else response.aiter_raw()
        what = f"{self.endpoint.addressee.name} fell silent"
        with self.endpoint.our_errors(str(response.url), answering=True), Waits(what, timeouts) as waits:
            waits.begin(timeouts.first_byte_s)  # a server may send its headers and then read a long prompt
            async for chunk in body:
                waits.end()
                yield chunk
                waits.begin(timeouts.idle_s)

    async def read(self) -> bytes:
        """Return the whole body."""
        return b"".join([chunk async for chunk in self.chunks()])

    def as_json(self, body: bytes) -> JsonValue:
        """Parse a body as JSON; a web page or anything else is a ``BadReply`` that says what came."""
        try:
            value: JsonValue = json.loads(body)
        except (ValueError, RecursionError):
            raise self.not_json(body) from None
        return value

    def not_json(self, body: bytes) -> BadReply:
        """Say what came instead of JSON."""
        text = body.decode("utf-8", "replace")
        what = "a web page" if "<html" in text[:2000].lower() or "html" in self.content_type else "no JSON"
        return BadReply(
            f"{self.response.url} answered with {what}: check the base URL, and that a model server runs there",
            raw=self.endpoint.addressee.redact(text[:10_000]),
        )


def _header_value(name: str, value: str) -> str:
    """Return a header's value without the line end that a key read from a file has."""
    stripped = str(value).strip()
    if not stripped or not stripped.isascii() or not stripped.isprintable():
        raise ConfigError(f"{name} can't be sent: it must be one line of plain characters, and not empty")
    return stripped


def _why_unreachable(base_url: BaseUrl, how_to_start: str, error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if type(cause).__name__.startswith("SSL"):
            return f"{base_url} can't be reached over TLS ({cause}): try http://, or mend its certificate"
        cause = cause.__cause__ or cause.__context__
    why = "nothing answered in time" if isinstance(error, httpx.ConnectTimeout) else "nothing answers"
    return f"{why} at {base_url}. {how_to_start}"


_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[bool, bool], httpx.AsyncClient]] = WeakKeyDictionary()
_closing_at_exit = False


def _client(base_url: BaseUrl) -> httpx.AsyncClient:
    """Return the running loop's client for this kind of address.

    Hosts of this machine and of its own network ignore proxy variables; an http address needs no certificates,
    which take 30 ms to load.
    """
    global _closing_at_exit  # noqa: PLW0603 - registered once
    of_loop = _clients.setdefault(asyncio.get_running_loop(), {})
    if on_background_loop() and not _closing_at_exit:
        _closing_at_exit = True
        close_at_exit(close_clients)
    kind = (base_url.is_private, base_url.scheme == "https")
    if kind not in of_loop:
        private, tls = kind
        of_loop[kind] = httpx.AsyncClient(
            trust_env=not private,
            verify=tls or not private,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30),
        )
    return of_loop[kind]


async def close_clients() -> None:
    """Close the running loop's connections."""
    for client in _clients.pop(asyncio.get_running_loop(), {}).values():
        await client.aclose()


def refuse_if_leaving(base_url: BaseUrl, *, local_only: bool) -> None:
    """Raise ``ConfigError`` where ``local_only`` forbids what leaves this machine."""
    if local_only and not base_url.is_loopback:
        raise ConfigError(
            f"local_only is set, and {base_url} is not this machine: choose a local model, or unset local_only"
        )
