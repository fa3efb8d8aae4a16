"""Our own providers against the stand-in: the contract that real servers are held to, and the guide's lines."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from roci_nb import (
    GenerationSettings,
    LmStudioProvider,
    OllamaModel,
    OllamaProvider,
    generate_text_sync,
    stream_text_sync,
)
from roci_nb.errors import ConfigError, ModelNotFound, StreamBroken
from roci_nb.local.engine import running_engines
from roci_nb.standin.server import StandIn
from tests.live import test_contract as contract

MODELS = ["ollama:gpt-oss:20b", "ollama:llama3.3", "lmstudio:openai/gpt-oss-20b", "ollama:gpt-oss-120b:q4_k_m"]


@pytest.fixture(params=MODELS)
def model(request, standin, monkeypatch):
    monkeypatch.setenv("OLLAMA_BASE_URL", standin.ollama_url)
    monkeypatch.setenv("LMSTUDIO_BASE_URL", standin.lmstudio_url)
    return request.param


@pytest.mark.parametrize(
    "held_to",
    [
        contract.test_an_answer_streams_with_the_servers_figures,
        contract.test_no_request_without_a_window_changes_the_loaded_one,
        contract.test_an_asked_for_window_is_loaded_and_then_kept,
        contract.test_cancelling_leaves_the_server_free,
        contract.test_an_unknown_model_is_told,
    ],
    ids=lambda test: test.__name__.removeprefix("test_"),
)
def test_the_contract_of_real_servers_holds(model, held_to):
    held_to(model)


def test_the_guides_lines_run(standin):
    provider = OllamaProvider(OllamaModel.custom("gpt-oss-120b:q4_k_m"), standin.ollama_url)
    result = generate_text_sync(provider, "Explain the theory of relativity", GenerationSettings(max_tokens=90))
    assert result.text.startswith("[smollm2-135m speaks for gpt-oss-120b:q4_k_m]")
    assert result.reasoning
    provider = LmStudioProvider("gpt-oss-120b", standin.lmstudio_url)
    result = generate_text_sync(provider, "Explain the theory of relativity", GenerationSettings(max_tokens=90))
    assert result.text.startswith("[smollm2-135m speaks for gpt-oss-120b]")
    assert not [str(warning) for warning in result.warnings]


def test_a_long_answer_that_is_dropped_ends_at_the_engine(standin):
    provider = OllamaProvider("llama3.3", standin.ollama_url)
    assert asyncio.run(contract.cancelled_then_asked(provider)).text


def test_our_provider_sees_what_is_there(standin):
    provider = OllamaProvider("gpt-oss:20b", standin.ollama_url)
    info = asyncio.run(provider.model_info())
    assert info.capabilities == {"completion", "tools", "thinking"}
    assert info.efforts == ("low", "medium", "high")
    with pytest.raises(ModelNotFound, match="Did you mean gpt-oss:20b"):
        generate_text_sync(OllamaProvider("gpt-oss:20", standin.ollama_url), "Hi")


def test_it_ends_with_its_block_and_takes_its_models_with_it():
    with StandIn() as server:
        url = server.ollama_url
        generate_text_sync(OllamaProvider("mistral", url), "Hello", GenerationSettings(max_tokens=5, num_ctx=768))
        assert any(engine.address.window == 768 for engine in running_engines())
        with pytest.raises(ConfigError, match="can't be had"):
            StandIn(int(url.rpartition(":")[2])).__enter__()
    assert not any(engine.address.window == 768 for engine in running_engines())
    with pytest.raises(ConfigError, match="does not run"):
        _ = server.ollama_url


def test_an_answer_under_way_ends_with_the_server_and_lacks_its_end_mark():
    with StandIn() as server:
        provider = OllamaProvider("llama3.3", server.ollama_url)
        deltas = stream_text_sync(provider, "Write a very long story.", GenerationSettings(max_tokens=4000))
        assert any(delta.text for delta in deltas)
    with pytest.raises(StreamBroken):
        list(deltas)


def test_the_command_says_where_it_serves_and_ends_at_an_interrupt():
    import os
    import signal

    process = subprocess.Popen(
        [sys.executable, "-m", "roci_nb", "standin"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lines = [process.stdout.readline() for _ in range(4)]
    url = lines[1].partition("=")[2].strip()
    assert generate_text_sync(OllamaProvider("mistral", url), "Hello", GenerationSettings(max_tokens=5)).text
    assert "LMSTUDIO_BASE_URL=http://127.0.0.1:" in lines[2]
    process.send_signal(signal.SIGINT if os.name == "posix" else signal.CTRL_C_EVENT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "\n■ stopped\n")
