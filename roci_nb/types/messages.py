"""Messages of a conversation: text and image parts, tool calls and their results."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import BeforeValidator, model_validator

from roci_nb.errors import InvalidSetting, one_line
from roci_nb.markup.html import element
from roci_nb.types.tools import ToolCall
from roci_nb.types.values import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roci_nb.markup.html import Html

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]

_IMAGE_TYPES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
_SVG = re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|!DOCTYPE svg|!--|svg)", re.IGNORECASE)
_MODES_OF_PNG = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")


class TextPart(Value):
    """A piece of text."""

    text: str


class ImagePart(Value):
    """An image as its file's bytes; ``media_type`` is read off them (PNG, JPEG, GIF, WebP)."""

    data: bytes
    media_type: str = ""

    expected: ClassVar = {"data": "the bytes of an image file"}

    @model_validator(mode="before")
    @classmethod
    def _sniffed(cls, given: object) -> object:
        if isinstance(given, dict) and isinstance(data := given.get("data"), bytes) and not given.get("media_type"):
            return {**given, "media_type": _media_type(data, "these bytes")}
        return given

    @classmethod
    def of(cls, value: object) -> Self:
        """Make an image of bytes, a path, a PIL image or a matplotlib figure; raises ``InvalidSetting``.

        Neither library is imported: a figure is what can ``savefig``, a PIL image what has a mode and can ``save``.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, bytes | bytearray | memoryview):
            return cls(data=bytes(value))
        if isinstance(value, str | Path):
            data = _read(value)
            return cls(data=data, media_type=_media_type(data, str(value)))
        return cls(data=_drawn(value))

    def __repr__(self) -> str:
        return f"ImagePart({self.media_type}, {len(self.data):,} bytes)"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> Html:
        if self.media_type not in _IMAGE_TYPES:
            return element("div", repr(self))
        data = base64.b64encode(self.data).decode()
        return element("img", src=f"data:{self.media_type};base64,{data}", alt="the picture", style="max-width:100%")


Part: TypeAlias = TextPart | ImagePart


def _as_content(value: object) -> object:
    if not isinstance(value, list | tuple):
        return value
    return tuple(_as_part(part) for part in value)


def _as_part(part: object) -> object:
    if isinstance(part, str):
        return TextPart(text=part)
    return part if isinstance(part, TextPart | ImagePart | dict) else ImagePart.of(part)


def _media_type(data: bytes, what: str) -> str:
    for media_type, beginning in _IMAGE_TYPES.items():
        if beginning.match(data):
            return media_type
    if _SVG.match(data):
        raise InvalidSetting(f"{what}: an SVG is no picture that models see: save it as PNG", setting="image")
    raise InvalidSetting(f"{what}: no PNG, JPEG, GIF or WebP image: save it as one of these", setting="image")


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else one_line(str(error))
        raise InvalidSetting(f"{path} can't be read ({why}): name a picture that is there", setting="image") from None


def _drawn(value: object) -> bytes:
    """Draw a figure, the figure of axes (what a DataFrame's plot gives), or a PIL image as PNG."""
    drawn = io.BytesIO()
    try:
        if callable(get_figure := getattr(value, "get_figure", None)) and not hasattr(value, "savefig"):
            value = get_figure()
        if callable(savefig := getattr(value, "savefig", None)):
            savefig(drawn, format="png", bbox_inches="tight")
        elif callable(getattr(value, "save", None)) and isinstance(mode := getattr(value, "mode", None), str):
            convert = getattr(value, "convert", None)
            image: object = convert("RGB") if mode not in _MODES_OF_PNG and callable(convert) else value
            getattr(image, "save")(drawn, format="PNG")  # noqa: B009 - by PIL's protocol, not by its type
    except Exception as error:
        raise InvalidSetting(
            f"this picture can't be drawn ({one_line(str(error))}): give its file", setting="image"
        ) from error
    if not drawn.getvalue():
        kind = type(value).__name__
        raise InvalidSetting(
            f"{kind} is no picture: give bytes, a path, a PIL image or a matplotlib figure", setting="image"
        )
    return drawn.getvalue()


class ModelMessage(Value):
    """One message. ``content`` is a text, or parts: texts and images.

    ``reasoning`` is an assistant's; it goes back to a server only with tool calls of the current turn.
    """

    role: Role
    content: Annotated[str | tuple[Part, ...], BeforeValidator(_as_content)] = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    tool_name: str | None = None

    expected: ClassVar = {
        "role": "system, user, assistant or tool",
        "content": "a text, or a list of texts and pictures (bytes, paths, PIL images, figures)",
    }

    @classmethod
    def system(cls, content: str) -> Self:
        """Instructions for the model."""
        return cls(role="system", content=content)

    @classmethod
    def user(cls, content: str | Sequence[object]) -> Self:
        """What the person says: a text, or a list of texts and pictures as ``ImagePart.of`` takes them.

        A ``str`` in the list is text: a picture's path must be a ``Path``.
        """
        return cls(role="user", content=content)  # type: ignore[arg-type]  # parts are made tuples by the validator

    @classmethod
    def assistant(cls, content: str = "", *, reasoning: str = "", tool_calls: tuple[ToolCall, ...] = ()) -> Self:
        """What the model said."""
        return cls(role="assistant", content=content, reasoning=reasoning, tool_calls=tool_calls)

    @classmethod
    def tool(cls, content: str, *, tool_call_id: str, tool_name: str) -> Self:
        """The result of a tool call; Ollama wants the tool's name, OpenAI's wire the call's id."""
        return cls(role="tool", content=content, tool_call_id=tool_call_id, tool_name=tool_name)

    @property
    def text(self) -> str:
        """The text of the message, its images left out."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[ImagePart, ...]:
        """The images of the message."""
        if isinstance(self.content, str):
            return ()
        return tuple(part for part in self.content if isinstance(part, ImagePart))
