"""Conversations in a file, to go on with them in another kernel."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, cast

from roci_nb.errors import ConfigError, RociError
from roci_nb.generation.conversation import Conversation, Turn
from roci_nb.types.json import int_of, object_of, objects_of, text_of
from roci_nb.types.messages import ImagePart, ModelMessage, TextPart
from roci_nb.types.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import JsonValue

    from roci_nb.generation.conversation import TurnEnd
    from roci_nb.types.json import JsonObject

VERSION = 1


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
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8", errors="replace")
        unfinished.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} can't be written ({error.strerror}): name another file") from None


def restore(path: Path) -> dict[str, Conversation]:
    """Read conversations, by name; raises ``ConfigError`` for a file that holds none."""
    try:
        document = object_of(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path} can't be read ({error.strerror}): name a file that %roci save wrote") from None
    except (ValueError, RecursionError):
        document = {}
    if document.get("roci_nb_conversations") != VERSION:
        raise ConfigError(f"{path} holds no conversations: name a file that %roci save wrote")
    try:
        return {
            name: Conversation.of(_read(turn) for turn in objects_of(turns))
            for name, turns in object_of(document.get("conversations")).items()
        }
    except (RociError, ValueError) as error:
        raise ConfigError(f"{path} holds a turn that can't be read ({error}): mend it or leave it") from None


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
    return {
        "key": turn.key,
        "asked": parts,
        "state": turn.state,
        "answered": turn.reply,
        "model": turn.model,
        "input_tokens": turn.usage.input_tokens,
        "output_tokens": turn.usage.output_tokens,
        "stale": turn.stale,
    }


def _read(turn: JsonObject) -> Turn:
    state, key = text_of(turn.get("state")), text_of(turn.get("key"))
    if state not in ("done", "stopped", "failed") or not key:
        raise ConfigError("it has no key or no end")
    asked = turn.get("asked")
    parts = asked if isinstance(asked, str) else [_part(part) for part in objects_of(asked)]
    usage = Usage(input_tokens=int_of(turn.get("input_tokens")), output_tokens=int_of(turn.get("output_tokens")))
    return Turn(
        key=key,
        message=ModelMessage.user(cast("str", parts)),
        state=cast("TurnEnd", state),
        reply=text_of(turn.get("answered")),
        model=text_of(turn.get("model")),
        usage=usage,
        stale=turn.get("stale") is True,
    )


def _part(part: JsonObject) -> TextPart | ImagePart:
    if "image" not in part:
        return TextPart(text=text_of(part.get("text")))
    data = base64.b64decode(text_of(part["image"]), validate=True)
    return ImagePart(data=data, media_type=text_of(part.get("media_type")))
