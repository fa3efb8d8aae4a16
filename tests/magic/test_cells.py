"""Cells of a notebook in a real kernel: conversation, variables, background, and the verbs of a line."""

import json
import time

import pytest

from tests.servers.scripted import Pause, Stall, chat_chunk, head, json_reply, send, sse

CHAT = "POST /v1/chat/completions"
MODELS = json_reply({"data": [{"id": "phi4", "owned_by": "llamacpp", "meta": {"n_ctx": 100_000}}]})


def said(request) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in request.json["messages"]]


def echo(request):
    """Answer with the last message, so that each turn can be told from the others."""
    return sse(chat_chunk(f"you said: {said(request)[-1][1]}"), chat_chunk(finish="stop"))


@pytest.fixture
def server(scripted, kernel):
    scripted.routes |= {"GET /v1/models": MODELS, CHAT: echo}
    setup = kernel.run(
        "import os\n"
        f"os.environ['OPENAI_COMPAT_BASE_URL'] = {scripted.url!r}\n"
        "os.environ['OLLAMA_BASE_URL'] = os.environ['LMSTUDIO_BASE_URL'] = 'http://127.0.0.1:9'\n"
        "os.environ['ROCI_MODEL'] = 'openai-compatible:phi4'\n"
        "%unload_ext roci_nb\n%load_ext roci_nb"
    )
    assert setup.error is None
    return scripted


def last(server) -> list[tuple[str, str]]:
    return said(server.asked("/v1/chat/completions")[-1])


def ask(kernel, prompt: str, cell_id: str | None, line: str = "", **sent):
    cell = kernel.run(f"%%roci {line}\n{prompt}", cell_id=cell_id, **sent)
    assert cell.error is None, cell.error
    return cell


def shown(cell) -> str:
    return " ".join(" ".join(data["text/plain"].split()) for data in cell.data)


def test_cells_share_one_conversation_and_the_footer_says_so(kernel, server):
    ask(kernel, "one", "a")
    cell = ask(kernel, "two", "b")
    assert last(server) == [("user", "one"), ("assistant", "you said: one"), ("user", "two")]
    assert "↩ 1 turn" in cell.data[0]["text/html"]


def test_a_cell_run_again_sees_only_the_turns_before_it_and_leaves_later_ones_stale(kernel, server):
    for name in ("one", "two", "three"):
        ask(kernel, name, name)
    ask(kernel, "two again", "two")
    assert last(server) == [("user", "one"), ("assistant", "you said: one"), ("user", "two again")]
    history = shown(kernel.run("%roci history"))
    assert history.count("stale") == 1
    ask(kernel, "four", "four")
    assert [text for role, text in last(server) if role == "user"] == ["one", "two again", "three", "four"]


def test_a_deleted_cell_takes_its_turn_with_it(kernel, server):
    for name in ("one", "two", "three"):
        ask(kernel, name, name)
    ask(kernel, "four", "four", deleted=("two",))
    assert [text for role, text in last(server) if role == "user"] == ["one", "three", "four"]


def test_cells_without_an_id_append(kernel, server):
    for _ in range(2):
        ask(kernel, "one", None)
    ask(kernel, "two", None)
    assert [text for role, text in last(server) if role == "user"] == ["one", "one", "two"]


def test_stopped_and_failed_turns_are_kept_and_not_sent(kernel, server):
    ask(kernel, "one", "one")
    server.routes[CHAT] = [head(), send(f"data: {json.dumps(chat_chunk('Half'))}\n\n"), Stall()]
    running = kernel.start("%%roci\nstopped", cell_id="two")
    server.wait_stalled()
    kernel.interrupt()
    running.wait()
    server.routes[CHAT] = json_reply({"error": {"message": "no"}}, 500)
    assert kernel.run("%%roci\nfailed", cell_id="three").status == "error"
    server.routes[CHAT] = echo
    ask(kernel, "four", "four")
    assert [text for role, text in last(server) if role == "user"] == ["one", "four"]
    history = shown(kernel.run("%roci history"))
    assert "■" in history
    assert "✗" in history


def test_named_conversations_and_none(kernel, server):
    ask(kernel, "one", "a")
    ask(kernel, "side", "b", "--chat side")
    assert last(server) == [("user", "side")]
    ask(kernel, "alone", "c", "-1")
    assert last(server) == [("user", "alone")]
    ask(kernel, "side two", "d", "--chat side")
    assert [text for role, text in last(server) if role == "user"] == ["side", "side two"]
    kernel.run("%roci reset side")
    ask(kernel, "side three", "e", "--chat side")
    assert last(server) == [("user", "side three")]


def test_a_budget_leaves_the_oldest_turns_out_and_says_so(kernel, server):
    for name in ("one", "two", "three"):
        ask(kernel, name * 20, name)
    cell = ask(kernel, "four", "four", "--budget 60")
    assert [text for role, text in last(server) if role == "user"] == ["three" * 20, "four"]
    assert "2 earlier turns were left out" in cell.data[0]["text/html"]


def test_a_conversation_that_does_not_fit_is_refused_with_the_choices(kernel, server):
    ask(kernel, "one", "a")
    server.routes[CHAT] = json_reply(
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size, try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 120_000,
                "n_ctx": 100_000,
            }
        },
        400,
    )
    error = kernel.run("%%roci\ntwo", cell_id="b").error
    assert "120,000" in error
    for choice in ("-1", "--budget"):
        assert choice in error


def test_a_conversation_is_kept_in_a_file_and_restored(kernel, server):
    ask(kernel, "one", "a")
    assert kernel.run("%roci save talk.json").error is None
    kernel.run("%roci reset")
    kernel.run("%roci restore talk.json")
    ask(kernel, "two", "b")
    assert last(server) == [("user", "one"), ("assistant", "you said: one"), ("user", "two")]


def test_variables_are_put_into_the_prompt(kernel, server):
    kernel.run("import pandas as pd\ndf = pd.DataFrame({'a': range(100)})\nname = 'Ada'", cell_id="x")
    ask(kernel, "{{ name }} has {{ df }}, not {% this %} nor \\frac{#1}{2}", "a", "-1")
    [(_, text)] = last(server)
    assert text.startswith("Ada has ")
    assert "100" in text
    assert "{% this %} nor \\frac{#1}{2}" in text
    error = kernel.run("%%roci\n{{ nmae }}", cell_id="b").error
    assert "did you mean name" in error
    assert "\n" not in error


def test_fix_sends_the_last_error_with_its_code(kernel, server):
    kernel.run("def half(x):\n    return x / 0\nhalf(3)", cell_id="x")
    assert kernel.run("%roci fix -1", cell_id="a").error is None
    [(_, text)] = last(server)
    assert "ZeroDivisionError" in text
    assert "return x / 0" in text


def test_a_question_mark_at_the_end_of_a_line_is_the_users(kernel, server):
    cell = kernel.run("%roci ask -1 why is the sky blue?", cell_id="a")
    assert cell.error is None
    assert last(server) == [("user", "why is the sky blue?")]


def test_files_and_pictures_go_with_the_prompt(kernel, server):
    kernel.run(
        "open('notes.txt', 'w').write('some\\n``` notes')\npng = bytes.fromhex('89504e470d0a1a0a') + b'x'", cell_id="x"
    )
    ask(kernel, "look", "a", "-1 --file notes.txt --image '{{ png }}'")
    [(_, parts)] = last(server)
    assert "notes.txt:\n````txt\nsome\n``` notes\n````" in parts[0]["text"]
    assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgp4")
    assert "name a file that is there" in kernel.run("%%roci --file nope.txt\nx", cell_id="b").error


def test_go_on_with_a_stopped_answer(kernel, server):
    server.routes[CHAT] = [head(), send(f"data: {json.dumps(chat_chunk('Half an'))}\n\n"), Stall()]
    running = kernel.start("%%roci\nTell me", cell_id="a")
    server.wait_stalled()
    kernel.interrupt()
    running.wait()
    server.routes[CHAT] = sse(chat_chunk(" answer."), chat_chunk(finish="stop"))
    cell = kernel.run("%roci continue", cell_id="b")
    assert cell.error is None
    assert last(server)[:2] == [("user", "Tell me"), ("assistant", "Half an")]
    assert cell.data[0]["text/plain"] == " answer."
    assert kernel.value("_roci.text") == "'Half an answer.'"
    server.routes[CHAT] = echo
    ask(kernel, "next", "c")
    assert last(server)[:2] == [("user", "Tell me"), ("assistant", "Half an answer.")]
    assert "whole" in kernel.run("%roci continue", cell_id="d").error


def test_a_dry_run_shows_and_sends_nothing_and_sent_shows_what_was(kernel, server):
    kernel.run("name = 'Ada'\nos.environ['OPENAI_COMPAT_API_KEY'] = 'sk-topsecret'", cell_id="x")
    try:
        before = len(server.asked("/v1/chat/completions"))
        dry = kernel.run("%%roci --dry-run -t 0.5\nHi {{ name }}", cell_id="a")
        assert len(server.asked("/v1/chat/completions")) == before
        ask(kernel, "Hi {{ name }}", "b", "-t 0.5")
        sent = kernel.run("%roci sent", cell_id="c")
        for cell in (dry, sent):
            text = cell.data[0]["text/plain"]
            assert "Hi Ada" in text
            assert '"temperature": 0.5' in text
            assert "name" in text
            assert "topsecret" not in json.dumps(cell.outputs)
        assert kernel.value("_roci.sent.body['temperature']") == "0.5"
    finally:
        kernel.run("del os.environ['OPENAI_COMPAT_API_KEY']")


def test_usage_adds_up_by_cell_and_model(kernel, server):
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    server.routes[CHAT] = sse(chat_chunk("Hi"), chat_chunk(finish="stop"), usage)
    for cell_id in ("a", "b"):
        ask(kernel, "one", cell_id)
    assert "openai-compatible:phi4 2 14 4" in shown(kernel.run("%roci usage"))
    assert shown(kernel.run("%roci usage cell")).count("In[") == 2
    ask(kernel, "one", "b")
    assert shown(kernel.run("%roci usage cell")).count("In[") == 2, "a cell that runs again stays one cell"
    assert "did you mean model" in kernel.run("%roci usage modle").error
    kernel.run(
        "from IPython import get_ipython\nledger = get_ipython().magics_manager.registry['RociMagics'].cells.session.ledger"
    )
    assert kernel.value("list(ledger.to_dataframe()['output_tokens'])") == "[2, 2, 2]"


def test_background_answers_stream_while_other_cells_run(kernel, server):
    flowing = [step for n in range(30) for step in (send(f"data: {json.dumps(chat_chunk(f'w{n} '))}\n\n"), Pause(0.05))]
    server.routes[CHAT] = [head(), *flowing, send(f"data: {json.dumps(chat_chunk(finish='stop'))}\n\ndata: [DONE]\n\n")]
    first = kernel.run("%%roci --bg -o one\nfirst", cell_id="a")
    second = kernel.run("%%roci --bg -o two -1\nsecond", cell_id="b")
    assert (first.status, second.status) == ("ok", "ok")
    kernel.pump(lambda: len(server.asked("/v1/chat/completions")) == 2, 30)
    server.routes[CHAT] = echo
    assert kernel.run("1 + 1", cell_id="c").data == [{"text/plain": "2"}]
    ask(kernel, "in between", "d", "-1")
    assert kernel.value("'one' in globals()") == "False"
    kernel.pump(lambda: all("w29" in cell.data[0]["text/plain"] for cell in (first, second)), 60)
    whole = "".join(f"w{n} " for n in range(30))
    assert kernel.value("(one.text == two.text, one.text)") == repr((True, whole))
    assert [len(cell.data) for cell in (first, second)] == [1, 1]


def test_a_background_answer_is_stopped_by_its_number(kernel, server):
    server.routes[CHAT] = [head(), send(f"data: {json.dumps(chat_chunk('Half'))}\n\n"), Stall()]
    cell = kernel.run("%%roci --bg -1\nfirst", cell_id="a")
    connection = server.wait_stalled()
    assert "■ stopped" in kernel.run("%roci stop", cell_id="b").stdout
    assert connection.closed.wait(30)
    kernel.pump(lambda: "■ stopped" in cell.data[0].get("text/html", ""), 30)
    assert cell.data[0]["text/plain"] == "Half"
    assert "no answer is under way" in kernel.run("%roci stop", cell_id="c").stdout


def test_a_background_answer_that_fails_says_so_in_its_cell(kernel, server):
    server.routes[CHAT] = json_reply({"error": {"message": "the model is tired"}}, 500)
    cell = kernel.run("%%roci --bg -1\nfirst", cell_id="a")
    assert cell.status == "ok"
    kernel.pump(lambda: "tired" in json.dumps(cell.outputs), 30)


def test_a_kernel_that_shuts_down_leaves_no_answer_running(scripted, fresh_kernel):
    scripted.routes |= {"GET /v1/models": MODELS, CHAT: [head(), Stall()]}
    fresh_kernel.run(f"import os\nos.environ['OPENAI_COMPAT_BASE_URL'] = {scripted.url!r}\n%load_ext roci_nb")
    fresh_kernel.run("%%roci openai-compatible:phi4 --bg\nfirst")
    connection = scripted.wait_stalled()
    fresh_kernel.run("exit")
    fresh_kernel.shutdown()
    assert connection.closed.wait(30)


def test_timeout_ends_an_answer_that_takes_too_long(kernel, server):
    server.routes[CHAT] = [head(), send(f"data: {json.dumps(chat_chunk('Half'))}\n\n"), Stall()]
    cell = kernel.run("%%roci --timeout 0.5 -1\nfirst", cell_id="a")
    assert "longer than 0.5 s" in cell.error
    assert kernel.value("_roci.text") == "'Half'"


def test_aliases_and_installed_names_stand_for_models(kernel, server):
    kernel.run("%roci alias fast openai-compatible:other")
    ask(kernel, "Hi", "a", "fast -1")
    assert server.asked("/v1/chat/completions")[-1].json["model"] == "other"
    cell = ask(kernel, "Hi", "b", "phi4 -1")
    assert server.asked("/v1/chat/completions")[-1].json["model"] == "phi4"
    assert "phi4 is openai-compatible:phi4" in cell.data[0]["text/html"]
    ask(kernel, "this is prose", "c", "-1 hello")
    assert last(server) == [("user", "hello\nthis is prose")]


def test_presets_set_what_belongs_together_and_the_line_wins(kernel, server):
    ask(kernel, "Hi", "a", "-1 --preset code")
    body = server.asked("/v1/chat/completions")[-1].json
    assert (body["temperature"], body["top_p"]) == (0.3, 0.95)
    cell = ask(kernel, "Hi", "b", "-1 --preset code -t 1 --footer full")
    assert server.asked("/v1/chat/completions")[-1].json["temperature"] == 1
    assert "0.95 (preset code)" in cell.data[0]["text/html"]
    assert "1.0 (line)" in cell.data[0]["text/html"]
    assert "did you mean code" in kernel.run("%%roci --preset cod\nHi").error


def test_options_are_configuration_too_and_one_state_with_the_session(kernel, server):
    kernel.run("%config RociMagics.temperature = 0.25")
    ask(kernel, "Hi", "a", "-1")
    assert server.asked("/v1/chat/completions")[-1].json["temperature"] == 0.25
    kernel.run("%roci set temperature 0.5 footer none")
    assert kernel.run("%config RociMagics.temperature").data[0]["text/plain"] == "0.5"
    assert kernel.run("%config RociMagics.footer").data[0]["text/plain"] == "'none'"
    told = json.dumps(kernel.run("%config RociMagics.temperature = 9").outputs)
    assert "temperature must be a number from 0 to 5" in told
    loaded = kernel.run("%unload_ext roci_nb\n%load_ext roci_nb")
    assert loaded.error is None
    assert "RociMagics.temperature is ignored" in json.dumps(loaded.outputs)
    kernel.run("get_ipython().config.RociMagics.clear()\n%roci set temperature default footer default")
    ask(kernel, "Hi", "b", "-1")
    assert "temperature" not in server.asked("/v1/chat/completions")[-1].json


def test_raw_reasoning_and_footer_styles(kernel, server):
    server.routes[CHAT] = sse(
        {"choices": [{"index": 0, "delta": {"reasoning_content": "hm hm"}}]},
        chat_chunk("**x**"),
        chat_chunk(finish="stop"),
    )
    html = ask(kernel, "Hi", "a", "-1 --raw --reasoning hide --footer none").data[0]["text/html"]
    assert "**x**" in html
    assert "hm hm" not in html
    assert "phi4" not in html
    html = ask(kernel, "Hi", "b", "-1 --reasoning show").data[0]["text/html"]
    assert "<details open" in html
    assert "hm hm" in html


def test_code_is_put_into_a_new_cell_and_not_run(kernel, server):
    server.routes[CHAT] = sse(
        chat_chunk("See:\n```python\nx = 41\n```\nand\n```python\ny = 42\n```"), chat_chunk(finish="stop")
    )
    ask(kernel, "Hi", "a", "-1")
    assert kernel.run("%roci code 2", cell_id="b").payload == [
        {"source": "set_next_input", "text": "y = 42", "replace": False}
    ]
    assert kernel.value("'y' in globals()") == "False"
    assert "has 2 code blocks" in kernel.run("%roci code 3", cell_id="c").error


def test_run_all_goes_on_in_order_and_stops_at_a_failing_cell(kernel, server):
    server.routes[CHAT] = lambda request: (
        json_reply({"error": {"message": "no"}}, 500) if "fail" in str(said(request)) else echo(request)
    )
    cells = kernel.run_all("%%roci\none", "x = 1", "%%roci\ntwo", "%%roci\nfail", "%%roci\nafter")
    assert [cell.status for cell in cells] == ["ok", "ok", "ok", "error", "aborted"]


def test_help_is_there_for_the_cell_and_for_each_verb(kernel, server):
    assert "--effort" in kernel.value("get_ipython().find_cell_magic('roci').__doc__")
    for verb in ("ask", "use", "continue"):
        assert verb in shown(kernel.run("%roci help"))
    assert "PROVIDER:MODEL" in shown(kernel.run("%roci help use"))
    assert "no verb" in kernel.run("%roci help nope").error
    assert "no verb" in kernel.run("%roci hsitory").error


def test_a_short_window_is_told_once_a_kernel(kernel, server):
    server.routes["GET /v1/models"] = json_reply(
        {"data": [{"id": "phi4", "owned_by": "llamacpp", "meta": {"n_ctx": 4096}}]}
    )
    server.routes[CHAT] = lambda request: sse(
        chat_chunk(reasoning_content="Hm."), chat_chunk("Yes."), chat_chunk(finish="stop")
    )
    first, second = (ask(kernel, "Well?", name) for name in "ab")
    assert "the window of 4,096 is short" in first.data[0]["text/html"]
    assert "is short" not in second.data[0]["text/html"]


def test_a_warning_of_the_same_setting_is_said_once_a_kernel(kernel, server):
    first = ask(kernel, "Hi", "a", "-1 --num-ctx 4096").data[0]["text/html"]
    second = ask(kernel, "Hi", "b", "-1 --num-ctx 4096").data[0]["text/html"]
    assert "num_ctx is not sent" in first
    assert "num_ctx is not sent" not in second
    assert "num_ctx is not sent" in kernel.value("str(_roci.warnings[0])")


COMPLETIONS = [
    ("%%roci --mo", "--model"),
    ("%%roci --effort me", "medium"),
    ("%%roci --effort=me", "medium"),
    ("%%roci openai-compatible:ph", "openai-compatible:phi4"),
    ("%roci hist", "history"),
    ("%roci use openai-compatible:ph", "openai-compatible:phi4"),
    ("%roci set tempe", "temperature"),
    ("%%roci\nTell of {{ my_va", "my_value"),
    ("%%roci\nTell of {{ my_value.bit_le", "bit_length"),
]


@pytest.mark.parametrize(("code", "expected"), COMPLETIONS)
def test_completion_offers_what_fits(kernel, server, code, expected):
    kernel.run("my_value = 42", cell_id="x")
    deadline = time.monotonic() + 30
    while True:  # the first asks have the servers asked, and are not kept waiting for that
        reply = kernel.complete(code)
        completed = [code[: reply["cursor_start"]] + match for match in reply["matches"]]
        if any(text.endswith(expected) for text in completed) or time.monotonic() > deadline:
            break
    assert any(text.endswith(expected) for text in completed), reply
    assert all(expected[:2] in match for match in reply["matches"])


def test_no_python_name_is_offered_in_a_prompt(kernel, server):
    for code in ("%%roci\nimp", "%%roci openai-compatible:phi4 tell me about imp", "%%roci --temperature 1 -- pri"):
        assert set(kernel.complete(code)["matches"]) <= {code.split()[-1]}
    assert "import" in kernel.complete("impor")["matches"]
