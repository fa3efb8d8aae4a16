"""OpenAI's wire over real TCP, scripted after its documentation: nothing here reaches OpenAI."""

import asyncio

import pytest

from roci_nb import (
    ConfigError,
    ContextOverflow,
    GenerationSettings,
    ModelMessage,
    ModelNotFound,
    OpenAiProvider,
    ProviderRequest,
    RateLimited,
    RociConfig,
    ServerError,
    Unauthorized,
    Unsupported,
    generate_text_sync,
    provider_for,
    stream_text_sync,
)
from roci_nb.providers.openai import is_closed
from roci_nb.types.tools import ToolCall, ToolDefinition
from tests.servers.scripted import ScriptedServer, chat_chunk, json_reply, sse

CHAT = "POST /v1/chat/completions"
ANSWER = sse(chat_chunk("Hi"), chat_chunk(finish="stop"))
KEY = "sk-proj-topsecret0123456789"


@pytest.fixture
def server():
    with ScriptedServer({CHAT: ANSWER}) as scripted:
        yield scripted


def provider(server, model="gpt-5-mini", **options):
    options.setdefault("config", RociConfig())
    options.setdefault("api_key", KEY)
    return OpenAiProvider(model, server.url, **options)


def ask(server, settings=None, prompt="Hello", tools=(), **options):
    return generate_text_sync(provider(server, **options), prompt, settings, tools)


def sent(server) -> dict:
    return server.asked("/v1/chat/completions")[-1].json


def test_a_request_is_one_request_and_unset_is_not_sent(server):
    assert ask(server).text == "Hi"
    assert len(server.requests) == 1
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert sent(server) == {
        "model": "gpt-5-mini",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_every_setting_goes_out_by_openais_name_or_comes_back_as_a_warning(server):
    everything = GenerationSettings(
        max_tokens=5, temperature=0.5, top_p=0.9, top_k=40, min_p=0.1, seed=1, stop_sequences=("END",),
        presence_penalty=0.1, frequency_penalty=0.2, repeat_penalty=1.1, num_ctx=4096, reasoning_effort="high",
        keep_alive="5m", user="me", extra={"service_tier": "flex"},
    )  # fmt: skip
    result = ask(server, everything)
    body = sent(server)
    assert {name: body[name] for name in body.keys() - {"messages", "model", "stream", "stream_options"}} == {
        "max_completion_tokens": 5, "temperature": 0.5, "top_p": 0.9, "seed": 1, "stop": ["END"],
        "presence_penalty": 0.1, "frequency_penalty": 0.2, "reasoning_effort": "high", "user": "me",
        "service_tier": "flex",
    }  # fmt: skip
    assert [warning.setting for warning in result.warnings] == [
        "top_k", "min_p", "repeat_penalty", "num_ctx", "keep_alive"]  # fmt: skip


def test_effort_off_is_openais_none(server):
    result = ask(server, GenerationSettings(reasoning_effort="off"))
    assert (sent(server)["reasoning_effort"], result.warnings) == ("none", ())


CLOSED = {
    "type": "object",
    "title": "City",
    "properties": {"name": {"type": "string"}, "rivers": {"type": "array", "items": {"$ref": "#/$defs/River"}}},
    "required": ["name", "rivers"],
    "additionalProperties": False,
    "$defs": {
        "River": {
            "type": "object",
            "properties": {"type": {"type": "string"}},
            "required": ["type"],
            "additionalProperties": False,
        }
    },
}
OPEN = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def test_a_schema_is_strict_where_openai_can_keep_to_it_and_a_warning_says_where_not(server):
    for schema, strict in ((CLOSED, True), (OPEN, False)):
        request = ProviderRequest(messages=[ModelMessage.user("Hi")], response_format=schema)
        deltas = asyncio.run(_all(provider(server), request))
        assert sent(server)["response_format"]["json_schema"] == {
            "name": schema.get("title", "answer"), "strict": strict, "schema": schema}  # fmt: skip
        assert [w.setting for d in deltas for w in d.warnings] == ([] if strict else ["response_format"])


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        (CLOSED, True),
        ({"type": "string"}, True),
        (OPEN, False),
        ({**OPEN, "additionalProperties": False}, True),
        ({**OPEN, "additionalProperties": False, "required": []}, False),
        ({"type": "object", "additionalProperties": {"type": "string"}}, False),
        ({"anyOf": [{"type": "null"}, OPEN]}, False),
        ({"type": "array", "items": OPEN}, False),
        ({**CLOSED, "$defs": {"River": OPEN}}, False),
    ],
)
def test_a_closed_schema_is_told_from_an_open_one(schema, closed):
    assert is_closed(schema) is closed


async def _all(asked, request):
    return [delta async for delta in asked.stream_text(request)]


def test_any_json_is_asked_for_as_a_json_object(server):
    request = ProviderRequest(messages=[ModelMessage.user("JSON, please")], response_format="json")
    assert asyncio.run(provider(server).preview(request)).body["response_format"] == {"type": "json_object"}


def test_tools_go_round_and_thoughts_of_other_models_stay_here(server):
    tool = ToolDefinition(name="weather", description="The weather")
    server.routes[CHAT] = sse(
        chat_chunk(
            tool_calls=[{"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}]
        ),
        chat_chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"city":'}}]),
        chat_chunk(tool_calls=[{"index": 0, "function": {"arguments": '"Rome"}'}}]),
        chat_chunk(finish="tool_calls"),
    )
    result = ask(server, tools=[tool])
    assert [(call.id, call.name, call.arguments) for call in result.tool_calls] == [("c1", "weather", {"city": "Rome"})]
    server.routes[CHAT] = ANSWER
    turn = ModelMessage.assistant("", reasoning="hm", tool_calls=(ToolCall(name="weather", id="c1"),))
    answer = ModelMessage.tool("21", tool_call_id="c1", tool_name="weather")
    generate_text_sync(provider(server), [ModelMessage.user("Hi"), turn, answer], tools=[tool])
    _, assistant, answered = sent(server)["messages"]
    assert not {"reasoning", "reasoning_content", "thinking"} & assistant.keys()
    assert (answered["role"], answered["tool_call_id"]) == ("tool", "c1")


def test_usage_is_openais(server):
    figures = {"prompt_tokens": 10, "completion_tokens": 30, "total_tokens": 40,
               "prompt_tokens_details": {"cached_tokens": 4},
               "completion_tokens_details": {"reasoning_tokens": 20}}  # fmt: skip
    server.routes[CHAT] = sse(chat_chunk("Hi"), chat_chunk(finish="stop"), {"choices": [], "usage": figures})
    result = ask(server)
    assert (result.usage.total_tokens, result.usage.reasoning_tokens, result.usage.cached_tokens) == (40, 20, 4)
    assert result.context_window is None


def test_phases_tell_no_more_than_is_known(server):
    phases = [delta.phase for delta in stream_text_sync(provider(server), "Hi") if delta.phase]
    assert phases == ["connecting", "queued_or_reading", "answering"]


# Keys


def test_without_a_key_nothing_is_sent_and_one_line_names_the_variable(server):
    asked = provider(server, api_key=None)
    for once in (lambda: generate_text_sync(asked, "Hi"), lambda: asyncio.run(asked.list_models())):
        with pytest.raises(Unauthorized, match="needs a key: set OPENAI_API_KEY") as caught:
            once()
        assert caught.value.status is None
        assert "\n" not in str(caught.value)
    assert server.requests == []


def test_the_default_is_openai_itself_and_a_missing_key_is_told_before_the_network():
    asked = provider_for("openai:gpt-5-mini", RociConfig())
    assert (str(asked.base_url), asked.host) == ("https://api.openai.com", "api.openai.com")
    with pytest.raises(Unauthorized, match="OPENAI_API_KEY"):
        generate_text_sync(asked, "Hi")
    with pytest.raises(ConfigError, match="local_only"):
        provider_for("openai:gpt-5-mini", RociConfig(local_only=True))


def test_a_key_of_another_host_is_withheld_and_the_error_says_why(server):
    with pytest.raises(Unauthorized, match="belongs to another host"):
        ask(server, api_key=None, config=RociConfig(openai_api_key=KEY))
    assert server.requests == []


def test_a_preview_needs_no_key_and_shows_none(server):
    request = ProviderRequest(messages=[ModelMessage.user("Hi")])
    assert asyncio.run(provider(server, api_key=None).preview(request)).body["model"] == "gpt-5-mini"
    shown = asyncio.run(provider(server).preview(request))
    assert "topsecret" not in repr(shown) + str(shown)
    assert server.requests == []
    assert not asyncio.run(provider(server).count_tokens(request)).exact


def test_an_authorization_header_of_the_users_own_is_a_key(server):
    assert ask(server, api_key=None, headers={"authorization": "Bearer mine"}).text == "Hi"


@pytest.mark.parametrize(
    ("status", "error", "kind", "told"),
    [
        (401, {"message": f"Incorrect API key provided: {KEY}.", "code": "invalid_api_key"}, Unauthorized, "OPENAI_API_KEY"),
        (404, {"message": "The model `gpt-5-mini` does not exist or you do not have access to it.",
               "type": "invalid_request_error", "code": "model_not_found"}, ModelNotFound, r"list_models\(\)"),
        (400, {"message": "Your input exceeds the context window of this model.", "type": "invalid_request_error",
               "code": "context_length_exceeded"}, ContextOverflow, "choose a model with a larger window"),
        (400, {"message": "This model's maximum context length is 128000 tokens. However, your messages resulted in "
               "130000 tokens."}, ContextOverflow, "130,000 tokens and the window holds 128,000"),
        (400, {"message": "Invalid schema for response_format 'answer': 'required' is missing."}, Unsupported, "schema"),
        (400, {"message": "Unsupported parameter: 'stop' is not supported with this model."}, ServerError, "'stop'"),
        (429, {"message": "Rate limit reached for gpt-5-mini", "code": "rate_limit_exceeded"}, RateLimited, "wait 7 s"),
        (500, {"message": "The server had an error"}, ServerError, "had an error"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_to_do_and_never_the_key(server, status, error, kind, told):
    server.routes[CHAT] = json_reply({"error": error}, status, Retry_After="7")
    with pytest.raises(kind, match=told) as caught:
        ask(server)
    assert "topsecret" not in str(caught.value) + caught.value.body
    assert caught.value.status == status
    assert "\n" not in str(caught.value)


def test_models_are_listed(server):
    server.routes["GET /v1/models"] = json_reply({"data": [{"id": "gpt-5-mini", "owned_by": "system"}]})
    [info] = asyncio.run(provider(server).list_models())
    assert (str(info.model), info.loaded, info.loaded_window) == ("openai:gpt-5-mini", None, None)
