"""The answer's text while it comes: finished Markdown blocks, and the one that is still open."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

BlockKind: TypeAlias = Literal["text", "code"]

LONGEST_OPEN_BLOCK = 16 * 1024
"""A block of prose that grows beyond this is frozen at its last line end: whoever writes it forgot the blank line."""

_FENCE = re.compile(r"\s*(`{3,}|~{3,})([^`\n]*)$")
_HEADING = re.compile(r" {0,3}#{1,6}(\s|$)")
_MATH = (("$$", "$$"), ("\\[", "\\]"))


class AnswerBlocks:
    """Cuts text that comes in pieces where Markdown surely ends a block.

    That is after a fence or a heading, before a fence at the margin, and at a blank line that no indented line
    follows: never inside code or a display formula. The work is linear in the text.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        """The open block's whole lines."""
        self._line = ""
        """The line that has no end yet."""
        self._closing: str | None = None
        """What ends the fence or the formula that is open."""
        self._blank = False
        """Whether the open block's last line is blank, so that the next one may begin a block."""

    def feed(self, text: str) -> list[str]:
        """Take more text; return the sources of the blocks that it finishes."""
        finished: list[str] = []
        *whole, rest = text.split("\n")
        for line in whole:
            self._begin_line(self._line + line, finished)
            self._end_line(self._line + line, finished)
            self._line = ""
        self._line += rest
        if self._line:
            self._begin_line(self._line, finished)
        return finished

    @property
    def kind(self) -> BlockKind:
        """What the open block is so far: prose, or code between fences."""
        return "code" if self._lines and _fence(self._lines[0]) is not None else "text"

    @property
    def open(self) -> str:
        """The open block's text so far; of code, without the fence's line."""
        lines = self._lines[1:] if self.kind == "code" else self._lines
        return "\n".join((*lines, self._line))

    def _begin_line(self, line: str, finished: list[str]) -> None:
        """A blank line ends a block once the next line shows that it goes on at the margin."""
        if self._blank and line.strip() and not line[0].isspace():
            self._freeze(finished)

    def _end_line(self, line: str, finished: list[str]) -> None:
        if self._closing is not None:
            self._lines.append(line)
            if _closes(line, self._closing):
                self._closing = None
                if self.kind == "code":
                    self._freeze(finished)
            return
        fence = _fence(line)
        if fence is not None:
            if not line[0].isspace():
                self._freeze(finished)
            self._closing = fence
        else:
            self._closing = _formula(line)
        heading = _HEADING.match(line) is not None
        if heading:
            self._freeze(finished)
        self._lines.append(line)
        self._blank = not line.strip()
        if heading or (self._closing is None and sum(map(len, self._lines)) > LONGEST_OPEN_BLOCK):
            self._freeze(finished)

    def _freeze(self, finished: list[str]) -> None:
        source = "\n".join(self._lines)
        self._lines.clear()
        self._blank = False
        if source.strip():
            finished.append(source)


def _fence(line: str) -> str | None:
    match = _FENCE.match(line)
    return match[1] if match is not None else None


def _closes(line: str, closing: str) -> bool:
    stripped = line.strip()
    if closing[0] in "`~":
        return len(stripped) >= len(closing) and set(stripped) == {closing[0]}
    return stripped.endswith(closing)


def _formula(line: str) -> str | None:
    stripped = line.strip()
    for opening, closing in _MATH:
        if stripped.startswith(opening) and not (len(stripped) > len(opening) and stripped.endswith(closing)):
            return closing
    return None
