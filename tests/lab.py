"""A real JupyterLab in a real Chromium, driven by its own commands (a windowed notebook can't be clicked)."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kernels import environment

CHROMIUM = os.environ.get("ROCI_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Its standard input is its lifeline: a test run that is killed takes JupyterLab, and that its kernels, with it.
_SERVER = """
import os, signal, sys, threading

def follow():
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=follow, daemon=True).start()
from jupyterlab.labapp import main
sys.exit(main())
"""
_READY = """
    await p.context.ready; await p.revealed; await p.sessionContext.ready;
    const kernel = p.sessionContext.session.kernel; await kernel.info;
    for (let i = 0; i < 1200; i++) {
        if (kernel.connectionStatus === 'connected' && kernel.status === 'idle') break;
        await new Promise(resolve => setTimeout(resolve, 50));
    }
"""


def require_browser() -> None:
    """Skip without a browser; in CI, or with ROCI_REQUIRE_BROWSER, a missing one is a failure."""
    packages = [name for name in ("jupyterlab", "playwright") if importlib.util.find_spec(name) is None]
    if packages:
        missing = f"no {' and '.join(packages)}: pip install {' '.join(packages)}"
    elif CHROMIUM is None:
        missing = "no chromium: install it (apt install chromium), or set ROCI_CHROMIUM"
    else:
        return
    if os.environ.get("CI") or os.environ.get("ROCI_REQUIRE_BROWSER"):
        pytest.fail(missing)
    pytest.skip(missing)


@dataclass(frozen=True)
class Lab:
    """A JupyterLab server, and the folder that it serves."""

    root: Path
    url: str
    token: str


def start_lab(root: Path, configuration: Path) -> tuple[Lab, subprocess.Popen[bytes]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(12)
    url = f"http://127.0.0.1:{port}"
    env = environment(
        configuration,
        JUPYTERLAB_SETTINGS_DIR=str(configuration / "settings"),
        JUPYTERLAB_WORKSPACES_DIR=str(configuration / "workspaces"),
    )
    command = [
        sys.executable,
        "-c",
        _SERVER,
        "--allow-root",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root}",
        "--expose-app-in-browser",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]
    log = configuration / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"{url}/api/status?token={token}", timeout=5):
                return Lab(root, url, token), process
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail(f"JupyterLab did not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)


class Notebook:
    """One notebook in one page; cells are told by their place."""

    def __init__(self, page, path: Path) -> None:
        self.page = page
        self.path = path
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))

    def js(self, body: str, argument: object = None) -> object:
        return self.page.evaluate(
            f"async (a) => {{ const app = window.jupyterapp, p = app.shell.currentWidget; {body} }}", argument
        )

    def start(self, index: int) -> None:
        self.js(
            "p.content.activeCellIndex = a; p.content.deselectAll(); app.commands.execute('notebook:run-cell');", index
        )

    def wait(self, index: int, timeout_s: float = 120) -> None:
        self.page.wait_for_function(
            """(i) => {
                const model = window.jupyterapp.shell.currentWidget.content.model.cells.get(i);
                return model.executionCount != null && model.executionState !== 'running';
            }""",
            arg=index,
            timeout=timeout_s * 1000,
        )

    def run(self, index: int) -> list[dict]:
        self.start(index)
        self.wait(index)
        return self.outputs(index)

    def outputs(self, index: int) -> list[dict]:
        return self.js("return p.content.model.cells.get(a).outputs.toJSON();", index)

    def wait_for_output(self, index: int, text: str, timeout_s: float = 60) -> None:
        self.page.wait_for_function(
            """([i, text]) => JSON.stringify(
                window.jupyterapp.shell.currentWidget.content.model.cells.get(i).outputs.toJSON()).includes(text)""",
            arg=[index, text],
            timeout=timeout_s * 1000,
        )

    def wait_for_text(self, index: int, text: str, timeout_s: float = 60) -> None:
        """Wait until the cell's output area shows the text: a widget's too, which is in no output's data."""
        self.page.wait_for_function(
            """([i, text]) => window.jupyterapp.shell.currentWidget.content.widgets[i].outputArea.node
                .textContent.includes(text)""",
            arg=[index, text],
            timeout=timeout_s * 1000,
        )

    def reload(self) -> None:
        """Load the page again, as F5 does; the kernel goes on."""
        self.page.reload(wait_until="domcontentloaded")
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until a cell that is run is not lost."""
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.sessionContext !== undefined", timeout=120_000
        )
        self.js(_READY)

    def interrupt(self) -> None:
        self.js("await app.commands.execute('notebook:interrupt-kernel');")

    def save(self) -> dict:
        self.js("await app.commands.execute('docmanager:save');")
        return json.loads(self.path.read_text())

    def theme(self, name: str) -> None:
        self.js("await app.commands.execute('apputils:change-theme', {theme: a});", name)

    def only_the_notebook(self) -> None:
        """Hide what stands around the notebook, for a picture of it."""
        self.js("await app.commands.execute('application:toggle-left-area');")
        self.js("app.shell.mode = 'single-document';")

    def shutdown(self) -> None:
        self.js("await p.sessionContext.shutdown();")


def open_notebook(lab: Lab, context, cells: tuple[str, ...]) -> Notebook:
    name = f"{uuid.uuid4().hex[:8]}.ipynb"
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{index}",
                "metadata": {},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for index, source in enumerate(cells)
        ],
    }
    (lab.root / name).write_text(json.dumps(document))
    notebook = Notebook(context.new_page(), lab.root / name)
    notebook.page.goto(f"{lab.url}/lab/tree/{name}?token={lab.token}&reset", wait_until="domcontentloaded")
    notebook.wait_ready()
    return notebook
