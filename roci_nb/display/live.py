"""The live view: an anywidget that is told what is new, and everything when it asks."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import anywidget

from roci_nb.display.blocks import AnswerBlocks
from roci_nb.markup.html import quote, whole
from roci_nb.markup.markdown import raw_html, render_markdown
from roci_nb.markup.styles import BARE_CODE, CODE, SCROLLER, WIDE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import JsonValue

    from roci_nb.display.segments import AnswerSegments
    from roci_nb.types.options import ReasoningStyle

Message: TypeAlias = "dict[str, JsonValue]"

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

KEPT_WIDGETS = 4

_STATIC = Path(__file__).parent / "static"


class LiveWidget(anywidget.AnyWidget):
    """The model of the view; it has no state of its own, so that nothing is kept twice."""

    _esm = _STATIC / "live.js"
    _css = _STATIC / "live.css"


class LiveAnswer:
    """Sends an answer to its views: finished blocks by index, open text by offset, the rest when it changes.

    Messages are idempotent. A view says ``ready`` when it starts, and again when it misses something; it is answered
    with everything so far. Its messages may come in another thread than the answer's. ``on_stop`` is called when
    its button is pressed; the button is shown once a ``ready`` has come while the answer runs, which proves that
    the front end can reach a kernel that is busy.
    """

    def __init__(
        self,
        segments: AnswerSegments,
        *,
        heading: str | None = None,
        reasoning_style: ReasoningStyle = "fold",
        raw: bool = False,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self._segments = segments
        self._reasoning_style = reasoning_style
        self._render = raw_html if raw else render_markdown
        self._on_stop = on_stop
        self._lock = threading.RLock()
        self._source = AnswerBlocks()
        self._blocks: list[str] = []
        self._sent_blocks = 0
        self._open = _SentText()
        self._open_block: tuple[int, str] = (0, "text")
        self._reasoning: list[str] = []
        self._sent_reasoning = _SentText()
        self._new_reasoning = ""
        self._state: Message = {"heading": heading or "", "look": reasoning_style}
        self._sent_state: Message = {}
        self._can_stop = False
        self._done = False
        self.widget = LiveWidget()
        self.widget.on_msg(self._heard)

    @property
    def view(self) -> dict[str, JsonValue]:
        """The data of the output that shows the widget."""
        return {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}

    @property
    def refused(self) -> bool:
        """Whether the front end has closed the channel: it knows no widgets."""
        comm = self.widget.comm
        return not self._done and (comm is None or bool(getattr(comm, "_closed", False)))

    def add(self, text: str, reasoning: str) -> None:
        """Take what is new; nothing is sent before ``flush``."""
        with self._lock:
            if text:
                self._blocks.extend(_by_class(self._render(source)) for source in self._source.feed(whole(text)))
            if reasoning and self._reasoning_style != "hide":
                self._new_reasoning += whole(reasoning)

    def flush(self) -> None:
        """Send what is new, in one message; nothing where nothing is."""
        with self._lock:
            message = self._news()
            if message:
                self._send(message)

    def finish(self, html: str) -> None:
        """End: the output is static now, and needs no widget.

        A page that was loaded again while the kernel was busy has no such output: it asks when the cell has ended, and
        its view shows ``html``. So the last few widgets stay.
        """
        with self._lock:
            self._done = True
            self._blocks, self._source, self._reasoning = [], AnswerBlocks(), []
            self._open_block, self._sent_blocks, self._state = (0, "text"), 0, {"final": html}
        _finished.append(self)
        if len(_finished) > KEPT_WIDGETS:
            _finished.popleft().close()

    def close(self) -> None:
        """Close the channel, and that of its layout; a view that is still there goes with it."""
        self.widget.layout.close()
        self.widget.close()

    def _news(self) -> Message:
        message: Message = {}
        if self._sent_blocks < len(self._blocks):
            new = self._blocks[self._sent_blocks :]
            message["blocks"] = [[self._sent_blocks + n, html] for n, html in enumerate(new)]
            self._sent_blocks = len(self._blocks)
        block, text = (len(self._blocks), self._source.kind), self._source.open
        if block != self._open_block:
            self._open_block, self._open = block, _SentText()
            message["open"] = [*block, 0, ""]
        if len(text) > self._open.characters:
            message["open"] = [*block, *self._open.add(text[self._open.characters :])]
        if self._new_reasoning:
            message["reasoning"] = [*self._sent_reasoning.add(self._new_reasoning)]
            self._reasoning.append(self._new_reasoning)
            self._new_reasoning = ""
        self._state |= self._now()
        changed = {name: value for name, value in self._state.items() if self._sent_state.get(name) != value}
        if changed:
            message["state"] = changed
            self._sent_state = dict(self._state)
        return message

    def _now(self) -> Message:
        segments = self._segments
        quiet = segments.answering or (segments.phase == "thinking" and self._reasoning_style != "hide")
        return {
            "answering": segments.answering,
            "phase": "" if quiet else f"◐ {segments.phase_text()}",
            "clock": "" if quiet else segments.phase_clock(),
            "thought": segments.thought_line() if segments.has_reasoning else "",
            "notices": "\n".join(f"⚠ {warning}" for warning in segments.warnings),
            "stop": self._can_stop and self._on_stop is not None,
        }

    def _everything(self) -> Message:
        """Say all that has been sent so far; what is newer follows with the next message."""
        at, kind = self._open_block
        return {
            "blocks": [[index, html] for index, html in enumerate(self._blocks[: self._sent_blocks])],
            "open": [at, kind, 0, self._source.open[: self._open.characters] if at == len(self._blocks) else ""],
            "reasoning": [0, "".join(self._reasoning)],
            "state": {**self._state, **({} if self._done else self._now())},
        }

    def _heard(self, _: object, content: object, __: object) -> None:
        if not isinstance(content, dict):
            return
        with self._lock:
            page = content.get("ready")
            if isinstance(page, str):
                self._can_stop = True
                self._send({"ready": page, **self._everything()})
        if content.get("stop") and self._on_stop is not None and not self._done:
            self._on_stop()

    def _send(self, message: Message) -> None:
        self.widget.send(message)
        if self.widget.comm is not None:
            # ipykernel 7.4 sends a view's messages to the subshell that wrote to it last: the one that is busy.
            self.widget.comm.__dict__.pop("_reply_subshell_id", None)


_finished: deque[LiveAnswer] = deque()


def close_finished() -> None:
    """Close the widgets that are kept for a page that was loaded again."""
    while _finished:
        _finished.popleft().close()


def _by_class(html: str) -> str:
    """Leave out the styles that live.css has: written out, they would be most of what a short block sends."""
    for style in (CODE, BARE_CODE, SCROLLER, WIDE):
        html = html.replace(f' style="{quote(style)}"', "")
    return html


class _SentText:
    """How much of a text has been sent, in Python's characters and in JavaScript's."""

    def __init__(self) -> None:
        self.characters = 0
        self._units = 0

    def add(self, text: str) -> tuple[int, str]:
        """Count more text; return the offset at which it begins, as JavaScript counts, and the text."""
        offset = self._units
        self.characters += len(text)
        self._units += len(text) + sum(character > "\uffff" for character in text)
        return offset, text
