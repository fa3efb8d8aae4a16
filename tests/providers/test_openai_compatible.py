"""The OpenAI-compatible wire over real TCP: recorded from a real llama-server, or scripted to be hostile."""

import asyncio
import gc
import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roci_nb import (
    BadReply,
    ConfigError,
    ContextOverflow,
    GenerationSettings,
    IdleTimeout,
    ModelMessage,
    ModelNotFound,
    OpenAiCompatibleProvider,
    ProviderRequest,
    RateLimited,
    RociConfig,
    ServerError,
    ServerUnreachable,
    StreamBroken,
    Timeouts,
    Unauthorized,
    Unsupported,
    generate_text_sync,
    stream_text_sync,
)
from roci_nb.types.messages import ImagePart
from roci_nb.types.tools import ToolCall, ToolDefinition
from tests.servers.recorded import exchanges
from tests.servers.scripted import (
    Reset,
    ScriptedServer,
    Stall,
    chat_chunk,
    head,
    json_reply,
    reply,
    send,
    sse,
)

CHAT = "POST /v1/chat/completions"
MODELS = "GET /v1/models"
LLAMA = exchanges("llama-server-11434")
ANSWER = sse(chat_chunk("Hi"), chat_chunk(finish="stop"))
LLAMA_MODELS = json_reply({"data": [{"id": "phi4", "owned_by": "llamacpp", "meta": {"n_ctx": 2048}}]})


@pytest.fixture
def server():
    with ScriptedServer({MODELS: LLAMA_MODELS, CHAT: ANSWER}) as scripted:
        yield scripted


def provider(server, model="phi4", **options):
    options.setdefault("config", RociConfig())
    return OpenAiCompatibleProvider(model, server.url, **options)


def ask(server, *, model="phi4", settings=None, prompt="Hello", tools=(), **options):
    return generate_text_sync(provider(server, model, **options), prompt, settings, tools)


def sent(server) -> dict:
    return server.asked("/v1/chat/completions")[-1].json


def chunk_of(body: str) -> dict:
    return json.loads(next(line for line in body.splitlines() if '"usage"' in line).removeprefix("data: "))


# What a real llama-server said


def replay(server, name):
    server.routes |= {MODELS: LLAMA["models"].script(), CHAT: LLAMA[name].script()}


def test_reasoning_is_kept_apart_from_the_text(server):
    replay(server, "chat_stream")
    result = ask(server, model="/models/nano.gguf")
    assert result.text.startswith("This is a **small model** with the gpt-oss architecture.")
    assert result.reasoning == "The user asks a question. Answer it briefly."
    assert result.finish_reason == "stop"
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.total_tokens) == (106, 74, 180)
    assert result.usage.cached_tokens == 0
    assert result.usage.reasoning_tokens is None
    figures = chunk_of(LLAMA["chat_stream"].body.decode())["timings"]
    assert result.timing.prompt_s == figures["prompt_ms"] / 1000
    assert result.timing.generation_s == figures["predicted_ms"] / 1000
    assert result.timing.tokens_per_second == figures["predicted_per_second"]
    assert not result.timing.approximate
    assert result.context_window == 1024
    assert result.warnings == ()


def test_an_answer_that_is_not_streamed_reads_the_same(server):
    replay(server, "chat_no_stream")
    whole = ask(server, model="/models/nano.gguf")
    replay(server, "chat_stream")
    streamed = ask(server, model="/models/nano.gguf")
    assert (whole.text, whole.reasoning, whole.usage) == (streamed.text, streamed.reasoning, streamed.usage)


def test_phases_follow_what_the_server_tells(server):
    replay(server, "chat_stream_progress")
    deltas = list(stream_text_sync(provider(server, "/models/nano.gguf"), "Hello"))
    phases = list(dict.fromkeys(delta.phase for delta in deltas if delta.phase))
    assert phases == ["connecting", "queued_or_reading", "reading", "thinking", "answering"]
    progress = [delta.progress for delta in deltas if delta.progress]
    assert [(step.completed, step.total, step.unit) for step in progress][:1] == [(101, 226, "tokens")]


@pytest.mark.parametrize(
    "name", ["chat_effort_low", "chat_effort_kwargs", "chat_schema", "chat_json_object", "chat_length"]
)
def test_every_recorded_answer_has_one_last_delta(server, name):
    replay(server, name)
    deltas = list(stream_text_sync(provider(server, "/models/nano.gguf"), "Hello"))
    assert [delta for delta in deltas if delta.finish_reason] == deltas[-1:]
    figures = chunk_of(LLAMA[name].body.decode())["usage"]
    assert deltas[-1].usage.output_tokens == figures["completion_tokens"]
    assert deltas[-1].finish_reason == ("length" if figures["completion_tokens"] in (20, 200) else "stop")


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("chat_overflow", ContextOverflow, "40,484 tokens"),
        ("chat_image", Unsupported, "images"),
        ("chat_bad_schema", Unsupported, "unrecognized type wrong"),
        ("chat_bad_type", ServerError, "temperature"),
        ("chat_no_messages", ServerError, "'messages' is required"),
    ],
)
def test_every_recorded_refusal_is_our_error(server, name, kind, told):
    replay(server, name)
    with pytest.raises(kind, match=told) as caught:
        ask(server, model="/models/nano.gguf")
    assert caught.value.status == LLAMA[name].status
    assert caught.value.partial is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_split_of_a_recorded_stream_gives_the_same_answer(server, data):
    exchange = LLAMA["chat_stream"]
    cuts = data.draw(st.lists(st.integers(0, len(exchange.body)), max_size=30))
    server.routes |= {MODELS: LLAMA["models"].script(), CHAT: exchange.script(*cuts)}
    result = ask(server, model="/models/nano.gguf")
    assert result.text.endswith("- It can call functions.")
    assert result.usage.output_tokens == 74


# What is sent


def test_unset_is_not_sent(server):
    ask(server)
    assert sent(server) == {
        "model": "phi4",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
    }


def test_every_setting_goes_out_by_the_servers_name_or_comes_back_as_a_warning(server):
    everything = GenerationSettings(
        max_tokens=5, temperature=0.5, top_p=0.9, top_k=40, min_p=0.1, seed=1, stop_sequences=("END",),
        presence_penalty=0.1, frequency_penalty=0.2, repeat_penalty=1.1, num_ctx=4096, reasoning_effort="high",
        keep_alive="5m", user="me", extra={"mirostat": 2},
    )  # fmt: skip
    result = ask(server, settings=everything)
    body = sent(server)
    assert {name: body[name] for name in body.keys() - {"messages", "model", "stream", "stream_options", "return_progress"}} == {
        "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "seed": 1, "stop": ["END"],
        "presence_penalty": 0.1, "frequency_penalty": 0.2, "repeat_penalty": 1.1, "reasoning_effort": "high",
        "user": "me", "mirostat": 2, "chat_template_kwargs": {"reasoning_effort": "high"},
    }  # fmt: skip
    assert [warning.setting for warning in result.warnings] == ["num_ctx", "keep_alive"]


def test_a_server_that_nobody_knows_gets_what_was_asked_with_a_warning(server):
    server.routes[MODELS] = json_reply({"data": [{"id": "phi4", "owned_by": "someone"}]})
    result = ask(server, settings=GenerationSettings(top_k=40, temperature=0.5))
    assert sent(server)["top_k"] == 40
    assert [(warning.setting, "may not know" in str(warning)) for warning in result.warnings] == [("top_k", True)]
    assert "return_progress" not in sent(server)


def test_vllm_gets_its_own_name_for_the_penalty_and_tells_its_window(server):
    server.routes[MODELS] = json_reply({"data": [{"id": "phi4", "owned_by": "vllm", "max_model_len": 8192}]})
    result = ask(server, settings=GenerationSettings(repeat_penalty=1.1))
    assert sent(server)["repetition_penalty"] == 1.1
    assert result.context_window == 8192


def test_images_go_as_data_urls(server):
    image = ImagePart(data=b"\x89PNG\r\n\x1a\n")
    generate_text_sync(provider(server), [ModelMessage.user(["What is this?", image])])
    text, picture = sent(server)["messages"][0]["content"]
    assert text == {"type": "text", "text": "What is this?"}
    assert picture["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


def test_opaque_fields_come_back_as_warnings(server):
    request = ProviderRequest(messages=[ModelMessage.user("Hi")], session_id="s", transport="t")

    async def warnings():
        return [warning async for delta in provider(server).stream_text(request) for warning in delta.warnings]

    assert [warning.setting for warning in asyncio.run(warnings())] == ["session_id", "transport"]


def test_streams_are_asked_for_uncompressed_and_without_a_conversation_id(server):
    ask(server, headers={"X-Mine": "yes"})
    headers = server.asked("/v1/chat/completions")[0].headers
    assert headers["accept-encoding"] == "identity"
    assert headers["x-mine"] == "yes"
    assert "x-conversation-id" not in headers


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/v1/chat/completions", "/api/v0", "/api/v1/"])
def test_the_base_url_is_understood_in_each_usual_form(server, ending):
    for url in (server.url + ending, server.url.removeprefix("http://") + ending):
        result = generate_text_sync(OpenAiCompatibleProvider("phi4", url, config=RociConfig()), "Hello")
        assert result.text == "Hi"


def test_a_path_prefix_is_kept(server):
    server.routes |= {"GET /llm/v1/models": LLAMA_MODELS, "POST /llm/v1/chat/completions": ANSWER}
    assert (
        generate_text_sync(OpenAiCompatibleProvider("phi4", f"{server.url}/llm/v1", config=RociConfig()), "Hi").text
        == "Hi"
    )


def test_a_preview_shows_what_would_be_sent_and_sends_no_chat(server):
    request = ProviderRequest(messages=[ModelMessage.user("Hi")], settings=GenerationSettings(temperature=0))
    preview = asyncio.run(provider(server, api_key="sk-topsecret").preview(request))
    assert preview.url == f"{server.url}/v1/chat/completions"
    assert preview.body["temperature"] == 0
    assert ("authorization", "[redacted]") in preview.headers
    assert "topsecret" not in repr(preview) + str(preview) + preview._repr_html_()
    assert server.asked("/v1/chat/completions") == []


# Keys


def test_a_key_given_in_code_is_sent_and_shown_nowhere(server):
    asked = provider(server, api_key="sk-topsecret")
    generate_text_sync(asked, "Hi")
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer sk-topsecret"}
    assert "topsecret" not in repr(asked) + repr(asked._endpoint)


def test_the_environments_key_is_not_sent_to_an_address_that_it_does_not_belong_to(server):
    ask(server, config=RociConfig(openai_compatible_api_key="sk-topsecret"))
    assert all("authorization" not in request.headers for request in server.requests)


def test_a_wrong_key_is_one_line_that_says_what_to_do(server):
    server.routes[CHAT] = json_reply(
        {"error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}}, 401
    )
    with pytest.raises(Unauthorized, match="pass api_key=") as caught:
        ask(server, api_key="sk-topsecret")
    assert "topsecret" not in str(caught.value)
    with pytest.raises(Unauthorized, match="belongs to another host"):
        ask(server, config=RociConfig(openai_compatible_api_key="sk-topsecret"))


def test_local_only_refuses_what_leaves_this_machine():
    with pytest.raises(ConfigError, match="local_only"):
        OpenAiCompatibleProvider("phi4", "http://192.168.1.9:8080", config=RociConfig(local_only=True))


# Servers that misbehave


def test_an_unreachable_server_says_how_to_start_one():
    with pytest.raises(ServerUnreachable, match="nothing answers at http://127.0.0.1:9. Start a server") as caught:
        generate_text_sync(OpenAiCompatibleProvider("phi4", "http://127.0.0.1:9", config=RociConfig()), "Hi")
    assert caught.value.url == "http://127.0.0.1:9"


# anyio leaves the TCP transport of a failed TLS handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_https_on_a_plain_port_says_so(server):
    with pytest.raises(ServerUnreachable, match="try http://"):
        generate_text_sync(
            OpenAiCompatibleProvider("phi4", server.url.replace("http:", "https:"), config=RociConfig()), "Hi"
        )
    gc.collect()


def test_an_unknown_model_names_what_there_is_and_the_nearest(server):
    server.routes[MODELS] = json_reply(
        {"data": [{"id": "phi4", "owned_by": "vllm"}, {"id": "gpt-oss-20b", "owned_by": "vllm"}]}
    )
    server.routes[CHAT] = json_reply({"error": {"message": "The model `gpt-oss` does not exist.", "code": 404}}, 404)
    with pytest.raises(ModelNotFound, match=r"it has phi4, gpt-oss-20b.*Did you mean gpt-oss-20b\?") as caught:
        ask(server, model="gpt-oss")
    assert caught.value.installed == ("phi4", "gpt-oss-20b")
    assert caught.value.nearest == ("gpt-oss-20b",)


def test_a_server_with_one_model_says_that_another_answered(server):
    result = ask(server, model="something-else")
    assert "one model, phi4" in str(result.warnings[0])


@pytest.mark.parametrize(
    "hiccup",
    [
        json_reply({"error": "boom"}, 500),
        reply("<html>starting</html>", content_type="text/html"),
        reply("{"),
        [Reset()],
    ],
    ids=["500", "a web page", "no JSON", "a cut"],
)
def test_a_server_that_could_not_say_who_it_is_is_asked_again(server, hiccup):
    server.routes[MODELS] = hiccup
    asked = provider(server)
    generate_text_sync(asked, "Hi")
    server.routes[MODELS] = LLAMA_MODELS
    result = generate_text_sync(asked, "Hi")
    assert ["return_progress" in request.json for request in server.asked("/v1/chat/completions")] == [False, True]
    assert result.context_window == 2048


def test_a_server_that_has_no_list_is_asked_once(server):
    del server.routes[MODELS]
    asked = provider(server)
    for _ in range(3):
        assert generate_text_sync(asked, "Hi").text == "Hi"
    assert len(server.asked("/v1/models")) == 1


def test_a_list_of_models_too_deep_to_be_read_is_no_list(server):
    server.routes[MODELS] = reply("[" * 200_000 + "]" * 200_000)
    assert ask(server).text == "Hi"


def test_a_server_that_loads_is_waited_for_and_the_load_is_a_phase(server):
    loading = json_reply({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503)
    server.routes[MODELS] = lambda request: loading if len(server.asked("/v1/models")) < 3 else LLAMA_MODELS
    deltas = list(stream_text_sync(provider(server), "Hi"))
    assert [delta.phase for delta in deltas if delta.phase][:3] == ["connecting", "loading", "loading"]
    assert deltas[-1].timing.load_s > 0


PARTIAL = [head(), send(f"data: {json.dumps(chat_chunk('Hal'))}\n\n")]


@pytest.mark.parametrize(
    ("script", "kind", "told", "partial"),
    [
        ([*PARTIAL], StreamBroken, "without its end mark", "Hal"),
        ([*PARTIAL, Reset()], StreamBroken, "closed the connection in mid-answer", "Hal"),
        ([*PARTIAL, send('data: {"error": {"message": "CUDA out of memory"}}\n\n')], ServerError, "CUDA out of memory", "Hal"),
        ([*PARTIAL, send('event: error\ndata: {"message": "boom"}\n\n')], ServerError, "boom", "Hal"),
        ([*PARTIAL, send('error: {"code": 500, "message": "boom"}\n\n')], ServerError, "boom", "Hal"),
        ([*PARTIAL, send("event: error\ndata: plain words\n\n")], ServerError, "plain words", "Hal"),
        ([*PARTIAL, send("data: {broken\n\n")], BadReply, "no JSON", "Hal"),
        ([*PARTIAL, send('data: {"error":{"message":"x","type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":4}}\n\n')],
         ContextOverflow, "9 tokens", "Hal"),
        ([head()], StreamBroken, "without its end mark", None),
        (reply("<html><h1>Welcome</h1></html>", content_type="text/html"), BadReply, "a web page", None),
        (reply("", content_type=None), BadReply, "no JSON", None),
        (json_reply({"error": "Unexpected endpoint or method. (POST /x)"}), ServerError, "Unexpected endpoint", None),
        (json_reply({"detail": "nope"}, 422), ServerError, "nope", None),
        (json_reply({"error": {"message": "slow down"}}, 429, Retry_After="3"), RateLimited, "wait 3 s", None),
        (reply("", status=307, Location="https://elsewhere/"), ServerError, "redirects to https://elsewhere/", None),
        (reply("", status=403, content_type=None), Unauthorized, "host check", None),
        (reply("<h1>Bad Gateway</h1>", status=502, content_type="text/html"), ServerError, "Bad Gateway", None),
        ([Reset()], StreamBroken, "without an answer", None),
    ],
)  # fmt: skip
def test_a_server_that_breaks_is_told_in_one_line_with_the_partial(server, script, kind, told, partial):
    server.routes[CHAT] = script
    with pytest.raises(kind, match=told) as caught:
        ask(server)
    assert "\n" not in str(caught.value)
    assert (caught.value.partial.text if caught.value.partial else None) == partial


@pytest.mark.parametrize(
    "script",
    [
        sse({"choices": []}, chat_chunk("H"), {"choices": None}, chat_chunk("i"), chat_chunk(finish="stop"), {"x": 1}),
        sse(chat_chunk("H", reasoning=None), chat_chunk("i"), chat_chunk(finish="stop"), done=False),
        sse(chat_chunk("H"), chat_chunk("i")),
        [head(), send(b": ping\r\n\r\n", *(f"data:{json.dumps(chat_chunk(c))}\r\n\r\n" for c in "Hi"), "data: [DONE]")],
        json_reply({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}),
        [head(200, None), send(json.dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}))],
        [
            head(Content_Encoding="gzip"),
            send(gzip.compress(ANSWER[1].pieces[0] + ANSWER[1].pieces[1] + b"data: [DONE]\n\n")),
        ],
        sse(chat_chunk("Hi"), chat_chunk(finish="eos_found")),
    ],
)
def test_odd_but_whole_answers_are_read(server, script):
    server.routes[CHAT] = script
    result = ask(server)
    assert result.text == "Hi"
    assert result.finish_reason == "stop"
    assert result.usage.input_tokens is None


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_is_found_under_each_servers_name(server, field):
    server.routes[CHAT] = sse(chat_chunk(**{field: "hm"}), chat_chunk("Hi"), chat_chunk(finish="stop"))
    result = ask(server)
    assert (result.reasoning, result.text) == ("hm", "Hi")


def test_reasoning_sent_under_two_names_counts_once(server):
    server.routes[CHAT] = sse(chat_chunk(reasoning="hm", reasoning_content="hm"), chat_chunk(finish="stop"))
    assert ask(server).reasoning == "hm"


def test_line_separators_inside_json_are_text(server):
    text = "a\u2028b\u0085c\x0bd"
    raw = json.dumps(chat_chunk(text), ensure_ascii=False)
    server.routes[CHAT] = [head(), send(f"data: {raw}\n\n"), *ANSWER[1:]]
    assert ask(server).text == text + "Hi"


def test_unknown_usage_is_none_and_a_speed_of_ours_is_marked(server):
    server.routes[CHAT] = sse(
        chat_chunk("Hi"), chat_chunk(finish="stop"), {"choices": [], "usage": {"completion_tokens": 2}}
    )
    result = ask(server)
    assert result.usage.input_tokens is None
    assert result.usage.output_tokens == 2
    assert result.timing.tokens_per_second is None
    assert result.timing.prompt_s is None


def test_silence_ends_after_the_limit_that_the_user_sets(server):
    server.routes[CHAT] = [*PARTIAL, Stall()]
    with pytest.raises(IdleTimeout, match=r"idle_s=") as caught:
        ask(server, timeouts=Timeouts(idle_s=0.2))
    assert caught.value.partial.text == "Hal"
    assert caught.value.seconds == 0.2
    assert server.wait_stalled().closed.wait(30)


def test_a_first_byte_limit_is_the_users_to_set(server):
    server.routes[CHAT] = [Stall()]
    with pytest.raises(IdleTimeout, match="first_byte_s="):
        ask(server, timeouts=Timeouts(first_byte_s=0.2))


def test_a_request_that_met_a_closed_connection_is_sent_once_more(server):
    server.routes[CHAT] = lambda request: [] if len(server.asked("/v1/chat/completions")) == 1 else ANSWER
    assert ask(server).text == "Hi"
    assert len(server.asked("/v1/chat/completions")) == 2


def test_nothing_is_sent_again_after_the_first_byte(server):
    server.routes[CHAT] = [*PARTIAL, Reset()]
    with pytest.raises(StreamBroken):
        ask(server)
    assert len(server.asked("/v1/chat/completions")) == 1


@pytest.mark.parametrize(
    "script", [[Stall()], [head(), Stall()], [*PARTIAL, Stall()]], ids=["connecting", "reading", "flowing"]
)
def test_cancelling_closes_the_connection_in_every_phase(server, script):
    server.routes[CHAT] = script

    async def main():
        from roci_nb import generate_text

        task = asyncio.ensure_future(generate_text(provider(server), "Hi"))
        connection = await asyncio.to_thread(server.wait_stalled)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await asyncio.to_thread(connection.closed.wait, 30)

    assert asyncio.run(main())


def test_counting_is_exact_where_the_server_counts(server):
    server.routes["POST /v1/chat/completions/input_tokens"] = json_reply({"input_tokens": 7})
    request = ProviderRequest(messages=[ModelMessage.user("Hello there")])
    count = asyncio.run(provider(server).count_tokens(request))
    assert (count.n, count.exact, str(count)) == (7, True, "7 tokens")


def test_counting_falls_back_to_the_template_and_then_to_an_estimate(server):
    request = ProviderRequest(messages=[ModelMessage.user("Hello there")])
    estimate = asyncio.run(provider(server).count_tokens(request))
    assert (estimate.exact, str(estimate)) == (False, f"~{estimate.n} tokens")
    server.routes |= {
        "POST /apply-template": LLAMA["apply_template"].script(),
        "POST /tokenize": LLAMA["tokenize"].script(),
    }
    counted = asyncio.run(provider(server).count_tokens(request))
    assert (counted.n, counted.exact) == (4, True)


def test_a_provider_serves_a_second_loop_and_the_hooks_serve_any(server):
    asked = provider(server)

    async def once():
        request = ProviderRequest(messages=[ModelMessage.user("Hi")])
        return "".join([delta.text async for delta in asked.stream_text(request)])

    assert asyncio.run(once()) == asyncio.run(once()) == "Hi"

    async def on_this_loop():
        from roci_nb.providers.transport import close_clients

        request = ProviderRequest(messages=[ModelMessage.user("Hi")])
        text = "".join([delta.text async for delta in asked._stream_text(request)])
        await close_clients()
        return text

    assert asyncio.run(on_this_loop()) == "Hi"


# Tools

WEATHER = ToolDefinition(
    name="get_weather",
    description="Get the weather",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


@pytest.mark.parametrize("name", ["chat_tool", "chat_tool_no_stream"])
def test_a_tool_call_comes_once_and_whole(server, name):
    replay(server, name)
    deltas = list(stream_text_sync(provider(server, "/models/nano.gguf"), "Weather in Paris?", tools=[WEATHER]))
    [call] = [delta.tool_call for delta in deltas if delta.tool_call]
    assert (call.name, call.arguments) == ("get_weather", {"city": "Paris"})
    assert call.id
    assert deltas[-1].finish_reason == "tool_calls"
    assert sent(server)["tools"][0]["function"]["name"] == "get_weather"


def test_a_tools_result_goes_back_with_its_call_and_its_thoughts(server):
    replay(server, "chat_tool_result")
    call = ToolCall(name="get_weather", arguments={"city": "Paris"}, id="c1")
    messages = [
        ModelMessage.user("Weather in Paris?"),
        ModelMessage.assistant("", reasoning="I need the tool.", tool_calls=(call,)),
        ModelMessage.tool('{"degrees": 18}', tool_call_id="c1", tool_name="get_weather"),
    ]
    result = generate_text_sync(provider(server, "/models/nano.gguf"), messages, tools=[WEATHER])
    assert result.finish_reason == "stop"
    assert result.text
    _, asked, answered = sent(server)["messages"]
    assert asked["reasoning_content"] == "I need the tool."
    assert asked["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
    ]
    assert answered == {"role": "tool", "content": '{"degrees": 18}', "tool_call_id": "c1", "name": "get_weather"}


def test_a_call_that_leaks_into_the_text_of_gpt_oss_is_a_call(server):
    leak = '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city":"Paris"}<|call|>'
    server.routes[CHAT] = sse(chat_chunk("On it. "), chat_chunk(leak), chat_chunk(finish="stop"))
    result = ask(server, model="gpt-oss-20b", tools=[WEATHER])
    assert [(call.name, call.arguments) for call in result.tool_calls] == [("get_weather", {"city": "Paris"})]
    assert (result.text, result.finish_reason) == ("On it. ", "tool_calls")


def test_effort_off_hides_the_thoughts_of_gpt_oss_and_says_so(server):
    server.routes[CHAT] = sse(chat_chunk(reasoning_content="hm"), chat_chunk("Hi"), chat_chunk(finish="stop"))
    result = ask(server, model="gpt-oss-20b", settings=GenerationSettings(reasoning_effort="off"))
    assert (result.reasoning, result.text) == ("", "Hi")
    assert sent(server)["reasoning_effort"] == "low"
    assert [warning.setting for warning in result.warnings if warning.setting] == ["reasoning_effort"]
    assert ask(server, settings=GenerationSettings(reasoning_effort="off")).reasoning == "hm"
    assert sent(server)["reasoning_effort"] == "none"


def test_the_models_of_a_server_are_listed_with_their_windows(server):
    server.routes[MODELS] = LLAMA["models"].script()
    [info] = asyncio.run(provider(server).list_models())
    assert (info.loaded_window, info.trained_window, info.size_bytes) == (1024, 131072, 1000128)
    assert info.quantization == "F16"
