import asyncio

import pytest

from roci_nb.providers.base import Provider
from roci_nb.types.events import TextStreamDelta
from roci_nb.types.messages import ModelMessage
from roci_nb.types.requests import ProviderRequest
from roci_nb.types.tools import ToolCall

REQUEST = ProviderRequest(messages=[ModelMessage.user("Hi")])
CALL = TextStreamDelta(tool_call=ToolCall(name="look", arguments={}, id="1"), phase="tool")


class Told(Provider):
    """A provider of somebody else's: plain async code."""

    provider_key = "told"

    def __init__(self, *deltas: TextStreamDelta) -> None:
        super().__init__("any")
        self._deltas = deltas

    async def _stream_text(self, request):
        for delta in self._deltas:
            yield delta
        yield TextStreamDelta(finish_reason="stop")


def text(*deltas: TextStreamDelta) -> str:
    async def whole() -> str:
        return "".join([delta.text async for delta in Told(*deltas).stream_text(REQUEST)])

    return asyncio.run(whole())


def said(words: str, channel: str | None = None) -> TextStreamDelta:
    return TextStreamDelta(text=words, channel=channel, phase="answering")


@pytest.mark.parametrize(
    "between",
    [
        TextStreamDelta(reasoning="Hm."),
        TextStreamDelta(phase="thinking"),  # hidden thoughts
        CALL,
    ],
    ids=["thought", "hidden thought", "call"],
)
def test_a_further_message_begins_a_paragraph(between):
    assert text(said("Let me look."), between, said("It is"), said(" 5.")) == "Let me look.\n\nIt is 5."


def test_so_does_one_on_another_channel():
    assert text(said("Let me look.", "commentary"), said("It is 5.", "final")) == "Let me look.\n\nIt is 5."


def test_a_break_that_is_there_is_enough_and_a_first_message_needs_none():
    thought = TextStreamDelta(reasoning="Hm.")
    assert text(said("Look:\n"), thought, said("5")) == "Look:\n5"
    assert text(said("Look:"), thought, said("\n5")) == "Look:\n5"
    assert text(thought, said("It is"), said(" 5.")) == "It is 5."
