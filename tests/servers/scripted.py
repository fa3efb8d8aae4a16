"""A real TCP server that says, byte for byte, what a test tells it to; and sees when its client hangs up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

NOT_FOUND = {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}


@dataclass(frozen=True)
class Request:
    """What the client sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass(frozen=True)
class Send:
    """Bytes, each piece in a TCP send of its own."""

    pieces: tuple[bytes, ...]


@dataclass(frozen=True)
class Stall:
    """Send nothing until the client hangs up, or the test sets ``release``."""

    release: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Pause:
    """Send nothing for a while."""

    seconds: float


@dataclass(frozen=True)
class Reset:
    """Cut the connection with RST."""


Step = Send | Stall | Pause | Reset
Script = Iterable[Step]
Handler = Callable[[Request], Script]


def send(*pieces: bytes | str) -> Send:
    return Send(tuple(piece.encode() if isinstance(piece, str) else piece for piece in pieces))


def head(status: int = 200, content_type: str | None = "text/event-stream", **headers: str) -> Send:
    """The status line and headers of a reply whose body ends with the connection."""
    lines = [f"HTTP/1.1 {status} Scripted", "Connection: close"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return send("\r\n".join(lines) + "\r\n\r\n")


def reply(
    body: bytes | str, *, status: int = 200, content_type: str | None = "application/json", **headers: str
) -> Script:
    data = body.encode() if isinstance(body, str) else body
    return [head(status, content_type, Content_Length=str(len(data)), **headers), send(data)]


def json_reply(value: object, status: int = 200, **headers: str) -> Script:
    return reply(json.dumps(value), status=status, **headers)


def sse(*events: object, done: bool = True) -> Script:
    """An event stream: each event's data as JSON, and ``[DONE]``."""
    lines = [f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events]
    return [head(), send(*lines, *(["data: [DONE]\n\n"] if done else []))]


def chunked(pieces: Iterable[bytes]) -> Send:
    """Pieces in HTTP's chunked encoding, and its end."""
    return Send((*(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece), b"0\r\n\r\n"))


class Connection:
    """One request's connection, as the test sees it."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        """The client hung up. The server's own end of the connection does not count."""
        self.closed_at: float | None = None
        """When it did, in ``time.monotonic`` seconds."""
        self.stalled = threading.Event()
        self.ended = threading.Event()
        """The script is at its end."""

    def client_closed(self) -> None:
        self.closed_at = time.monotonic()
        self.closed.set()


class ScriptedServer:
    """Routes ("GET /v1/models") to scripts, or to functions of the request that return one."""

    def __init__(self, routes: dict[str, Script | Handler] | None = None) -> None:
        self.routes: dict[str, Script | Handler] = dict(routes or {})
        self.requests: list[Request] = []
        self.connections: list[Connection] = []
        self.faults: list[BaseException] = []
        """What a handler raised: the test's own mistake, which leaving the server's block tells."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        if self.faults:
            raise self.faults[0]

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def wait_stalled(self, timeout: float = 30) -> Connection:
        """Wait until a script stalls, and return its connection."""
        waiting = threading.Event()
        for _ in range(int(timeout / 0.01)):
            for connection in reversed(self.connections):
                if connection.stalled.is_set():
                    return connection
            waiting.wait(0.01)
        raise AssertionError("no script stalls")

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _close(self) -> None:
        self._server.close()
        for _ in range(5):  # a connection accepted just now gets its task, which must begin to be able to close it
            await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._answer(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        connection = Connection()
        self.requests.append(request)
        self.connections.append(connection)
        found = self.routes.get(f"{request.method} {request.path}", json_reply(NOT_FOUND, 404))
        try:
            script = found(request) if callable(found) else found
        except Exception as fault:  # noqa: BLE001 - raised where the server's block ends
            self.faults.append(fault)
            return
        hangs_up = asyncio.ensure_future(_client_hangs_up(reader, connection))
        try:
            for step in script:
                await self._perform(step, writer, connection, hangs_up)
        finally:
            connection.ended.set()
            hangs_up.cancel()

    async def _perform(
        self, step: Step, writer: asyncio.StreamWriter, connection: Connection, hangs_up: asyncio.Future[None]
    ) -> None:
        match step:
            case Send(pieces):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    if len(pieces) > 1:
                        await asyncio.sleep(0)  # a send of its own
            case Stall(release):
                connection.stalled.set()
                while not release.is_set() and not hangs_up.done():
                    await asyncio.sleep(0.005)
            case Pause(seconds):
                await asyncio.wait({hangs_up}, timeout=seconds)
            case Reset():
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()


async def _client_hangs_up(reader: asyncio.StreamReader, connection: Connection) -> None:
    with contextlib.suppress(ConnectionError):  # an RST is a way to hang up, too
        await reader.read()
    connection.client_closed()


async def read_request(reader: asyncio.StreamReader) -> Request:
    first = await reader.readexactly(1)
    if not first.isalpha():  # a TLS handshake, not HTTP
        raise ConnectionError
    lines = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)


def chat_chunk(text: str = "", *, finish: str | None = None, **delta: object) -> dict[str, object]:
    """A chunk of ``/v1/chat/completions``."""
    said = {"content": text, **delta} if text else delta
    return {"choices": [{"index": 0, "delta": said, "finish_reason": finish}]}
