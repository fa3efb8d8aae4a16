"""A real llama.cpp server with SmolLM2, in a process of its own; nothing of roci_nb is in it.

A test file that wants one says ``pytest_plugins = ["tests.engines"]``.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

ALIAS = "smollm2-135m"
PATIENCE_S = 60

# The child's standard input brings its configuration, and then is its lifeline: however the test run ends, the pipe
# ends with it. Of few processors one stays free, for llama.cpp's threads wait for each other spinning.
_CHILD = """
import json, os, sys, threading
import xllamacpp

wanted = json.loads(sys.stdin.readline())
params = xllamacpp.CommonParams()
params.model.path = wanted["model"]
params.model_alias = {wanted["alias"]}
params.hostnames, params.port = ["127.0.0.1"], 0
params.api_keys = [wanted["api_key"]]
params.n_parallel = wanted["slots"]
params.n_ctx = wanted["n_ctx"] * wanted["slots"]  # llama.cpp shares it out among the slots
params.ctx_shift = False
params.use_jinja = True
params.endpoint_slots = True
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, (os.cpu_count() or 1) - 1)
server = xllamacpp.Server(params)
print(server.listening_address, file=os.fdopen(os.dup(1), "w"), flush=True)
sys.stdin.read()
os._exit(0)
"""


class LlamaServer:
    """A llama.cpp server that runs until ``close``, until it is killed, or until the test run ends."""

    def __init__(self, model: Path, log: Path, *, n_ctx: int = 2048, slots: int = 2) -> None:
        self.api_key = secrets.token_urlsafe(16)
        self.n_ctx = n_ctx
        self.slots = slots
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _CHILD],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=os.name == "posix",  # Ctrl-C is for the tests; they end the server
            )
        wanted = {"model": str(model), "alias": ALIAS, "api_key": self.api_key, "n_ctx": n_ctx, "slots": slots}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # a child that is dead already has said why in its log
            self.process.stdin.write(json.dumps(wanted).encode() + b"\n")
            self.process.stdin.flush()
        self.base_url = self.process.stdout.readline().decode().strip()
        if not self.base_url:
            self.close()
            raise AssertionError(f"llama.cpp did not start: {log.read_text(errors='replace')[-2000:]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def request(self, method: str, path: str, body: object = None) -> Iterator[http.client.HTTPResponse]:
        """Ask it with its key; leaving the block closes the connection, in the middle of a reply too."""
        address = urlsplit(self.base_url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE_S)
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            with connection.getresponse() as response:
                yield response

    def busy(self) -> bool:
        """Say whether it reads a prompt or writes an answer."""
        with self.request("GET", "/slots") as response:
            return any(slot["is_processing"] for slot in json.load(response))

    def wait_quiet(self, timeout: float = 30) -> None:
        """Wait until no slot works: whoever asked has closed the connection, or has the whole answer."""
        deadline = time.monotonic() + timeout
        while self.busy():
            assert time.monotonic() < deadline, "the server is still at work"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as the system does when memory runs out: no word to its clients."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it, if it runs still, and let go of its pipes."""
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what a dead child did not read
                    pipe.close()


@pytest.fixture(scope="session")
def llama_server(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    """One server for the whole run: two slots of 2,048 tokens. Not to be killed: take ``llama_server_with``."""
    with LlamaServer(smollm2, tmp_path_factory.mktemp("llama") / "server.log") as server:
        yield server


@pytest.fixture
def llama_server_with(smollm2: Path, tmp_path: Path) -> Iterator[Callable[..., LlamaServer]]:
    """Start servers of the test's own: ``llama_server_with(n_ctx=512, slots=1)``."""
    with contextlib.ExitStack() as started:
        count = iter(range(1000))

        def start(*, n_ctx: int = 2048, slots: int = 2) -> LlamaServer:
            log = tmp_path / f"llama-{next(count)}.log"
            return started.enter_context(LlamaServer(smollm2, log, n_ctx=n_ctx, slots=slots))

        yield start
