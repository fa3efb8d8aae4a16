"""One engine child as its parent sees it: spawned, awaited, ended, and what it died of."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from roci_nb.errors import EngineFailed
from roci_nb.local.processes import spawn

if TYPE_CHECKING:
    from roci_nb.local.engine_child import EngineConfig

LOG_LINES = 50
GOING_S = 5.0
"""How long a killed child may take to be gone."""

_ADVICE = (
    (r"architecture", "a newer engine may know it: pip install -U xllamacpp"),
    (r"alloc|out of memory|OutOfMemory", "take a smaller num_ctx or a smaller model"),
    (r"corrupt|incomplete|file bounds|failed to read|version \d+", "download the file again"),
    (r"ImportError|ModuleNotFoundError", "install it again: pip install --force-reinstall xllamacpp"),
)
_USE_A_SERVER = "this processor lacks what xllamacpp was built for: use Ollama or LM Studio instead"
_UPDATE = "try again, and if it happens again: pip install -U xllamacpp"
_DEATHS = {
    "SIGILL": _USE_A_SERVER,
    "SIGKILL": "most likely the memory ran out: take a smaller num_ctx or a smaller model",
}
# What Windows gives as the exit code of a process that crashed.
_WINDOWS_DEATHS = {0xC000001D: "SIGILL", 0xC0000005: "SIGSEGV", 0xC0000374: "SIGABRT", 0xC0000409: "SIGABRT"}


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Where an engine answers, in OpenAI's wire and llama-server's own, to requests that bear its key."""

    base_url: str
    api_key: str = field(repr=False)
    window: int
    """In tokens, for each slot; it may be less than was asked for: the model's own limit holds."""
    pid: int
    load_s: float


class EngineProcess:
    """One engine child. Its methods block, if at all, and may be called from any thread.

    Plain threads read its pipes: an engine is used from several loops, and outlives each of them.
    """

    def __init__(self, model: Path, *, alias: str, window: int, slots: int, longest_answer: int | None = None) -> None:
        self._config: EngineConfig = {
            "model": str(model),
            "alias": alias,
            "window": window,
            "slots": slots,
            "longest_answer": longest_answer,
            "api_key": secrets.token_urlsafe(32),
            "sys_path": [str(entry) for entry in sys.path],
        }
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._stopped = False
        self._began = time.monotonic()
        # By path and without the package, so that it needs neither our dependencies nor our place on sys.path;
        # -P keeps the files beside it from being taken for modules of other people.
        child = str(Path(__file__).with_name("engine_child.py"))
        pipe = subprocess.PIPE
        try:
            self._process = spawn((sys.executable, "-P", child), stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise self._could_not_load(f"no process could be started ({error.strerror})") from None
        self._watcher = threading.Thread(target=self._watch, name=f"roci_nb engine log {alias}", daemon=True)
        self._watcher.start()

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """The last lines that llama.cpp printed."""
        return "\n".join(self._log.copy())

    def wait_ready(self) -> EngineAddress:
        """Block until the model is loaded. Raises ``EngineFailed``; ``end`` from another thread brings that."""
        with contextlib.suppress(OSError):  # it died at once; its log says why
            stdin = _pipe(self._process.stdin)
            stdin.write(json.dumps(self._config).encode() + b"\n")
            stdin.flush()
        with _pipe(self._process.stdout) as replies:
            line = replies.readline()
        reply: object = json.loads(line or "null")
        match reply:
            case {"url": str(url), "window": int(window)}:
                load_s = time.monotonic() - self._began
                return EngineAddress(url, self._config["api_key"], window, self._process.pid, load_s)
            case {"error": str(error)}:
                self._watcher.join(GOING_S)
                raise self._could_not_load(_reason(self.log) or error)
            case _:
                self._watcher.join(GOING_S)
                raise self.failure() or self._could_not_load("the engine gave no address")

    def end(self) -> None:
        """Kill the child; it has nothing to save. Calling it again is harmless."""
        if self.alive:
            self._stopped = True
            self._process.kill()

    def wait_end(self, timeout_s: float) -> None:
        """Block until the child is gone and its pipes are closed."""
        self._watcher.join(timeout_s)

    def let_go(self) -> None:
        """In a forked child of ours: drop its copy of the lifeline, which would outlive us, and leave the rest."""
        self._process.returncode = 0  # not this process's child to wait for
        with contextlib.suppress(OSError):
            _pipe(self._process.stdin).close()

    def failure(self) -> EngineFailed | None:
        """Say what the child died of; None while it lives."""
        code = self._process.poll()
        if code is None:
            return None
        alias = self._config["alias"]
        if self._stopped:
            return EngineFailed(f"the embedded engine of {alias} was stopped: ask again to start it", log=self.log)
        death = _name_of_death(code)
        return EngineFailed(
            f"the embedded engine of {alias} died ({death}): {_DEATHS.get(death, _UPDATE)}", log=self.log
        )

    def _could_not_load(self, reason: str) -> EngineFailed:
        what_now = next((advice for mark, advice in _ADVICE if re.search(mark, reason)), "")
        return EngineFailed(
            f"the embedded engine could not load {self._config['alias']}: {reason}; "
            f"{what_now or 'check the file, or name another: embedded:/path/model.gguf'}",
            log=self.log,
        )

    def _watch(self) -> None:
        """Keep the end of the log, and when it ends bury the child."""
        with _pipe(self._process.stderr) as lines:
            for line in lines:
                text = line.decode("utf-8", "replace").rstrip()
                self._log.append(text.replace(self._config["api_key"], "***"))
        self._process.wait()
        with contextlib.suppress(OSError):
            _pipe(self._process.stdin).close()


class Engine:
    """One running engine: where it answers and how it fares."""

    def __init__(self, process: EngineProcess, address: EngineAddress, *, path: Path, alias: str) -> None:
        self.path = path
        self.alias = alias
        self.address = address
        self._process = process

    def __repr__(self) -> str:
        state = "alive" if self.alive else "gone"
        return f"<Engine {self.alias} {state}, window {self.address.window}, pid {self.address.pid}>"

    @property
    def alive(self) -> bool:
        """Whether the child process runs."""
        return self._process.alive

    @property
    def log(self) -> str:
        """The last lines that llama.cpp printed."""
        return self._process.log

    def failure(self) -> EngineFailed | None:
        """Say what the engine died of, for a stream that broke; None while it lives."""
        return self._process.failure()

    async def stop(self) -> None:
        """End the engine, whoever uses it, and return when its memory is free."""
        self._process.end()
        await asyncio.to_thread(self._process.wait_end, GOING_S)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "spawned with a pipe"
    return pipe


def _name_of_death(code: int) -> str:
    if code in _WINDOWS_DEATHS:
        return _WINDOWS_DEATHS[code]
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def _reason(log: str) -> str:
    """Find llama.cpp's own reason: its first error that says more than that loading failed."""
    for said in cast("list[str]", re.findall(r"^\S+ E .*?\w: (.+)$", log, re.MULTILINE)):
        reason = said.removeprefix("error loading model: ").removeprefix("llama_model_loader: ")
        if not reason.startswith(("failed to load", "failed to read header", "encountered an error", "exiting")):
            return reason[:300]
    return ""
