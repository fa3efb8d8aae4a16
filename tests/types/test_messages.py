import pytest

from roci_nb.errors import ConfigError, InvalidSetting
from roci_nb.types.messages import ImagePart, ModelMessage, TextPart
from roci_nb.types.tools import ToolCall

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 10


def test_the_four_roles_have_their_constructors():
    assert ModelMessage.system("be brief").role == "system"
    assert ModelMessage.user("hi").content == "hi"
    call = ToolCall(name="f", arguments={"x": 1}, id="c1")
    assert ModelMessage.assistant("", reasoning="hm", tool_calls=(call,)).tool_calls == (call,)
    assert ModelMessage.tool("20", tool_call_id="c1", tool_name="f").tool_name == "f"


def test_content_is_text_or_parts():
    message = ModelMessage.user(["what is this?", ImagePart(data=PNG)])
    assert message.content == (TextPart(text="what is this?"), ImagePart(data=PNG, media_type="image/png"))
    assert message.text == "what is this?"
    assert [image.media_type for image in message.images] == ["image/png"]


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF0000WEBP", "image/webp"),
    ],
)
def test_an_images_type_is_read_off_its_bytes(data, media_type):
    assert ImagePart(data=data).media_type == media_type


def test_bytes_that_are_no_image_are_refused_in_one_line():
    with pytest.raises(ConfigError, match="no PNG, JPEG, GIF or WebP"):
        ImagePart(data=b"hello")


def test_wrong_content_is_one_line_of_ours():
    with pytest.raises(InvalidSetting, match="content must be a text"):
        ModelMessage.user(3)
    with pytest.raises(InvalidSetting, match="role must be system, user, assistant or tool, not 'wizard'"):
        ModelMessage(role="wizard", content="x")


def test_an_images_repr_does_not_spill_its_bytes():
    assert repr(ImagePart(data=PNG)) == "ImagePart(image/png, 18 bytes)"
