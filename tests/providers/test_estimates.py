from roci_nb.providers.base import IMAGE_TOKENS, estimate_tokens
from roci_nb.types.messages import ImagePart, ModelMessage
from roci_nb.types.requests import ProviderRequest
from roci_nb.types.tools import ToolCall, ToolDefinition

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 10


def estimate(*messages, **fields):
    return estimate_tokens(ProviderRequest(messages=messages, **fields)).n


def test_text_counts_by_its_characters_and_each_message_has_a_frame():
    assert estimate(ModelMessage.user("x" * 400)) == 104
    assert not estimate_tokens(ProviderRequest(messages=[])).exact


def test_tools_and_calls_count_as_they_are_sent():
    plain = estimate(ModelMessage.user("hi"))
    tool = ToolDefinition(name="f", description="d" * 400, parameters={"type": "object"})
    assert estimate(ModelMessage.user("hi"), tools=[tool]) > plain + 100
    call = ToolCall(name="f", arguments={"text": "x" * 400}, id="c1")
    said = estimate(ModelMessage.assistant("", tool_calls=(call,)))
    assert said > estimate(ModelMessage.assistant("")) + 100


def test_a_picture_counts_as_one_and_not_by_its_bytes():
    assert estimate(ModelMessage.user(["", ImagePart(data=PNG * 1000)])) == IMAGE_TOKENS + 4
