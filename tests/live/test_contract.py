"""The contract, against a real Ollama or LM Studio where one answers: ``pytest -m live``.

``ROCI_LIVE_MODEL`` names the model, such as ``ollama:smollm2:135m``; otherwise each server's smallest is asked.
"""

import asyncio
import os

import pytest

from roci_nb import GenerationSettings, ModelNotFound, RociConfig, generate_text, provider_for, stream_text
from roci_nb.loop import call_blocking
from roci_nb.providers.discovery import find_servers

pytestmark = pytest.mark.live
GREEDY = GenerationSettings(temperature=0, max_tokens=40)


@pytest.fixture(scope="module")
def model() -> str:
    named = os.environ.get("ROCI_LIVE_MODEL")
    if named:
        return named
    servers = call_blocking(lambda: find_servers(RociConfig.from_env()))
    found = [info for server in servers for info in server.models or () if info.remote_host is None]
    models = [info for info in found if info.model.provider_key in ("ollama", "lmstudio")]
    if not models:
        pytest.skip("no real server answers with a model")
    return str(min(models, key=lambda info: info.size_bytes or 0).model)


def loaded_window(model: str) -> int | None:
    running = call_blocking(provider_for(model).running)
    wanted = provider_for(model).model.model_id.split(":")[0]
    return next((info.loaded_window for info in running if info.model.model_id.startswith(wanted)), None)


def test_an_answer_streams_with_the_servers_figures(model):
    async def listen():
        return [delta async for delta in stream_text(model, "Say hello.", GREEDY)]

    deltas = asyncio.run(listen())
    assert "".join(delta.text + delta.reasoning for delta in deltas)
    assert [delta for delta in deltas if delta.finish_reason] == deltas[-1:]
    assert deltas[-1].usage.input_tokens > 0
    assert deltas[-1].usage.output_tokens > 0


def test_no_request_without_a_window_changes_the_loaded_one(model):
    async def ask(settings=GREEDY):
        return await generate_text(model, "Hi", settings)

    asyncio.run(ask())
    window = loaded_window(model)
    assert window
    second = asyncio.run(ask())
    assert loaded_window(model) == window
    assert second.timing.load_s is None or second.timing.load_s < 1.0


def test_an_asked_for_window_is_loaded_and_then_kept(model):
    if not model.startswith("ollama:"):
        pytest.skip("the rule is Ollama's")
    before = loaded_window(model) or 4096
    asked = before // 2
    asyncio.run(generate_text(model, "Hi", GREEDY | GenerationSettings(num_ctx=asked)))
    assert loaded_window(model) == asked
    result = asyncio.run(generate_text(model, "Hi", GREEDY))
    assert (loaded_window(model), result.context_window) == (asked, asked)


async def cancelled_then_asked(provider):
    """Cancel a long answer at its first words, and ask again."""
    begun = asyncio.Event()

    async def listen():
        async for delta in stream_text(provider, "Write a very long story.", GenerationSettings(max_tokens=4000)):
            if delta.text or delta.reasoning:
                begun.set()

    task = asyncio.create_task(listen())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return await generate_text(provider, "Hi", GREEDY)


def test_cancelling_leaves_the_server_free(model):
    assert asyncio.run(cancelled_then_asked(model)).finish_reason


def test_an_unknown_model_is_told(model):
    key = model.partition(":")[0]
    with pytest.raises(ModelNotFound):
        asyncio.run(generate_text(f"{key}:no-such-model-here", "Hi"))
