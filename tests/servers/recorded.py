"""Exchanges recorded from real servers, replayed over TCP. Of the requests, long ones are elided; replies are whole."""

from __future__ import annotations

import functools
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from tests.servers.scripted import Script, Send, chunked, head

WIRE = Path(__file__).parent.parent / "wire"


@dataclass(frozen=True)
class Exchange:
    """One request and its reply."""

    name: str
    method: str
    path: str
    status: int
    content_type: str | None
    chunked: bool
    body: bytes

    @property
    def route(self) -> str:
        return f"{self.method} {self.path}"

    def script(self, *cuts: int) -> Script:
        """The reply, its body cut at these positions, each piece in a chunk and a send of its own."""
        edges = [0, *sorted(cuts), len(self.body)]
        pieces = [self.body[a:b] for a, b in itertools.pairwise(edges)]
        if self.chunked:
            return [head(self.status, self.content_type, Transfer_Encoding="chunked"), chunked(pieces)]
        return [head(self.status, self.content_type, Content_Length=str(len(self.body))), Send(tuple(pieces))]


@functools.cache
def exchanges(server: str) -> dict[str, Exchange]:
    """The exchanges of one recording, by name: ``llama-server-11434``."""
    recorded = {}
    for line in (WIRE / f"{server}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        recorded[row["name"]] = Exchange(
            name=row["name"],
            method=row["method"],
            path=row["path"],
            status=row["status"],
            content_type=row["content_type"],
            chunked=row["chunked"],
            body=row["body"].encode(),
        )
    return recorded
