"""From the kernel's interrupt to the closed connection, as the server sees it."""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.table import Section, row
from tests.kernels import Kernel
from tests.servers.scripted import (
    Handler,
    Pause,
    Request,
    Script,
    ScriptedServer,
    Stall,
    chat_chunk,
    head,
    json_reply,
    send,
)

REPETITIONS = 10
WORD = send(f"data: {json.dumps(chat_chunk('word '))}\n\n")
CELLS = {
    "%%roci": "%%roci openai-compatible:phi4\nHello",
    "generate_text_sync": "roci_nb.generate_text_sync('openai-compatible:phi4', 'Hello')",
    "await generate_text": "await roci_nb.generate_text('openai-compatible:phi4', 'Hello')",
}


def _flowing(_: Request) -> Script:
    return itertools.chain([head()], itertools.cycle([WORD, Pause(0.01)]))


SCRIPTS: dict[str, Script | Handler] = {
    "flowing": _flowing,
    "stalled before the first byte": [Stall()],
    "stalled in mid-answer": [head(), WORD, Stall()],
}


def sections() -> Iterator[Section]:
    """Interrupt every kind of cell in every state, in a real kernel."""
    with tempfile.TemporaryDirectory() as folder, ScriptedServer() as server:
        kernel = Kernel(Path(folder), OPENAI_COMPAT_BASE_URL=server.url)
        try:
            kernel.run("%load_ext roci_nb\nimport roci_nb")
            models = {"data": [{"id": "phi4", "owned_by": "llamacpp"}]}
            server.routes["GET /v1/models"] = json_reply(models)
            values = {
                f"{call}, {state}": [_to_close_ms(kernel, server, cell, script) for _ in range(REPETITIONS)]
                for state, script in SCRIPTS.items()
                for call, cell in CELLS.items()
            }
        finally:
            kernel.close()
    rows = tuple(row(name, measured, "ms") for name, measured in values.items())
    yield Section("interrupt → connection closed", "200 ms, flowing or stalled", rows)


def _to_close_ms(kernel: Kernel, server: ScriptedServer, cell: str, script: Script | Handler) -> float:
    server.requests.clear()
    server.connections.clear()
    server.routes["POST /v1/chat/completions"] = script
    running = kernel.start(cell)
    kernel.pump(lambda: bool(server.asked("/v1/chat/completions")), 30)
    connection = server.connections[-1]
    time.sleep(0.3)
    before = time.monotonic()
    kernel.interrupt()
    assert connection.closed.wait(30), "the connection stays open"
    assert connection.closed_at is not None
    running.wait()
    assert running.status == "error", running.outputs
    return (connection.closed_at - before) * 1e3
