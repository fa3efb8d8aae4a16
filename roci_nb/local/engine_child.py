"""What runs in the engine's child process: llama.cpp's own HTTP server, for as long as the parent lives.

Started as a file, with nothing of roci_nb imported. Standard input brings one JSON line, the configuration (the
key is part of it: others can read a process's arguments), and is then the parent's lifeline: it ends when the
parent does, however that ends. Standard output takes one JSON line: ``url`` and ``window``, or ``error``.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing import NoReturn

PROMPT_CACHE_MIB = 512
"""For prompts that left their slot. llama.cpp's own default, 8 GiB, is made for a server."""


EXIT_S = 3
LOG_S = 0.3
"""How long the log may take where nothing tells that it is written."""


class EngineConfig(TypedDict):
    """What the parent sends."""

    model: str
    alias: str
    window: int
    """In tokens, for each slot."""
    slots: int
    longest_answer: int | None
    """In tokens, where a request names no limit; None lets the model write until its window is full."""
    api_key: str
    sys_path: list[str]
    """The parent's, which is where it found xllamacpp."""


def main() -> NoReturn:
    """Serve until the lifeline ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ■ stops an answer, never the engine
    config: EngineConfig = json.loads(sys.stdin.buffer.readline())
    _hold_lifeline()
    _be_the_first_to_go()
    # The reply keeps a pipe of its own; whatever else prints to standard output prints to the log.
    reply = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path += [entry for entry in config["sys_path"] if entry not in sys.path]
    with reply:
        try:
            server = _start_server(config)
            url = str(server.listening_address)  # type: ignore[attr-defined]
            json.dump({"url": url, "window": _window_of_a_slot(url, config["api_key"])}, reply)
        except Exception as error:  # noqa: BLE001 - the parent reports it
            json.dump({"error": f"{type(error).__name__}: {error}"}, reply)
            reply.flush()
            _exit_with_the_log()
    while True:  # the server has its own threads, and lives as long as its object
        threading.Event().wait()


def _exit_with_the_log() -> NoReturn:
    """End with what llama.cpp has to say: a thread of its own writes the log, and C's ``exit`` waits for it.

    Python's own end would wait for the lifeline's thread, and ``os._exit`` for nobody.
    """
    if sys.platform != "win32":
        import ctypes

        signal.alarm(EXIT_S)  # should llama.cpp's own tidying hang
        ctypes.CDLL(None).exit(1)
    time.sleep(LOG_S)
    os._exit(1)


def _hold_lifeline() -> None:
    threading.Thread(target=_exit_at_end_of_input, name="lifeline", daemon=True).start()
    if sys.platform == "linux":
        import fcntl

        # Loading holds the GIL, for minutes with a large model, and the thread with it. The system's SIGIO comes
        # all the same when the pipe ends, and ends a process that does not handle it.
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


def _exit_at_end_of_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _be_the_first_to_go() -> None:
    """Where memory runs out, let Linux end the engine and not the kernel that holds the user's data."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _start_server(config: EngineConfig) -> object:
    """Load the model; return when it answers."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = config["model"]
    params.model_alias = {config["alias"]}
    params.hostnames, params.port = ["127.0.0.1"], 0  # a free port of the system's choice
    params.api_keys = [config["api_key"]]
    params.cors_origins = ""  # no web page is to read the answers
    params.ui = False
    params.endpoint_slots = True
    params.n_parallel = config["slots"]
    params.n_ctx = config["window"] * config["slots"]  # llama.cpp shares it out among the slots
    if config["longest_answer"] is not None:
        params.n_predict = config["longest_answer"]  # a default, not a limit: a request may ask for more
    params.ctx_shift = False  # a full window ends the answer with "length" instead of dropping its beginning
    params.use_jinja = True
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _threads()
    return xllamacpp.Server(params)


def _threads() -> int:
    """Choose how many threads compute: -1 leaves it to llama.cpp, which counts the fast physical cores.

    Its threads wait for each other spinning, so that one that has to share its processor, with a browser or the
    kernel, holds up all: measured on two busy processors, two threads load a model in 6 s, one in 0.5 s. Where the
    physical cores are all that there is, one of them stays free.
    """
    import psutil  # type: ignore[import-untyped]

    if sys.platform == "darwin":  # the efficiency cores stay free anyway
        return -1
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # a container's share: "200000 100000" is two processors
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        usable = min(usable, int(quota) // int(period))
    physical = psutil.cpu_count(logical=False) or usable
    return -1 if physical < usable else max(1, usable - 1)


def _window_of_a_slot(url: str, api_key: str) -> int:
    """Ask the server: it rounds a window up to 256 tokens, and down to what the model was trained for."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    connection.request("GET", "/slots", headers={"Authorization": f"Bearer {api_key}"})
    slots: list[dict[str, int]] = json.load(connection.getresponse())
    connection.close()
    return min(slot["n_ctx"] for slot in slots)


if __name__ == "__main__":
    main()
