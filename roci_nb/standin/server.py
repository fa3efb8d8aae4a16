"""The stand-in as a running server.

::

    with StandIn() as standin:
        provider = OllamaProvider("gpt-oss:20b", standin.ollama_url)

Needs the extra ``standin``. It listens on loopback alone, on free ports unless others are asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from roci_nb.errors import ConfigError, EngineFailed, MissingExtra
from roci_nb.local.engine import require_engine

if TYPE_CHECKING:
    from typing import Self

    import uvicorn
    from starlette.types import ASGIApp

HOST = "127.0.0.1"
OLLAMA_PORT, LMSTUDIO_PORT = 11434, 1234
"""Where the real ones listen."""
START_S, END_S = 30.0, 10.0


class StandIn:
    """Ollama's and LM Studio's wire in front of two small models; a context manager.

    ``port`` and ``lmstudio_port`` are 0 for any free one. The models are loaded when they are first asked, and let
    go with the server. Raises ``MissingExtra`` where the extra is not installed, ``ConfigError`` for a port that is
    taken.
    """

    def __init__(self, port: int = 0, lmstudio_port: int = 0) -> None:
        if any(importlib.util.find_spec(name) is None for name in ("starlette", "uvicorn")):
            raise MissingExtra("standin", "the stand-in")
        require_engine()
        self._ports = (port, lmstudio_port)
        self._urls: tuple[str, str] | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._servers: list[uvicorn.Server] = []
        self._ready = threading.Event()
        self._closing = asyncio.Event()
        self._failure: BaseException | None = None

    @property
    def ollama_url(self) -> str:
        """Where Ollama's side answers."""
        return self._url(0)

    @property
    def lmstudio_url(self) -> str:
        """Where LM Studio's side answers."""
        return self._url(1)

    def _url(self, side: int) -> str:
        if self._urls is None:
            raise ConfigError("the stand-in does not run: enter it first, with StandIn() as standin")
        return self._urls[side]

    def __enter__(self) -> Self:
        sockets = _listening(self._ports)
        self._urls = tuple(f"http://{HOST}:{s.getsockname()[1]}" for s in sockets)  # type: ignore[assignment]
        self._ready.clear()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(sockets),), name="roci_nb stand-in", daemon=True
        )
        self._thread.start()
        started = self._ready.wait(START_S)
        if self._failure is not None or not started:
            self.__exit__()
            raise EngineFailed(f"the stand-in could not start ({self._failure}): run it again")
        return self

    def __exit__(self, *_: object) -> None:
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None and thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(self._end)
            thread.join(END_S)
        self._thread = self._loop = self._urls = None

    def wait(self) -> None:
        """Block until the server ends, which an interrupt does."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.2)

    def _end(self) -> None:
        self._closing.set()
        for server in self._servers:
            server.should_exit = True

    async def _serve(self, sockets: list[socket.socket]) -> None:
        import uvicorn

        from roci_nb.providers.transport import close_clients
        from roci_nb.standin.apps import lmstudio_app, ollama_app
        from roci_nb.standin.residents import Residents

        class Quiet(uvicorn.Server):
            """A server that leaves the process's signals alone."""

            @contextlib.contextmanager
            def capture_signals(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
                yield

        self._loop = asyncio.get_running_loop()
        residents, self._closing = Residents(), asyncio.Event()
        with tempfile.TemporaryDirectory(prefix="roci_nb_standin_") as blobs:
            apps = (ollama_app(residents, Path(blobs), self._closing), lmstudio_app(residents, self._closing))
            self._servers = [Quiet(_configuration(app)) for app in apps]
            tasks = [
                asyncio.ensure_future(server.serve(sockets=[listening]))
                for server, listening in zip(self._servers, sockets, strict=True)
            ]
            try:
                while not all(  # noqa: ASYNC110 - uvicorn tells by a flag
                    server.started for server in self._servers
                ) and not any(t.done() for t in tasks):
                    await asyncio.sleep(0.01)
                self._ready.set()
                await asyncio.gather(*tasks)
            except BaseException as error:
                self._failure = error
                raise
            finally:
                self._ready.set()
                await residents.close()
                await close_clients()


def _configuration(app: ASGIApp) -> uvicorn.Config:
    import uvicorn

    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )


def _listening(ports: tuple[int, int]) -> list[socket.socket]:
    """Open a socket for each side; a port that is taken is told before anything runs."""
    opened: list[socket.socket] = []
    for name, port in zip(("Ollama", "LM Studio"), ports, strict=True):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            for one in (*opened, listening):
                one.close()
            raise ConfigError(
                f"port {port} can't be had for {name}'s side ({error.strerror}): is {name} running? "
                "Take another port, or 0 for any free one"
            ) from None
        opened.append(listening)
    return opened
