"""A run of the tuner to take along: as a ``%%roci`` cell, as Python, as lines of a Modelfile."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from roci_nb.session.options import OPTIONS

if TYPE_CHECKING:
    from pydantic import JsonValue

    from roci_nb.types.models import LanguageModel
    from roci_nb.types.settings import GenerationSettings

_FLAGS = {option.name: option.flags[-1] for option in OPTIONS if option.target == "setting"}
_BARE = re.compile(r"[^\s\"'\\]+")
_BRACES = "{{"
_LITERAL_BRACES = '{{ "{{" }}'
_MODELFILE_NAMES = {"max_tokens": "num_predict", "stop_sequences": "stop"}
_NOT_IN_MODELFILE = ("reasoning_effort", "keep_alive", "user")


def as_cell(model: LanguageModel, prompt: str, system: str | None, settings: GenerationSettings) -> str:
    """Write the cell that asks the same; what has no place on its line is set in a cell before it, or named."""
    line, before, left_out = [_written_model(str(model))], list[str](), list[str]()
    if system is not None:
        _place("system", "-s", system, line, left_out)
    for name, value in settings.in_force().items():
        flag = _FLAGS.get(name)
        texts = [str(text) for text in value] if isinstance(value, list | tuple) else [_plain(value)]
        if flag is not None and not any("\n" in text for text in texts):
            line += [f"{flag} {_quoted(text)}" for text in texts]
        elif isinstance(value, list | tuple):
            before.append(f"{name} {_bracketed(texts)}")
        else:
            _place(name, name, texts[0], before, left_out)
    left_out += ["extra"] if settings.extra else []
    notes = [f"# {name} has no place in a cell's line: take the Python" for name in left_out]
    above = ["# first, in a cell of its own:", f"%roci set {' '.join(before)}", ""] if before else []
    return "\n".join([*notes, *above, f"%%roci {' '.join(line)}", prompt.replace(_BRACES, _LITERAL_BRACES)])


def as_python(model: LanguageModel, prompt: str, system: str | None, settings: GenerationSettings) -> str:
    """Write the call that asks the same."""
    messages = [f"ModelMessage.system({system!r})"] if system is not None else []
    messages.append(f"ModelMessage.user({prompt!r})")
    names = ["GenerationSettings", "ModelMessage", "generate_text_sync"]
    return "\n".join(
        [
            f"from roci_nb import {', '.join(names)}",
            "",
            "result = generate_text_sync(",
            f'    "{model}",',
            f"    [{', '.join(messages)}],",
            f"    {settings!r},",
            ")",
            "result",
        ]
    )


def as_modelfile(system: str | None, settings: GenerationSettings) -> str:
    """Write the lines that make the settings a model's own; what a Modelfile can't hold is a comment."""
    lines = []
    for name, value in settings.in_force().items():
        if name in _NOT_IN_MODELFILE:
            lines.append(f"# {name} {_plain(value)} is no parameter of a Modelfile")
            continue
        values = value if isinstance(value, list | tuple) else [value]
        lines += [_parameter(_MODELFILE_NAMES.get(name, name), _plain(one)) for one in values]
    if system is not None:
        quoted = _in_quotes(system)
        lines.append(f"SYSTEM {quoted}" if quoted is not None else '# the system prompt holds """: no Modelfile can')
    return "\n".join(lines) or "# nothing is set: the model's own policy stands"


def _parameter(name: str, text: str) -> str:
    quoted = _in_quotes(text)
    return f"PARAMETER {name} {quoted}" if quoted is not None else f'# {name} holds """: no Modelfile can'


def _in_quotes(text: str) -> str | None:
    """Quote as Ollama's parser reads it (PROTOCOLS B): there are no escapes, so some texts can't be written."""
    if text and text == text.strip() and "\n" not in text and not text.startswith('"'):
        return text
    if '"' not in text:
        return f'"{text}"'
    return f'"""{text}"""' if '"""' not in text and not text.endswith('"') else None


def _place(name: str, word: str, text: str, line: list[str], left_out: list[str]) -> None:
    if "\n" in text:
        left_out.append(name)
    else:
        line.append(f"{word} {_quoted(text)}")


def _plain(value: JsonValue) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    if _BARE.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _bracketed(texts: list[str]) -> str:
    """Write a list as ``%roci set`` reads it: JSON, which ends at the first bracket."""
    written = ", ".join(json.dumps(text) for text in texts).replace("]", r"\u005d")
    return f"[{written}]"


def _written_model(selector: str) -> str:
    return selector if _BARE.fullmatch(selector) else f"-m {_quoted(selector)}"
