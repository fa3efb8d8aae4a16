"""Fixtures that every room's tests may use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from roci_nb.local.weights import WEIGHTS, fetch_weights, stored_path
from tests.kernels import Kernel
from tests.servers.scripted import ScriptedServer

settings.register_profile("default", deadline=None)
settings.load_profile("default")


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The real weights; fetched once, into the cache that is in force."""

    async def fetched() -> None:
        async for _ in fetch_weights(WEIGHTS["smollm2-135m"]):
            pass

    asyncio.run(fetched())
    return stored_path(WEIGHTS["smollm2-135m"])


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A server without routes; the test gives it some."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for the tests of a file, with the extension loaded."""
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    assert kernel.run("%load_ext roci_nb").status == "ok"
    yield kernel
    kernel.close()


@pytest.fixture
def fresh_kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel of the test's own."""
    kernel = Kernel(tmp_path)
    yield kernel
    kernel.close()
