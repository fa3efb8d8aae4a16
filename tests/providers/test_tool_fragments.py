import pytest

from roci_nb.errors import BadReply
from roci_nb.providers.tool_fragments import ToolCallFragments


def fragment(index=None, call_id=None, name=None, arguments=None) -> dict:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    outer = {key: value for key, value in (("index", index), ("id", call_id)) if value is not None}
    return {**outer, "type": "function", "function": function}


def calls(*fragments: dict, offered=("f", "g")) -> list[tuple[str, dict, str]]:
    merged = ToolCallFragments(offered)
    for each in fragments:
        merged.add(each)
    return [(call.name, call.arguments, call.id) for call in merged.calls()]


@pytest.mark.parametrize(
    ("fragments", "whole"),
    [
        ([fragment(0, "c1", "f", '{"a"'), fragment(0, arguments=": 1}")], [("f", {"a": 1}, "c1")]),
        ([fragment(0, "c1", "f", '{"a": 1}')], [("f", {"a": 1}, "c1")]),
        ([fragment(None, "c1", "f", '{"a"'), fragment(None, None, None, ": 1}")], [("f", {"a": 1}, "c1")]),
        ([fragment(None, "c1", "f", '{"a"'), fragment(None, "c1", None, ": 1}")], [("f", {"a": 1}, "c1")]),
        ([fragment(0, "c1", "f", "{}"), fragment(1, "c2", "g", "{}")], [("f", {}, "c1"), ("g", {}, "c2")]),
        ([fragment(0, "c1", "f", "{}"), fragment(0, "c2", "f", "{}")], [("f", {}, "c1"), ("f", {}, "c2")]),
        (
            [fragment(None, None, "f", "{}"), fragment(None, None, "g", "{}")],
            [("f", {}, "call_0"), ("g", {}, "call_1")],
        ),
        ([fragment(0, "c1", "f", ""), fragment(0, "c1", "f", "{}")], [("f", {}, "c1")]),
        ([fragment(0, "c1", "f"), fragment(0, "", "", '{"a": 1}')], [("f", {"a": 1}, "c1")]),
        ([fragment(0, "c1", "f", {"a": 1})], [("f", {"a": 1}, "c1")]),
        ([fragment(0, "c1", "f")], [("f", {}, "c1")]),
        (
            [
                fragment(0, "a", "f", "{"),
                fragment(1, "b", "g", "{"),
                fragment(0, arguments="}"),
                fragment(1, arguments="}"),
            ],
            [("f", {}, "a"), ("g", {}, "b")],
        ),
        ([fragment(0, "c1", "functions.f", "{}")], [("f", {}, "c1")]),
    ],
)
def test_calls_are_put_together_from_every_servers_fragments(fragments, whole):
    assert calls(*fragments) == whole


def test_arguments_that_can_not_be_read_come_with_their_raw_text():
    with pytest.raises(BadReply) as caught:
        calls(fragment(0, "c1", "f", '{"a": "x'))
    assert caught.value.raw == '{"a": "x'
