"""Bytes to lines and events: NDJSON and server-sent events, split by ourselves.

``httpx``'s line splitting breaks on U+2028, U+0085 and others inside a JSON string (PROTOCOLS G.1); here only the
standard's line ends count, whole lines are decoded, and a broken UTF-8 sequence becomes U+FFFD.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.errors import BadReply

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE_BYTES = 64 * 1024 * 1024
"""A line may hold megabytes of a tool's arguments; beyond this it is no answer any more."""


@dataclass(slots=True)
class ServerSentEvent:
    """One event: its type ("message" where none is given), and its data lines joined by newlines."""

    data: str
    event: str = "message"


class LineSplitter:
    """Splits a byte stream at LF, and at nothing else; what follows the last one is kept until it is whole."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that ``chunk`` completes."""
        head, newline, rest = chunk.rpartition(b"\n")
        if not newline:
            self._keep(chunk)
            return
        lines = (bytes(self._pending) + head).split(b"\n")
        self._pending.clear()
        self._keep(rest)
        yield from lines

    def _keep(self, rest: bytes) -> None:
        self._pending += rest
        if len(self._pending) > MAX_LINE_BYTES:
            raise BadReply(f"the server sent a line of over {MAX_LINE_BYTES >> 20} MB: is this a model server?")

    def rest(self) -> bytes:
        """Return what stands behind the last line end."""
        rest = bytes(self._pending)
        self._pending.clear()
        return rest


class _SseLines(LineSplitter):
    """Lines of an event stream: CR LF, LF or CR end one, also across chunks."""

    def __init__(self) -> None:
        super().__init__()
        self._after_cr = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return super().feed(chunk)


class SseParser:
    """Server-sent events out of chunks of bytes, split anywhere."""

    def __init__(self) -> None:
        self._lines = _SseLines()
        self._data: list[str] = []
        self._event = ""
        self._first = True

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that ``chunk`` completes."""
        for line in self._lines.feed(chunk):
            event = self._read(line)
            if event is not None:
                yield event

    def close(self) -> Iterator[ServerSentEvent]:
        """Yield the event that the stream left without its blank line; some servers do."""
        rest = self._lines.rest()
        if rest:
            self._read(rest)
        event = self._read(b"")
        if event is not None:
            yield event

    def _read(self, line: bytes) -> ServerSentEvent | None:
        if self._first:
            self._first = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            if not self._data:
                self._event = ""
                return None
            event = ServerSentEvent("\n".join(self._data), self._event or "message")
            self._data.clear()
            self._event = ""
            return event
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"data":
            self._data.append(text)
        elif name == b"event":
            self._event = text
        elif name == b"error":  # llama-server's older builds (PROTOCOLS E.1)
            self._data.append(text)
            self._event = "error"
        return None
