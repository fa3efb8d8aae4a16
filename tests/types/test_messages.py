import subprocess
import sys
from pathlib import Path

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
    assert repr(ImagePart(data=PNG)) == str(ImagePart(data=PNG)) == "ImagePart(image/png, 18 bytes)"


# Pictures as people have them


class Figure:
    """matplotlib's protocol."""

    def savefig(self, file, **options):
        assert options["format"] == "png"
        file.write(PNG)


class Axes:
    """What a DataFrame's plot gives."""

    def get_figure(self):
        return Figure()


class Picture:
    """PIL's protocol: some modes have no PNG."""

    def __init__(self, mode="RGB"):
        self.mode = mode

    def convert(self, mode):
        return Picture(mode)

    def save(self, file, **options):
        assert options == {"format": "PNG"}
        if self.mode == "CMYK":
            raise OSError("cannot write mode CMYK as PNG")
        file.write(PNG + self.mode.encode())


class Broken:
    def savefig(self, file, **options):
        raise ValueError("no axes\nat all")


@pytest.mark.parametrize("value", [PNG, bytearray(PNG), memoryview(PNG), Figure(), Axes(), ImagePart(data=PNG)])
def test_a_picture_may_come_as_bytes_or_as_a_figure(value):
    assert ImagePart.of(value) == ImagePart(data=PNG)


def test_a_pil_image_is_saved_as_png_whatever_its_mode():
    assert ImagePart.of(Picture("RGBA")).data.endswith(b"RGBA")
    assert ImagePart.of(Picture("CMYK")).data.endswith(b"RGB")


def test_a_path_is_a_path_object_in_a_message_and_may_be_a_text_elsewhere(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(PNG)
    assert ImagePart.of(str(file)) == ImagePart.of(file) == ImagePart(data=PNG)
    message = ModelMessage.user(["what is it?", file, Figure(), Picture(), PNG, ImagePart(data=PNG), str(file)])
    assert [type(part) for part in message.content] == [TextPart, *[ImagePart] * 5, TextPart]


def test_neither_library_is_needed():
    program = (
        "import sys; from roci_nb.types.messages import ImagePart\n"
        "class Picture:\n"
        "    mode = 'RGB'\n"
        f"    def save(self, file, format): file.write({PNG!r})\n"
        "ImagePart.of(Picture())\n"
        "assert not {'PIL', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Path("nowhere.png"), "nowhere.png can't be read .No such file or directory.: name a picture that is there"),
        (Path("."), "can't be read .Is a directory."),
        ("a\0b", "can't be read"),
        (b"hello", "no PNG, JPEG, GIF or WebP image: save it as one of these"),
        (b"RIFF0000WAVEfmt ", "no PNG, JPEG"),
        (b"<svg xmlns=", "an SVG is no picture that models see: save it as PNG"),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?><svg>", "an SVG is no picture"),
        (Broken(), "can't be drawn .no axes at all.: give its file"),
        (3, "int is no picture: give bytes, a path, a PIL image or a matplotlib figure"),
        (None, "NoneType is no picture"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(value, message):
    with pytest.raises(InvalidSetting, match=message) as refused:
        ImagePart.of(value)
    assert "\n" not in str(refused.value)
    with pytest.raises(InvalidSetting):
        ModelMessage.user(["look", value if not isinstance(value, str) else Path(value)])


def test_a_file_that_is_no_picture_is_named(tmp_path):
    file = tmp_path / "drawing.svg"
    file.write_text("<svg/>")
    with pytest.raises(InvalidSetting, match="drawing.svg: an SVG is no picture"):
        ImagePart.of(file)


def test_a_picture_shows_itself_and_only_as_a_picture():
    assert ImagePart(data=PNG)._repr_html_().startswith('<img src="data:image/png;base64,iVBORw0KGgo')
    other = ImagePart(data=b"<svg onload=alert(1)>", media_type="image/svg+xml")
    assert other._repr_html_() == "<div>ImagePart(image/svg+xml, 21 bytes)</div>"
