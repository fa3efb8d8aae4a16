"""How a route of the stand-in answers: its fault in the server's own words, one document, or a stream of lines."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from roci_nb.errors import RociError, ServerError
from roci_nb.types.json import object_of, parse_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from pydantic import JsonValue
    from starlette.types import Message, Receive, Scope, Send

    from roci_nb.types.json import JsonObject

log = logging.getLogger("roci_nb")


class Fault(Exception):
    """A refusal: a status and what goes with it."""

    def __init__(self, status: int, body: JsonValue) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Call:
    """A request as a route reads it."""

    body: bytes
    path: Mapping[str, str]

    def json(self) -> JsonObject:
        """Return the body's object; a fault in Ollama's words for anything else."""
        text = self.body.decode("utf-8", "replace")
        if not text.strip():
            raise Fault(400, {"error": "missing request body"})
        try:
            value = parse_json(text)
        except json.JSONDecodeError as error:
            where = text[error.pos : error.pos + 1]
            told = f"invalid character '{where}' looking for beginning of value" if where else "unexpected EOF"
            raise Fault(400, {"error": told}) from None
        if not isinstance(value, dict):
            raise Fault(400, {"error": "json: cannot unmarshal into an object"})
        return value


@dataclass(frozen=True, slots=True)
class Lines:
    """A reply that is written as it comes, one piece of its format at a time."""

    pieces: AsyncGenerator[JsonObject, None]
    media_type: str
    written: Callable[[JsonObject], bytes]
    failed: Callable[[Fault], bytes]
    """Writes the body of a fault that comes after the first piece."""
    end: bytes = b""


Route: TypeAlias = "Callable[[Call], Awaitable[Response | Lines]]"


def document(value: JsonValue, status: int = 200, media_type: str = "application/json; charset=utf-8") -> Response:
    """Write one JSON document."""
    return Response(compact(value), status, media_type=media_type)


def compact(value: JsonValue) -> bytes:
    """Write JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def now_text(seconds: float | None = None) -> str:
    """Return a moment as Go writes it, with nine digits; now by default."""
    nanoseconds = time.time_ns() if seconds is None else int(seconds * 1e9)
    whole, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def fault_of(error: Exception) -> Fault:
    """Say what went wrong behind the stand-in, as the servers would say it of theirs."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, ServerError) and error.body:
        return Fault(error.status or 500, {"error": error.body.strip()})
    if isinstance(error, RociError):
        return Fault(500, {"error": str(error)})
    log.error("the stand-in failed", exc_info=error)
    return Fault(500, {"error": f"the stand-in failed ({type(error).__name__}): look at its log"})


@dataclass(frozen=True, slots=True)
class Door:
    """A route as an ASGI app: ends its work when the client hangs up, or with ``closing``."""

    route: Route
    closing: asyncio.Event
    told: Callable[[Fault], Response] = field(default=lambda fault: document(fault.body, fault.status))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:
            return
        exchange = _Exchange(scope, receive, send)
        working = asyncio.ensure_future(self._answer(Call(body, scope.get("path_params", {})), exchange))
        leaving, closing = asyncio.ensure_future(_hung_up(receive)), asyncio.ensure_future(self.closing.wait())
        tasks = (working, leaving, closing)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(results[0], Exception):
            log.error("the stand-in could not answer", exc_info=results[0])
        if self.closing.is_set():
            await exchange.close(self.told(Fault(503, {"error": "the stand-in ends"})))

    async def _answer(self, call: Call, exchange: _Exchange) -> None:
        try:
            reply = await self.route(call)
            if isinstance(reply, Lines):
                await _stream(reply, exchange.send)
                return
        except Exception as error:  # noqa: BLE001 - every fault is told to the client
            reply = self.told(fault_of(error))
        await exchange.write(reply)


@dataclass(slots=True)
class _Exchange:
    """One request's ASGI, and how far its reply has come."""

    scope: Scope
    receive: Receive
    out: Send
    begun: bool = False
    ended: bool = False

    async def send(self, message: Message) -> None:
        self.begun = True
        self.ended = message["type"] == "http.response.body" and not message.get("more_body")
        await self.out(message)

    async def write(self, reply: Response) -> None:
        await reply(self.scope, self.receive, self.send)

    async def close(self, refusal: Response) -> None:
        """End a reply that is not whole: a stream lacks its end mark then."""
        if not self.begun:
            await self.write(refusal)
        elif not self.ended:
            await self.send(_body(b"", more=False))


async def _stream(reply: Lines, send: Send) -> None:
    async with aclosing(reply.pieces) as pieces:
        first = await anext(pieces)  # a fault here has a status of its own
        await send(_head(reply.media_type))
        await send(_body(reply.written(first)))
        try:
            async for piece in pieces:
                await send(_body(reply.written(piece)))
            await send(_body(reply.end, more=False))
        except Exception as error:  # noqa: BLE001 - see above
            await send(_body(reply.failed(fault_of(error)), more=False))


def _head(media_type: str) -> Message:
    return {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", media_type.encode()), (b"cache-control", b"no-cache")],
    }


def _body(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def ndjson(pieces: AsyncGenerator[JsonObject, None]) -> Lines:
    """Make a reply of JSON lines."""
    return Lines(
        pieces,
        "application/x-ndjson",
        written=lambda piece: compact(piece) + b"\n",
        failed=lambda fault: compact(fault.body) + b"\n",
    )


def events(pieces: AsyncGenerator[JsonObject, None], told: Callable[[Fault], JsonValue]) -> Lines:
    """Make a reply of server-sent events with OpenAI's end mark; a fault, as ``told`` writes it, ends it without."""
    return Lines(
        pieces,
        "text/event-stream",
        written=lambda piece: b"data: " + compact(piece) + b"\n\n",
        failed=lambda fault: b"data: " + compact(told(fault)) + b"\n\n",
        end=b"data: [DONE]\n\n",
    )


def error_text(body: JsonValue) -> str:
    """Return the text of a fault's body, ``{"error": text}`` or ``{"error": {"message": text}}``."""
    told = object_of(body).get("error")
    return told if isinstance(told, str) else str(object_of(told).get("message") or told)
