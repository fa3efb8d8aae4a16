"""LM Studio over real TCP, against a scripted one that keeps state.

LM Studio is closed source and can't be had here: what these tests know of it is what its documentation and its bug
tracker say (PROTOCOLS D), not what a real one was seen to do.
"""

import asyncio
import json

import pytest

from roci_nb import (
    ConfigError,
    ContextOverflow,
    GenerationSettings,
    LmStudioModel,
    LmStudioProvider,
    ModelMessage,
    ModelNotFound,
    ProviderRequest,
    RociConfig,
    ServerError,
    ServerUnreachable,
    StreamBroken,
    Unauthorized,
    Unsupported,
    generate_text,
    generate_text_sync,
    provider_for,
    stream_text_sync,
)
from roci_nb.types.messages import ImagePart
from roci_nb.types.tools import ToolCall, ToolDefinition
from tests.servers.lmstudio import CHAT, EMBEDDING, GPT_OSS, JIT_WINDOW, LLAMA, QWEN, LmStudio, unexpected
from tests.servers.scripted import ScriptedServer, Stall, chat_chunk, head, json_reply, reply, send, sse

IMAGE = ImagePart(data=b"\x89PNG\r\n\x1a\n")
LONG = "word " * 20_000
OVERFLOW = (
    "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length "
    "of only 4096 tokens, which is not enough. Try to load the model with a larger context length, or provide a "
    "shorter input"
)


@pytest.fixture
def server():
    with ScriptedServer() as scripted:
        yield scripted


@pytest.fixture
def studio(server):
    return LmStudio().serve(server)


def provider(server, model=GPT_OSS, **options):
    options.setdefault("config", RociConfig())
    return LmStudioProvider(model, server.url, **options)


def ask(server, *, model=GPT_OSS, prompt="Hello", settings=None, tools=(), **options):
    return generate_text_sync(provider(server, model, **options), prompt, settings, tools)


def sent(server) -> dict:
    return server.asked(CHAT)[-1].json


def settings_of(warnings) -> list:
    return [warning.setting for warning in warnings]


def phases(server, model=GPT_OSS, settings=None):
    deltas = stream_text_sync(provider(server, model), "Hello", settings)
    return list(dict.fromkeys(delta.phase for delta in deltas if delta.phase))


# Law 8: the user's server is the user's


def everything_that_asks_for_no_window(server):
    """Each thing that a caller can do without asking for a window."""
    asked = provider(server)
    request = ProviderRequest(messages=[ModelMessage.user("Hi")])
    ask(server)
    ask(server, settings=GenerationSettings(temperature=0.2, keep_alive="5m", reasoning_effort="high", max_tokens=9))
    for once in (asked.list_models, asked.model_info, asked.running, asked.load):
        asyncio.run(once())
    asyncio.run(asked.count_tokens(request))
    asyncio.run(asked.preview(request))
    asyncio.run(asked.preview(ProviderRequest(messages=request.messages, settings=GenerationSettings(num_ctx=99))))


@pytest.mark.parametrize(
    ("apis", "name"),
    [
        (("v1", "v0"), GPT_OSS),
        (("v1", "v0"), "my-own-name"),
        (("v1",), f"{GPT_OSS}:2"),
        (("v0",), GPT_OSS),
        ((), GPT_OSS),
    ],
)
def test_a_model_that_the_user_has_loaded_is_used_as_it_is_whatever_its_window_and_name(server, apis, name):
    studio = LmStudio(apis=apis).serve(server)
    studio.put(GPT_OSS, 12_345, name)
    if apis:
        everything_that_asks_for_no_window(server)
    else:
        ask(server)
    assert (studio.loads, studio.unloads) == ([], [])
    assert sent(server)["model"] == name
    assert "context_length" not in sent(server)


def test_a_model_that_is_not_loaded_is_loaded_by_the_chat_request_alone(server, studio):
    provider_of_none = provider(server)
    asyncio.run(provider_of_none.list_models())
    asyncio.run(provider_of_none.model_info())
    asyncio.run(provider_of_none.count_tokens(ProviderRequest(messages=[ModelMessage.user("Hi")])))
    assert studio.loads == []
    ask(server)
    ask(server)
    assert studio.loads == [("jit", GPT_OSS, JIT_WINDOW)]
    assert server.asked("/api/v1/models/load") == []


def test_a_window_that_is_loaded_already_causes_no_load(server, studio):
    studio.put(GPT_OSS, 8192)
    result = ask(server, settings=GenerationSettings(num_ctx=8192))
    assert (studio.loads, studio.unloads, result.warnings) == ([], [], ())


def test_of_several_instances_the_one_with_the_window_that_was_asked_for_answers(server, studio):
    studio.put(GPT_OSS, 4096)
    studio.put(GPT_OSS, 16384, f"{GPT_OSS}:2")
    ask(server, settings=GenerationSettings(num_ctx=16384))
    assert sent(server)["model"] == f"{GPT_OSS}:2"
    assert studio.loads == []


def test_another_window_that_is_asked_for_loads_again_and_the_load_is_announced(server, studio):
    studio.put(GPT_OSS, 4096)
    deltas = list(stream_text_sync(provider(server), "Hello", GenerationSettings(num_ctx=16384)))
    assert (studio.unloads, studio.loads) == ([GPT_OSS], [("load", GPT_OSS, 16384)])
    loading = next(delta for delta in deltas if delta.phase == "loading")
    assert loading.progress.status == f"loading {GPT_OSS} with a window of 16,384"
    assert loading.progress.total == 12_109_565_632
    warnings = [warning for delta in deltas for warning in delta.warnings]
    assert [str(warning) for warning in warnings] == [
        "the model was loaded again, with a window of 16,384 in place of 4,096, as num_ctx asks"
    ]
    assert deltas[-1].context_window == 16384
    assert deltas[-1].timing.load_s == 1.5
    ask(server, settings=GenerationSettings(num_ctx=16384))
    ask(server)
    assert len(studio.loads) == 1


def test_a_window_for_a_model_that_is_not_loaded_is_loaded_with_it(server, studio):
    result = ask(server, settings=GenerationSettings(num_ctx=16384))
    assert (studio.unloads, studio.loads) == ([], [("load", GPT_OSS, 16384)])
    assert "was loaded with a window of 16,384" in str(result.warnings[0])


def test_only_the_instance_that_would_have_answered_gives_way(server, studio):
    studio.put(GPT_OSS, 4096)
    studio.put(GPT_OSS, 8192, "other")
    studio.put(QWEN, 8192)
    ask(server, settings=GenerationSettings(num_ctx=16384))
    assert studio.unloads == [GPT_OSS]
    assert [one["id"] for one in studio.instances[GPT_OSS]] == ["other", f"{GPT_OSS}:2"]
    assert sent(server)["model"] == f"{GPT_OSS}:2"


def test_a_window_beyond_what_the_model_takes_does_not_load_it_again_and_again(server, studio):
    studio.put(GPT_OSS, 131072)
    result = ask(server, settings=GenerationSettings(num_ctx=200_000))
    assert (studio.unloads, studio.loads) == ([], [])
    assert "131,072, the most that it takes" in str(result.warnings[0])


def test_a_quantization_that_was_named_is_not_loaded_at_every_turn(server, studio):
    result = ask(server, model=f"{QWEN}@q8_0", settings=GenerationSettings(num_ctx=16384))
    assert studio.loads == [("jit", f"{QWEN}@q8_0", JIT_WINDOW)]
    assert f"name the model {QWEN}" in str(result.warnings[0])


def test_where_the_server_does_not_tell_its_models_the_request_goes_out_with_a_warning(server, studio):
    for path in ("/api/v1/models", "/api/v0/models", "/v1/models"):
        server.routes[f"GET {path}"] = json_reply({"error": "busy"}, 500)
    result = ask(server, settings=GenerationSettings(num_ctx=16384, keep_alive="1m"))
    assert (result.text, settings_of(result.warnings)) == ("Hi", ["num_ctx"])
    assert sent(server)["ttl"] == 60


def test_an_instance_that_was_named_itself_is_never_loaded_again(server, studio):
    studio.put(GPT_OSS, 4096, "mine")
    with pytest.raises(ConfigError, match="one loaded instance"):
        asyncio.run(provider(server, "mine").load(num_ctx=16384))
    result = ask(server, model="mine", settings=GenerationSettings(num_ctx=16384))
    assert (studio.unloads, studio.loads) == ([], [])
    assert "one loaded instance" in str(result.warnings[0])
    assert sent(server)["model"] == "mine"


@pytest.mark.parametrize("apis", [("v0",), ()])
def test_an_old_server_gets_no_window_and_a_warning_says_so(server, apis):
    studio = LmStudio(apis=apis).serve(server)
    studio.put(GPT_OSS, 4096)
    result = ask(server, settings=GenerationSettings(num_ctx=16384))
    assert (result.text, studio.loads, settings_of(result.warnings)) == ("Hi", [], ["num_ctx"])
    assert "lms load" in str(result.warnings[0])
    assert "num_ctx" not in sent(server)


def test_a_load_that_is_refused_says_that_the_other_instance_is_gone(server, studio):
    studio.put(GPT_OSS, 4096)
    told = f'Failed to load model "{GPT_OSS}". Error: insufficient system resources'
    studio.load_refusal = json_reply({"error": {"message": told, "type": "internal_error"}}, 500)
    with pytest.raises(ServerError, match=r"was unloaded to make room.*insufficient.*guardrails in its settings$"):
        ask(server, settings=GenerationSettings(num_ctx=131072))
    assert server.asked(CHAT) == []


def test_another_quantization_than_the_loaded_one_is_asked_for_by_its_name(server, studio):
    studio.put(QWEN, 4096)
    ask(server, model=f"{QWEN}@q4_k_m")
    assert sent(server)["model"] == QWEN
    ask(server, model=f"{QWEN}@q8_0")
    assert sent(server)["model"] == f"{QWEN}@q8_0"


# What is sent


def test_unset_is_not_sent(server, studio):
    studio.put(GPT_OSS, 4096)
    ask(server)
    assert sent(server) == {
        "model": GPT_OSS,
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_every_setting_goes_out_by_lm_studios_name_or_comes_back_as_a_warning(server, studio):
    result = ask(
        server,
        settings=GenerationSettings(
            max_tokens=5, temperature=0.5, top_p=0.9, top_k=40, min_p=0.1, seed=1, stop_sequences=("END",),
            presence_penalty=0.1, frequency_penalty=0.2, repeat_penalty=1.1, reasoning_effort="high",
            keep_alive="1h30m", user="me", extra={"draft_model": "small"},
        ),
    )  # fmt: skip
    body = sent(server)
    assert {name: body[name] for name in body.keys() - {"messages", "model", "stream", "stream_options"}} == {
        "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "seed": 1, "stop": ["END"],
        "presence_penalty": 0.1, "frequency_penalty": 0.2, "repeat_penalty": 1.1, "reasoning_effort": "high",
        "ttl": 5400, "draft_model": "small",
    }  # fmt: skip
    assert settings_of(result.warnings) == ["min_p", "user"]


@pytest.mark.parametrize(
    ("keep_alive", "ttl", "told"),
    [("90s", 90, None), (300, 300, None), ("1.5m", 90, None), ("500ms", 1, None),
     (-1, None, "has an end"), ("-5m", None, "has an end"), (0, None, "unload()"), ("0s", None, "unload()")],
)  # fmt: skip
def test_how_long_the_model_stays_is_its_ttl_in_seconds(server, studio, keep_alive, ttl, told):
    result = ask(server, settings=GenerationSettings(keep_alive=keep_alive))
    assert sent(server).get("ttl") == ttl
    assert told is None or told in str(result.warnings[0])


def test_a_ttl_for_a_loaded_model_is_not_sent_for_it_counts_only_with_a_load(server, studio):
    studio.put(GPT_OSS, 4096)
    result = ask(server, settings=GenerationSettings(keep_alive="5m"))
    assert "ttl" not in sent(server)
    assert settings_of(result.warnings) == ["keep_alive"]


@pytest.mark.parametrize(
    ("model", "effort", "on_the_wire", "told"),
    [(GPT_OSS, "medium", "medium", None), (GPT_OSS, "off", "low", "always thinks"), (QWEN, "off", "none", None),
     (QWEN, "high", None, "knows off, on"), (LLAMA, "low", "low", "does not tell")],
)  # fmt: skip
def test_the_effort_is_one_that_the_server_says_the_model_knows(server, studio, model, effort, on_the_wire, told):
    result = ask(server, model=model, settings=GenerationSettings(reasoning_effort=effort))
    assert sent(server).get("reasoning_effort") == on_the_wire
    assert settings_of(result.warnings) == ([] if told is None else ["reasoning_effort"])
    assert told is None or told in str(result.warnings[0])


def test_a_gpt_oss_under_a_name_of_its_own_is_known_by_its_family(server, studio):
    studio.put(GPT_OSS, 4096, "mine")
    studio.answer = sse(
        chat_chunk(reasoning="hm"), chat_chunk("<|channel|>final<|message|>Hi<|return|>"), chat_chunk(finish="stop")
    )
    result = ask(server, model="mine", settings=GenerationSettings(reasoning_effort="off"))
    assert (result.reasoning, result.text) == ("", "Hi")
    assert sent(server)["reasoning_effort"] == "low"


@pytest.mark.parametrize("wanted", ["json", {"type": "object", "title": "Answer"}])
def test_any_json_is_asked_for_as_a_schema_for_there_is_no_json_object(server, studio, wanted):
    request = ProviderRequest(messages=[ModelMessage.user("Hi")], response_format=wanted)
    body = asyncio.run(provider(server).preview(request)).body
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"]["type"] == "object"


@pytest.mark.parametrize("apis", [("v1",), ("v0",)])
def test_images_go_to_models_that_see_and_are_refused_before_sending_for_others(server, apis):
    LmStudio(apis=apis).serve(server)
    message = [ModelMessage.user(["What is this?", IMAGE])]
    generate_text_sync(provider(server, QWEN), message)
    assert sent(server)["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    with pytest.raises(Unsupported, match="choose a model with vision") as caught:
        generate_text_sync(provider(server, GPT_OSS), message)
    assert (caught.value.feature, caught.value.status) == ("images", None)
    assert len(server.asked(CHAT)) == 1


def test_a_preview_shows_what_would_be_sent_and_loads_nothing(server, studio):
    studio.put(GPT_OSS, 4096, "mine")
    request = ProviderRequest(messages=[ModelMessage.user("Hi")], settings=GenerationSettings(num_ctx=9999))
    preview = asyncio.run(provider(server, api_key="sk-lm-topsecret").preview(request))
    assert (preview.url, preview.body["model"]) == (f"{server.url}{CHAT}", "mine")
    assert "topsecret" not in repr(preview)
    assert (studio.loads, server.asked(CHAT)) == ([], [])


# What is read


def test_reasoning_is_kept_apart_from_the_text(server, studio):
    studio.answer = sse(
        chat_chunk(role="assistant"),
        chat_chunk(reasoning="The user "),
        chat_chunk(reasoning="greets."),
        chat_chunk("Hello!"),
        chat_chunk(finish="stop"),
        {"choices": [], "usage": {"prompt_tokens": 70, "completion_tokens": 9, "total_tokens": 79,
                                  "completion_tokens_details": {"reasoning_tokens": 4}}},
    )  # fmt: skip
    result = ask(server)
    assert (result.reasoning, result.text, result.finish_reason) == ("The user greets.", "Hello!", "stop")
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.reasoning_tokens) == (70, 9, 4)


def fragments(*pieces, indexed):
    return sse(
        *(chat_chunk(tool_calls=[{**({"index": index} if indexed else {}), **piece}]) for index, piece in pieces),
        chat_chunk(finish="tool_calls"),
    )


def call(call_id, name, arguments):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("in_one_piece", [True, False])
def test_tool_calls_are_whole_however_they_come_and_their_results_go_back_with_the_reasoning(
    server, studio, indexed, in_one_piece
):
    rest = lambda text: {"function": {"arguments": text}}  # noqa: E731
    pieces = (
        [(0, call("1", "weather", '{"city": "Rome"}')), (1, call("2", "weather", '{"city": "Oslo"}'))]
        if in_one_piece
        else [(0, call("1", "weather", "")), (0, rest('{"city": ')), (0, rest('"Rome"}')),
              (1, call("2", "weather", "")), (1, rest('{"city": "Oslo"}'))]
    )  # fmt: skip
    script = fragments(*pieces, indexed=indexed)
    studio.answer = [script[0], send(f"data: {json.dumps(chat_chunk(reasoning='Ask both.'))}\n\n"), *script[1:]]
    tool = ToolDefinition(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
    first = ask(server, tools=[tool])
    assert sent(server)["tools"][0]["function"]["name"] == "weather"
    assert first.finish_reason == "tool_calls"
    assert [(call.id, call.name, call.arguments) for call in first.tool_calls] == [
        ("1", "weather", {"city": "Rome"}),
        ("2", "weather", {"city": "Oslo"}),
    ]
    studio.answer = sse(chat_chunk("Warm."), chat_chunk(finish="stop"))
    results = [ModelMessage.tool("21", tool_call_id=call.id, tool_name=call.name) for call in first.tool_calls]
    second = generate_text_sync(provider(server), [*first.messages, *results], tools=[tool])
    assert second.text == "Warm."
    _, assistant, *answers = sent(server)["messages"]
    assert assistant["reasoning"] == "Ask both."
    assert [json.loads(call["function"]["arguments"]) for call in assistant["tool_calls"]] == [
        {"city": "Rome"},
        {"city": "Oslo"},
    ]
    assert [(row["role"], row["tool_call_id"], row["content"]) for row in answers] == [
        ("tool", "1", "21"),
        ("tool", "2", "21"),
    ]


def test_reasoning_of_an_earlier_turn_does_not_go_back(server, studio):
    turn = ModelMessage.assistant("", reasoning="hm", tool_calls=(ToolCall(name="f", id="1"),))
    result = ModelMessage.tool("1", tool_call_id="1", tool_name="f")
    generate_text_sync(provider(server), [ModelMessage.user("a"), turn, result, ModelMessage.user("b")])
    assert "reasoning" not in sent(server)["messages"][1]


# The window


def usage(prompt, completion=5):
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return sse(chat_chunk("Hi"), chat_chunk(finish="stop"), {"choices": [], "usage": counts})


def test_a_prompt_that_seems_too_long_is_told_before_and_never_refused_on_an_estimate(server, studio):
    studio.put(GPT_OSS, 4096)
    result = ask(server, prompt=LONG)
    assert result.text == "Hi"
    assert "~25,004 tokens and the window holds 4,096" in str(result.warnings[0])


def test_a_prompt_that_the_server_cut_in_silence_is_suspected_aloud(server, studio):
    studio.put(GPT_OSS, 4096)
    studio.answer = usage(3900)
    result = ask(server, prompt=LONG)
    assert "read 3,900 tokens of a prompt of ~25,004: it seems to have cut its middle" in str(result.warnings[-1])


def test_an_answer_that_ran_past_the_window_says_so(server, studio):
    studio.put(GPT_OSS, 4096)
    studio.answer = usage(3900, 400)
    assert "(3,900 + 400 > 4,096)" in str(ask(server).warnings[-1])
    studio.answer = usage(100, 400)
    assert ask(server).warnings == ()


def test_the_window_of_a_model_that_the_request_loaded_is_asked_for_afterwards(server, studio):
    studio.answer = usage(3900)
    result = ask(server, prompt=LONG)
    assert result.context_window == JIT_WINDOW
    assert "cut its middle" in str(result.warnings[-1])


# Phases


def test_phases_follow_the_models_state(server, studio):
    assert phases(server) == ["connecting", "loading", "answering"]
    assert phases(server) == ["connecting", "queued_or_reading", "answering"]
    assert phases(server, settings=GenerationSettings(num_ctx=9999)) == [
        "connecting", "loading", "queued_or_reading", "answering"]  # fmt: skip


def test_a_load_that_ends_before_the_first_word_ends_the_phase(server, studio):
    stall = Stall()
    studio.answer = [head(), stall, *sse(chat_chunk("Hi"), chat_chunk(finish="stop"))[1:]]
    seen = []
    for delta in stream_text_sync(provider(server), "Hello"):
        if delta.phase:
            seen.append(delta.phase)
        if delta.phase == "queued_or_reading":
            stall.release.set()
    assert seen == ["connecting", "loading", "queued_or_reading", "answering"]


@pytest.mark.parametrize("path", ["POST /api/v1/models/load", f"POST {CHAT}", "GET /api/v1/models"])
def test_cancelling_closes_the_connection_in_every_phase(server, studio, path):
    server.routes[path] = [Stall()]

    async def main():
        settings = GenerationSettings(num_ctx=16384 if "load" in path else None)
        task = asyncio.ensure_future(generate_text(provider(server), "Hi", settings))
        connection = await asyncio.to_thread(server.wait_stalled)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await asyncio.to_thread(connection.closed.wait, 30)

    assert asyncio.run(main())


# Refusals


def refused(server, studio, script, kind, told, **options):
    studio.put(GPT_OSS, 4096)
    studio.answer = script
    with pytest.raises(kind, match=told) as caught:
        ask(server, **options)
    assert "\n" not in str(caught.value)
    return caught.value


SHAPES = [
    lambda told: json_reply({"error": told}, 400),
    lambda told: json_reply({"error": told}, 404),
    lambda told: json_reply({"error": told}),
    lambda told: json_reply(
        {"error": {"message": told, "type": "invalid_request_error", "param": "x", "code": None}}, 400
    ),
    lambda told: sse({"error": told}, done=False),
    lambda told: sse({"error": {"message": told, "code": "unknown"}}),
    lambda told: [head(), send(f"event: error\ndata: {json.dumps({'error': {'message': told}})}\n\n")],
    lambda told: [head(), send(f"event: error\ndata: {json.dumps({'message': told})}\n\n")],
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("No models loaded. Please load a model in the developer page or use the 'lms load' command.",
         ModelNotFound, f"no model loaded.*lms load {GPT_OSS}"),
        (f'Model "{GPT_OSS}" not found', ModelNotFound, f"lms get {GPT_OSS}"),
        (f'Failed to load model "{GPT_OSS}". Error: insufficient system resources.', ServerError, "lms unload --all"),
        (OVERFLOW, ContextOverflow, "the prompt has 5,000 tokens and the window holds 4,096: .*num_ctx"),
        ("Cannot truncate prompt with n_keep (5000) >= n_ctx (4096)", ContextOverflow, "5,000 tokens"),
        ("The model has crashed without additional information. (Exit code: 18446744072635812000)", ServerError,
         f"crashed in LM Studio.*lms load {GPT_OSS}"),
        ("Model is unloaded.", ServerError, "run again"),
        ("'response_format.type' must be 'json_schema' or 'text'", Unsupported, "schema"),
        ("Unexpected endpoint or method. (POST /chat/completions)", ServerError, "update LM Studio"),
        ("Something nobody has seen", ServerError, "Something nobody has seen.*look at its log"),
    ],
)  # fmt: skip
def test_every_refusal_is_told_by_its_text_in_whatever_shape_it_comes(server, studio, shape, text, kind, told):
    if shape is SHAPES[1] and ("nobody has seen" in text or kind is Unsupported):
        kind, told = ServerError, "no such path"  # a 404 whose text is not about a model
    error = refused(server, studio, shape(text), kind, told)
    assert type(error) is kind
    assert error.partial is None
    if kind is ContextOverflow:
        assert (error.prompt_tokens, error.window) == (5000, 4096)


def test_an_error_in_mid_answer_carries_the_partial(server, studio):
    script = sse(chat_chunk("Hal"), {"error": {"message": "Model is unloaded."}}, done=False)
    assert refused(server, studio, script, ServerError, "unloaded").partial.text == "Hal"
    cut = sse(chat_chunk("Hal"), done=False)
    assert refused(server, studio, cut, StreamBroken, "without its end mark").partial.text == "Hal"


def test_an_unknown_model_names_what_there_is_the_nearest_and_how_to_get_it(server, studio):
    with pytest.raises(
        ModelNotFound, match=rf"it has {GPT_OSS}.*Did you mean {GPT_OSS}\?.*lms get gpt-oss-20b$"
    ) as caught:
        ask(server, model="gpt-oss-20b")
    assert caught.value.nearest[0] == GPT_OSS
    assert QWEN in caught.value.installed
    assert caught.value.status == 404


def test_a_server_that_answers_for_a_model_that_it_does_not_list_is_told(server, studio):
    server.routes[f"POST {CHAT}"] = studio.answer
    result = ask(server, model="something-else")
    assert "lists no model something-else" in str(result.warnings[0])


def test_with_just_in_time_loading_off_an_error_says_how_to_load(server):
    LmStudio(jit=False).serve(server)
    with pytest.raises(ModelNotFound, match=f"lms load {GPT_OSS}.*just-in-time") as caught:
        ask(server)
    assert caught.value.status == 400


def test_an_unreachable_server_says_how_to_start_it():
    with pytest.raises(ServerUnreachable, match="lms server start"):
        generate_text_sync(LmStudioProvider(GPT_OSS, "http://127.0.0.1:9", config=RociConfig()), "Hi")


def test_a_wrong_token_says_which_variable_holds_it(server, studio):
    refusal = json_reply({"error": {"message": "Invalid API key sk-lm-abcdefgh:abcdefghijklmnopqrst"}}, 401)
    server.routes["GET /api/v1/models"] = refusal
    with pytest.raises(Unauthorized, match="LM_API_TOKEN") as caught:
        ask(server, api_key="sk-lm-abcdefgh:abcdefghijklmnopqrst")
    assert "abcdefgh" not in str(caught.value) + caught.value.body


def test_the_configured_token_goes_to_the_configured_address(server, studio):
    config = RociConfig(lmstudio_base_url=server.url, lmstudio_api_key="sk-lm-x")
    generate_text_sync(provider_for(f"lmstudio:{GPT_OSS}", config), "Hi")
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer sk-lm-x"}


def test_a_server_that_is_no_lm_studio_is_asked_all_the_same_and_its_web_page_is_told(server):
    page = reply("<html>Welcome</html>", content_type="text/html")
    server.routes |= {"GET /api/v1/models": page, "GET /api/v0/models": page, "GET /v1/models": page}
    server.routes[f"POST {CHAT}"] = sse(chat_chunk("Hi"), chat_chunk(finish="stop"))
    assert ask(server).text == "Hi"
    with pytest.raises(Exception, match="a web page"):
        asyncio.run(provider(server).list_models())


# Management


def test_models_are_listed_with_what_the_server_tells(server, studio):
    studio.put(GPT_OSS, 8192)
    models = asyncio.run(provider(server).list_models())
    gpt_oss, qwen, llama, embedding = models
    assert [info.model.model_id for info in models] == [GPT_OSS, QWEN, LLAMA, EMBEDDING]
    assert (gpt_oss.loaded, gpt_oss.loaded_window, gpt_oss.trained_window) == (True, 8192, 131072)
    assert (gpt_oss.size_bytes, gpt_oss.parameters, gpt_oss.quantization) == (12_109_565_632, "20B", "MXFP4")
    assert gpt_oss.capabilities == {"tools", "thinking"}
    assert gpt_oss.efforts == ("low", "medium", "high")
    assert (qwen.loaded, qwen.loaded_window, qwen.can("vision"), qwen.efforts) == (False, None, True, ("off",))
    assert (llama.quantization, llama.parameters, llama.efforts) == (None, None, None)
    assert embedding.can("embedding")
    assert "12.1 GB" in str(models)


@pytest.mark.parametrize(("apis", "loaded", "window"), [(("v0",), True, 8192), ((), None, None)])
def test_older_apis_are_asked_where_the_newest_is_missing(server, apis, loaded, window):
    studio = LmStudio(apis=apis).serve(server)
    studio.put(GPT_OSS, 8192)
    info = asyncio.run(provider(server).model_info())
    assert (info.loaded, info.loaded_window, info.capabilities) == (loaded, window, None)


@pytest.mark.parametrize("status", [404, 405])
def test_a_path_that_is_refused_by_status_is_a_missing_api_too(server, status):
    studio = LmStudio(apis=("v0",)).serve(server)
    studio.put(GPT_OSS, 8192)
    server.routes["GET /api/v1/models"] = json_reply({"error": "nope"}, status)
    assert asyncio.run(provider(server).model_info()).loaded_window == 8192


@pytest.mark.parametrize("nothing", [{"models": None}, {"data": None}, [], {}])
def test_a_list_that_is_none_is_no_list(server, studio, nothing):
    server.routes["GET /api/v1/models"] = json_reply(nothing)
    assert asyncio.run(provider(server).model_info()).trained_window == 131072


def test_what_runs_is_told_by_instance(server, studio):
    studio.put(GPT_OSS, 8192)
    studio.put(GPT_OSS, 4096, "second")
    running = asyncio.run(provider(server).running())
    assert [(info.instance_id, info.loaded_window) for info in running] == [(GPT_OSS, 8192), ("second", 4096)]
    assert asyncio.run(provider(server, "second").model_info()).loaded_window == 4096


def test_load_and_unload_do_what_they_say_and_no_more(server, studio):
    asked = provider(server)
    assert asyncio.run(asked.load()).loaded_window == JIT_WINDOW
    assert asyncio.run(asked.load(num_ctx=JIT_WINDOW)).loaded_window == JIT_WINDOW
    assert studio.loads == [("load", GPT_OSS, JIT_WINDOW)]
    assert asyncio.run(asked.load(num_ctx=16384)).loaded_window == 16384
    assert studio.unloads == [GPT_OSS]
    asyncio.run(asked.unload())
    asyncio.run(asked.unload())
    assert studio.unloads == [GPT_OSS, GPT_OSS]
    assert asyncio.run(asked.running()) == ()


def test_unloading_one_instance_leaves_the_others(server, studio):
    studio.put(GPT_OSS, 8192)
    studio.put(GPT_OSS, 4096, "second")
    asyncio.run(provider(server, "second").unload())
    assert studio.unloads == ["second"]


def test_an_old_server_can_neither_load_nor_unload(server):
    studio = LmStudio(apis=("v0",)).serve(server)
    with pytest.raises(Unsupported, match="load models before LM Studio 0.4"):
        asyncio.run(provider(server).load(num_ctx=1))
    studio.put(GPT_OSS, 8192)
    with pytest.raises(Unsupported, match="unload models"):
        asyncio.run(provider(server).unload())


def test_a_load_whose_200_is_an_error_is_an_error(server, studio):
    studio.load_refusal = json_reply({"error": f'Failed to load model "{GPT_OSS}". Error: no memory'})
    with pytest.raises(ServerError, match="could not load"):
        asyncio.run(provider(server).load())
    server.routes["POST /api/v1/models/load"] = unexpected
    with pytest.raises(ServerError, match="knows no such path"):
        asyncio.run(provider(server).load())


def test_an_unknown_model_has_no_info_and_cannot_be_loaded(server, studio):
    for once in (provider(server, "nope").model_info, provider(server, "nope").load, provider(server, "nope").unload):
        with pytest.raises(ModelNotFound, match="lms get nope"):
            asyncio.run(once())


def test_an_address_without_a_port_means_lm_studios_own():
    assert LmStudioProvider("x", "192.168.1.5", config=RociConfig()).base_url.port == 1234
    with pytest.raises(ConfigError, match="local_only"):
        LmStudioProvider("x", "192.168.1.5", config=RociConfig(local_only=True))


def test_a_model_is_named_as_a_text(server, studio):
    model = LmStudioModel.custom(GPT_OSS)
    assert (model, isinstance(model, LmStudioModel)) == (GPT_OSS, True)
    asked = provider(server, model)
    assert str(asked.model) == f"lmstudio:{GPT_OSS}"
    assert generate_text_sync(asked, "Hi").text == "Hi"
