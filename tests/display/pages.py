"""What a page holds of a live answer, by the messages that it was sent: live.js's fold, in Python."""

from __future__ import annotations

from dataclasses import dataclass, field


def units(text: str) -> int:
    """Count as JavaScript does."""
    return len(text.encode("utf-16-le")) // 2


@dataclass
class Page:
    """One page; ``gaps`` counts the messages that did not fit."""

    blocks: list[str] = field(default_factory=list)
    open: tuple[int, str, str] = (0, "text", "")
    reasoning: str = ""
    state: dict = field(default_factory=dict)
    gaps: int = 0

    def take(self, message: dict) -> None:
        for index, html in message.get("blocks", ()):
            if index > len(self.blocks):
                self.gaps += 1
            else:
                self.blocks[index : index + 1] = [html]
        if "reasoning" in message:
            self.reasoning = self._extended(self.reasoning, *message["reasoning"])
        if "open" in message:
            at, kind, offset, more = message["open"]
            before = self.open[2] if self.open[:2] == (at, kind) else ""
            self.open = (at, kind, self._extended(before, offset, more))
        self.state |= message.get("state", {})

    def _extended(self, text: str, offset: int, more: str) -> str:
        if offset > units(text):
            self.gaps += 1
            return text
        return text.encode("utf-16-le")[: 2 * offset].decode("utf-16-le") + more
