"""A ``%%roci`` cell to a value: the model, the options and the prompt, told apart by a pure function."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import TYPE_CHECKING

from roci_nb.errors import ConfigError, InvalidSetting
from roci_nb.markup.strings import clip, nearest
from roci_nb.session.options import BY_FLAG, OPTIONS
from roci_nb.types.options import CellOptions
from roci_nb.types.settings import GenerationSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic import JsonValue

    from roci_nb.session.options import Option, Target


_WORD = re.compile(r"\S+")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][\w./:@-]*")
_SELECTOR = re.compile(r"[a-z][\w.-]*:[\w./:@-]*\w")
_VALUE = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\S+)""")
_BRACKETS = re.compile(r"\[[^\]]*\]")
_ASSIGNMENT = re.compile(r"\s*([A-Za-z_][\w-]*)(?:\s*=\s*|\s+|$)")
_OUTPUT = re.compile(r"(?:^|\s)-o[\s=]\s*([A-Za-z_]\w*)")
_NUMBER = re.compile(r"-?\.?\d")


@dataclass(frozen=True, slots=True)
class Command:
    """What one cell asks: ``model`` is None where the line does not say."""

    prompt: str
    model: str | None = None
    output: str | None = None
    settings: GenerationSettings = field(default_factory=GenerationSettings)
    options: CellOptions = field(default_factory=CellOptions)
    images: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    dry_run: bool = False


def parse_command(line: str, body: str, provider_keys: Collection[str], names: Collection[str] = ()) -> Command:
    """Read the line of a ``%%roci`` cell and its body.

    The first word is the model if it begins with the key of a provider, or is one of ``names``: an alias or an
    installed model. Options follow; the first other word, or ``--``, begins prose, which is kept to the letter and
    put before the body. Raises ``ConfigError`` in one line.
    """
    model, position = _leading_model(line, provider_keys, names)
    given: dict[str, list[str]] = {}
    while match := _WORD.search(line, position):
        word = match.group()
        if word == "--":
            position = match.end()
            break
        if not _is_option(word):
            break
        option, value, position = _read_option(line, match)
        if option.name in given and not option.repeated:
            raise ConfigError(f"{option.flags[-1]} is given twice: keep one")
        given.setdefault(option.name, []).append(value)
    if model is not None and "model" in given:
        raise ConfigError(f"two models, {model} and {given['model'][0]}: keep one")
    prose = line[position:].strip()
    return Command(
        prompt="\n".join(part for part in (prose, body.strip("\n")) if part.strip()),
        model=model or given.get("model", [None])[0],
        output=_name(given["output"][0]) if "output" in given else None,
        settings=_settings(given),
        options=_options(given),
        images=tuple(given.get("image", ())),
        files=tuple(given.get("file", ())),
        dry_run="dry_run" in given,
    )


def leading_word(line: str) -> str | None:
    """Return the first word of the line, if it may be a model's name."""
    match = _WORD.search(line)
    return match.group() if match is not None and _MODEL_NAME.fullmatch(match.group()) else None


def _leading_model(line: str, provider_keys: Collection[str], names: Collection[str]) -> tuple[str | None, int]:
    match = _WORD.search(line)
    if match is None or match.group().startswith("-"):
        return None, 0
    key, colon, rest = match.group().partition(":")
    # "gpt-oss:20b" lacks its provider and "olama:x" misspells it: taken for prose, the wrong model would answer.
    looks_like_one = _SELECTOR.fullmatch(match.group()) is not None and not rest.startswith("//")
    if match.group() in names or (colon and rest and (key in provider_keys or looks_like_one)):
        return match.group(), match.end()
    return None, 0


def _read_option(line: str, match: re.Match[str]) -> tuple[Option, str, int]:
    flag, equals, _ = match.group().partition("=")
    option = BY_FLAG.get(flag)
    if option is None:
        near = nearest(flag, BY_FLAG, 1)
        advice = f"did you mean {near[0]}?" if near else "%%roci? lists them"
        raise ConfigError(f"%%roci has no option {flag}: {advice} (prose that begins with a dash goes behind --)")
    if option.metavar is None:
        if equals:
            raise ConfigError(f"{flag} takes no value: write {flag} alone")
        return option, json.dumps(option.value), match.end()
    start = match.start() + len(flag) + 1 if equals else match.end()
    value = _VALUE.match(line, start) if equals else _VALUE.search(line, start)
    if value is None:
        raise ConfigError(f"{flag} needs a value: {flag} {option.metavar}")
    _check_quote(flag, value)
    return option, _unquoted(value), value.end()


def _check_quote(name: str, value: re.Match[str]) -> None:
    bare = value.group(3)
    if bare is not None and bare[0] in "\"'":
        raise ConfigError(f"{name} {clip(bare, 30)}: the quote is not closed")


def _unquoted(value: re.Match[str]) -> str:
    double, single, bare = value.groups()
    quoted = double if double is not None else single
    return bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)


def parse_assignments(text: str) -> dict[str, str]:
    """Read ``temperature 0.3 stop_sequences=["a", "b"]``: names with their values, quoted or in brackets."""
    values: dict[str, str] = {}
    position = 0
    while match := _ASSIGNMENT.match(text, position):
        name, value = match.group(1), _BRACKETS.match(text, match.end()) or _VALUE.match(text, match.end())
        if value is None:
            raise ConfigError(f"{name} needs a value: %roci set {name} VALUE")
        if name in values:
            raise ConfigError(f"{name} is given twice: keep one")
        if value.re is _VALUE:
            _check_quote(name, value)
        values[name] = value.group() if value.re is _BRACKETS else _unquoted(value)
        position = value.end()
    if text[position:].strip():
        raise ConfigError(f"{text[position:].strip()!r} is no setting with a value: %roci set NAME VALUE")
    return values


def named_output(line: str) -> str | None:
    """Return the name behind ``-o``, also on a line that can't be read otherwise; never a word of its prose."""
    first = _WORD.search(line)
    position = first.end() if first is not None and not first.group().startswith("-") else 0
    while (match := _WORD.search(line, position)) and _is_option(match.group()):
        try:
            option, value, position = _read_option(line, match)
        except ConfigError:  # from here on nobody knows which word is what
            found = _OUTPUT.search(line, match.start())
            return None if found is None else found.group(1)
        if option.name == "output":
            return value if value.isidentifier() else None
    return None


def _is_option(word: str) -> bool:
    return word.startswith("-") and word not in ("-", "--") and (word in BY_FLAG or not _NUMBER.match(word))


def _settings(given: Mapping[str, list[str]]) -> GenerationSettings:
    values = {
        option.name: [*given[option.name]] if option.repeated else setting_value(option.name, given[option.name][0])
        for option in OPTIONS
        if option.target == "setting" and option.name in given
    }
    return GenerationSettings(**values)  # type: ignore[arg-type]  # checked by the constructor, in our words


def _options(given: Mapping[str, list[str]]) -> CellOptions:
    values = {name: option_value(name, given[name][0]) for name in _named("option") if name in given}
    return CellOptions(**values)  # type: ignore[arg-type]  # checked by the constructor, in our words


def _named(target: Target) -> list[str]:
    return [option.name for option in OPTIONS if option.target == target]


def setting_value(name: str, text: str) -> JsonValue:
    """Read a setting's value as it is written on a line: JSON where it is JSON, else text."""
    if name not in GenerationSettings.model_fields or name == "extra":
        known = [field for field in GenerationSettings.model_fields if field != "extra"] + _named("option")
        near = nearest(name, known, 1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise InvalidSetting(f"there is no setting {name!r}: {advice}", setting=name)
    value = _json(text)
    return text if name == "user" or isinstance(value, dict) else value


def option_value(name: str, text: str) -> JsonValue:
    """Read an option's value as it is written on a line."""
    if name in ("system", "preset", "chat", "reasoning", "footer"):
        return text
    if name in ("stream", "alone", "bg", "raw"):
        return {"on": True, "yes": True, "off": False, "no": False}.get(text.lower(), _json(text))
    return _json(text)


def _json(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value


def _name(text: str) -> str:
    if not text.isidentifier() or iskeyword(text):
        raise ConfigError(f"-o needs a name for a variable, not {text!r}")
    return text
