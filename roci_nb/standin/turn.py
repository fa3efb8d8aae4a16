"""One turn asked of a model, whichever server's wire it came over, and the pieces of its answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from roci_nb.standin.wire import Fault
from roci_nb.types.json import text_of
from roci_nb.types.usage import Usage

if TYPE_CHECKING:
    from roci_nb.standin.models import StoredModel
    from roci_nb.standin.options import Effort
    from roci_nb.standin.speakers import Ear
    from roci_nb.types.json import JsonObject
    from roci_nb.types.tools import ToolCall

Format: TypeAlias = "JsonObject | Literal['json'] | None"

_LABEL = re.compile(r"\A\[[^\]\n]* speaks? for [^\]\n]*\]\n*")


def label(speaker: str, name: str) -> str:
    """Return the line that says which small model truly speaks."""
    return f"[{speaker} speaks for {name}]\n\n"


def without_label(text: str) -> str:
    """Take that line off again, where an answer comes back as history."""
    return _LABEL.sub("", text)


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked. ``messages`` are in OpenAI's form; ``effort`` is None where no thought is to be shown."""

    model: StoredModel
    name: str
    """As the client wrote it."""
    messages: tuple[JsonObject, ...]
    sampling: JsonObject
    limit: int | None = None
    effort: Effort | None = None
    tools: tuple[JsonObject, ...] = ()
    format: Format = None
    typed_blindly: bool = False
    """Ollama's own fault with gpt-oss: thinking is off and a format is asked, and the text gets lost."""

    @property
    def last(self) -> JsonObject:
        """The last message."""
        return self.messages[-1]

    @property
    def question(self) -> str:
        """What the user last said."""
        return next((text_of(m.get("content")) for m in reversed(self.messages) if m.get("role") == "user"), "")

    @property
    def system(self) -> str:
        """What the system messages say."""
        return "\n".join(text_of(m.get("content")) for m in self.messages if m.get("role") == "system")

    @property
    def is_begun(self) -> bool:
        """Whether the answer is begun already, and is only to be gone on with."""
        return self.last.get("role") == "assistant" and not self.last.get("tool_calls")

    def current(self) -> tuple[JsonObject, ...]:
        """Return the system messages and the last user's message with what came of it: all that the nano can take."""
        begin = max((i for i, m in enumerate(self.messages) if m.get("role") == "user"), default=0)
        system = tuple(m for m in self.messages[:begin] if m.get("role") == "system")
        return system + self.messages[begin:]

    def plain(self) -> tuple[JsonObject, ...]:
        """Return the messages for a model that knows neither tools nor thoughts."""
        kept: list[JsonObject] = []
        for message in self.messages:
            if message.get("role") == "tool":
                kept.append({"role": "user", "content": f"The tool returned: {text_of(message.get('content'))}"})
            elif text_of(message.get("content")) or message.get("role") != "assistant":
                kept.append({"role": message.get("role"), "content": message.get("content")})
        return tuple(kept)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer."""

    thinking: str = ""
    text: str = ""
    call: ToolCall | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The end of an answer; times are in seconds."""

    finish: Literal["stop", "length", "tool_calls"] = "stop"
    usage: Usage = Usage()
    prompt_s: float = 0.0
    generation_s: float = 0.0
    load_s: float = 0.0

    def after(self, before: Figures) -> Figures:
        """Add what was spent before; the prompt is the later one's."""
        output = (before.usage.output_tokens or 0) + (self.usage.output_tokens or 0)
        thought = (before.usage.reasoning_tokens or 0) + (self.usage.reasoning_tokens or 0)
        return replace(
            self,
            usage=Usage(self.usage.input_tokens, output, None, thought, self.usage.cached_tokens),
            prompt_s=before.prompt_s + self.prompt_s,
            generation_s=before.generation_s + self.generation_s,
            load_s=before.load_s + self.load_s,
        )


async def fitted(ear: Ear, turn: Turn, *, truncate: bool, shift: bool) -> Turn:
    """Make a conversation fit the window as Ollama does (PROTOCOLS A.6): refuse it, or drop its oldest messages.

    The system's messages and the last one stay. A last message that is too long by itself loses its middle, unless
    ``shift`` forbids it.
    """
    window = ear.engine.address.window
    if _surely_fits(turn, window):
        return turn
    count = await ear.count(turn.plain())
    if count < window:
        return turn
    if not truncate:
        raise Fault(400, {"error": _overflow(count, window)})
    messages = list(turn.messages)
    while count >= window:
        oldest = next((i for i, m in enumerate(messages[:-1]) if m.get("role") != "system"), None)
        if oldest is None:
            break
        del messages[oldest]
        turn = replace(turn, messages=tuple(messages))
        count = await ear.count(turn.plain())
    if count < window:
        return turn
    if not shift:
        raise Fault(400, {"error": _TOO_LONG})
    return await _with_the_middle_cut(ear, turn, count)


def _surely_fits(turn: Turn, window: int) -> bool:
    """A token has a byte at least; templates add a few for each message, and SmolLM2's a system text."""
    size = sum(len(text_of(m.get("content")).encode()) + 16 for m in turn.messages)
    return size + 64 < window


async def _with_the_middle_cut(ear: Ear, turn: Turn, count: int) -> Turn:
    tokens = await ear.tokens(text_of(turn.last.get("content")))
    room = len(tokens) - (count - ear.engine.address.window) - ear.engine.address.window // 2
    if room < 2:
        raise Fault(400, {"error": _TOO_LONG})
    text = await ear.text(tokens[: room // 2]) + await ear.text(tokens[-(room // 2) :])
    return replace(turn, messages=(*turn.messages[:-1], {**turn.last, "content": text}))


_TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the "
    "context length in settings, or use a model with a longer context length"
)


def _overflow(count: int, window: int) -> str:
    """Write llama-server's refusal, which Ollama passes on as a text."""
    return (
        f'{{"error":{{"code":400,"message":"request ({count} tokens) exceeds the available context size ({window} '
        f'tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":{count},"n_ctx":{window}}}}}'
    )


def checked_capabilities(turn: Turn, asked_to_think: bool, registry_name: str) -> None:
    """Refuse what the model cannot do, in Ollama's words."""
    if asked_to_think and not turn.model.can("thinking"):
        raise Fault(400, {"error": f'"{turn.name}" does not support thinking'})
    if turn.tools and not turn.model.can("tools"):
        raise Fault(400, {"error": f"{registry_name} does not support tools"})
