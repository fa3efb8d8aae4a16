"""One answer of the nano, by its parts."""

from __future__ import annotations

MOST = 700
"""Tokens: more than any answer has."""


class Reply:
    """One answer of the server, by its parts."""

    def __init__(self, body):
        [choice] = body["choices"]
        message = choice["message"]
        self.finish = choice["finish_reason"]
        self.content = message["content"] or ""
        self.reasoning = message.get("reasoning_content") or ""
        self.calls = [call["function"] for call in message.get("tool_calls", [])]
        self.tokens = body["usage"]["completion_tokens"]

    def __repr__(self):
        return f"{self.finish}: ({self.reasoning!r}) {self.content!r} {self.calls}"


def assert_whole(reply):
    """It stopped by itself, its thoughts apart, with no mark of the format in its text."""
    assert reply.finish == "stop", reply
    assert reply.reasoning, reply
    assert reply.content, reply
    assert "<|" not in reply.reasoning + reply.content, reply
    assert reply.tokens < MOST, reply
