"""The tuner through its widgets' own values, against a server that says what a test tells it to."""

import json
import re

import pytest
from ipywidgets.widgets.widget import _instances

from roci_nb.display.live import LiveWidget
from roci_nb.widgets.tuner import Tuner
from tests.servers.scripted import Reset, Stall, chat_chunk, head, json_reply, send, sse
from tests.widgets.waiting import wait_until

MODELS = json_reply({"data": [{"id": "phi4", "owned_by": "llamacpp", "meta": {"n_ctx": 4096}}]})
CHAT = "POST /v1/chat/completions"


def event(text: str) -> str:
    return f"data: {json.dumps(chat_chunk(text))}\n\n"


def echo(request):
    body = request.json
    said = f"**{body['messages'][-1]['content']}** at {body.get('temperature')}"
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    return sse(chat_chunk(said), chat_chunk(finish="stop"), usage)


@pytest.fixture
def tuner(session, scripted, monkeypatch):
    scripted.routes |= {"GET /v1/models": MODELS, CHAT: echo}
    monkeypatch.setenv("OPENAI_COMPAT_BASE_URL", scripted.url)
    session.model = "openai-compatible:phi4"
    session.set({"temperature": "0.3"})
    tuner = Tuner(session)
    assert tuner.widget is not None
    yield tuner
    tuner.close()
    wait_until(lambda: not tuner.is_busy)


def ask(tuner, prompt: str = "Hello") -> None:
    tuner.prompt.value = prompt
    tuner.run.click()
    assert tuner.run.disabled
    wait_until(lambda: not tuner.run.disabled)


def text_of(widget) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", widget.value).split())


def answer(tuner) -> str:
    return text_of(tuner.answer.children[0])


def test_a_run_begins_with_the_sessions_settings_and_is_kept_in_the_table(tuner, session, scripted):
    ask(tuner)
    assert scripted.asked("/v1/chat/completions")[0].json["temperature"] == 0.3
    assert "Hello at 0.3" in answer(tuner)
    assert "<strong>" in tuner.answer.children[0].value
    [run] = tuner.runs
    assert run.ended == "stop"
    for fact in ("#1", "phi4", "temperature 0.3", "7 → 3", "Hello"):
        assert fact in text_of(tuner.table_view)
    assert session.ledger.entries[0].cell == "tuner"


def test_its_settings_are_its_own_until_they_are_used(tuner, session):
    tuner.panel.rows["temperature"].field.value = "0.9"
    assert session.settings.temperature == 0.3
    ask(tuner)
    assert "at 0.9" in answer(tuner)
    tuner.panel.rows["temperature"].field.value = "1.5"
    tuner.panel.rows["system"].field.value = "Be brief."
    tuner.use.click()
    assert session.settings.in_force() == {"temperature": 0.9}
    assert session.sources == {"temperature": "tuner"}
    assert session.model == "openai-compatible:phi4"
    assert session.options.system is None
    assert "run #1's settings are in force" in text_of(tuner.status)


def test_two_runs_stand_beside_each_other_with_their_differences_marked(tuner):
    ask(tuner)
    tuner.panel.rows["temperature"].field.value = "0.9"
    tuner.panel.rows["preset"].field.value = "code"
    ask(tuner)
    assert [value for _, value in tuner.shown.options] == [2, 1]
    assert tuner.shown.value == 2
    tuner.beside.value = 1
    html = tuner.answer.children[0].value
    assert "<mark>0.95</mark>" in html
    assert "<mark>as the server has it</mark>" in html
    assert "≠ top_p" in html
    assert "≠ temperature" not in html
    assert html.count("<section") == 2
    tuner.shown.value = 1
    assert answer(tuner).count("Hello at") == 1


def test_a_run_can_be_taken_along(tuner):
    ask(tuner)
    assert tuner.copy.text == "%%roci openai-compatible:phi4 --temperature 0.3\nHello"
    tuner.recipe.value = "python"
    assert "GenerationSettings(temperature=0.3)" in tuner.copy.text
    tuner.recipe.value = "modelfile"
    assert tuner.copy.text == "PARAMETER temperature 0.3"


def test_stop_closes_the_connection_and_keeps_what_has_come(tuner, scripted):
    scripted.routes[CHAT] = [head(), send(event("Half an answer")), Stall()]
    tuner.prompt.value = "Hello"
    tuner.run.click()
    connection = scripted.wait_stalled()
    wait_until(lambda: isinstance(tuner.answer.children[0], LiveWidget))
    wait_until(lambda: tuner._running is not None)
    tuner.stop.click()
    assert connection.closed.wait(60)
    wait_until(lambda: not tuner.run.disabled)
    [run] = tuner.runs
    assert (run.result.text, run.ended, run.result.finish_reason) == ("Half an answer", "stopped", "cancelled")
    assert "■ stopped" in text_of(tuner.status)
    scripted.routes[CHAT] = echo
    ask(tuner)
    assert "Hello at 0.3" in answer(tuner)


def test_stop_before_the_first_word_leaves_no_run(tuner, scripted):
    scripted.routes[CHAT] = [Stall()]
    tuner.prompt.value = "Hello"
    tuner.run.click()
    scripted.wait_stalled()
    tuner.stop.click()
    wait_until(lambda: not tuner.run.disabled)
    assert tuner.runs == ()
    assert text_of(tuner.status) == "■ stopped before the first word"


def test_stop_at_once_leaves_the_tuner_ready(tuner):
    tuner.prompt.value = "Hello"
    for _ in range(20):
        tuner.run.click()
        tuner.stop.click()
        wait_until(lambda: not tuner.run.disabled)
    ask(tuner)
    assert "Hello at 0.3" in answer(tuner)


def test_a_server_that_dies_while_it_streams_is_told_in_one_line_and_the_partial_stays(tuner, scripted):
    scripted.routes[CHAT] = [head(), send(event("Half an answer")), Reset()]
    ask(tuner)
    [run] = tuner.runs
    assert run.result.text == "Half an answer"
    assert run.ended == "broke"
    assert "⚠" in answer(tuner)
    scripted.routes[CHAT] = echo
    ask(tuner)
    assert "Hello at 0.3" in answer(tuner)


def test_what_fails_before_the_first_word_is_told_in_place(tuner, scripted):
    scripted.routes[CHAT] = json_reply({"error": {"message": "no such model"}}, 404)
    ask(tuner)
    assert text_of(tuner.status).startswith("⚠")
    assert tuner.runs == ()
    tuner.prompt.value = " "
    tuner.run.click()
    assert "there is no prompt yet" in text_of(tuner.status)
    tuner.panel.session.model = "nonsense:x"
    tuner.prompt.value = "Hello"
    tuner.run.click()
    wait_until(lambda: not tuner.run.disabled and "nonsense" in tuner.status.value)


def test_ten_runs_are_kept(tuner):
    for _ in range(12):
        ask(tuner)
    assert [run.number for run in tuner.runs] == [*range(3, 13)]


def test_two_tuners_run_at_once(tuner, session, scripted):
    other = Tuner(session)
    assert other.widget is not None
    for one, prompt in ((tuner, "one"), (other, "two")):
        one.prompt.value = prompt
        one.run.click()
    wait_until(lambda: not tuner.run.disabled and not other.run.disabled)
    assert ("one at" in answer(tuner), "two at" in answer(other)) == (True, True)
    other.close()
    wait_until(lambda: not other.is_busy)


def test_closing_while_it_streams_ends_the_request_and_frees_every_channel(session, scripted, monkeypatch):
    before = set(_instances)
    scripted.routes |= {"GET /v1/models": MODELS, CHAT: [head(), send(event("Half")), Stall()]}
    monkeypatch.setenv("OPENAI_COMPAT_BASE_URL", scripted.url)
    session.model = "openai-compatible:phi4"
    tuner = Tuner(session)
    assert tuner.widget is not None
    tuner.prompt.value = "Hello"
    tuner.run.click()
    connection = scripted.wait_stalled()
    tuner.close()
    assert connection.closed.wait(60)
    wait_until(lambda: set(_instances) == before)
    wait_until(lambda: not tuner.is_busy)
    [run] = tuner.runs
    assert (run.result.text, run.ended) == ("Half", "stopped")
    assert "stopped" in repr(tuner)


def test_in_a_terminal_the_tuner_is_a_table(session, capsys):
    Tuner(session)._ipython_display_()
    assert "as the server has them" in capsys.readouterr().out
