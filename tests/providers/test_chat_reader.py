"""Answers on the chat completions wire as careless servers give them: read whole, or refused with a reason."""

import json
import threading

import pytest

from roci_nb import (
    BadReply,
    OpenAiCompatibleProvider,
    RociConfig,
    ServerError,
    StreamBroken,
    generate_text_sync,
    stream_text_sync,
)
from tests.servers.scripted import Reset, Stall, chat_chunk, head, json_reply, reply, send, sse

CHAT = "POST /v1/chat/completions"
MODELS = "GET /v1/models"
LLAMA_MODELS = json_reply({"data": [{"id": "phi4", "owned_by": "llamacpp", "meta": {"n_ctx": 2048}}]})
ANSWER = sse(chat_chunk("Hi"), chat_chunk(finish="stop"))
DEEP = "[" * 200_000 + "]" * 200_000


@pytest.fixture
def server(scripted):
    scripted.routes |= {MODELS: LLAMA_MODELS, CHAT: ANSWER}
    return scripted


def provider(server, **options):
    return OpenAiCompatibleProvider("phi4", server.url, config=RociConfig(), **options)


def ask(server, prompt="Hello", settings=None, **options):
    return generate_text_sync(provider(server, **options), prompt, settings)


def sent(server, index=-1) -> dict:
    return server.asked("/v1/chat/completions")[index].json


def event(chunk: object) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


# The end


@pytest.mark.parametrize("reason", ["content_filter", "abort", "repetition_found", "x" * 500])
def test_a_reason_to_end_that_nobody_knows_is_told(server, reason):
    server.routes[CHAT] = sse(chat_chunk("Hi"), chat_chunk(finish=reason))
    result = ask(server)
    assert (result.text, result.finish_reason) == ("Hi", "stop")
    [warning] = result.warnings
    assert str(warning).startswith(f"the server ended the answer for a reason of its own: {reason[:50]}")
    assert len(str(warning)) < 200


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "eos", "end_turn", "stopStringFound"])
def test_a_reason_to_end_that_is_known_is_no_warning(server, reason):
    server.routes[CHAT] = sse(chat_chunk("Hi"), chat_chunk(finish=reason))
    assert ask(server).warnings == ()


@pytest.mark.parametrize(
    "end",
    [[Reset()], [send("data: [DO"), Reset()], [send(": ping\n\n"), Reset()], [send(event({"choices": []})), Reset()]],
    ids=["at once", "in the end mark", "behind a comment", "behind an empty chunk"],
)
def test_an_answer_that_is_whole_stands_though_its_connection_is_cut(server, end):
    server.routes[CHAT] = [head(), send(event(chat_chunk("Hi")), event(chat_chunk(finish="length"))), *end]
    result = ask(server)
    assert (result.text, result.finish_reason) == ("Hi", "length")


def test_an_answer_whose_reason_to_end_never_came_is_broken_by_the_same_cut(server):
    server.routes[CHAT] = [head(), send(event(chat_chunk("Hi")), event(chat_chunk())), Reset()]
    with pytest.raises(StreamBroken, match="closed the connection in mid-answer"):
        ask(server)


# Several answers


def test_of_several_answers_the_first_one_alone_is_read(server):
    def said(index: int, text: str, finish: str | None = None) -> dict:
        return {"index": index, "delta": {"content": text, "reasoning": f"t{index}"}, "finish_reason": finish}

    server.routes[CHAT] = sse(
        {"choices": [said(1, "No", "content_filter")]},
        {"choices": [said(1, "NO"), said(0, "Hi")]},
        {"choices": [said(2, "no", "length")]},
        {"choices": [said(0, "", "stop")]},
    )
    result = ask(server)
    assert (result.text, result.reasoning, result.finish_reason) == ("Hi", "t0t0", "stop")
    assert result.warnings == ()


# Figures


WHOLE = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello there"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 500},
}


@pytest.mark.parametrize(
    "script",
    [json_reply(WHOLE), sse(chat_chunk("Hello there", finish="stop"), {"choices": [], "usage": WHOLE["usage"]})],
    ids=["a document", "one chunk"],
)
def test_an_answer_in_one_piece_has_no_speed(server, script):
    server.routes[CHAT] = script
    result = ask(server)
    assert result.usage.output_tokens == 500
    assert result.timing.tokens_per_second is None
    assert result.timing.total_s > 0


def test_the_speed_of_an_answer_in_pieces_is_ours_and_marked(server):
    stall = Stall()
    usage = {"choices": [], "usage": {"completion_tokens": 11}}
    server.routes[CHAT] = [
        head(), send(event(chat_chunk("a"))), stall,
        send(event(chat_chunk("b")), event(chat_chunk(finish="stop")), event(usage), "data: [DONE]\n\n"),
    ]  # fmt: skip
    last = None
    for last in stream_text_sync(provider(server), "Hello"):
        if last.text == "a":
            threading.Event().wait(0.3)  # the time that is measured, at least
            stall.release.set()
    assert last.timing.approximate
    assert 0 < last.timing.tokens_per_second <= 10 / 0.3


# Odd types and shapes


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/octet-stream", None])
@pytest.mark.parametrize(
    "begins",
    [[""], [": ping\n\n"], ["\r\n\n"], ["da", "ta: ", '{"choices": []}\n\n'], ["event: message\n"], ["id: 1\n"]],
)
def test_a_stream_of_events_is_known_by_its_first_bytes_whatever_its_type(server, content_type, begins):
    server.routes[CHAT] = [head(200, content_type), send(*begins), *ANSWER[1:]]
    assert ask(server).text == "Hi"


PARTS = [{"type": "text", "text": "H"}, {"type": "image_url"}, "x", {"type": "text", "text": "i"}]


@pytest.mark.parametrize(
    "script",
    [
        sse(chat_chunk(content=PARTS), chat_chunk(finish="stop")),
        json_reply({"choices": [{"message": {"content": PARTS}, "finish_reason": "stop"}]}),
        sse(chat_chunk(refusal="Hi"), chat_chunk(finish="stop")),
    ],
    ids=["streamed", "a document", "a refusal"],
)
def test_an_answer_in_parts_is_their_text(server, script):
    server.routes[CHAT] = script
    assert ask(server).text == "Hi"


def test_half_a_character_in_an_answer_is_kept_and_shown_as_a_mark_of_it(server):
    server.routes[CHAT] = sse(chat_chunk("\ud83d"), chat_chunk("\ude00 and \ud800"), chat_chunk(finish="stop"))
    result = ask(server)
    assert result.text == "\ud83d\ude00 and \ud800"
    shown = result._repr_mimebundle_()
    assert shown["text/plain"] == "😀 and \ufffd"
    "".join(shown.values()).encode()


@pytest.mark.parametrize("chunk", ["3", "null", "[]", '"Hi"', "true"])
def test_a_chunk_that_is_no_object_is_a_bad_reply_with_what_was_sent(server, chunk):
    server.routes[CHAT] = [head(), send(event(chat_chunk("Hal")), f"data: {chunk}\n\n"), *ANSWER[1:]]
    with pytest.raises(BadReply, match="no object") as caught:
        ask(server)
    assert caught.value.raw == chunk
    assert caught.value.partial.text == "Hal"


@pytest.mark.parametrize(
    "script",
    [
        [head(), send(f"data: {DEEP}\n\n")],
        [head(), send(f'data: {{"choices": {DEEP}}}\n\n')],
        reply(f'{{"choices": {DEEP}}}'),
    ],
    ids=["a chunk", "in a chunk", "a document"],
)
def test_json_too_deep_to_be_read_is_a_bad_reply(server, script):
    server.routes[CHAT] = script
    with pytest.raises(BadReply, match="no JSON"):
        ask(server)


@pytest.mark.parametrize("status", [400, 500])
def test_a_refusal_too_deep_to_be_read_is_told_all_the_same(server, status):
    server.routes[CHAT] = reply(f'{{"error": {DEEP}}}', status=status)
    with pytest.raises(ServerError) as caught:
        ask(server)
    assert caught.value.status == status
    assert len(str(caught.value)) < 500
