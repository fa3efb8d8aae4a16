"""``%%roci`` and ``%roci`` in a real kernel, against a real model and a scripted server."""

import json
import time

import pytest

from tests.servers.scripted import Stall, chat_chunk, head, json_reply, send, sse

CHAT = "POST /v1/chat/completions"
MODELS = "GET /v1/models"
LLAMA_MODELS = json_reply({"data": [{"id": "phi4", "owned_by": "llamacpp", "meta": {"n_ctx": 100}}]})
USAGE = {
    "choices": [],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2},
    "timings": {"predicted_per_second": 42.4},
}
ANSWER = sse(chat_chunk("Hi **there**"), chat_chunk(finish="stop"), USAGE)
FLOWING = [head(), send(f"data: {json.dumps(chat_chunk('Half an answer'))}\n\n"), Stall()]


@pytest.fixture
def server(scripted, kernel):
    scripted.routes |= {MODELS: LLAMA_MODELS, CHAT: ANSWER}
    setup = kernel.run(
        "import os\n"
        f"os.environ['OPENAI_COMPAT_BASE_URL'] = {scripted.url!r}\n"
        "os.environ['OLLAMA_BASE_URL'] = os.environ['LMSTUDIO_BASE_URL'] = 'http://127.0.0.1:9'\n"
        "%unload_ext roci_nb\n%load_ext roci_nb"
    )
    assert setup.error is None
    return scripted


def asked(server) -> dict:
    return server.asked("/v1/chat/completions")[-1].json


def test_a_cell_with_a_selector_and_a_prompt_streams_a_real_answer(kernel, smollm2):
    cell = kernel.run("%%roci embedded:smollm2-135m --temperature 0 --max-tokens 30\nWhy is the sky blue?")
    assert cell.status == "ok", cell.error
    [output] = cell.outputs
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert len(output["data"]["text/plain"]) > 50
    assert len(cell.comm_messages) > 4
    facts = output["data"]["text/html"]
    for fact in ("smollm2-135m", "→ 30 tok", "tok/s", "ctx &lt;1% of 8k"):
        assert fact in facts
    told = output["metadata"]["roci"]
    assert told["model"] == "embedded:smollm2-135m"
    assert told["settings"] == {"temperature": 0, "max_tokens": 30}
    assert told["usage"]["output_tokens"] == 30
    assert told["finish_reason"] == "length"
    assert told["timing"]["tokens_per_second"] > 0
    assert kernel.value("_roci.text") == repr(output["data"]["text/plain"])


def test_the_answer_stands_as_own_html_with_a_footer(kernel, server):
    cell = kernel.run("%%roci openai-compatible:phi4\nHello")
    [data] = cell.data
    assert "<strong>there</strong>" in data["text/html"]
    assert "phi4 · 7 → 2 tok · 42 tok/s" in data["text/html"]
    assert "ctx 9% of 100" in data["text/html"]
    assert data["text/plain"] == "Hi **there**"
    assert cell.stdout == ""


def test_what_a_model_writes_is_never_active(kernel, server):
    server.routes[CHAT] = sse(
        chat_chunk("<script>alert(1)</script> ![x](http://evil/x.png)"), chat_chunk(finish="stop")
    )
    html = kernel.run("%%roci openai-compatible:phi4\nHello").data[0]["text/html"]
    assert "<script" not in html
    assert "<img" not in html


def test_the_lines_options_reach_the_server(kernel, server):
    kernel.run(
        "%%roci openai-compatible:phi4 -s 'be brief' -t 0.5 --top-p 0.9 --max-tokens 9 --seed 3 -o answer and this\nHello"
    )
    body = asked(server)
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "and this\nHello"},
    ]
    assert [body[name] for name in ("temperature", "top_p", "max_tokens", "seed")] == [0.5, 0.9, 9, 3]
    assert kernel.value("answer.text") == "'Hi **there**'"
    assert kernel.value("answer is _roci") == "True"


def test_a_setting_that_the_server_can_not_take_stands_below_the_answer(kernel, server):
    html = kernel.run("%%roci openai-compatible:phi4 --num-ctx 4096\nHello").data[0]["text/html"]
    assert "num_ctx is not sent" in html


def test_use_and_set_hold_for_the_cells_to_come_and_the_line_wins(kernel, server):
    assert "phi4" in kernel.run("%roci use openai-compatible:phi4").data[0]["text/plain"]
    told = " ".join(kernel.run("%roci set temperature 0.3 top_p=0.8").data[0]["text/plain"].split())
    assert "temperature 0.3 session top_p 0.8 session" in told
    kernel.run("%%roci\nHello")
    assert (asked(server)["temperature"], asked(server)["top_p"]) == (0.3, 0.8)
    kernel.run("%%roci -t 1\nHello")
    assert asked(server)["temperature"] == 1
    kernel.run("%roci set temperature default")
    kernel.run("%%roci\nHello")
    assert "temperature" not in asked(server)


def test_the_configuration_names_the_model_where_nothing_else_does(kernel, server):
    kernel.run("os.environ['ROCI_MODEL'] = 'openai-compatible:phi4'")
    try:
        assert kernel.run("%%roci\nHello").status == "ok"
    finally:
        kernel.run("del os.environ['ROCI_MODEL']")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("%%roci openai-compatible:phi4\n\n", "the cell holds no prompt"),
        ("%%roci openai-compatible:phi4 --temprature 1\nHello", "did you mean --temperature?"),
        ("%%roci openai-compatible:phi4 -t hot\nHello", "temperature must be a number from 0 to 5, not 'hot'"),
        ("%%roci openai-compatible:phi4 -t 99\nHello", "temperature must be a number from 0 to 5, not 99"),
        ("%%roci openai-compatibel:phi4\nHello", "did you mean openai-compatible:phi4 or"),
        ("%%roci gpt-oss:20b\nHello", "did you mean ollama:gpt-oss:20b?"),
        ("%%roci gpt-oss:20b why is it so\nHello", "did you mean ollama:gpt-oss:20b?"),
        ("%%roci embedded:smolm2\nHello", "write embedded:smollm2-135m"),
        ("%%roci embedded:/no/such.gguf\nHello", "/no"),
        ("%roci use phi5", "did you mean ollama:phi5?"),
        ("%roci set temprature 1", "did you mean temperature?"),
        ("%roci set temperature", "temperature needs a value"),
        ("%roci sett x", "did you mean %roci set"),
    ],
)
def test_bad_input_is_one_clear_line_without_a_traceback(kernel, server, code, told):
    cell = kernel.run(code)
    assert cell.status == "error"
    assert told in cell.error
    assert "\n" not in cell.error
    assert cell.data == []


def test_the_only_model_of_the_servers_is_found_once_and_said_in_the_cell(kernel, server):
    for _ in range(2):
        cell = kernel.run("%%roci\nHello")
        assert cell.error is None
        html = cell.data[0]["text/html"]
        assert "openai-compatible:phi4 · the only model loaded · keep: %roci use openai-compatible:phi4" in html
    assert len(server.asked("/v1/models")) == 3  # once to find it, and once for each answer
    kernel.run("%roci use openai-compatible:phi4")
    assert "the only model" not in kernel.run("%%roci\nHello").data[0]["text/html"]


@pytest.mark.parametrize(
    "call",
    [
        "await generate_text('ollama:gpt-oss:20b', 'Hi')",
        "generate_text_sync('ollama:gpt-oss:20b', 'Hi')",
        "[delta async for delta in stream_text('ollama:gpt-oss:20b', 'Hi')]",
    ],
)
def test_an_error_of_the_api_shows_the_users_line_and_one_of_ours(kernel, call):
    kernel.run("import os\nos.environ['OLLAMA_BASE_URL'] = 'http://127.0.0.1:9'\nfrom roci_nb import *")
    shown = kernel.run(f"x = 1\nresult = {call}").error
    assert shown.splitlines()[0] == f"line 2: result = {call}"
    assert shown.splitlines()[1].startswith("ServerUnreachable: nothing answers at http://127.0.0.1:9. Start it")
    assert len(shown.splitlines()) == 2


def test_run_takes_nothing_but_a_coroutine(kernel):
    assert "run() needs a coroutine, not a int" in kernel.run("from roci_nb import run\nrun(3)").error


def test_the_model_last_used_answers_again(kernel, server):
    kernel.run("%%roci openai-compatible:other\nHello")
    kernel.run("%%roci\nHello")
    assert asked(server)["model"] == "other"


def test_no_model_at_all_is_one_error_with_the_fixes(kernel, server):
    kernel.run("os.environ['OPENAI_COMPAT_BASE_URL'] = 'http://127.0.0.1:9'")
    cell = kernel.run("%%roci\nHello")
    assert "no server answers (Ollama at http://127.0.0.1:9, LM Studio at http://127.0.0.1:9" in cell.error
    assert "%roci use" in cell.error
    assert "%%roci embedded:smollm2-135m" in cell.error
    assert "\n" not in cell.error


def test_no_server_says_how_to_start_one(kernel, server):
    kernel.run("os.environ['OPENAI_COMPAT_BASE_URL'] = 'http://127.0.0.1:9'")
    cell = kernel.run("%%roci openai-compatible:phi4\nHello")
    assert "nothing answers at http://127.0.0.1:9. Start a server" in cell.error
    assert "\n" not in cell.error


def test_a_wrong_key_is_one_line_that_does_not_show_it(kernel, server):
    server.routes[CHAT] = json_reply({"error": {"message": "Invalid API Key", "code": 401}}, 401)
    kernel.run("os.environ['OPENAI_COMPAT_API_KEY'] = 'sk-topsecret'")
    try:
        cell = kernel.run("%%roci openai-compatible:phi4\nHello")
    finally:
        kernel.run("del os.environ['OPENAI_COMPAT_API_KEY']")
    assert server.requests[-1].headers["authorization"] == "Bearer sk-topsecret"
    assert "refused the key" in cell.error
    assert "topsecret" not in json.dumps(cell.outputs)


def test_a_stream_that_breaks_keeps_the_partial_and_says_so(kernel, server):
    server.routes[CHAT] = FLOWING[:2]
    cell = kernel.run("%%roci openai-compatible:phi4\nHello")
    assert cell.status == "error"
    assert "StreamBroken" in cell.error
    [data] = cell.data
    assert data["text/plain"] == "Half an answer"
    assert "without its end mark" in data["text/html"]
    assert kernel.value("_roci.text") == "'Half an answer'"


def test_a_failed_cell_leaves_no_older_answer_under_its_name(kernel, server):
    kernel.run("%%roci openai-compatible:phi4 -o mine\nHello")
    assert kernel.value("'mine' in globals()") == "True"
    server.routes[CHAT] = FLOWING[:2]
    kernel.run("%%roci openai-compatible:phi4 -o mine\nHello")
    assert kernel.value("'mine' in globals()") == "False"


@pytest.mark.parametrize("line", ["-o mine --temprature 1", "-t hot -o mine", "-s 'never closed -o mine"])
def test_a_line_that_can_not_be_read_leaves_no_older_answer_under_its_name_either(kernel, server, line):
    kernel.run("mine = 'older'")
    assert kernel.run(f"%%roci openai-compatible:phi4 {line}\nHello").status == "error"
    assert kernel.value("'mine' in globals()") == "False"


def test_an_o_in_the_prose_takes_no_variable_away(kernel, server):
    kernel.run("main = 'the users'")
    assert kernel.run("%%roci openai-compatible:phi4 what does gcc -o main do\nHello").error is None
    assert asked(server)["messages"][-1]["content"] == "what does gcc -o main do\nHello"
    assert kernel.value("main") == "'the users'"


BREAKING_DISPLAY = """
def breaking(message):
    if 'Hi **there**' in str(message['content']):
        raise OSError('the front end is gone')
    return message
get_ipython().display_pub.register_hook(breaking)
"""


@pytest.mark.parametrize("cell_id", ["cell", None], ids=["live", "final"])
def test_an_answer_that_can_not_be_shown_is_bound_all_the_same(kernel, server, cell_id):
    kernel.run("mine = _roci = 'older'" + BREAKING_DISPLAY)
    try:
        cell = kernel.start("%%roci openai-compatible:phi4 -o mine\nHello", cell_id=cell_id).wait()
    finally:
        kernel.run("get_ipython().display_pub.unregister_hook(breaking)")
    assert "the front end is gone" in cell.error
    assert kernel.value("(_roci.text, mine is _roci)") == "('Hi **there**', True)"


def test_settings_are_set_all_or_none_and_lists_in_brackets(kernel, server):
    kernel.run("%roci use openai-compatible:phi4")
    assert kernel.run('%roci set stop_sequences=["a", "b c"] temperature 0.3').error is None
    assert "top_p must be" in kernel.run("%roci set seed 7 temperature 0.9 top_p 9").error
    assert kernel.run("%%roci\nHello").error is None
    body = asked(server)
    assert (body["stop"], body["temperature"]) == (["a", "b c"], 0.3)
    assert not {"seed", "top_p"} & body.keys()


@pytest.mark.parametrize("cell_id", ["cell", None], ids=["live", "final"])
def test_half_a_character_reaches_the_notebook_as_a_mark_of_it(kernel, server, cell_id):
    server.routes[CHAT] = sse(chat_chunk("\ud83d"), chat_chunk("\ude00 and \ud800"), chat_chunk(finish="stop"))
    cell = kernel.start("%%roci openai-compatible:phi4\nHello", cell_id=cell_id).wait()
    assert cell.error is None
    assert cell.data[0]["text/plain"] == "😀 and \ufffd"
    assert "😀 and \ufffd" in cell.data[0]["text/html"]
    json.dumps(cell.outputs, ensure_ascii=False).encode()
    assert kernel.value("_roci.text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')") == repr(
        "😀 and \ufffd"
    )


def stop_and_see_the_close(kernel, server, running) -> None:
    connection = server.wait_stalled()
    kernel.interrupt()
    assert connection.closed.wait(30)
    running.wait()
    assert running.status == "error"
    assert running.error == "■ stopped"


def test_stop_while_it_flows_closes_and_keeps_the_partial(kernel, server):
    server.routes[CHAT] = FLOWING
    running = kernel.start("%%roci openai-compatible:phi4 -o mine\nHello")
    running.wait_for(lambda cell: "Half an answer" in json.dumps(cell.comm_messages))
    stop_and_see_the_close(kernel, server, running)
    [data] = running.data
    assert data["text/plain"] == "Half an answer"
    assert "■ stopped" in data["text/html"]
    assert kernel.value("(_roci.text, _roci.finish_reason)") == "('Half an answer', 'cancelled')"
    assert kernel.value("'mine' in globals()") == "False"


@pytest.mark.parametrize(
    "script", [[Stall()], [head(), Stall()]], ids=["before the first byte", "before the first word"]
)
def test_stop_while_it_stalls_closes_quietly(kernel, server, script):
    server.routes[CHAT] = script
    running = kernel.start("%%roci openai-compatible:phi4\nHello")
    stop_and_see_the_close(kernel, server, running)
    assert kernel.run("1 + 1").data == [{"text/plain": "2"}]


def test_stop_while_the_model_loads_is_as_quiet(kernel, server):
    server.routes[MODELS] = [Stall()]
    running = kernel.start("%%roci openai-compatible:phi4\nHello")
    stop_and_see_the_close(kernel, server, running)


API = """
from roci_nb import *
provider = OpenAiCompatibleProvider("phi4", {url!r})
"""


@pytest.mark.parametrize(
    "call",
    [
        "generate_text_sync(provider, 'Hello')",
        "for delta in stream_text_sync(provider, 'Hello'): print(delta.text)",
        "await generate_text(provider, 'Hello')",
        "async for delta in stream_text(provider, 'Hello'): print(delta.text)",
        "await asyncio.sleep(0); generate_text_sync(provider, 'Hello')",
        "run(generate_text(provider, 'Hello'))",
    ],
)
@pytest.mark.parametrize("script", [FLOWING, [Stall()]], ids=["flowing", "stalled"])
def test_stop_works_for_every_way_to_call(kernel, server, call, script):
    server.routes[CHAT] = script
    kernel.run("import asyncio" + API.format(url=server.url))
    stop_and_see_the_close(kernel, server, kernel.start(call))
    assert kernel.run("1 + 1").data == [{"text/plain": "2"}]


def test_a_stopped_call_carries_its_partial(kernel, server):
    server.routes[CHAT] = FLOWING
    kernel.run(API.format(url=server.url))
    for call, caught in (
        ("generate_text_sync", "KeyboardInterrupt"),
        ("await generate_text", "asyncio.CancelledError"),
    ):
        running = kernel.start(
            f"import asyncio\ntry:\n    {call}(provider, 'Hello')\nexcept {caught} as error:\n    print(error.partial.text)"
        )
        connection = server.wait_stalled()
        time.sleep(0.3)
        kernel.interrupt()
        assert connection.closed.wait(30)
        assert running.wait().stdout == "Half an answer\n"
        server.connections.clear()


def test_every_way_to_call_gives_the_answer(kernel, server):
    kernel.run(API.format(url=server.url))
    for call in (
        "generate_text_sync(provider, 'Hello').text",
        "(await generate_text(provider, 'Hello')).text",
        "''.join(delta.text for delta in stream_text_sync(provider, 'Hello'))",
        "''.join([delta.text async for delta in stream_text(provider, 'Hello')])",
        "run(generate_text(provider, 'Hello')).text",
    ):
        assert kernel.run(call).data == [{"text/plain": "'Hi **there**'"}], call


def test_a_widgets_callback_may_ask(kernel, server):
    cell = kernel.run(
        API.format(url=server.url)
        + "import ipywidgets\nbutton = ipywidgets.Button()\n"
        + "button.on_click(lambda _: print(generate_text_sync(provider, 'Hello').text))\nbutton.click()"
    )
    assert cell.stdout == "Hi **there**\n"


def test_asyncio_timeout_works_around_a_call_in_a_cell(kernel, server):
    server.routes[CHAT] = FLOWING
    cell = kernel.run(
        API.format(url=server.url)
        + "import asyncio\ntry:\n    async with asyncio.timeout(0.3):\n        await generate_text(provider, 'Hello')\n"
        + "except TimeoutError as error:\n    print('timed out')"
    )
    assert cell.stdout == "timed out\n"
    assert server.wait_stalled().closed.wait(30)


def test_run_all_stops_at_a_failing_cell(kernel, server):
    first, failing, after = kernel.run_all(
        "%%roci openai-compatible:phi4\nHello", "%%roci olama:x\nHello", "print('must not run')"
    )
    assert (first.status, failing.status, after.status) == ("ok", "error", "aborted")
    assert after.stdout == ""


def test_run_all_goes_on_past_a_nested_run(fresh_kernel):
    cells = fresh_kernel.run_all(
        "import asyncio\nfrom roci_nb import run\nasync def mine():\n    await asyncio.sleep(0.05)\n    return 'nested'",
        "print(run(mine()))",
        "print('second')",
        "print(run(mine()))",
        "print('last')",
    )
    assert [cell.stdout for cell in cells] == ["", "nested\n", "second\n", "nested\n", "last\n"]


def test_without_a_front_end_there_is_one_final_output(kernel, server):
    cell = kernel.start("%%roci openai-compatible:phi4\nHello", cell_id=None).wait()
    assert cell.updates == 0
    assert [data["text/plain"] for data in cell.data] == ["Hi **there**"]
    assert cell.stdout == ""


def test_loading_imports_nothing_heavy_and_opens_nothing(fresh_kernel):
    cell = fresh_kernel.run(
        "import sys, threading\nbefore = set(sys.modules)\n%load_ext roci_nb\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - {'IPython'}\n"
        "print(sorted(new), [t.name for t in threading.enumerate() if 'roci' in t.name])"
    )
    assert cell.stdout == "['roci_nb'] []\n"


def test_unloading_leaves_nothing_and_loading_again_works(fresh_kernel):
    fresh_kernel.run("%load_ext roci_nb")
    fresh_kernel.run("%unload_ext roci_nb")
    assert "not found" in fresh_kernel.run("%%roci\nHello").outputs[0].get("text", "") + str(
        fresh_kernel.run("%%roci\nHello").error
    )
    fresh_kernel.run("%load_ext roci_nb")
    assert "none chosen" in fresh_kernel.run("%roci").data[0]["text/plain"]


def test_help_names_every_option(kernel):
    from roci_nb.magic.magics import RociMagics
    from roci_nb.session.command import OPTIONS

    for option in OPTIONS:
        assert all(flag in RociMagics.roci.__doc__ for flag in option.flags)
