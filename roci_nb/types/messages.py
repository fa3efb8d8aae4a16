"""Messages of a conversation: text and image parts, tool calls and their results."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import BeforeValidator, model_validator

from roci_nb.errors import ConfigError
from roci_nb.types.tools import ToolCall
from roci_nb.types.values import Value

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]

_IMAGE_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


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
            for magic, media_type in _IMAGE_MAGIC.items():
                if data.startswith(magic):
                    return {**given, "media_type": media_type}
            raise ConfigError("these bytes are no PNG, JPEG, GIF or WebP image: give media_type, or another image")
        return given

    def __repr__(self) -> str:
        return f"ImagePart({self.media_type}, {len(self.data):,} bytes)"


Part: TypeAlias = TextPart | ImagePart


def _as_content(value: object) -> object:
    if not isinstance(value, list | tuple):
        return value
    return tuple(TextPart(text=part) if isinstance(part, str) else part for part in value)


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
        "content": "a text, or a list of texts, TextPart and ImagePart",
    }

    @classmethod
    def system(cls, content: str) -> Self:
        """Instructions for the model."""
        return cls(role="system", content=content)

    @classmethod
    def user(cls, content: str | list[str | Part] | tuple[str | Part, ...]) -> Self:
        """What the person says: a text, or texts and images."""
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
