"""The first cells of a new user, in a real JupyterLab in Chromium."""

import json
from urllib.parse import urlsplit

from tests.servers.scripted import Stall, chat_chunk, head, json_reply, send

MODELS = json_reply({"data": [{"id": "phi4", "owned_by": "llamacpp", "meta": {"n_ctx": 4096}}]})


def point_at(server) -> str:
    return f"import os\nos.environ['OPENAI_COMPAT_BASE_URL'] = {server.url!r}\n%load_ext roci_nb"


def text_of(notebook, selector: str) -> str:
    return notebook.page.evaluate(f"document.querySelector({selector!r})?.textContent ?? ''")


def test_the_first_cell_streams_a_real_answer_into_one_static_output(notebook, smollm2):
    page = notebook(
        "%load_ext roci_nb",
        "%%roci embedded:smollm2-135m --temperature 0 --max-tokens 200\nWhat is a Fourier transform?",
    )
    page.run(0)
    page.start(1)
    page.page.wait_for_selector(".roci-open > div")
    while_streaming = page.outputs(1)
    page.wait(1)
    [output] = page.outputs(1)
    assert len(while_streaming) == 1
    assert len(output["data"]["text/plain"]) > len(while_streaming[0]["data"]["text/plain"])
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert output["metadata"]["roci"]["model"] == "embedded:smollm2-135m"
    shown = text_of(page, ".jp-Notebook")
    for fact in ("smollm2-135m", "tok/s", "ctx ", " of 8k"):
        assert fact in shown
    saved = page.save()
    assert saved["cells"][1]["outputs"][0]["data"]["text/html"]
    outside = [url for url in page.requests if urlsplit(url).hostname not in ("127.0.0.1", None)]
    assert outside == []


def test_stop_in_the_front_end_closes_keeps_the_partial_and_stops_run_all(notebook, scripted):
    scripted.routes |= {
        "GET /v1/models": MODELS,
        "POST /v1/chat/completions": [head(), send(f"data: {json.dumps(chat_chunk('Half an answer'))}\n\n"), Stall()],
    }
    page = notebook(point_at(scripted), "%%roci openai-compatible:phi4\nHello", "print('must not run')", "1 + 1")
    page.run(0)
    page.start(1)
    page.wait_for_text(1, "Half an answer")
    page.start(2)
    connection = scripted.wait_stalled()
    page.interrupt()
    assert connection.closed.wait(30)
    page.wait(1)
    answer, error = page.outputs(1)
    assert answer["data"]["text/plain"] == "Half an answer"
    assert "■ stopped" in answer["data"]["text/html"]
    assert error["traceback"] == ["■ stopped"]
    assert page.outputs(2) == []
    assert page.run(3)[0]["data"] == {"text/plain": "2"}


def test_a_phase_is_shown_while_nothing_comes(notebook, scripted):
    scripted.routes |= {"GET /v1/models": MODELS, "POST /v1/chat/completions": [Stall()]}
    page = notebook(point_at(scripted), "%%roci openai-compatible:phi4\nHello")
    page.run(0)
    page.start(1)
    page.wait_for_text(1, "queued or reading the prompt · ~")
    page.wait_for_text(1, "0:01")
    page.interrupt()
    page.wait(1)
    assert "■ stopped before the first word" in page.outputs(1)[0]["data"]["text/html"]
