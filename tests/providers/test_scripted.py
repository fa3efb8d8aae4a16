import asyncio

import pytest

from roci_nb import (
    BadReply,
    ModelMessage,
    ProviderRequest,
    ScriptedProvider,
    TextStreamDelta,
    generate_text,
    generate_text_sync,
    provider_for,
    stream_text_sync,
)
from roci_nb.types.usage import Usage


def test_it_repeats_what_is_said_to_it():
    result = generate_text_sync("scripted:echo", "Say this.\n\nAnd this.")
    assert (result.text, result.finish_reason, result.usage) == ("Say this.\n\nAnd this.", "stop", Usage())
    assert str(result.model) == "scripted:echo"


def test_replies_come_in_order_and_the_last_one_stays():
    provider = ScriptedProvider(replies=["one", "two"])
    assert [generate_text_sync(provider, "?").text for _ in range(3)] == ["one", "two", "two"]
    assert [request.messages[-1].text for request in provider.requests] == ["?"] * 3


def test_a_reply_may_be_the_deltas_themselves():
    reply = [
        TextStreamDelta(reasoning="Hm.", channel="analysis"),
        TextStreamDelta(text="Yes."),
        TextStreamDelta(finish_reason="length", usage=Usage(3, 2)),
    ]
    result = generate_text_sync(ScriptedProvider(replies=[reply]), "?")
    assert (result.reasoning, result.text, result.finish_reason) == ("Hm.", "Yes.", "length")
    assert result.usage.output_tokens == 2


def test_a_reply_may_be_an_error():
    provider = ScriptedProvider(replies=[BadReply("broken", raw="{"), "whole"])
    with pytest.raises(BadReply, match="broken"):
        generate_text_sync(provider, "?")
    assert generate_text_sync(provider, "?").text == "whole"


def test_a_text_comes_word_by_word_and_may_be_stopped():
    provider = ScriptedProvider(replies=["word " * 1000], pause_s=0.01)
    deltas = stream_text_sync(provider, "?")
    assert next(deltas).text == "word"
    deltas.close()

    async def timed_out():
        async with asyncio.timeout(0.2):
            await generate_text(provider, "?")

    with pytest.raises(TimeoutError):
        asyncio.run(timed_out())


def test_it_lists_and_shows_itself():
    provider = provider_for("scripted:echo")
    assert [str(info.model) for info in asyncio.run(provider.list_models())] == ["scripted:echo"]
    request = ProviderRequest(messages=[ModelMessage.user("Hello")])
    assert "Hello" in str(asyncio.run(provider.preview(request)))
