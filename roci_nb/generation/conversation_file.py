"""Conversations in a file, to go on with them in another kernel."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import fields
from typing import TYPE_CHECKING, cast

from roci_nb.errors import ConfigError, RociError
from roci_nb.generation.conversation import Conversation, Turn
from roci_nb.types.json import object_of
from roci_nb.types.messages import ImagePart, ModelMessage, TextPart
from roci_nb.types.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import JsonValue

    from roci_nb.generation.conversation import TurnEnd
    from roci_nb.types.json import JsonObject

VERSION = 1
MOST_TOKENS = 2**53
"""No count is larger; a figure that is was not written here."""

_COUNTS = tuple(count.name for count in fields(Usage))


def beside(notebook: Path) -> Path:
    """Return the path of the file that belongs to a notebook."""
    return notebook.with_suffix(".roci.json")


def save(conversations: Mapping[str, Conversation], path: Path) -> None:
    """Write conversations, by name; an older file is replaced whole. A turn under way is left out."""
    document = {
        "roci_nb_conversations": VERSION,
        "conversations": {
            name: [_written(turn) for turn in conversation if turn.state != "running"]
            for name, conversation in conversations.items()
        },
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    try:
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            unfinished.write_text(text, encoding="utf-8", errors="replace")
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        raise ConfigError(f"{path} can't be written ({_reason(error)}): name another file") from None


def restore(path: Path) -> dict[str, Conversation]:
    """Read conversations, by name; raises ``ConfigError`` for a file that holds none, or not all that it should."""
    try:
        document = object_of(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path} can't be read ({_reason(error)}): name a file that %roci save wrote") from None
    except (ValueError, RecursionError):
        document = {}
    if document.get("roci_nb_conversations") != VERSION:
        raise ConfigError(f"{path} holds no conversations: name a file that %roci save wrote")
    try:
        named = _object(document.get("conversations"), "conversations")
        return {name: _conversation(turns) for name, turns in named.items()}
    except (RociError, ValueError) as error:
        raise ConfigError(f"{path} holds a turn that can't be read ({error}): mend it or leave it") from None


def _reason(error: OSError | ValueError) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _written(turn: Turn) -> JsonObject:
    content = turn.message.content
    parts: JsonValue = (
        content
        if isinstance(content, str)
        else [
            {"text": part.text}
            if isinstance(part, TextPart)
            else {"image": base64.b64encode(part.data).decode(), "media_type": part.media_type}
            for part in content
        ]
    )
    counts: JsonObject = {name: getattr(turn.usage, name) for name in _COUNTS}
    return {
        "key": turn.key,
        "asked": parts,
        "state": turn.state,
        "answered": turn.reply,
        "model": turn.model,
        **counts,
        "stale": turn.stale,
    }


def _conversation(turns: JsonValue) -> Conversation:
    read = [_read(_object(turn, "a turn")) for turn in _list(turns, "a conversation")]
    if len({turn.key for turn in read}) < len(read):
        raise ConfigError("two have one key")
    return Conversation.of(read)


def _read(turn: JsonObject) -> Turn:
    state, key = _text(turn, "state"), _text(turn, "key")
    if state not in ("done", "stopped", "failed") or not key:
        raise ConfigError("it has no key or no end")
    asked = turn.get("asked")
    parts = asked if isinstance(asked, str) else [_part(_object(part, "a part")) for part in _list(asked, "asked")]
    return Turn(
        key=key,
        message=ModelMessage.user(cast("str", parts)),
        state=cast("TurnEnd", state),
        reply=_text(turn, "answered"),
        model=_text(turn, "model"),
        usage=Usage(**{name: _count(turn, name) for name in _COUNTS}),
        stale=turn.get("stale") is True,
    )


def _part(part: JsonObject) -> TextPart | ImagePart:
    if "image" not in part:
        return TextPart(text=_text(part, "text"))
    data = base64.b64decode(_text(part, "image"), validate=True)
    return ImagePart(data=data, media_type=_text(part, "media_type"))


# Unlike a server's reply, a file is read strictly: what is not as it was written would be lost in silence.
def _object(value: JsonValue, what: str) -> JsonObject:
    if not isinstance(value, dict):
        raise ConfigError(f"{what} is no object")
    return value


def _list(value: JsonValue, what: str) -> list[JsonValue]:
    if not isinstance(value, list):
        raise ConfigError(f"{what} is no list")
    return value


def _text(value: JsonObject, name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise ConfigError(f"{name} is no text")
    return text


def _count(value: JsonObject, name: str) -> int | None:
    n = value.get(name)
    if n is None:
        return None
    if not isinstance(n, int) or isinstance(n, bool) or not 0 <= n < MOST_TOKENS:
        raise ConfigError(f"{name} is no count")
    return n
