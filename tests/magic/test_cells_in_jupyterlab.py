"""Cells as a person handles them, in a real JupyterLab: run again, deleted, in the background, Run All."""

import json

import pytest

from tests.servers.scripted import Pause, Stall, chat_chunk, head, json_reply, send, sse

CHAT = "POST /v1/chat/completions"
MODELS = json_reply({"data": [{"id": "phi4", "owned_by": "llamacpp", "meta": {"n_ctx": 100_000}}]})


def echo(request):
    said = request.json["messages"][-1]["content"]
    if said == "fail":
        return json_reply({"error": {"message": "no"}}, 500)
    return sse(chat_chunk(f"you said: {said}"), chat_chunk(finish="stop"))


def asked(server) -> list[str]:
    messages = server.asked("/v1/chat/completions")[-1].json["messages"]
    return [message["content"] for message in messages if message["role"] == "user"]


@pytest.fixture
def start(notebook, scripted):
    def opened(*cells: str):
        scripted.routes |= {"GET /v1/models": MODELS, CHAT: echo}
        page = notebook(
            f"import os\nos.environ['OPENAI_COMPAT_BASE_URL'] = {scripted.url!r}\n"
            "os.environ['ROCI_MODEL'] = 'openai-compatible:phi4'\n%load_ext roci_nb",
            *cells,
        )
        page.run(0)
        return page

    return opened


def test_a_cell_run_again_and_one_deleted(start, scripted):
    page = start("%%roci\none", "%%roci\ntwo", "%%roci\nthree", "%roci history")
    for index in (1, 2, 3):
        page.run(index)
    page.run(2)
    assert asked(scripted) == ["one", "two"]
    [history] = page.run(4)
    assert "stale" in history["data"]["text/plain"]
    page.js(
        "p.content.activeCellIndex = 1; p.content.deselectAll(); await app.commands.execute('notebook:delete-cell');"
    )
    page.run(2)
    assert asked(scripted) == ["two", "three"]


def test_code_comes_into_a_new_cell_below_and_is_not_run(start, scripted):
    scripted.routes[CHAT] = sse(chat_chunk("```python\nx = 41 + 1\n```"), chat_chunk(finish="stop"))
    page = start("%%roci\none", "%roci code", "'x' in globals()")
    scripted.routes[CHAT] = sse(chat_chunk("```python\nx = 41 + 1\n```"), chat_chunk(finish="stop"))
    page.run(1)
    page.run(2)
    sources = page.js("return [...p.content.model.cells].map(cell => cell.sharedModel.source);")
    assert sources[3] == "x = 41 + 1"
    assert page.run(4)[0]["data"]["text/plain"] == "False"


def test_a_background_answer_streams_into_its_cell_while_others_run(start, scripted):
    page = start("%%roci --bg\none", "1 + 1", "_roci.text")
    words = [step for n in range(60) for step in (send(f"data: {json.dumps(chat_chunk(f'w{n} '))}\n\n"), Pause(0.05))]
    end = send(f"data: {json.dumps(chat_chunk(finish='stop'))}\n\ndata: [DONE]\n\n")
    scripted.routes[CHAT] = [head(), *words, end]
    page.run(1)
    assert page.run(2)[0]["data"]["text/plain"] == "2"
    page.wait_for_text(1, "w10 ")
    page.wait_for_output(1, "w59 ")
    [output] = page.outputs(1)
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert page.outputs(2)[0]["data"]["text/plain"] == "2"
    assert "w59" in page.run(3)[0]["data"]["text/plain"]


def test_a_background_answer_is_stopped_by_the_button_in_its_view(start, scripted):
    page = start("%%roci --bg\none")
    scripted.routes[CHAT] = [head(), send(f"data: {json.dumps(chat_chunk('Half an answer'))}\n\n"), Stall()]
    page.run(1)
    page.wait_for_text(1, "Half an answer")
    connection = scripted.wait_stalled()
    page.page.click(".roci-stop")
    assert connection.closed.wait(30)
    page.wait_for_output(1, "■ stopped")
    assert page.outputs(1)[0]["data"]["text/plain"] == "Half an answer"


def test_run_all_stops_at_a_failing_cell(start, scripted):
    page = start("%%roci\none", "%%roci\nfail", "print('must not run')")
    page.js("app.commands.execute('notebook:run-all-cells');")
    page.wait_for_output(2, "error")
    page.wait(2)
    page.page.wait_for_timeout(1000)
    assert page.outputs(1)[0]["data"]["text/plain"] == "you said: one"
    assert page.outputs(3) == []
