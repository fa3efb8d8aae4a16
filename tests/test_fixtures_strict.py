"""What the fixtures must not pretend: a hang-up that was none, a cleared output, a key of the developer's."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from tests.kernels import ROOT
from tests.servers.recorded import exchanges
from tests.servers.scripted import ScriptedServer, Stall, head, send

PATIENCE_S = 30


def dial(server: ScriptedServer, path: str = "/") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def read_to_end(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def test_the_servers_own_end_is_not_the_clients_hang_up(scripted):
    stall = Stall()
    scripted.routes |= {"GET /": [head(), send("all")], "GET /stall": [head(), stall]}
    with dial(scripted) as client:
        read_to_end(client)
        assert not scripted.connections[0].closed.is_set()
    with dial(scripted, "/stall") as client:
        connection = scripted.wait_stalled()
        stall.release.set()
        read_to_end(client)
        assert connection.ended.wait(PATIENCE_S)
        assert not connection.closed.is_set()
        assert connection.closed_at is None


def test_a_hang_up_has_its_time(scripted):
    scripted.routes["GET /"] = [head(), Stall()]
    client = dial(scripted)
    connection = scripted.wait_stalled()
    before = time.monotonic()
    client.close()
    assert connection.closed.wait(PATIENCE_S)
    assert before <= connection.closed_at <= time.monotonic()


def test_a_mistake_in_a_tests_handler_is_told_and_not_taken_for_the_wire():
    broken = ScriptedServer({"GET /": lambda request: 1 / 0})
    with pytest.raises(ZeroDivisionError), broken as server, dial(server) as client:
        assert read_to_end(client) == b""


def test_a_reply_recorded_without_a_content_type_is_replayed_without_one(scripted):
    exchange = exchanges("ollama-0.33")["copy"]
    scripted.routes[exchange.route] = exchange.script()
    connection = http.client.HTTPConnection("127.0.0.1", scripted.port, timeout=PATIENCE_S)
    connection.request(exchange.method, exchange.path, "{}")
    with connection.getresponse() as response:
        assert response.getheader("Content-Type") is None
    connection.close()


def test_a_cleared_output_is_cleared_as_a_front_end_does_it(fresh_kernel):
    fresh_kernel.run("from IPython.display import clear_output")
    late = fresh_kernel.run("shown = display('x', display_id=True); clear_output(); print('y'); shown.update('z')")
    assert late.outputs == [{"output_type": "stream", "name": "stdout", "text": "y\n"}]
    assert fresh_kernel.run("print('kept'); clear_output(wait=True)").stdout == "kept\n"
    assert fresh_kernel.run("print('old'); clear_output(wait=True); print('new')").stdout == "new\n"


def test_an_update_reaches_every_output_of_its_id(fresh_kernel):
    shown = fresh_kernel.run(
        "for _ in range(2): display('a', display_id='twin');\ndisplay('b', display_id='twin', update=True);"
    )
    assert shown.data == [{"text/plain": "'b'"}] * 2


def test_no_key_or_server_of_the_developers_reaches_a_kernel(tmp_path, monkeypatch):
    from tests.kernels import Kernel

    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-developer")
    monkeypatch.setenv("ROCI_MODEL", "ollama:huge")
    kernel = Kernel(tmp_path, OLLAMA_HOST="127.0.0.1:9")
    try:
        seen = kernel.value(
            "[__import__('os').environ.get(n) for n in ('OPENAI_API_KEY', 'ROCI_MODEL', 'OLLAMA_HOST')]"
        )
    finally:
        kernel.close()
    assert seen == "[None, None, '127.0.0.1:9']"


HOLD_LAB = """
import pathlib, sys, time
from tests.lab import start_lab

folder = pathlib.Path(sys.argv[1])
(folder / "root").mkdir()
(folder / "configuration").mkdir()
_, process = start_lab(folder / "root", folder / "configuration")
print(process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_jupyterlab_ends_with_a_run_that_is_killed(lab, tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD_LAB, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as holder:
        pid = int(holder.stdout.readline())
        holder.send_signal(signal.SIGKILL)
    try:
        process = psutil.Process(pid)
        deadline = time.monotonic() + PATIENCE_S
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                process.kill()
                pytest.fail("it outlives the run")
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        pass


def test_a_widgets_text_is_waited_for_and_the_page_can_be_reloaded(notebook):
    page = notebook("import ipywidgets\nipywidgets.HTML('drawn by a widget')", "20 + 22")
    page.run(0)
    page.wait_for_text(0, "drawn by a widget")
    page.run(1)
    page.save()
    page.reload()
    assert page.outputs(1)[0]["data"]["text/plain"] == "42"
    assert page.run(1)[0]["data"]["text/plain"] == "42"
