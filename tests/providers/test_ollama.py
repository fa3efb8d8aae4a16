"""Ollama's wire over real TCP: recorded from real servers (0.33 and 0.24), and scripted to be hostile.

The law on reloads is proved on a scripted server that keeps the rule measured on a real one.
"""

import asyncio
import json
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roci_nb import (
    BadReply,
    ConfigError,
    ContextOverflow,
    GenerationSettings,
    ModelMessage,
    ModelNotFound,
    OllamaModel,
    OllamaProvider,
    ProviderRequest,
    RociConfig,
    ServerError,
    ServerUnreachable,
    StreamBroken,
    Unauthorized,
    Unsupported,
    generate_text_sync,
    provider_for,
    stream_text_sync,
)
from roci_nb.types.messages import ImagePart
from roci_nb.types.tools import ToolCall, ToolDefinition
from tests.servers.recorded import exchanges
from tests.servers.scripted import Reset, Stall, head, json_reply, reply, send
from tests.servers.scripted_ollama import Loaded, ScriptedOllama, line

NEW, OLD = exchanges("ollama-0.33"), exchanges("ollama-0.24")
CHAT = "POST /api/chat"
WEATHER = ToolDefinition(
    name="get_weather",
    description="Get the weather",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


@pytest.fixture
def ollama(scripted):
    return ScriptedOllama().install(scripted)


def provider(server, model="gpt-oss:20b", **options):
    options.setdefault("config", RociConfig())
    return OllamaProvider(model, server.url, **options)


def ask(server, prompt="Hello", settings=None, *, model="gpt-oss:20b", tools=(), **options):
    return generate_text_sync(provider(server, model, **options), prompt, settings, tools)


def sent(server) -> dict:
    return server.asked("/api/chat")[-1].json


# What a real Ollama said


def replay(server, recording, name):
    show = NEW["show_gpt_oss"]
    server.routes |= {
        "POST /api/show": show.script(),
        "GET /api/tags": recording["tags"].script(),
        "GET /api/ps": recording["ps_loaded"].script(),
        CHAT: recording[name].script(),
    }


@pytest.mark.parametrize(
    "name",
    [
        "chat_stream_default",
        "chat_stream_think_low",
        "chat_stream_think_high",
        "chat_stream_think_true",
        "chat_no_stream",
    ],
)
def test_thoughts_text_and_figures_are_the_servers(scripted, name):
    replay(scripted, NEW, name)
    result = ask(scripted, model="gpt-oss-nano")
    figures = json.loads(NEW[name].body.decode().strip().splitlines()[-1])
    assert result.reasoning
    assert result.text
    assert result.finish_reason == "stop"
    assert result.usage.input_tokens == figures["prompt_eval_count"]
    assert result.usage.output_tokens == figures["eval_count"]
    assert result.timing.generation_s == figures["eval_duration"] / 1e9
    assert result.timing.load_s == figures["load_duration"] / 1e9
    assert result.timing.tokens_per_second == pytest.approx(figures["eval_count"] / figures["eval_duration"] * 1e9)
    assert not result.timing.approximate
    assert result.context_window == 4096
    assert result.warnings == ()


def test_an_answer_cut_by_length_says_so(scripted):
    replay(scripted, NEW, "chat_length")
    assert ask(scripted, model="gpt-oss-nano").finish_reason == "length"


@pytest.mark.parametrize("recording", [NEW, OLD], ids=["0.33", "0.24"])
@pytest.mark.parametrize("name", ["chat_tool_stream", "chat_tool_no_stream"])
def test_a_tool_call_comes_once_and_whole(scripted, recording, name):
    replay(scripted, recording, name)
    result = ask(scripted, model="gpt-oss-nano", tools=[WEATHER])
    [call] = result.tool_calls
    assert (call.name, call.arguments) == ("get_weather", {"city": "Paris"})
    assert call.id.startswith("call_")
    assert result.finish_reason == "tool_calls"
    assert "weather" in result.reasoning


def test_a_broken_tool_call_is_repaired_from_the_raw_text_in_the_error(scripted):
    replay(scripted, OLD, "chat_tool_parse_error_in_stream")
    result = ask(scripted, model="gpt-oss-nano", tools=[WEATHER])
    assert [(call.name, call.arguments) for call in result.tool_calls] == [("get_weather", {"city": "Paris"})]
    assert result.finish_reason == "tool_calls"
    assert "repaired" in str(result.warnings[0])


def test_a_tool_call_that_can_not_be_repaired_comes_with_its_raw_text(scripted):
    replay(scripted, OLD, "chat_tool_parse_error_in_stream")
    with pytest.raises(BadReply, match="ask again") as caught:
        ask(scripted, model="gpt-oss-nano", tools=[ToolDefinition(name="other"), ToolDefinition(name="another")])
    assert "Paris" in caught.value.raw
    assert caught.value.partial.text or caught.value.partial.reasoning


@pytest.mark.parametrize(
    ("recording", "name", "kind", "told"),
    [
        (NEW, "chat_overflow_refused", ContextOverflow, "28,899 tokens"),
        (NEW, "chat_overflow_refused_history", ContextOverflow, "712 tokens"),
        (OLD, "chat_overflow_refused", ContextOverflow, "too long"),
        (NEW, "chat_missing_model", ModelNotFound, "ollama pull gpt-oss-nano"),
        (NEW, "chat_think_unsupported", Unsupported, "thinking"),
        (NEW, "chat_tools_unsupported", Unsupported, "tools"),
        (NEW, "chat_image_unsupported", Unsupported, "images"),
        (NEW, "chat_bad_option_type", ServerError, "num_predict"),
        (NEW, "chat_bad_keep_alive", ServerError, "invalid duration"),
        (NEW, "chat_bad_name", ServerError, "invalid model name"),
        (NEW, "chat_think_bad_level", ServerError, "invalid think value"),
    ],
)
def test_every_recorded_refusal_is_our_error(scripted, recording, name, kind, told):
    replay(scripted, recording, name)
    with pytest.raises(kind, match=told) as caught:
        ask(scripted, model="gpt-oss-nano")
    assert "\n" not in str(caught.value)
    assert caught.value.status == recording[name].status


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_split_of_a_recorded_stream_gives_the_same_answer(scripted, data):
    exchange = NEW["chat_stream_default"]
    replay(scripted, NEW, "chat_stream_default")
    scripted.routes[CHAT] = exchange.script(*data.draw(st.lists(st.integers(0, len(exchange.body)), max_size=30)))
    result = ask(scripted, model="gpt-oss-nano")
    assert (result.usage.output_tokens, result.text.endswith("It can call functions.")) == (74, True)


def test_models_info_and_what_runs_are_read(scripted):
    replay(scripted, NEW, "chat_stream_default")
    asked = provider(scripted, "gpt-oss-nano")
    models = asyncio.run(asked.list_models())
    assert [info.model.model_id for info in models][:2] == ["gpt-oss-creative:latest", "gpt-oss-nano:latest"]
    assert [info.loaded for info in models] == [False, True, True, False]
    info = asyncio.run(asked.model_info())
    assert info.capabilities == {"completion", "tools", "thinking"}
    assert info.efforts == ("low", "medium", "high")
    assert (info.trained_window, info.loaded_window, info.loaded) == (131072, 4096, True)
    assert (info.size_bytes, info.quantization, info.parameters) == (1049692, "F16", "496K")
    assert (info.memory_bytes, info.gpu_share) == (7707032, 0.0)
    running = asyncio.run(asked.running())
    assert [info.model.model_id for info in running] == ["gpt-oss-nano:latest", "smollm2:latest"]
    assert "gpt-oss-nano" in str(models)
    assert "<table" in models._repr_html_() + info._repr_html_()


# The user's server is the user's


@pytest.mark.parametrize("num_ctx", [None, 2048, 4096, 32768])
@pytest.mark.parametrize("modelfile_window", [None, 8192])
def test_no_request_without_a_window_loads_a_loaded_model_again(scripted, ollama, num_ctx, modelfile_window):
    ollama.modelfile_window = modelfile_window
    ollama.by_another_client(num_ctx=num_ctx)
    asked = provider(scripted)
    result = generate_text_sync(asked, "Hello", GenerationSettings(temperature=0, max_tokens=5, keep_alive="5m"))
    request = ProviderRequest(messages=[ModelMessage.user("Hi")])
    for call in (
        asked.count_tokens(request),
        asked.preview(request),
        asked.list_models(),
        asked.model_info(),
        asked.running(),
        asked.load(),
    ):
        asyncio.run(call)
    generate_text_sync(provider(scripted), "Hello")
    assert ollama.loads == []
    window = num_ctx or modelfile_window or 4096
    assert result.context_window == window
    assert sent(scripted)["options"] == {"num_ctx": window}


def test_a_window_that_changes_between_two_requests_is_seen(scripted, ollama):
    ollama.by_another_client(num_ctx=8192)
    asked = provider(scripted)
    generate_text_sync(asked, "Hello")
    ollama.by_another_client(num_ctx=16384)
    assert generate_text_sync(asked, "Hello").context_window == 16384
    assert ollama.loads == []


def test_a_model_that_is_not_loaded_is_loaded_as_the_server_would(scripted, ollama):
    deltas = list(stream_text_sync(provider(scripted), "Hello"))
    assert ollama.loads == [("gpt-oss:20b", 4096)]
    assert "options" not in sent(scripted)
    assert [delta.phase for delta in deltas if delta.phase][:2] == ["connecting", "loading"]
    loading = next(delta.progress for delta in deltas if delta.progress)
    assert (loading.status, loading.total, loading.fraction) == ("loading gpt-oss:20b", 13_780_000_000, None)
    assert deltas[-1].context_window == 4096


def test_a_load_that_an_asked_for_window_causes_is_announced(scripted, ollama):
    ollama.by_another_client(num_ctx=4096)
    deltas = list(stream_text_sync(provider(scripted), "Hello", GenerationSettings(num_ctx=16384)))
    assert ollama.loads == [("gpt-oss:20b", 16384)]
    loading = next(delta for delta in deltas if delta.phase == "loading")
    assert loading.progress.status == "loading gpt-oss:20b again with a window of 16,384"
    again = list(stream_text_sync(provider(scripted), "Hello", GenerationSettings(num_ctx=16384)))
    assert [delta for delta in again if delta.phase == "loading"] == []
    assert len(ollama.loads) == 1


def test_shift_is_never_sent_and_truncate_is_always_off(scripted, ollama):
    result = ask(scripted, settings=GenerationSettings(extra={"shift": True, "truncate": True, "num_gpu": 99}))
    body = sent(scripted)
    assert "shift" not in body
    assert body["truncate"] is False
    assert body["options"]["num_gpu"] == 99
    assert [warning.setting for warning in result.warnings] == ["extra", "extra"]


def test_load_and_unload_do_what_they_say(scripted, ollama):
    asked = provider(scripted)
    assert asyncio.run(asked.load(num_ctx=8192)).loaded_window == 8192
    assert asyncio.run(asked.load()).loaded_window == 8192
    assert ollama.loads == [("gpt-oss:20b", 8192)]
    asyncio.run(asked.unload())
    assert ollama.loaded == {}
    asyncio.run(asked.unload())


def test_unload_waits_until_the_memory_is_free(scripted, ollama):
    asked = provider(scripted)
    asyncio.run(asked.load())
    answer, still = scripted.routes["GET /api/ps"], [3]

    def leaving(request):
        if ollama.loaded or not still[0]:
            return answer(request)
        still[0] -= 1
        ollama.loaded["gpt-oss:20b"] = Loaded(4096, None)
        try:
            return answer(request)
        finally:
            ollama.loaded.clear()

    scripted.routes["GET /api/ps"] = leaving
    asyncio.run(asked.unload())
    assert still == [0]


def test_a_prompt_that_does_not_fit_is_told_with_what_is_known(scripted, ollama):
    """0.24 says no more than that it is too long."""
    asyncio.run(provider(scripted).load(num_ctx=4096))
    scripted.routes[CHAT] = json_reply({"error": "the input length exceeds the context length"}, 400)
    with pytest.raises(ContextOverflow, match=r"~6,\d+ tokens\) is too long for the window of 4,096 tokens") as told:
        generate_text_sync(provider(scripted), "word " * 4800)
    assert (told.value.prompt_tokens, told.value.window, told.value.status) == (None, 4096, 400)


def test_a_load_that_nobody_asked_for_is_told(scripted, ollama):
    """Another program's num_batch is nowhere to be read, and a request without it loads the model again."""
    asyncio.run(provider(scripted).load())
    assert ask(scripted).warnings == ()
    ollama.load_ns = 4_200_000_000
    [warning] = ask(scripted).warnings
    assert "loaded the model again (4 s)" in str(warning)
    ollama.loaded.clear()
    assert ask(scripted).warnings == (), "a first load is no surprise"


# What is sent


def test_unset_is_not_sent(scripted, ollama):
    ask(scripted)
    assert sent(scripted) == {
        "model": "gpt-oss:20b",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "truncate": False,
    }


def test_every_setting_goes_out_by_ollamas_name_or_comes_back_as_a_warning(scripted, ollama):
    everything = GenerationSettings(
        max_tokens=5, temperature=0.5, top_p=0.9, top_k=40, min_p=0.1, seed=1, stop_sequences=("END",), num_ctx=4096,
        presence_penalty=0.1, frequency_penalty=0.2, repeat_penalty=1.1, reasoning_effort="high", keep_alive="5m", user="me",
    )  # fmt: skip
    result = ask(scripted, settings=everything)
    body = sent(scripted)
    assert body["options"] == {
        "num_ctx": 4096, "num_predict": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "seed": 1,
        "stop": ["END"], "presence_penalty": 0.1, "frequency_penalty": 0.2, "repeat_penalty": 1.1,
    }  # fmt: skip
    assert (body["think"], body["keep_alive"]) == ("high", "5m")
    assert [warning.setting for warning in result.warnings] == ["user"]


@pytest.mark.parametrize(("effort", "think"), [("low", "low"), ("medium", "medium"), ("high", "high"), ("off", "low")])
def test_gpt_oss_gets_its_levels_and_off_hides_the_thoughts(scripted, ollama, effort, think):
    result = ask(scripted, settings=GenerationSettings(reasoning_effort=effort))
    assert sent(scripted)["think"] == think
    assert (result.reasoning == "") == (effort == "off")
    assert len(result.warnings) == (effort == "off")


def test_a_model_without_levels_is_told_on_or_off(scripted, ollama):
    ollama.template, ollama.family, ollama.model = "{{ .Prompt }}", "qwen3", "qwen3:8b"
    on = ask(scripted, settings=GenerationSettings(reasoning_effort="low"), model="qwen3:8b")
    assert sent(scripted)["think"] is True
    assert "knows no levels" in str(on.warnings[0])
    ask(scripted, settings=GenerationSettings(reasoning_effort="off"), model="qwen3:8b")
    assert sent(scripted)["think"] is False


def test_a_model_that_does_not_think_is_not_told_to(scripted, ollama):
    ollama.capabilities = ("completion",)
    result = ask(scripted, settings=GenerationSettings(reasoning_effort="high"))
    assert "think" not in sent(scripted)
    assert "does not think" in str(result.warnings[0])


def test_thoughts_go_back_with_the_tool_calls_of_this_turn_only(scripted, ollama):
    call = ToolCall(name="get_weather", arguments={"city": "Paris"}, id="c1")
    turn = [
        ModelMessage.assistant("", reasoning="I need the tool.", tool_calls=(call,)),
        ModelMessage.tool('{"degrees": 18}', tool_call_id="c1", tool_name="get_weather"),
    ]
    messages = [
        ModelMessage.user("Weather?"),
        *turn,
        ModelMessage.assistant("18", reasoning="old"),
        ModelMessage.user("Again?"),
        *turn,
    ]
    generate_text_sync(provider(scripted), messages, tools=[WEATHER])
    rows = sent(scripted)["messages"]
    assert ["thinking" in row for row in rows] == [False, False, False, False, False, True, False]
    assert rows[5]["tool_calls"] == [
        {"id": "c1", "function": {"index": 0, "name": "get_weather", "arguments": {"city": "Paris"}}}
    ]
    assert rows[6] == {"role": "tool", "content": '{"degrees": 18}', "tool_name": "get_weather", "tool_call_id": "c1"}


def test_a_schemas_references_are_put_in_place(scripted, ollama):
    parameters = {
        "type": "object",
        "properties": {"where": {"$ref": "#/$defs/Place"}},
        "$defs": {"Place": {"type": "object", "properties": {"in": {"$ref": "#/$defs/Place"}}}},
    }
    ask(scripted, tools=[ToolDefinition(name="go", parameters=parameters)])
    where = sent(scripted)["tools"][0]["function"]["parameters"]["properties"]["where"]
    assert where == {"type": "object", "properties": {"in": {"type": "object"}}}


def test_images_and_tools_are_refused_before_sending_where_the_model_has_none(scripted, ollama):
    ollama.capabilities = ("completion",)
    with pytest.raises(Unsupported, match="images") as caught:
        generate_text_sync(provider(scripted), [ModelMessage.user(["What?", ImagePart(data=b"\x89PNG\r\n\x1a\n")])])
    assert caught.value.status is None
    with pytest.raises(Unsupported, match="tools"):
        ask(scripted, tools=[WEATHER])
    assert scripted.asked("/api/chat") == []


def test_images_go_to_a_model_that_sees(scripted, ollama):
    ollama.capabilities = ("completion", "vision")
    generate_text_sync(provider(scripted), [ModelMessage.user(["What?", ImagePart(data=b"\x89PNG\r\n\x1a\n")])])
    assert sent(scripted)["messages"][0]["images"] == ["iVBORw0KGgo="]


# The window told


def test_an_answer_that_ran_past_the_window_says_so(scripted, ollama):
    ollama.counts = (3000, 2000)
    [warning] = ask(scripted).warnings
    assert "3,000 + 2,000 > 4,096" in str(warning)


def test_a_server_that_seems_to_cut_the_prompt_is_suspected_aloud(scripted, ollama):
    ollama.counts = (500, 2)
    [warning] = ask(scripted, "word " * 9000).warnings
    assert "it seems to have cut it" in str(warning)


# Phases


def test_a_model_that_loads_is_told_until_it_is_there(scripted, ollama):
    gate = threading.Event()
    ollama.before_answer = (Stall(gate),)

    def loading_slowly(request):
        script = ollama._chat(request)
        ollama.loaded.clear()  # /api/ps lists it only once it has loaded
        return script

    scripted.routes[CHAT] = loading_slowly
    seen = []
    for delta in stream_text_sync(provider(scripted), "Hello"):
        seen.append(delta.phase)
        if seen.count("loading") == 3:
            gate.set()
    assert seen[:4] == ["connecting", "loading", "loading", "loading"]
    assert seen[-2] == "answering"


def test_a_loaded_model_that_gives_nothing_is_queued_or_reading(scripted, ollama):
    ollama.by_another_client()
    gate = threading.Event()
    ollama.before_answer = (Stall(gate),)
    seen = []
    for delta in stream_text_sync(provider(scripted), "Hello"):
        seen.append(delta.phase)
        if seen.count("queued_or_reading") == 3:
            gate.set()
    assert seen[:4] == ["connecting", *["queued_or_reading"] * 3]


# Harmony


def test_marks_that_leak_into_the_text_are_repaired(scripted, ollama):
    leaked = "<|channel|>analysis<|message|>thinking<|end|><|start|>assistant<|channel|>final<|message|>The answer"
    ollama.answer = tuple(
        {"message": {"content": piece}, "done": False}
        for piece in (leaked[i : i + 5] for i in range(0, len(leaked), 5))
    )
    result = ask(scripted)
    assert (result.reasoning, result.text) == ("thinking", "The answer")


def test_tool_names_with_marks_behind_them_are_cleaned(scripted, ollama):
    function = {"name": "functions.get_weather<|channel|>commentary", "arguments": {"city": "Paris"}}
    ollama.answer = ({"message": {"content": "", "tool_calls": [{"function": function}]}, "done": False},)
    [call] = ask(scripted, tools=[WEATHER]).tool_calls
    assert (call.name, call.id) == ("get_weather", "call_0")


def test_text_of_another_model_is_left_alone(scripted, ollama):
    ollama.model, ollama.family = "qwen3:8b", "qwen3"
    ollama.answer = ({"message": {"content": "<|channel|>analysis<|message|>x"}, "done": False},)
    assert ask(scripted, model="qwen3:8b").text == "<|channel|>analysis<|message|>x"


# Servers that misbehave

HALF = [head(200, "application/x-ndjson"), send(line({"message": {"content": "Hal"}, "done": False}))]


@pytest.mark.parametrize(
    ("script", "kind", "told", "partial"),
    [
        (HALF, StreamBroken, "without its end mark", "Hal"),
        ([*HALF, Reset()], StreamBroken, "in mid-answer", "Hal"),
        ([*HALF, send(line({"error": "an error was encountered while running the model: CUDA"}))], ServerError, "CUDA", "Hal"),
        ([*HALF, send(line({"error": {"message": "boom"}}))], ServerError, "boom", "Hal"),
        ([*HALF, send("{broken\n")], BadReply, "no JSON", "Hal"),
        (reply("<html>proxy</html>", content_type="text/html"), BadReply, "a web page", None),
        (reply("", status=403, content_type=None), Unauthorized, "host check", None),
        (reply("404 page not found", status=404, content_type="text/plain"), ServerError, "is the address right", None),
        (json_reply({"error": "server busy, please try again.  maximum pending requests exceeded"}, 503), ServerError, "busy", None),
        (json_reply({"error": "model requires more system memory (9 GiB) than is available (4 GiB)"}, 500), ServerError, "9 GiB", None),
    ],
)  # fmt: skip
def test_a_server_that_breaks_is_told_in_one_line_with_the_partial(scripted, ollama, script, kind, told, partial):
    scripted.routes[CHAT] = script
    with pytest.raises(kind, match=told) as caught:
        ask(scripted)
    assert "\n" not in str(caught.value)
    assert (caught.value.partial.text if caught.value.partial else None) == partial


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_line_ends_may_be_missing_doubled_or_of_another_kind(scripted, ollama, ending):
    text = "a\u2028b\u0085c\x0bd"
    rows = [{"message": {"content": text}}, {"message": {"content": ""}, "done": True, "done_reason": "stop"}]
    body = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + ending
    scripted.routes[CHAT] = [
        head(200, "application/x-ndjson"),
        send(*(body.encode()[i : i + 1] for i in range(len(body.encode())))),
    ]
    assert ask(scripted).text == text


def test_an_unreachable_server_says_how_to_start_it():
    with pytest.raises(ServerUnreachable, match=r"nothing answers at http://127.0.0.1:9\. Start it \(ollama serve\)"):
        generate_text_sync(OllamaProvider("phi4", "http://127.0.0.1:9", config=RociConfig()), "Hi")


def test_an_unknown_model_names_the_nearest_and_how_to_pull_it(scripted, ollama):
    with pytest.raises(
        ModelNotFound, match=r"Did you mean gpt-oss:20b\? Otherwise pull it: ollama pull gpt-oss:120b"
    ) as caught:
        ask(scripted, model="gpt-oss:120b")
    assert caught.value.installed == ("gpt-oss:20b",)
    assert caught.value.nearest == ("gpt-oss:20b",)


@pytest.mark.parametrize("script", [[Stall()], [*HALF, Stall()]], ids=["loading", "flowing"])
def test_cancelling_closes_the_connection(scripted, ollama, script):
    scripted.routes[CHAT] = script

    async def main():
        from roci_nb import generate_text

        task = asyncio.ensure_future(generate_text(provider(scripted), "Hi"))
        connection = await asyncio.to_thread(scripted.wait_stalled)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await asyncio.to_thread(connection.closed.wait, 30)

    assert asyncio.run(main())


# Names, keys, clouds


def test_the_guides_models_have_their_names():
    assert OllamaModel.LLAMA33 == "llama3.3"
    assert OllamaModel.DEEPSEEK_R1 == "deepseek-r1"
    assert isinstance(OllamaModel.custom("gpt-oss-120b:q4_k_m"), str)
    asked = OllamaProvider(OllamaModel.custom("gpt-oss-120b:q4_k_m"), "http://localhost:11434", config=RociConfig())
    assert str(asked.model) == "ollama:gpt-oss-120b:q4_k_m"
    assert str(provider_for("ollama:gpt-oss-120b:q4_k_m", RociConfig()).model) == "ollama:gpt-oss-120b:q4_k_m"


def test_ollamas_own_key_goes_to_ollama_com_only(scripted, ollama):
    ask(scripted, config=RociConfig(ollama_api_key="topsecret"))
    assert all("authorization" not in request.headers for request in scripted.requests)


def test_a_model_that_runs_elsewhere_is_marked_and_can_be_forbidden(scripted, ollama):
    ollama.model, ollama.remote_host = "gpt-oss:120b-cloud", "https://ollama.com:443"
    asked = provider(scripted, "gpt-oss:120b-cloud")
    assert asked.host == "ollama.com"
    generate_text_sync(asked, "Hi")
    assert asked.host == "https://ollama.com:443"
    assert scripted.asked("/api/chat")
    with pytest.raises(ConfigError, match="local_only"):
        ask(scripted, model="gpt-oss:120b-cloud", config=RociConfig(local_only=True))


def test_a_preview_loads_nothing_and_shows_the_request(scripted, ollama):
    preview = asyncio.run(provider(scripted).preview(ProviderRequest(messages=[ModelMessage.user("Hi")])))
    assert preview.url == f"{scripted.url}/api/chat"
    assert preview.body["truncate"] is False
    assert ollama.loads == []


def test_json_too_deep_to_be_read_is_a_bad_reply(scripted, ollama):
    deep = "[" * 200_000 + "]" * 200_000
    said = line({"message": {"content": "Hal"}, "done": False})
    scripted.routes[CHAT] = [head(200, "application/x-ndjson"), send(said, f'{{"message": {deep}}}\n')]
    with pytest.raises(BadReply, match="no JSON") as caught:
        ask(scripted)
    assert caught.value.partial.text == "Hal"
