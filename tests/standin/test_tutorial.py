"""Which server a tutorial takes."""

import os

import pytest

from roci_nb import ConfigError, OllamaProvider, generate_text_sync, tutorial_server
from roci_nb.standin.tutorial import VARIABLES
from tests.servers.scripted import json_reply

NOWHERE = "http://127.0.0.1:9"
MODEL = "gpt-oss-120b:q4_k_m"


@pytest.fixture(autouse=True)
def no_server(monkeypatch, smollm2):
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, NOWHERE)


def serve(scripted, *names):
    scripted.routes["GET /api/tags"] = json_reply({"models": [{"name": name, "model": name} for name in names]})
    scripted.routes["GET /api/ps"] = json_reply({"models": []})


def test_the_readers_own_is_taken_if_it_has_the_model(scripted, monkeypatch):
    serve(scripted, "llama3.3:latest", MODEL)
    monkeypatch.setenv("OLLAMA_BASE_URL", scripted.url)
    server = tutorial_server(f"ollama:{MODEL}")
    assert (server.is_own, server.base_url) == (True, scripted.url)
    assert os.environ["OLLAMA_BASE_URL"] == scripted.url
    assert "your own Ollama" in repr(server)


def test_without_it_a_stand_in_answers_and_says_how_to_take_the_own(scripted, monkeypatch):
    serve(scripted, "gpt-oss:20b")
    monkeypatch.setenv("OLLAMA_BASE_URL", scripted.url)
    server = tutorial_server(f"ollama:{MODEL}")
    assert not server.is_own
    assert os.environ["OLLAMA_BASE_URL"] == server.base_url != scripted.url
    assert f"ollama cp gpt-oss:20b {MODEL}" in server.advice
    assert "speaks for" in generate_text_sync(OllamaProvider(MODEL), "What is gravity?").text
    serve(scripted, MODEL)  # the reader has followed the advice, and runs the cell again
    assert tutorial_server(f"ollama:{MODEL}").base_url == scripted.url


@pytest.mark.parametrize("selector", [f"ollama:{MODEL}", "lmstudio:gpt-oss-120b"])
def test_without_a_server_a_stand_in_answers(selector):
    server = tutorial_server(selector)
    assert not server.is_own
    assert "no answer from" in server.why_not
    assert "a stand-in" in server._repr_html_()
    assert tutorial_server(selector).base_url == server.base_url
    assert generate_text_sync(selector, "What is gravity?").text


def test_an_address_that_the_reader_sets_afterwards_is_taken(scripted, monkeypatch):
    tutorial_server(f"ollama:{MODEL}")
    serve(scripted, MODEL)
    monkeypatch.setenv("OLLAMA_BASE_URL", scripted.url)
    assert tutorial_server(f"ollama:{MODEL}").base_url == scripted.url


def test_a_server_that_refuses_says_why(scripted, monkeypatch):
    scripted.routes["GET /api/tags"] = json_reply({"error": "unauthorized"}, 401)
    monkeypatch.setenv("OLLAMA_BASE_URL", scripted.url)
    server = tutorial_server(f"ollama:{MODEL}")
    assert not server.is_own
    assert server.why_not.startswith("your Ollama refused: ")


def test_other_providers_have_no_tutorial():
    with pytest.raises(ConfigError, match="write ollama:gpt-4o"):
        tutorial_server("openai:gpt-4o")


def test_an_address_that_wins_over_the_environment_is_told(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(f'[tool.roci_nb]\nollama_base_url = "{NOWHERE}"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"pyproject\.toml sets the address of Ollama"):
        tutorial_server(f"ollama:{MODEL}")
    assert os.environ["OLLAMA_BASE_URL"] == NOWHERE
