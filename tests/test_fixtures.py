"""The fixtures do what they say: what stands on them is worth as much as they are."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import psutil
import pytest

from tests.kernels import ROOT
from tests.servers.recorded import exchanges
from tests.servers.scripted import Reset, ScriptedServer, Stall, head, json_reply, send, sse

pytest_plugins = ["tests.engines"]

PATIENCE_S = 30


def ask(server: ScriptedServer, path: str = "/", method: str = "GET", body: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body, {"X-Sent": "yes"})
        with connection.getresponse() as response:
            return response.status, response.read().decode()
    finally:
        connection.close()


def dial(server: ScriptedServer) -> socket.socket:
    """A client that sees single reads, where HTTP libraries join them."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return client


def read_until(client: socket.socket, end: bytes) -> bytes:
    seen = b""
    while not seen.endswith(end):
        piece = client.recv(65536)
        assert piece, f"the server closed after {seen!r}"
        seen += piece
    return seen


# The scripted server


def test_what_follows_a_stall_is_sent_when_the_test_releases_it(scripted):
    stall = Stall()
    scripted.routes["GET /"] = [head(), send("one"), stall, send("two")]
    with dial(scripted) as client:
        assert read_until(client, b"one").startswith(b"HTTP/1.1 200 ")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(PATIENCE_S)
        stall.release.set()
        assert read_until(client, b"two") == b"two"
        assert client.recv(1) == b""  # closed, without any end mark


def test_the_server_sees_the_client_hang_up(scripted):
    scripted.routes["GET /"] = [head(), Stall()]
    client = dial(scripted)
    connection = scripted.wait_stalled()
    assert not connection.closed.wait(0.2)
    client.close()
    assert connection.closed.wait(PATIENCE_S)


def test_a_reset_is_a_reset_and_not_an_end(scripted):
    scripted.routes["GET /"] = [head(), send("half"), Reset()]
    with dial(scripted) as client, pytest.raises(ConnectionResetError):
        while client.recv(65536):
            pass


def test_requests_are_recorded_and_a_function_answers_by_turns(scripted):
    replies = iter([json_reply({"error": "busy"}, 503), json_reply({"ok": True})])
    scripted.routes["POST /chat"] = lambda request: next(replies)
    assert ask(scripted, "/chat", "POST", '{"n": 1}') == (503, '{"error": "busy"}')
    assert ask(scripted, "/chat", "POST", '{"n": 2}') == (200, '{"ok": true}')
    assert [request.json["n"] for request in scripted.asked("/chat")] == [1, 2]
    assert scripted.requests[0].headers["x-sent"] == "yes"


def test_an_unknown_path_gets_what_llama_server_says(scripted):
    status, body = ask(scripted, "/nope")
    recorded = exchanges("llama-server-11434")["not_found"]
    assert (status, json.loads(body)) == (recorded.status, json.loads(recorded.body))


def test_an_event_stream_ends_with_done_unless_it_should_not(scripted):
    scripted.routes |= {"GET /": sse({"a": 1}, "raw"), "GET /cut": sse({"a": 1}, done=False)}
    assert ask(scripted)[1] == 'data: {"a": 1}\n\ndata: raw\n\ndata: [DONE]\n\n'
    assert ask(scripted, "/cut")[1] == 'data: {"a": 1}\n\n'


@pytest.mark.parametrize("recording", ["llama-server-11434", "ollama-0.24", "ollama-0.33"])
def test_every_recorded_reply_comes_back_as_it_was_however_it_is_cut(scripted, recording):
    for exchange in exchanges(recording).values():
        cuts = range(1, len(exchange.body), max(1, len(exchange.body) // 50))
        for script in (exchange.script(), exchange.script(*cuts)):
            scripted.routes[exchange.route] = script
            status, body = ask(scripted, exchange.path, exchange.method, "{}")
            assert (exchange.name, status, body) == (exchange.name, exchange.status, exchange.body.decode())


def test_a_server_leaves_neither_thread_nor_port():
    before = threading.active_count()
    with ScriptedServer({"GET /": [head(), Stall()]}) as server:
        client = dial(server)
        server.wait_stalled()
    with client:
        read_until(client, b"\r\n\r\n")
        assert client.recv(1) == b""
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        dial(server)


# The kernel


def test_an_update_is_folded_into_the_output_that_it_is_for(fresh_kernel):
    first = fresh_kernel.start("print('before'); shown = display('draft', display_id=True)").wait()
    second = fresh_kernel.run("shown.update('final'); 1 / 0")
    assert first.stdout == "before\n"
    assert first.data == [{"text/plain": "'final'"}]
    assert (second.updates, second.status, second.outputs[-1]["ename"]) == (1, "error", "ZeroDivisionError")


def test_a_kernel_is_interrupted_aborts_what_is_queued_and_knows_its_cell(fresh_kernel):
    cells = [
        fresh_kernel.start("print('slow', flush=True)\nimport time\ntime.sleep(600)", cell_id="a"),
        fresh_kernel.start("print('must not run')", cell_id="b"),
    ]
    cells[0].wait_for(lambda cell: "slow" in cell.stdout)
    fresh_kernel.interrupt()
    assert [cell.wait().status for cell in cells] == ["error", "aborted"]
    assert cells[0].outputs[-1]["ename"] == "KeyboardInterrupt"
    statuses = [cell.status for cell in fresh_kernel.run_all("1", "1 / 0", "2", "3")]
    assert statuses == ["ok", "error", "aborted", "aborted"]
    asked = "get_ipython().get_parent()['metadata'].get('cellId')"
    assert fresh_kernel.run(asked, cell_id="c").data == [{"text/plain": "'c'"}]
    assert fresh_kernel.run(asked, cell_id=None).data == []


# The llama.cpp server


def chat(server, max_tokens: int):
    messages = [{"role": "user", "content": "Write a long story."}]
    body = {"messages": messages, "stream": True, "max_tokens": max_tokens, "temperature": 0}
    return server.request("POST", "/v1/chat/completions", body)


def test_a_real_model_streams_an_answer(llama_server):
    with chat(llama_server, 8) as response:
        lines = response.read().decode().splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line and line != "data: [DONE]"]
    deltas = [event["choices"][0]["delta"].get("content") for event in events if event["choices"]]
    assert response.status == 200
    assert lines[-2:] == ["data: [DONE]", ""]
    assert len([delta for delta in deltas if delta]) > 2


def test_the_real_server_is_busy_until_its_client_hangs_up(llama_server):
    with chat(llama_server, 1500) as response:
        response.readline()
        assert llama_server.busy()
    llama_server.wait_quiet()


def test_a_server_of_the_tests_own_has_the_window_asked_for_and_can_be_killed(llama_server_with):
    server = llama_server_with(n_ctx=512, slots=1)
    with server.request("GET", "/slots") as response:
        assert [slot["n_ctx"] for slot in json.load(response)] == [512]
    server.kill()
    with pytest.raises(ConnectionRefusedError):
        server.busy()


# A test run that is killed leaves nothing behind

HOLD = """
import pathlib, sys, time
from tests.engines import LlamaServer
from tests.kernels import Kernel

folder, model = map(pathlib.Path, sys.argv[1:])
kernel = Kernel(folder)
server = LlamaServer(model, folder / "llama.log", n_ctx=256, slots=1)
print(kernel.value("__import__('os').getpid()"), server.process.pid, flush=True)
time.sleep(600)
"""


def runs(pid: int) -> bool:
    """A zombie does not run: in a container, nobody may bury it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_the_kernel_and_the_server_end_with_a_run_that_is_killed(tmp_path, smollm2):
    command = [sys.executable, "-c", HOLD, str(tmp_path), str(smollm2)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as holder:
        pids = [int(word) for word in holder.stdout.readline().split()]
        assert len(pids) == 2
        assert all(runs(pid) for pid in pids)
        holder.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while any(runs(pid) for pid in pids):
        assert time.monotonic() < deadline, "they outlive the run"
        time.sleep(0.05)


# JupyterLab: last, for from here on playwright's loop runs in this thread


def test_jupyterlab_runs_cells_stops_them_shows_and_saves(notebook, tmp_path):
    page = notebook(
        "import roci_nb\nprint('out of', 6 * 7)",
        "from IPython.display import HTML\nHTML('<b>bold</b>')",
        "print('going', flush=True)\nimport time\ntime.sleep(600)",
    )
    assert page.run(0) == [{"output_type": "stream", "name": "stdout", "text": "out of 42\n"}]
    page.run(1)
    page.start(2)
    page.wait_for_output(2, "going")
    page.interrupt()
    page.wait(2)
    assert page.outputs(2)[-1]["ename"] == "KeyboardInterrupt"
    assert page.save()["cells"][1]["outputs"][0]["data"]["text/html"] == ["<b>bold</b>"]  # on disk, a list of lines
    backgrounds = set()
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.theme(theme)
        page.page.wait_for_function("(name) => document.body.dataset.jpThemeName === name", arg=theme)
        backgrounds.add(page.page.evaluate("getComputedStyle(document.body).getPropertyValue('--jp-layout-color0')"))
        page.page.screenshot(path=tmp_path / f"{theme}.png")
    assert len(backgrounds) == 2
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in tmp_path.glob("*.png"))
    assert {urlsplit(url).hostname for url in page.requests if urlsplit(url).scheme.startswith("http")} == {"127.0.0.1"}
