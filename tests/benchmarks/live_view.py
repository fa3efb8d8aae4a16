"""What a live answer costs: traffic and CPU of a real kernel, and the main thread of a real JupyterLab's page.

The peer is ``update_display(Markdown(text so far))`` at the same 25 Hz, on the same text at the same pace.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.benchmarks.table import Row, Section
from tests.kernels import Kernel
from tests.lab import CHROMIUM, CHROMIUM_ARGUMENTS, Notebook, open_notebook, start_lab
from tests.servers.scripted import Pause, Script, ScriptedServer, chat_chunk, head, json_reply, send

PER_SECOND = 400
BURST = 16
TOKENS = (2_000, 8_000, 32_000)
TOKENS_IN_THE_BROWSER = (2_000, 8_000)
PEER_UP_TO = 8_000
"""The peer's traffic grows with the square: a gigabyte at 32k."""
WORDS = (
    "## A title\n\n",
    *(f"word{n} " for n in range(60)),
    "and **bold**.\n\n",
    *(f"- item {n} of a list\n" for n in range(8)),
    "\n```python\n",
    *(f"value_{n} = compute({n}, 'text')\n" for n in range(12)),
    "```\n\n",
)

PEER = """
import time
from IPython.display import Markdown, display
words = {words!r}
handle, text, pieces = None, '', []
for start in range(0, {tokens}, {burst}):
    text += ''.join(words[n % len(words)] for n in range(start, start + {burst}))
    if handle is None:
        handle = display(Markdown(text), display_id=True)
    else:
        handle.update(Markdown(text))
    time.sleep({pause})
"""
CPU = "import time, threading\nprint(time.process_time())"


def answer(tokens: int) -> Script:
    """Stream this many tokens of Markdown at a steady pace."""
    yield head()
    for start in range(0, tokens, BURST):
        events = (chat_chunk(WORDS[n % len(WORDS)]) for n in range(start, start + BURST))
        yield send("".join(f"data: {json.dumps(event)}\n\n" for event in events))
        yield Pause(BURST / PER_SECOND)
    yield send(f"data: {json.dumps(chat_chunk(finish='stop'))}\n\ndata: [DONE]\n\n")


def peer_cell(tokens: int) -> str:
    """Show the same text by Markdown updates."""
    return PEER.format(words=WORDS, tokens=tokens, burst=BURST, pause=BURST / PER_SECOND)


def sections() -> Iterator[Section]:
    """Measure the kernel's side, then the browser's."""
    with tempfile.TemporaryDirectory() as folder, ScriptedServer() as server:
        models = {"data": [{"id": "phi4", "owned_by": "llamacpp", "meta": {"n_ctx": 100_000}}]}
        server.routes["GET /v1/models"] = json_reply(models)
        yield _in_the_kernel(Path(folder), server)
        yield _in_the_browser(Path(folder), server)


def _in_the_kernel(folder: Path, server: ScriptedServer) -> Section:
    kernel = Kernel(folder, OPENAI_COMPAT_BASE_URL=server.url)
    rows: list[Row] = []
    try:
        kernel.run("%load_ext roci_nb")
        kernel.run("%%roci openai-compatible:phi4 --dry-run -1\nwarm up")
        for tokens in TOKENS:
            server.routes["POST /v1/chat/completions"] = answer(tokens)
            ours = _cost(kernel, "%%roci openai-compatible:phi4 -1\nHello")
            rows.append(_row("%%roci", tokens, ours, None))
            if tokens <= PEER_UP_TO:
                rows.append(_row("update_display(Markdown)", tokens, _cost(kernel, peer_cell(tokens)), ours))
    finally:
        kernel.close()
    return Section(
        "traffic and kernel CPU of an answer at 400 tokens a second",
        "4 x the answer's bytes + 1 KB a flush",
        tuple(rows),
    )


def _cost(kernel: Kernel, cell: str) -> tuple[float, float, int, int]:
    """Run a cell; return CPU seconds, bytes on iopub, messages, and the answer's bytes."""
    before = float(kernel.run(CPU).stdout)
    running = kernel.start(cell).wait(600)
    cpu_s = float(kernel.run(CPU).stdout) - before
    text = next((data.get("text/markdown") or data["text/plain"] for data in running.data), "")
    return cpu_s, running.received_bytes, running.received, len(text.encode())


def _row(who: str, tokens: int, cost: tuple[float, float, int, int], ours: tuple[float, float, int, int] | None) -> Row:
    cpu_s, traffic, messages, size = cost
    spread = f"{messages} messages, {traffic / max(size, 1):.1f} x, {cpu_s:.2f} s CPU"
    ratio = None if ours is None else traffic / ours[1]
    return Row(f"{who}, {tokens:,} tokens", f"{traffic / 1e6:.2f} MB", spread, ratio, "%%roci")


def _in_the_browser(folder: Path, server: ScriptedServer) -> Section:
    (folder / "configuration").mkdir()
    lab, process = start_lab(folder, folder / "configuration")
    rows: list[Row] = []
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=CHROMIUM_ARGUMENTS)
            for tokens in TOKENS_IN_THE_BROWSER:
                server.routes["POST /v1/chat/completions"] = answer(tokens)
                setup = f"import os\nos.environ['OPENAI_COMPAT_BASE_URL'] = {server.url!r}\n%load_ext roci_nb"
                cells = (setup, "%%roci openai-compatible:phi4 -1\nHello", peer_cell(tokens))
                page = open_notebook(lab, browser.new_context(viewport={"width": 1100, "height": 900}), cells)
                page.run(0)
                ours, peer = (_main_thread_s(page, index) for index in (1, 2))
                rows.append(Row(f"%%roci, {tokens:,} tokens", f"{ours:.2f} s"))
                rows.append(
                    Row(f"update_display(Markdown), {tokens:,} tokens", f"{peer:.2f} s", "", peer / ours, "%%roci")
                )
                page.shutdown()
            browser.close()
    finally:
        process.stdin.close()
        process.wait(30)
    return Section(
        "the page's main thread for an answer at 400 tokens a second", "flat in the answer's length", tuple(rows)
    )


def _main_thread_s(page: Notebook, index: int) -> float:
    session = page.page.context.new_cdp_session(page.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    before = spent()
    page.start(index)
    page.wait(index, 600)
    page.page.wait_for_timeout(1000)
    after = spent()
    session.detach()
    return after - before
