"""A model server in a process of its own, so that only the client's CPU is counted.

It speaks both wires with the bytes of the recorded ones (tests/wire), one HTTP chunk and one TCP send a delta, as
Ollama and llama-server do. The model's name says what to stream: "flood-10000" as fast as the client reads,
"paced-1000" one delta a millisecond, "clock" one delta that is the monotonic time at which it was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.servers.scripted import Request, read_request

PACE_S = 0.001
THINK_S = 0.03
"""How long the clock model waits between its headers and its first delta."""
WORDS = ("The", " sky", " is", " blue", ",", " say", " 9", "9", "%", "\n")
SSE, NDJSON = "text/event-stream", "application/x-ndjson"
DETAILS = {"family": "llama", "parameter_size": "8B", "quantization_level": "Q4_K_M"}


def _sse(model: str, delta: dict[str, object], finish: str | None = None, **more: object) -> bytes:
    chunk = {
        "choices": [{"finish_reason": finish, "index": 0, "delta": delta}],
        "created": 1795414430,
        "id": "chatcmpl-fCTEB5eXkGMr3uPqLiwVkCIdYZbNzNUT",
        "model": model,
        "system_fingerprint": "b9842-0b1cb97",
        "object": "chat.completion.chunk",
        **more,
    }
    return b"data: %s\n\n" % json.dumps(chunk, separators=(",", ":")).encode()


def _ndjson(model: str, message: dict[str, object], **more: object) -> bytes:
    line = {"model": model, "created_at": "2026-11-23T06:13:53.200693794Z", "message": message, "done": False, **more}
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _delta(model: str, text: str, *, native: bool) -> bytes:
    return _ndjson(model, {"role": "assistant", "content": text}) if native else _sse(model, {"content": text})


def _end(model: str, n: int, *, native: bool) -> bytes:
    if native:
        figures = {"prompt_eval_count": 7, "prompt_eval_duration": 5_000_000, "eval_count": n, "eval_duration": 10**9}
        done = {"done": True, "done_reason": "stop", "total_duration": 2 * 10**9, "load_duration": 10**6}
        return _ndjson(model, {"role": "assistant", "content": ""}, **done, **figures)
    usage = {"prompt_tokens": 7, "completion_tokens": n, "total_tokens": n + 7}
    return _sse(model, {}, "stop", usage=usage) + b"data: [DONE]\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _stream(request: Request, writer: asyncio.StreamWriter, *, native: bool) -> None:
    model = str(request.json["model"])
    kind, _, number = model.partition("-")
    n = int(number or 1)
    writer.write(_head(NDJSON if native else SSE, "Transfer-Encoding: chunked"))
    if kind == "clock":
        await asyncio.sleep(THINK_S)
        writer.write(_chunk(_delta(model, f"{time.monotonic():.6f}", native=native)))
        await asyncio.sleep(THINK_S)
    pieces = [_chunk(_delta(model, word, native=native)) for word in WORDS]
    due = time.monotonic()
    for i in range(n if kind != "clock" else 0):
        if kind == "paced":
            due += PACE_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        writer.write(pieces[i % len(pieces)])
        await writer.drain()
    writer.write(_chunk(_end(model, n, native=native)) + b"0\r\n\r\n")
    await writer.drain()


def _head(content_type: str, *more: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Type: {content_type}", *more, "\r\n"]).encode()


def _document(request: Request) -> object:
    """What is told of the model, on either wire; it counts as loaded."""
    model = str(request.json["model"]) if request.body else "any"
    match request.path:
        case "/v1/models":
            return {"data": [{"id": model, "owned_by": "llamacpp", "meta": {"n_ctx": 131072}}]}
        case "/api/show":
            return {"details": DETAILS, "model_info": {"llama.context_length": 131072}, "capabilities": ["completion"]}
        case "/api/ps" | "/api/tags":
            return {"models": [{"name": model, "model": model, "size": 1, "details": DETAILS, "context_length": 8192}]}
        case _:
            return {}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            request = await read_request(reader)
            if request.path in ("/v1/chat/completions", "/api/chat"):
                await _stream(request, writer, native=request.path == "/api/chat")
            else:
                body = json.dumps(_document(request)).encode()
                writer.write(_head("application/json", f"Content-Length: {len(body)}") + body)
    writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)  # the parent's end of the pipe closes with it


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Run the server in a child process; gives its address."""
    command = [sys.executable, "-m", "tests.benchmarks.stream_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        yield f"http://127.0.0.1:{int(child.stdout.readline())}"
        child.stdin.close()
        child.terminate()


if __name__ == "__main__":
    asyncio.run(_main())
