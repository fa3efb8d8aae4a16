import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roci_nb.errors import BadReply
from roci_nb.providers import framing
from roci_nb.providers.framing import ServerSentEvent, SseParser


def parse(*chunks: bytes) -> list[ServerSentEvent]:
    parser = SseParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return [*events, *parser.close()]


def data(*chunks: bytes) -> list[str]:
    return [event.data for event in parse(*chunks)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data:a\n\n", ["a"]),
        (b"data:  a\n\n", [" a"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        (b"data: a\r\rdata: b\r\r", ["a", "b"]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b": ping\n\n: ping\n\ndata: a\n\n", ["a"]),
        (b"id: 1\nretry: 5\ndata: a\n\n", ["a"]),
        (b"data: a", ["a"]),
        (b"data: a\n", ["a"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data\n\n", [""]),
        (b"\n\n\n", []),
        ("data: \u2028 \u0085 \x0b \x1e\n\n".encode(), ["\u2028 \u0085 \x0b \x1e"]),
        (b"data: \xff\xfe\n\n", ["\ufffd\ufffd"]),
    ],
)
def test_events_are_read_by_the_standard(stream, events):
    assert data(stream) == events


def test_an_events_type_is_kept_and_forgotten_with_its_event():
    assert parse(b"event: error\ndata: x\n\ndata: y\n\n") == [ServerSentEvent("x", "error"), ServerSentEvent("y")]


def test_an_old_llama_servers_error_field_is_an_error_event():
    assert parse(b'error: {"message": "x"}\n\n') == [ServerSentEvent('{"message": "x"}', "error")]


lines = st.lists(
    st.sampled_from(["data: né\u2028\U0001f600", "data:", ": ping", "event: error", "", "data: b", "\ufefflate"]),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(lines, st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_any_split_of_the_bytes_gives_the_same_events(lines, ending, draw):
    stream = "".join(line + ending for line in lines).encode()
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert parse(*chunks) == parse(stream)


def test_byte_by_byte_is_a_split_like_any_other():
    stream = "data: é\r\n\r\ndata: \U0001f600\r\n\r\n".encode()
    assert data(*(stream[i : i + 1] for i in range(len(stream)))) == ["é", "\U0001f600"]


def test_a_line_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(framing, "MAX_LINE_BYTES", 100)
    with pytest.raises(BadReply, match="is this a model server"):
        data(b"data: " + b"x" * 101)
