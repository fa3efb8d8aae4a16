"""Harmony, gpt-oss's own format, where it leaks into a server's text (PROTOCOLS C.5 and F).

Chat servers parse Harmony themselves; this repairs what slips through: channel marks in the answer, tool names with
marks behind them, and JSON that is nearly right.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.errors import BadReply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roci_nb.types.json import JsonObject

_OPENING = ("<|start|>", "<|channel|>")
_ENDING = ("<|end|>", "<|return|>", "<|call|>")
_MARKS = (*_OPENING, *_ENDING)
_MESSAGE = "<|message|>"
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT = re.compile(r"\bto=([^\s<]+)")
_LONGEST_HEADER = 300


def is_gpt_oss(name: str) -> bool:
    """Say whether a model's name or family is gpt-oss's, in any of its spellings."""
    return "gptoss" in name.lower().replace("-", "").replace("_", "")


@dataclass(frozen=True, slots=True)
class HarmonyPiece:
    """A piece of text with the channel that it came on; ``tool`` is the recipient of a call, its text the arguments."""

    text: str
    channel: str | None = None
    tool: str | None = None


class HarmonyText:
    """Takes an answer's text piece by piece; where it holds Harmony's marks, gives each part by its channel."""

    def __init__(self) -> None:
        self._held = ""
        self._in_header = False
        self._channel: str | None = None
        self._tool: str | None = None

    def feed(self, text: str) -> Iterator[HarmonyPiece]:
        """Yield what can be told; a possible beginning of a mark is held back."""
        if not self._held and "<" not in text:  # the usual case
            if text:
                yield self._piece(text)
            return
        self._held += text
        yield from self._read()

    def close(self) -> Iterator[HarmonyPiece]:
        """Yield what was held back; it was no mark."""
        rest, self._held = self._held, ""
        if rest:
            self._in_header = False
            yield self._piece(rest)

    def _piece(self, text: str) -> HarmonyPiece:
        return HarmonyPiece(text, self._channel, self._tool)

    def _read(self) -> Iterator[HarmonyPiece]:
        while self._held:
            if self._in_header:
                if not self._read_header():
                    return
                continue
            at, mark = min(
                ((position, mark) for mark in _MARKS if (position := self._held.find(mark)) >= 0), default=(-1, "")
            )
            if at < 0:
                keep = _length_of_beginning(self._held)
                said, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
                if said:
                    yield self._piece(said)
                return
            if at:
                yield self._piece(self._held[:at])
            self._held = self._held[at:]
            if mark in _ENDING:
                self._held = self._held.removeprefix(mark)
                self._channel = self._tool = None
            else:
                self._in_header = True

    def _read_header(self) -> bool:
        """Read up to the message mark; False when it has not come yet."""
        header, found, rest = self._held.partition(_MESSAGE)
        if not found:
            if len(self._held) > _LONGEST_HEADER:  # no header after all: text about Harmony
                self._in_header = False
                self._held = self._held.replace("<|", "<\u200b|", 1)
                return True
            return False
        channel, recipient = _CHANNEL.search(header), _RECIPIENT.search(header)
        self._channel = channel.group(1) if channel else None
        self._tool = recipient.group(1) if recipient else None
        self._held, self._in_header = rest, False
        return True


def _length_of_beginning(text: str) -> int:
    """Return the length of the longest end of ``text`` that begins a mark."""
    longest = max(map(len, _MARKS)) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(mark.startswith(text[-length:]) for mark in _MARKS):
            return length
    return 0


def clean_tool_name(name: str, offered: Iterable[str] = ()) -> str:
    """Return the tool that a call means: marks and ``functions.`` cut off, spelling as it was offered."""
    cleaned = name.partition("<|")[0].strip().removeprefix("functions.")
    names = tuple(offered)
    if cleaned in names:
        return cleaned
    plain = re.sub(r"[\W_]", "", cleaned).lower()
    return next((known for known in names if re.sub(r"[\W_]", "", known).lower() == plain), cleaned)


def parse_arguments(raw: str, tool: str) -> JsonObject:
    """Read a tool call's arguments; what is nearly JSON is repaired, never guessed. Raises ``BadReply``."""
    for candidate in _readings(raw):
        try:
            value = json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, str):  # JSON in a JSON string
            try:
                value = json.loads(value, strict=False)
            except (ValueError, RecursionError):
                continue
        if isinstance(value, dict):
            return value
    raise BadReply(f"the model called {tool or 'a tool'} with arguments that are no JSON object: ask again", raw=raw)


def _readings(raw: str) -> Iterator[str]:
    marked = raw.lstrip().startswith("<|")
    text = (raw.rsplit("|>", maxsplit=1)[-1] if marked else raw.partition("<|")[0]).strip()
    yield text or "{}"
    unfenced = re.sub(r"^```\w*\s*|\s*```$", "", text)
    yield unfenced
    begin = unfenced.find("{")
    if begin >= 0:
        body = unfenced[begin:]
        yield re.sub(r",(\s*[}\]])", r"\1", body)
        yield body + _missing_brackets(body)
        try:
            _, end = json.JSONDecoder(strict=False).raw_decode(body)
        except (ValueError, RecursionError):
            return
        yield body[:end]


def _missing_brackets(text: str) -> str:
    """Return the closing brackets that a text lacks; "" where it ends inside a string, whose rest nobody knows."""
    open_brackets, in_string, escaped = [], False, False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = in_string
        elif character == '"':
            in_string = not in_string
        elif not in_string and character in "{[":
            open_brackets.append("}" if character == "{" else "]")
        elif not in_string and character in "}]" and open_brackets:
            open_brackets.pop()
    return "" if in_string else "".join(reversed(open_brackets))
