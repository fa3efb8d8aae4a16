"""Model files as they come: over the network where they are not here yet, read and checked where they are."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing
from typing import TYPE_CHECKING

from roci_nb.standin.wire import Fault
from roci_nb.types.progress import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from roci_nb.standin.speakers import Speaker

_BLOCK = 4_000_000


async def transferred(file: Speaker) -> AsyncGenerator[Progress, None]:
    """Report how far a file has come; the status is its digest."""
    fetched = False
    digest = await digest_of(file)
    async with aclosing(file.fetch()) as steps:
        async for step in steps:
            fetched = True
            yield Progress(digest, step.completed, step.total or file.size)
    if fetched:
        return
    sums, done = hashlib.sha256(), 0
    yield Progress(digest, 0, file.size)
    with file.path.open("rb") as opened:
        while block := await asyncio.to_thread(opened.read, _BLOCK):
            await asyncio.to_thread(sums.update, block)
            done += len(block)
            yield Progress(digest, done, file.size)
    if sums.hexdigest() != digest:
        raise Fault(500, {"error": "digest mismatch, file must be downloaded again"})


async def digest_of(file: Speaker) -> str:
    """Return a file's SHA-256, which is known before a named file is here."""
    if file.weights is not None:
        return file.weights.sha256
    return await asyncio.to_thread(_sha256, file.path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
