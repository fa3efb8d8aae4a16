"""Clients that nobody here wrote, against the stand-in: the official ``ollama`` and ``openai`` packages."""

from __future__ import annotations

import json

import ollama
import openai
import pytest

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
HELLO = [{"role": "user", "content": "Hello"}]
ANSWER = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["yes", "no"]}},
    "required": ["answer"],
}


@pytest.fixture
def client(standin):
    client = ollama.Client(host=standin.ollama_url, trust_env=False)
    yield client
    client._client.close()


@pytest.fixture(params=["ollama", "lmstudio"])
def side(request, standin):
    url, model = (
        (standin.ollama_url, "gpt-oss:20b")
        if request.param == "ollama"
        else (standin.lmstudio_url, "openai/gpt-oss-20b")
    )
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client, model


def test_ollama_chats_streams_and_generates(client):
    whole = client.chat("gpt-oss:20b", HELLO, think="low", options={"temperature": 0})
    assert whole.message.content.startswith("[gpt-oss-nano speaks for gpt-oss:20b]")
    assert whole.message.thinking
    assert whole.eval_count > 0
    chunks = list(client.chat("gpt-oss:20b", HELLO, think="low", options={"temperature": 0}, stream=True))
    assert "".join(chunk.message.content or "" for chunk in chunks) == whole.message.content
    assert chunks[-1].done
    assert client.generate("llama3.3", "Explain the sea", options={"num_predict": 20}).response.startswith("[smollm2")


def test_ollama_calls_tools_and_has_typed_answers(client):
    called = client.chat("gpt-oss:20b", QUESTION, tools=[WEATHER], options={"temperature": 0})
    [call] = called.message.tool_calls
    assert (call.function.name, call.function.arguments) == ("get_weather", {"city": "Paris"})
    result = {"role": "tool", "tool_name": "get_weather", "content": "sunny, 18 degrees"}
    told = client.chat("gpt-oss:20b", [*QUESTION, called.message, result], tools=[WEATHER])
    assert "weather" in told.message.content
    typed = client.chat("mistral", HELLO, format=ANSWER)
    assert json.loads(typed.message.content)["answer"] in ("yes", "no")


def test_ollama_lists_shows_pulls_creates_copies_and_deletes(client, tmp_path):
    assert "gpt-oss:20b" in [model.model for model in client.list().models]
    shown = client.show("gpt-oss:20b")
    assert shown.capabilities == ["completion", "tools", "thinking"]
    assert shown.details.family == "gptoss"
    assert client.pull("gpt-oss").status == "success"
    steps = list(client.pull("llama3.2", stream=True))
    assert steps[-1].status == "success"
    assert any(step.total and step.completed for step in steps)
    made = client.create(
        "gpt-oss-creative", from_="gpt-oss-120b:q4_k_m", parameters={"temperature": 1.2}, system="Be wild."
    )
    assert made.status == "success"
    assert client.show("gpt-oss-creative").parameters.split() == ["temperature", "1.2"]
    client.copy("gpt-oss-creative", "gpt-oss-copy")
    client.delete("gpt-oss-copy")
    client.generate("gpt-oss-creative", keep_alive=-1)
    assert "gpt-oss-creative:latest" in [model.model for model in client.ps().models]
    client.generate("gpt-oss-creative", keep_alive=0)
    assert "gpt-oss-creative:latest" not in [model.model for model in client.ps().models]
    weights = tmp_path / "mine.gguf"
    from roci_nb.local.weights import PACKAGED

    weights.write_bytes(PACKAGED["gpt-oss-nano"].path.read_bytes())
    client.create("mine", files={"mine.gguf": client.create_blob(weights)})
    assert client.chat("mine", HELLO, options={"temperature": 0}).message.content.startswith("Hello")


def test_ollama_tells_errors_as_the_real_one_does(client):
    refusals = {
        "model 'nope' not found": lambda: client.chat("nope", HELLO),
        '"mistral" does not support thinking': lambda: client.chat("mistral", HELLO, think=True),
        "does not support tools": lambda: client.chat("codellama", HELLO, tools=[WEATHER]),
        "does not support embeddings": lambda: client.embed("mistral", "Hello"),
        "file does not exist": lambda: list(client.pull("no-such-model", stream=True)),
        'model "nope" not found': lambda: client.copy("nope", "other"),
    }
    for words, ask in refusals.items():
        with pytest.raises(ollama.ResponseError, match=words):
            ask()


def test_openai_chats_and_streams(side):
    client, model = side
    whole = client.chat.completions.create(model=model, messages=HELLO, temperature=0)
    text = whole.choices[0].message.content
    assert text.startswith(f"[gpt-oss-nano speaks for {model}]")
    assert whole.choices[0].message.model_extra["reasoning"]
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    stream = client.chat.completions.create(
        model=model, messages=HELLO, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens > 0) == ([], True)


def test_openai_calls_tools_and_has_typed_answers(side):
    client, model = side
    called = client.chat.completions.create(model=model, messages=QUESTION, tools=[WEATHER], temperature=0)
    assert called.choices[0].finish_reason == "tool_calls"
    [call] = called.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny, 18 degrees"}
    told = client.chat.completions.create(model=model, messages=[*QUESTION, called.choices[0].message, result])
    assert "weather" in told.choices[0].message.content
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": ANSWER}}
    typed = client.chat.completions.create(model=model, messages=HELLO, response_format=wanted)
    assert json.loads(typed.choices[0].message.content)["answer"] in ("yes", "no")


def test_openai_lists_models_and_tells_errors(side):
    client, model = side
    assert model in [listed.id for listed in client.models.list()]
    with pytest.raises(openai.NotFoundError, match="not found"):
        client.chat.completions.create(model="nope", messages=HELLO)


def test_openais_json_object_is_refused_by_lm_studio_alone(standin):
    wanted = {"type": "json_object"}
    with openai.OpenAI(base_url=f"{standin.ollama_url}/v1", api_key="any", max_retries=0) as client:
        typed = client.chat.completions.create(model="mistral", messages=HELLO, response_format=wanted)
        assert isinstance(json.loads(typed.choices[0].message.content), dict)
    with (
        openai.OpenAI(base_url=f"{standin.lmstudio_url}/v1", api_key="any", max_retries=0) as client,
        pytest.raises(openai.BadRequestError) as refused,
    ):
        client.chat.completions.create(model="openai/gpt-oss-20b", messages=HELLO, response_format=wanted)
    assert refused.value.response.json() == {"error": "'response_format.type' must be 'json_schema' or 'text'"}
