"""The live view's messages, as a real kernel sends them; what a page makes of them is in test_live_in_jupyterlab."""

import json
import re

import pytest

from tests.display.pages import Page
from tests.servers.scripted import Pause, Stall, chat_chunk, head, json_reply, send

MODELS = json_reply({"data": [{"id": "phi4", "owned_by": "llamacpp", "meta": {"n_ctx": 100_000}}]})
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def event(text: str = "", reasoning: str = "") -> str:
    delta = {"content": text} if text else {"reasoning_content": reasoning}
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta}]})}\n\n"


END = f"data: {json.dumps(chat_chunk(finish='stop'))}\n\ndata: [DONE]\n\n"


@pytest.fixture
def server(scripted, kernel):
    scripted.routes |= {"GET /v1/models": MODELS}
    setup = kernel.run(
        f"import os\nos.environ['OPENAI_COMPAT_BASE_URL'] = {scripted.url!r}\n%unload_ext roci_nb\n%load_ext roci_nb"
    )
    assert setup.error is None
    return scripted


def ask(kernel, server, *steps):
    server.routes["POST /v1/chat/completions"] = [head(), *steps]
    return kernel.run("%%roci openai-compatible:phi4\nHello")


def messages(cell) -> list[dict]:
    return [
        sent["data"]["content"]
        for sent in cell.comm_messages
        if sent["type"] == "comm_msg" and sent["data"].get("method") == "custom"
    ]


def page_of(cell) -> Page:
    page = Page()
    for message in messages(cell):
        page.take(message)
    return page


def test_what_is_sent_adds_up_to_the_answer(kernel, server):
    text = "Hello **you** 🙂.\n\nA list:\n\n- one 🙂\n- two\n\n```python\nx = '🙂'\n```\n\nThe end"
    pieces = [event(reasoning=f"thought {n} 🙂\n") for n in range(20)]
    pieces += [event(text=text[at : at + 3]) for at in range(0, len(text), 3)]
    steps = [step for piece in pieces for step in (send(piece), Pause(0.02))]
    cell = ask(kernel, server, *steps, Pause(0.3), send(END))
    page = page_of(cell)
    assert page.gaps == 0
    assert page.reasoning == "".join(f"thought {n} 🙂\n" for n in range(20))
    shown = re.sub("<[^>]*>", "", "".join(page.blocks)) + page.open[2]
    assert [word for word in text.split() if word.isalpha() and word not in shown] == []
    assert page.open[1:] == ("text", "The end")
    assert page.state["answering"] is True
    assert cell.data[0]["text/plain"] == text


def test_the_output_is_one_widget_and_then_one_static_bundle(kernel, server):
    server.routes["POST /v1/chat/completions"] = [head(), send(event("Half an answer")), Stall()]
    cell = kernel.start("%%roci openai-compatible:phi4\nHello")
    cell.wait_for(lambda cell: any(WIDGET_VIEW in data for data in cell.data))
    server.wait_stalled()
    [running] = cell.data
    assert set(running) == {WIDGET_VIEW, "text/html", "text/plain"}
    kernel.interrupt()
    cell.wait()
    assert [output["output_type"] for output in cell.outputs] == ["display_data", "error"], cell.outputs
    [output, error] = cell.outputs
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert output["data"]["text/plain"] == "Half an answer"
    assert error["traceback"] == ["■ stopped"]


def test_widgets_do_not_pile_up(kernel, server):
    for _ in range(8):
        assert ask(kernel, server, send(event("Hi")), Pause(0.2), send(END)).status == "ok"
    living = "len(__import__('ipywidgets').widgets.widget._instances)"
    assert int(kernel.value(living)) <= 2 * 4  # each with its layout
    kernel.run("%unload_ext roci_nb")
    assert kernel.value(living) == "0"


@pytest.mark.parametrize("tokens", [2_000, 8_000])
def test_traffic_is_linear_in_the_answer(kernel, server, tokens):
    words = ["word ", "**bold** ", "and\n\n", "- item\n"]
    burst = ["".join(event(words[(n + k) % 4]) for k in range(20)) for n in range(tokens // 20)]
    steps = [step for piece in burst for step in (send(piece), Pause(0.005))]
    cell = ask(kernel, server, *steps, send(END))
    sent = messages(cell)
    answer = len(cell.data[0]["text/plain"].encode())
    assert sum(len(json.dumps(message)) for message in sent) < 4 * answer + 1024 * len(sent)
    assert page_of(cell).gaps == 0


def test_reasoning_that_is_hidden_is_not_sent(kernel, server):
    kernel.run("%config RociMagics.reasoning = 'hide'")
    try:
        cell = ask(kernel, server, send(event(reasoning="secret thought")), Pause(0.3), send(event("Hi"), END))
    finally:
        kernel.run("%config RociMagics.reasoning = None")
    assert "secret thought" not in json.dumps(messages(cell))
    assert "secret thought" not in json.dumps(cell.outputs)
    assert kernel.value("_roci.reasoning") == "'secret thought'"


def test_a_front_end_without_widgets_gets_html_whole(scripted, fresh_kernel):
    scripted.routes |= {"GET /v1/models": MODELS}
    fresh_kernel.run(
        f"import os\nos.environ['OPENAI_COMPAT_BASE_URL'] = {scripted.url!r}\nos.environ['ROCI_NB_LIVE'] = 'html'\n"
        "%load_ext roci_nb"
    )
    pieces = [step for n in range(5) for step in (send(event(f"word{n} ")), Pause(0.15))]
    cell = ask(fresh_kernel, scripted, *pieces, send(END))
    assert cell.comm_messages == []
    assert cell.updates > 2
    assert cell.data[0]["text/plain"] == "word0 word1 word2 word3 word4 "
