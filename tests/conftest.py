"""Fixtures that every room's tests may use."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from roci_nb.local.weights import WEIGHTS, fetch_weights, stored_path
from roci_nb.loop import call_blocking
from tests.kernels import Kernel
from tests.lab import CHROMIUM, CHROMIUM_ARGUMENTS, Lab, Notebook, open_notebook, require_browser, start_lab
from tests.servers.scripted import ScriptedServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest_plugins = ["tests.engines", "tests.standins"]

settings.register_profile("default", deadline=None)
settings.load_profile("default")


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The real weights; fetched once, into the cache that is in force."""

    async def fetched() -> None:
        async for _ in fetch_weights(WEIGHTS["smollm2-135m"]):
            pass

    call_blocking(fetched)
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


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One JupyterLab for the whole run."""
    require_browser()
    lab, process = start_lab(tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("configuration"))
    yield lab
    assert process.stdin is not None
    process.stdin.close()  # its lifeline
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a file: while it is open, playwright's loop runs in this thread."""
    require_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def notebook(lab: Lab, chromium: Browser) -> Iterator[Callable[..., Notebook]]:
    """Open a notebook with these cells; its kernel ends with the test."""
    opened = []

    def make(*cells: str, width: int = 1100, height: int = 900) -> Notebook:
        context = chromium.new_context(viewport={"width": width, "height": height})
        notebook = open_notebook(lab, context, cells)
        opened.append((context, notebook))
        return notebook

    yield make
    for context, notebook in opened:
        notebook.shutdown()
        context.close()
