"""Ollama's side: who speaks, what settings do, windows, keep-alive, making models."""

from __future__ import annotations

import hashlib
import json

import pytest

from roci_nb.local.weights import PACKAGED

GREEDY = {"temperature": 0, "seed": 7}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age", "tags"],
}


def user(text):
    return [{"role": "user", "content": text}]


@pytest.fixture
def ask(ollama_side):
    def ask(model="gpt-oss:20b", prompt="Hello", options=None, **body):
        asked = {"model": model, "messages": user(prompt), "stream": False, "options": {**GREEDY, **(options or {})}}
        reply = ollama_side.post("/api/chat", json={**asked, **body})
        assert reply.status_code == 200, reply.text
        return reply.json()

    return ask


def loaded(ollama_side):
    return {row["name"]: row["context_length"] for row in ollama_side.get("/api/ps").json()["models"]}


def test_the_guides_names_are_there(ollama_side):
    names = {row["name"] for row in ollama_side.get("/api/tags").json()["models"]}
    assert names >= {"gpt-oss:20b", "gpt-oss:120b", "gpt-oss-120b:q4_k_m", "llama3.3:latest", "llama3.1:latest"}
    assert names >= {"mistral:latest", "codellama:latest", "deepseek-r1:latest", "qwen2.5:latest"}


@pytest.mark.parametrize(
    ("prompt", "speaker"), [("Hello", "gpt-oss-nano"), ("Explain the theory of relativity", "smollm2-135m")]
)
def test_a_line_above_each_answer_says_who_truly_spoke(ask, prompt, speaker):
    for model in ("gpt-oss-120b:q4_k_m", "llama3.3"):
        text = ask(model, prompt, {"num_predict": 60})["message"]["content"]
        assert text.startswith(f"[{speaker} speaks for {model}]\n\n")


def test_the_line_does_not_come_back_to_the_model(ollama_side):
    said = "[smollm2-135m speaks for gpt-oss:20b]\n\nHi."
    body = {"model": "codellama", "_debug_render_only": True}
    messages = [*user("Hello"), {"role": "assistant", "content": said}, *user("More")]
    prompt = ollama_side.post("/api/chat", json={**body, "messages": messages}).json()["_debug_info"]
    assert "speaks for" not in prompt["rendered_template"]
    assert "Hi." in prompt["rendered_template"]


def test_a_higher_effort_thinks_longer(ask):
    for prompt in ("Explain recursion", "Why is the sky blue?"):
        lengths = [
            len(ask(prompt=prompt, think=level, options={"num_predict": 200})["message"]["thinking"])
            for level in ("low", "medium", "high")
        ]
        assert lengths == sorted(lengths)
        assert lengths[0] < lengths[2]


def test_gpt_oss_thinks_whatever_it_is_told_and_deepseek_can_be_kept_from_it(ask):
    assert ask(think=False)["message"]["thinking"]
    assert ask("deepseek-r1")["message"]["thinking"]
    assert "thinking" not in ask("deepseek-r1", think=False)["message"]
    assert "thinking" not in ask("llama3.3")["message"]


def test_a_tool_is_called_and_its_result_is_read(ask):
    prompt = "What is the weather in Paris?"
    called = ask(prompt=prompt, tools=[WEATHER])
    [call] = called["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert call["function"]["arguments"] == {"city": "Paris"}
    assert called["message"]["content"] == ""
    result = {"role": "tool", "tool_name": "get_weather", "content": "sunny, 18 degrees"}
    told = ask(messages=[*user(prompt), called["message"], result], tools=[WEATHER])
    assert told["message"]["content"].startswith("[gpt-oss-nano speaks")
    assert "Paris" in told["message"]["content"]


@pytest.mark.parametrize("model", ["gpt-oss:20b", "mistral"])
def test_a_typed_answer_is_nothing_but_json_that_fits(ask, model):
    answer = ask(model, "Ada Lovelace was 36 and loved mathematics.", format=PERSON)
    person = json.loads(answer["message"]["content"])
    assert person.keys() == {"name", "age", "tags"}
    assert isinstance(person["age"], int)
    assert isinstance(json.loads(ask(model, "Give me a person as JSON.", format="json")["message"]["content"]), dict)


def test_num_predict_ends_an_answer_and_counts_thoughts(ask):
    answer = ask(prompt="Explain recursion", options={"num_predict": 25})
    assert (answer["done_reason"], answer["eval_count"]) == ("length", 25)
    answer = ask(prompt="Explain recursion", options={"num_predict": 3})
    assert (answer["done_reason"], answer["message"]["content"]) == ("length", "")


def test_stop_seed_and_temperature_reach_the_engine(ask):
    prompt = "Tell me a long story about a dragon"
    whole = ask("llama3.3", prompt, {"num_predict": 60})["message"]["content"]
    word = whole.split()[-3]
    stopped = ask("llama3.3", prompt, {"num_predict": 60, "stop": [word]})["message"]["content"]
    assert word not in stopped.partition("\n\n")[2]
    hot = {"temperature": 1.5, "num_predict": 40}
    first = ask("llama3.3", prompt, {**hot, "seed": 1})["message"]["content"]
    assert ask("llama3.3", prompt, {**hot, "seed": 2})["message"]["content"] != first


def test_another_window_loads_anew_and_puts_other_names_out(ask, ollama_side):
    ask("llama3.3")
    assert loaded(ollama_side)["llama3.3:latest"] == 4096
    again = ask("llama3.3")
    assert again.get("load_duration", 0) < 100_000_000
    assert ask("mistral", options={"num_ctx": 1024})["load_duration"] > again.get("load_duration", 0)
    assert loaded(ollama_side) == {"mistral:latest": 1024}
    ask("mistral")  # a request without a window has the default one, as with Ollama
    assert loaded(ollama_side) == {"mistral:latest": 4096}


def test_empty_messages_load_and_keep_alive_0_unloads(ollama_side):
    load = ollama_side.post("/api/chat", json={"model": "qwen2.5", "messages": [], "keep_alive": -1}).json()
    assert load["done_reason"] == "load"
    [row] = [row for row in ollama_side.get("/api/ps").json()["models"] if row["name"] == "qwen2.5:latest"]
    assert row["expires_at"].startswith("2318")
    assert (
        ollama_side.post("/api/generate", json={"model": "qwen2.5", "keep_alive": 0}).json()["done_reason"] == "unload"
    )
    assert "qwen2.5:latest" not in loaded(ollama_side)


def test_a_prompt_that_is_too_long_is_refused_or_loses_its_oldest_messages(ask, ollama_side):
    history = [*user("word " * 400), {"role": "assistant", "content": "Yes."}, *user("Say hello to the dragon king")]
    body = {"model": "llama3.3", "messages": history, "options": {"num_ctx": 256, "num_predict": 8}, "stream": False}
    refused = ollama_side.post("/api/chat", json={**body, "truncate": False})
    assert refused.status_code == 400
    inner = json.loads(refused.json()["error"])["error"]
    assert inner["type"] == "exceed_context_size_error"
    assert inner["n_prompt_tokens"] > inner["n_ctx"] == 256
    cut = ollama_side.post("/api/chat", json=body).json()
    assert cut["prompt_eval_count"] < 100
    alone = {**body, "messages": user("word " * 900)}
    assert ollama_side.post("/api/chat", json=alone).json()["prompt_eval_count"] < 256
    assert "longer than the context" in ollama_side.post("/api/chat", json={**alone, "shift": False}).json()["error"]


def test_a_thought_never_passes_a_small_window(ask):
    answer = ask(prompt="Tell me about 猫 and " + "dragons " * 90, options={"num_ctx": 256, "num_predict": 60})
    assert answer["message"]["thinking"]


def test_generate_answers_in_its_own_fields(ollama_side):
    body = {"model": "gpt-oss:20b", "prompt": "Hello", "options": GREEDY}
    whole = ollama_side.post("/api/generate", json={**body, "stream": False}).json()
    assert whole["response"].startswith("[gpt-oss-nano speaks")
    assert whole["thinking"]
    lines = [json.loads(line) for line in ollama_side.post("/api/generate", json=body).text.splitlines()]
    assert "".join(line["response"] for line in lines) == whole["response"]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]


def test_what_create_sets_takes_effect(ask, ollama_side):
    made = {
        "model": "pirate",
        "from": "llama3.3",
        "system": "You are a pirate.",
        "parameters": {"num_ctx": 1024, "num_predict": 7},
        "template": "{{ .Prompt }}",
    }
    lines = [json.loads(line)["status"] for line in ollama_side.post("/api/create", json=made).text.splitlines()]
    assert lines[-2:] == ["writing manifest", "success"]
    assert "the template is stored and shown; the model keeps its own" in lines
    answer = ask("pirate", "Explain the sea")
    assert (answer["eval_count"], answer["done_reason"]) == (7, "length")
    assert loaded(ollama_side)["pirate:latest"] == 1024
    rendered = ollama_side.post(
        "/api/chat", json={"model": "pirate", "messages": user("Hi"), "_debug_render_only": True}
    )
    assert "You are a pirate." in rendered.json()["_debug_info"]["rendered_template"]
    assert ollama_side.request("DELETE", "/api/delete", json={"model": "pirate"}).status_code == 200
    assert "pirate:latest" not in loaded(ollama_side)


def test_a_file_of_ones_own_becomes_a_model(ask, ollama_side):
    data = PACKAGED["gpt-oss-nano"].path.read_bytes()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert ollama_side.head(f"/api/blobs/{digest}").status_code == 404
    wrong = ollama_side.post(f"/api/blobs/sha256:{'0' * 64}", content=data)
    assert wrong.json()["error"].startswith("digest mismatch, expected")
    assert ollama_side.post(f"/api/blobs/{digest}", content=data).status_code == 201
    assert ollama_side.post(f"/api/blobs/{digest}", content=data).status_code == 200
    ollama_side.post("/api/create", json={"model": "mine", "files": {"mine.gguf": digest}})
    shown = ollama_side.post("/api/show", json={"model": "mine"}).json()
    assert shown["capabilities"] == ["completion", "tools", "thinking"]
    answer = ask("mine", "Hello")["message"]
    assert answer["content"] == "Hello! How can I help you today?"
    assert answer["thinking"]


def test_pull_shows_progress_and_brings_back_what_was_deleted(ollama_side):
    def tags():
        return {row["name"] for row in ollama_side.get("/api/tags").json()["models"]}

    ollama_side.request("DELETE", "/api/delete", json={"model": "qwen2.5"})
    assert "qwen2.5:latest" not in tags()
    lines = [json.loads(line) for line in ollama_side.post("/api/pull", json={"model": "qwen2.5"}).text.splitlines()]
    assert "qwen2.5:latest" in tags()
    assert (lines[0]["status"], lines[-1]["status"]) == ("pulling manifest", "success")
    steps = [line for line in lines if line.get("digest")]
    assert len(steps) > 5
    assert all(0 <= line.get("completed", 0) <= line["total"] for line in steps)
    missing = ollama_side.post("/api/pull", json={"model": "no-such"})
    assert (missing.status_code, missing.text.splitlines()[-1]) == (
        200, '{"error":"pull model manifest: file does not exist"}')  # fmt: skip
    assert ollama_side.post("/api/pull", json={"model": "no-such", "stream": False}).status_code == 500


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example:11434"}, 403),
        ({"Host": "192.168.0.7"}, 403),
        ({"Host": "localhost:11434"}, 200),
        ({"Host": "[::1]:11434"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:8888"}, 200),
    ],
)
def test_only_this_machine_may_ask(ollama_side, lmstudio_side, headers, status):
    for side, path in ((ollama_side, "/api/tags"), (lmstudio_side, "/api/v1/models")):
        reply = side.get(path, headers=headers)
        assert reply.status_code == status
        assert bool(reply.content) == (status == 200)
