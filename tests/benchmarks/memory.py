"""Growth over 1,000 answers in one process, after a warm-up: by the API, and by cells in a real kernel."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.stream_server import serving
from tests.benchmarks.table import Row, Section
from tests.kernels import Kernel

WARM_UP, ANSWERS, DELTAS, ROUNDS = 200, 1_000, 50, 4
MEASURE = f"""
import gc, psutil
def rss():
    gc.collect()
    return psutil.Process().memory_info().rss
for _ in range({WARM_UP}): ask()
sizes = [rss()]
for _ in range({ROUNDS}):
    for _ in range({ANSWERS} // {ROUNDS}): ask()
    sizes.append(rss())
print([round((size - sizes[0]) / 1024) for size in sizes[1:]])
"""
BY_API = """
from roci_nb import {provider}, generate_text_sync
provider = {provider}("flood-{deltas}", base_url={url!r})
def ask(): generate_text_sync(provider, "Hello")
"""
BY_OPENAI = """
import openai
client = openai.OpenAI(base_url={url!r} + "/v1", api_key="none")
def ask():
    messages = [{{"role": "user", "content": "Hello"}}]
    "".join(c.choices[0].delta.content or "" for c in client.chat.completions.create(model="flood-{deltas}", messages=messages, stream=True))
"""
BY_CELL = """
%load_ext roci_nb
def ask(): get_ipython().run_cell_magic("roci", "openai-compatible:flood-{deltas}", "Hello")
"""


def sections() -> Iterator[Section]:
    """Measure the public calls in fresh processes, and the magic in a kernel."""
    with serving() as url:
        rows = [
            _row(
                f"generate_text_sync, {provider}", _in_process(BY_API.format(provider=provider, url=url, deltas=DELTAS))
            )
            for provider in ("OpenAiCompatibleProvider", "OllamaProvider")
        ]
        rows.append(_row("%%roci in a kernel", _in_kernel(url)))
        rows.append(_row("openai", _in_process(BY_OPENAI.format(url=url, deltas=DELTAS))))
    yield Section(f"growth of memory over {ANSWERS:,} answers of {DELTAS} deltas", "none", tuple(rows))


def _in_process(setup: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", setup + MEASURE]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _in_kernel(url: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(Path(folder), OPENAI_COMPAT_BASE_URL=url)
        try:
            kernel.run(BY_CELL.format(deltas=DELTAS))
            cell = kernel.start(MEASURE).wait(600)
            assert cell.error is None, cell.error
            return cell.stdout
        finally:
            kernel.close()


def _row(who: str, printed: str) -> Row:
    sizes = [int(size) for size in printed.strip().strip("[]").split(",")]
    return Row(who, f"{sizes[-1]:,} KB", "by quarters: " + ", ".join(f"{size:,}" for size in sizes))
