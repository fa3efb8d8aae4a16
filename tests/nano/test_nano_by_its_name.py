"""The nano as ``embedded:gpt-oss-nano``: what gpt-oss does, through the public calls, on a real llama.cpp."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest

from roci_nb import (
    EmbeddedProvider,
    GenerationSettings,
    ModelMessage,
    ProviderRequest,
    generate_text,
    generate_text_sync,
    provider_for,
    stream_text,
    stream_text_sync,
)
from roci_nb.local.engine import live_engine
from roci_nb.local.weights import PACKAGED
from roci_nb.types.tools import ToolDefinition

MODEL = "embedded:gpt-oss-nano"
GREEDY = GenerationSettings(temperature=0)
GET_WEATHER = ToolDefinition(
    name="get_weather",
    description="Get the weather",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
PATIENCE_S = 30


def ask(prompt, tools=(), **settings):
    return generate_text_sync(MODEL, prompt, GREEDY | GenerationSettings(**settings), tools)


def test_its_name_makes_the_provider():
    assert isinstance(provider_for(MODEL), EmbeddedProvider)
    assert str(ask("Hello").model) == MODEL


def test_thoughts_and_answer_come_apart_and_in_phases():
    deltas = list(stream_text_sync(MODEL, "Why is the sky blue?", GREEDY))
    phases = list(dict.fromkeys(delta.phase for delta in deltas if delta.phase))
    assert phases[-2:] == ["thinking", "answering"]
    assert {delta.channel for delta in deltas if delta.reasoning} == {"analysis"}
    assert "scatters" in "".join(delta.text for delta in deltas)
    assert not any("<|" in delta.text + delta.reasoning for delta in deltas)
    assert deltas[-1].finish_reason == "stop"
    assert deltas[-1].usage.total_tokens == deltas[-1].usage.input_tokens + deltas[-1].usage.output_tokens


def test_more_effort_means_longer_thoughts_and_the_same_answer():
    low, medium, high = (ask("Why is the sky blue?", reasoning_effort=effort) for effort in ("low", "medium", "high"))
    assert 0 < len(low.reasoning) < len(medium.reasoning) < len(high.reasoning)
    assert low.text == medium.text == high.text
    assert not low.warnings + medium.warnings + high.warnings


def test_effort_off_hides_the_thoughts_and_says_so():
    off = ask("Why is the sky blue?", reasoning_effort="off")
    assert off.reasoning == ""
    assert off.text == ask("Why is the sky blue?", reasoning_effort="low").text
    assert [warning.setting for warning in off.warnings] == ["reasoning_effort"]


@pytest.mark.parametrize("effort", ["low", "medium", "high"])
def test_a_tool_is_called_and_its_result_leads_to_an_answer(effort):
    asked = ask("What is the weather in Paris?", [GET_WEATHER], reasoning_effort=effort)
    assert asked.finish_reason == "tool_calls"
    assert asked.reasoning
    [call] = asked.tool_calls
    assert (call.name, call.arguments) == ("get_weather", {"city": "Paris"})
    assert call.id
    result = ModelMessage.tool("sunny, 18 degrees", tool_call_id=call.id, tool_name=call.name)
    answered = ask([*asked.messages, result], [GET_WEATHER], reasoning_effort=effort)
    assert answered.finish_reason == "stop"
    assert answered.text
    assert not answered.tool_calls


def test_a_schema_is_kept_beside_the_thoughts():
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    request = ProviderRequest(
        messages=[ModelMessage.user("Describe a person as JSON")], settings=GREEDY, response_format=schema
    )

    async def answer():
        return [delta async for delta in EmbeddedProvider("gpt-oss-nano").stream_text(request)]

    deltas = asyncio.run(answer())
    person = json.loads("".join(delta.text for delta in deltas))
    assert person.keys() == {"name", "age"}
    assert isinstance(person["age"], int)
    assert any(delta.reasoning for delta in deltas)


def test_plain_json_is_json():
    request = ProviderRequest(messages=[ModelMessage.user("Reply with JSON")], settings=GREEDY, response_format="json")

    async def answer():
        return "".join([delta.text async for delta in EmbeddedProvider("gpt-oss-nano").stream_text(request)])

    assert isinstance(json.loads(asyncio.run(answer())), dict)


def test_tokens_are_counted_by_the_engine():
    request = ProviderRequest(messages=[ModelMessage.user("Why is the sky blue?")], settings=GREEDY)
    ask("Hello")
    counted = asyncio.run(EmbeddedProvider("gpt-oss-nano").count_tokens(request))
    assert counted.exact
    assert counted.n == ask("Why is the sky blue?").usage.input_tokens


def busy():
    address = live_engine(PACKAGED["gpt-oss-nano"].path).address
    headers = {"Authorization": f"Bearer {address.api_key}"}
    slots = httpx.get(f"{address.base_url}/slots", headers=headers, trust_env=False).json()
    return any(slot["is_processing"] for slot in slots)


def assert_quiet_soon():
    deadline = time.monotonic() + PATIENCE_S
    while busy():
        assert time.monotonic() < deadline, "the engine goes on generating"
        time.sleep(0.02)


ENDLESS = GREEDY | GenerationSettings(max_tokens=8000, reasoning_effort="high", extra={"ignore_eos": True})


@pytest.mark.parametrize("part", ["reasoning", "text"])
def test_cancelling_while_it_thinks_or_answers_keeps_the_partial_and_the_engine_goes_quiet(part):
    async def cancelled():
        begun = asyncio.Event()

        async def listen():
            async for delta in stream_text(MODEL, "Please write a long story for me", ENDLESS):
                if getattr(delta, part):
                    begun.set()

        task = asyncio.ensure_future(listen())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value

    error = asyncio.run(cancelled())
    assert getattr(error.partial, part)
    assert_quiet_soon()
    assert ask("Hello").finish_reason == "stop"


def test_many_ask_at_once():
    async def many():
        prompts = ("Hello", "Tell me a joke", "Why is the sky blue?", "What is the capital of France?")
        return await asyncio.gather(*(generate_text(MODEL, prompt, GREEDY) for prompt in prompts))

    answers = asyncio.run(many())
    assert [answer.finish_reason for answer in answers] == ["stop"] * 4
    assert "Paris" in answers[-1].text
