import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roci_nb.errors import BadReply
from roci_nb.providers.harmony import HarmonyText, clean_tool_name, is_gpt_oss, parse_arguments


def parts(*pieces: str) -> list[tuple[str | None, str | None, str]]:
    """What comes out, neighbours of one channel joined."""
    text = HarmonyText()
    joined: list[tuple[str | None, str | None, str]] = []
    for piece in [*(piece for fed in pieces for piece in text.feed(fed)), *text.close()]:
        if joined and joined[-1][:2] == (piece.channel, piece.tool):
            joined[-1] = (piece.channel, piece.tool, joined[-1][2] + piece.text)
        else:
            joined.append((piece.channel, piece.tool, piece.text))
    return joined


@pytest.mark.parametrize(
    ("leaked", "channels"),
    [
        ("plain text, 1 < 2 <| 3", [(None, None, "plain text, 1 < 2 <| 3")]),
        ("<|channel|>final<|message|>Hi<|return|>", [("final", None, "Hi")]),
        (
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hi",
            [("analysis", None, "hm"), ("final", None, "Hi")],
        ),
        (
            '<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a":1}<|call|>',
            [("commentary", "functions.f", '{"a":1}')],
        ),
        (
            "<|start|>assistant to=functions.f<|channel|>commentary<|message|>{}<|call|>after",
            [("commentary", "functions.f", "{}"), (None, None, "after")],
        ),
        ("Hi<|end|>", [(None, None, "Hi")]),
        ("ends in <|chan", [(None, None, "ends in <|chan")]),
    ],
)
def test_channels_are_told_apart(leaked, channels):
    assert parts(leaked) == channels


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "<|channel|>",
                "<|message|>",
                "<|end|>",
                "<|start|>assistant",
                "final",
                "analysis",
                " to=f",
                "text",
                "<",
                "<|",
                "é",
            ]
        ),
        max_size=12,
    ),
    st.data(),
)
def test_any_split_gives_the_same_channels(pieces, data):
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    split = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert parts(*split) == parts(text)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_text_without_marks_passes_unchanged(text):
    if "<|" not in text:
        assert "".join(part for _, _, part in parts(text)) == text


def test_a_header_without_end_is_text_about_harmony():
    text = "<|channel|>" + "x" * 400
    assert "x" * 400 in parts(text)[0][2]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("get_weather", "get_weather"),
        ("functions.get_weather", "get_weather"),
        ("get_weather<|channel|>commentary", "get_weather"),
        ("Get-Weather", "get_weather"),
        ("getWeather", "get_weather"),
        ("invented", "invented"),
    ],
)
def test_a_tools_name_is_found_as_it_was_offered(said, meant):
    assert clean_tool_name(said, ("get_weather", "add")) == meant


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        ("", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": "two\nlines"}', {"a": "two\nlines"}),
        ('{"a": [1, 2,], }', {"a": [1, 2]}),
        ('{"a": {"b": 1', {"a": {"b": 1}}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('{"a": 1}<|call|>{"b": 2}', {"a": 1}),
        ('<|constrain|>json<|message|>{"a": 1}', {"a": 1}),
        ('{"a": 1} and more', {"a": 1}),
        ('"{\\"a\\": 1}"', {"a": 1}),
    ],
)
def test_arguments_that_are_nearly_json_are_repaired(raw, arguments):
    assert parse_arguments(raw, "f") == arguments


@pytest.mark.parametrize("raw", ["hello", '{"city": "Par', "[1, 2]", "{a: 1}", "3"])
def test_arguments_that_would_have_to_be_guessed_are_a_bad_reply(raw):
    with pytest.raises(BadReply, match="f with arguments") as caught:
        parse_arguments(raw, "f")
    assert caught.value.raw == raw


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_arguments_are_an_object_or_a_bad_reply(raw):
    with contextlib.suppress(BadReply):
        assert isinstance(parse_arguments(raw, "f"), dict)


@pytest.mark.parametrize(
    "name", ["gpt-oss:20b", "openai/gpt-oss-120b", "gptoss", "GPT_OSS", "unsloth/gpt-oss-20b-GGUF"]
)
def test_gpt_oss_is_known_by_each_of_its_names(name):
    assert is_gpt_oss(name)
    assert not is_gpt_oss("llama3.3")
