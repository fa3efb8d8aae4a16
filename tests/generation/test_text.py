"""Real llama.cpp with SmolLM2 on the other end, by the embedded provider."""

import asyncio
import json
import os
import signal
import threading
import time

import httpx
import pytest

from roci_nb import (
    ContextOverflow,
    EmbeddedProvider,
    EngineFailed,
    GenerationSettings,
    InvalidSetting,
    ModelMessage,
    ProviderRequest,
    RociError,
    SelectorError,
    TextStreamDelta,
    UnknownProvider,
    generate_text,
    generate_text_sync,
    stream_text,
    stream_text_sync,
)
from roci_nb.local.engine import running_engines

MODEL = "embedded:smollm2-135m"
GREEDY = GenerationSettings(temperature=0, max_tokens=24)
STORY = "Write a very long story about a dragon and a village, with many chapters."


def ask(prompt: str = "Why is the sky blue?", **settings):
    return generate_text_sync(MODEL, prompt, GREEDY | GenerationSettings(**settings))


def engine():
    return running_engines()[-1]


def busy() -> bool:
    address = engine().address
    slots = httpx.get(f"{address.base_url}/slots", headers={"Authorization": f"Bearer {address.api_key}"}).json()
    return any(slot["is_processing"] for slot in slots)


def wait_quiet() -> None:
    deadline = time.monotonic() + 30
    while busy():
        assert time.monotonic() < deadline, "the server goes on generating"
        time.sleep(0.02)


def test_text_streams_and_ends_with_one_last_delta():
    deltas = list(stream_text_sync(MODEL, "Why is the sky blue?", GREEDY))
    assert all(isinstance(delta, TextStreamDelta) for delta in deltas)
    assert len([delta for delta in deltas if delta.text]) > 10
    last = deltas[-1]
    assert [delta for delta in deltas if delta.finish_reason] == [last]
    assert last.usage.output_tokens == 24
    assert last.timing.tokens_per_second > 0
    phases = list(dict.fromkeys(delta.phase for delta in deltas if delta.phase))
    assert phases[-3:] == ["queued_or_reading", "reading", "answering"]


def test_the_figures_are_the_servers():
    result = ask()
    request = ProviderRequest(messages=[ModelMessage.user("Why is the sky blue?")])
    counted = asyncio.run(EmbeddedProvider("smollm2-135m").count_tokens(request))
    assert counted.exact
    assert result.usage.input_tokens == counted.n
    assert result.usage.total_tokens == counted.n + 24
    assert result.context_window == 8192
    assert not result.timing.approximate
    assert result.timing.total_s >= result.timing.first_token_s > 0
    assert result.messages[-1] == ModelMessage.assistant(result.text)
    assert str(result) == result.text


def test_streamed_and_whole_answers_are_the_same():
    streamed = "".join(delta.text for delta in stream_text_sync(MODEL, "Why is the sky blue?", GREEDY))
    assert streamed == ask().text


def test_the_longest_answer_cuts_with_length():
    assert ask(max_tokens=3).finish_reason == "length"


def test_a_stop_sequence_ends_the_answer_and_is_not_part_of_it():
    full = ask().text
    word = full.split()[4]
    stopped = ask(stop_sequences=word)
    assert stopped.finish_reason == "stop"
    assert full.startswith(stopped.text)
    assert word not in stopped.text


def test_the_same_seed_gives_the_same_answer():
    def draw(seed):
        return ask("Name an animal.", temperature=2.0, seed=seed, max_tokens=16).text

    assert draw(7) == draw(7)
    assert len({draw(seed) for seed in range(1, 5)}) > 1


def test_a_json_schema_is_kept():
    schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
    request = ProviderRequest(
        messages=[ModelMessage.user("Which colour is the sky?")], settings=GREEDY, response_format=schema
    )

    async def text():
        return "".join([delta.text async for delta in EmbeddedProvider("smollm2-135m").stream_text(request)])

    assert json.loads(asyncio.run(text()))["colour"] in ("red", "blue")


def test_a_prompt_that_does_not_fit_is_refused_with_its_numbers():
    with pytest.raises(ContextOverflow) as caught:
        ask("word " * 9000)
    error = caught.value
    assert error.prompt_tokens > 9000
    assert error.window == 8192
    assert error.status == 400
    assert f"{error.prompt_tokens:,} tokens" in str(error)
    assert "8,192" in str(error)
    assert error.partial is None


def test_a_system_message_is_heeded_as_a_message():
    messages = [ModelMessage.system("You answer in French."), ModelMessage.user("Hello!")]
    result = generate_text_sync(MODEL, messages, GREEDY)
    assert result.messages[:2] == tuple(messages)
    assert result.usage.input_tokens > 10


def test_a_setting_that_can_not_be_taken_is_a_warning_in_the_stream_and_in_the_result():
    settings = GREEDY | GenerationSettings(keep_alive="5m", extra={"stream": False})
    warned = [warning for delta in stream_text_sync(MODEL, "Hi", settings) for warning in delta.warnings]
    assert [warning.setting for warning in warned] == ["keep_alive", "extra"]
    assert tuple(warned) == generate_text_sync(MODEL, "Hi", settings).warnings


def test_another_window_loads_the_model_again_and_says_so():
    ask()
    deltas = list(stream_text_sync(MODEL, "Hi", GREEDY | GenerationSettings(num_ctx=512)))
    loading = [delta.progress.status for delta in deltas if delta.phase == "loading"]
    assert loading == ["loading smollm2-135m again"]
    assert deltas[-1].context_window == 512
    assert deltas[-1].timing.load_s > 0
    again = list(stream_text_sync(MODEL, "Hi", GREEDY | GenerationSettings(num_ctx=512)))
    assert not [delta for delta in again if delta.phase == "loading"]
    assert again[-1].timing.load_s is None
    small = generate_text_sync(
        MODEL, "Tell me a story.", GenerationSettings(num_ctx=512, temperature=0, seed=1, max_tokens=2000)
    )
    assert small.finish_reason in ("length", "stop")
    list(stream_text_sync(MODEL, "Hi", GREEDY | GenerationSettings(num_ctx=8192)))


def test_cancelling_lets_the_server_go_quiet_and_keeps_the_partial():
    async def main():
        said = asyncio.Event()

        async def listen():
            async for delta in stream_text(MODEL, STORY, GenerationSettings(max_tokens=4000)):
                if delta.text:
                    said.set()

        task = asyncio.ensure_future(listen())
        await said.wait()
        assert await asyncio.to_thread(busy)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            return error
        return None

    error = asyncio.run(main())
    assert type(error) is asyncio.CancelledError
    assert error.partial.text
    wait_quiet()


def test_asyncio_timeout_works_around_generate_text():
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await generate_text(MODEL, STORY, GenerationSettings(max_tokens=4000))

    asyncio.run(main())
    wait_quiet()


def test_closing_the_stream_lets_the_server_go_quiet():
    stream = stream_text_sync(MODEL, STORY, GenerationSettings(max_tokens=4000))
    next(delta for delta in stream if delta.text)
    stream.close()
    wait_quiet()


def test_two_streams_run_at_once():
    both_in_flight = threading.Event()
    seen: dict[int, int] = {1: 0, 2: 0}

    async def listen(number):
        async for delta in stream_text(MODEL, STORY, GenerationSettings(max_tokens=60, temperature=0)):
            seen[number] += bool(delta.text)
            if 0 < seen[1] < 50 and 0 < seen[2] < 50:
                both_in_flight.set()

    async def main():
        await asyncio.gather(listen(1), listen(2))

    asyncio.run(main())
    assert both_in_flight.is_set()
    assert min(seen.values()) > 10


def test_an_engine_killed_in_mid_answer_is_told_with_the_partial_and_the_next_answer_has_a_new_one():
    stream = stream_text_sync(MODEL, STORY, GenerationSettings(max_tokens=4000))
    next(delta for delta in stream if delta.text)
    os.kill(engine().address.pid, signal.SIGKILL)
    with pytest.raises(EngineFailed) as caught:
        for _ in stream:
            pass
    assert caught.value.partial.text
    assert "\n" not in str(caught.value)
    assert ask().finish_reason == "length"


def test_a_second_event_loop_works():
    async def once():
        return (await generate_text(MODEL, "Hi", GREEDY)).text

    assert asyncio.run(once()) == asyncio.run(once())


def test_a_sync_call_works_inside_a_running_loop():
    async def main():
        return generate_text_sync(MODEL, "Hi", GREEDY).text

    assert asyncio.run(main())


def test_a_gguf_by_its_path_works(tmp_path, monkeypatch):
    from roci_nb.local.weights import WEIGHTS, stored_path

    path = stored_path(WEIGHTS["smollm2-135m"])
    (tmp_path / "mine.gguf").symlink_to(path)
    monkeypatch.chdir(tmp_path)
    result = generate_text_sync("embedded:mine.gguf", "Hi", GREEDY)
    assert str(result.model) == "embedded:mine.gguf"
    assert result.text


@pytest.mark.parametrize(
    ("asked", "kind", "told"),
    [
        ("gpt-oss:120b", UnknownProvider, "did you mean ollama:gpt-oss:120b?"),
        ("embeded:smollm2-135m", UnknownProvider, "did you mean embedded:smollm2-135m?"),
        ("llama3.3", SelectorError, "did you mean ollama:llama3.3?"),
        ("model.gguf", SelectorError, "did you mean embedded:model.gguf?"),
        (3, InvalidSetting, "provider must be"),
    ],
)
def test_a_wrong_selector_names_the_nearest(asked, kind, told):
    with pytest.raises(kind, match=told.replace("?", r"\?")):
        generate_text_sync(asked, "Hi")


def test_no_message_is_told_at_once():
    with pytest.raises(InvalidSetting, match="messages is empty"):
        stream_text(MODEL, [])


@pytest.mark.parametrize(("content", "told"), [(b"hello", "GGUF"), (b"GGUF" + b"\0" * 100, "could not load")])
def test_a_gguf_that_is_none_is_one_clear_line(tmp_path, content, told):
    (tmp_path / "broken.gguf").write_bytes(content)
    with pytest.raises(RociError, match=told) as caught:
        generate_text_sync(f"embedded:{tmp_path / 'broken.gguf'}", "Hi")
    assert "\n" not in str(caught.value)
