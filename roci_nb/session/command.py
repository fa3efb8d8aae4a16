"""A ``%%roci`` cell to a value: the model, the options and the prompt, told apart by a pure function."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roci_nb.errors import ConfigError, InvalidSetting
from roci_nb.markup.strings import nearest
from roci_nb.types.settings import GenerationSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the line; ``setting`` names the setting that it is, if it is one."""

    flags: tuple[str, ...]
    metavar: str
    purpose: str
    setting: str | None = None

    @property
    def name(self) -> str:
        """The long flag."""
        return self.flags[-1]


OPTIONS = (
    Option(("-m", "--model"), "PROVIDER:MODEL", "the model of this cell"),
    Option(("-s", "--system"), "TEXT", "instructions for the model"),
    Option(("-t", "--temperature"), "T", "how freely words are chosen, from 0 up", "temperature"),
    Option(("--top-p",), "P", "choose among the likeliest words that make up this share", "top_p"),
    Option(("--max-tokens",), "N", "the longest answer, in tokens", "max_tokens"),
    Option(("--num-ctx",), "N", "the window, in tokens; another one loads the model again", "num_ctx"),
    Option(("--seed",), "N", "the same seed gives the same answer", "seed"),
    Option(("-o",), "NAME", "bind the result to this name"),
)
_BY_FLAG = {flag: option for option in OPTIONS for flag in option.flags}
_WORD = re.compile(r"\S+")
_SELECTOR = re.compile(r"[a-z][\w.-]*:[\w./:@-]*\w")
_VALUE = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\S+)""")
_BRACKETS = re.compile(r"\[[^\]]*\]")
_ASSIGNMENT = re.compile(r"\s*([A-Za-z_][\w-]*)(?:\s*=\s*|\s+|$)")
_OUTPUT = re.compile(r"(?:^|\s)-o[\s=]\s*([A-Za-z_]\w*)")
_NUMBER = re.compile(r"-?\.?\d")


@dataclass(frozen=True, slots=True)
class Command:
    """What one cell asks: ``model`` and ``system`` are None where the line does not say."""

    prompt: str
    model: str | None = None
    system: str | None = None
    output: str | None = None
    settings: GenerationSettings = field(default_factory=GenerationSettings)


def parse_command(line: str, body: str, provider_keys: Collection[str]) -> Command:
    """Read the line of a ``%%roci`` cell and its body.

    The first word is the model if it begins with the key of a provider; options follow; the first other word, or
    ``--``, begins prose, which is kept to the letter and put before the body. Raises ``ConfigError`` in one line.
    """
    model, position = _leading_model(line, provider_keys)
    given: dict[str, str] = {}
    while match := _WORD.search(line, position):
        word = match.group()
        if word == "--":
            position = match.end()
            break
        if not word.startswith("-") or word == "-" or _NUMBER.match(word):
            break
        option, value, position = _read_option(line, match)
        if option.name in given:
            raise ConfigError(f"{option.name} is given twice: keep one")
        given[option.name] = value
    if model is not None and "--model" in given:
        raise ConfigError(f"two models, {model} and {given['--model']}: keep one")
    prose = line[position:].strip()
    return Command(
        prompt="\n".join(part for part in (prose, body.strip("\n")) if part.strip()),
        model=model or given.get("--model"),
        system=given.get("--system"),
        output=_name(given.get("-o")),
        settings=_settings(given),
    )


def _leading_model(line: str, provider_keys: Collection[str]) -> tuple[str | None, int]:
    match = _WORD.search(line)
    if match is None or match.group().startswith("-"):
        return None, 0
    key, colon, rest = match.group().partition(":")
    # "gpt-oss:20b" lacks its provider and "olama:x" misspells it: taken for prose, the wrong model would answer.
    looks_like_one = _SELECTOR.fullmatch(match.group()) is not None and not rest.startswith("//")
    if colon and rest and (key in provider_keys or looks_like_one):
        return match.group(), match.end()
    return None, 0


def _read_option(line: str, match: re.Match[str]) -> tuple[Option, str, int]:
    flag, equals, _ = match.group().partition("=")
    option = _BY_FLAG.get(flag)
    if option is None:
        near = nearest(flag, _BY_FLAG, 1)
        advice = f"did you mean {near[0]}?" if near else f"it knows {', '.join(option.name for option in OPTIONS)}"
        raise ConfigError(f"%%roci has no option {flag}: {advice} (prose that begins with a dash goes behind --)")
    start = match.start() + len(flag) + 1 if equals else match.end()
    value = _VALUE.match(line, start) if equals else _VALUE.search(line, start)
    if value is None:
        raise ConfigError(f"{flag} needs a value: {flag} {option.metavar}")
    return option, _unquoted(value), value.end()


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
        values[name] = value.group() if value.re is _BRACKETS else _unquoted(value)
        position = value.end()
    if text[position:].strip():
        raise ConfigError(f"{text[position:].strip()!r} is no setting with a value: %roci set NAME VALUE")
    return values


def named_output(line: str) -> str | None:
    """Return the name behind ``-o``, also on a line that can't be read otherwise."""
    match = _OUTPUT.search(line)
    return None if match is None else match.group(1)


def _settings(given: Mapping[str, str]) -> GenerationSettings:
    values = {
        option.setting: setting_value(option.setting, given[option.name])
        for option in OPTIONS
        if option.setting is not None and option.name in given
    }
    return GenerationSettings(**values)  # type: ignore[arg-type]  # checked by the constructor, in our words


def setting_value(name: str, text: str) -> JsonValue:
    """Read a setting's value as it is written on a line: JSON where it is JSON, else text."""
    if name not in GenerationSettings.model_fields or name == "extra":
        near = nearest(name, [field for field in GenerationSettings.model_fields if field != "extra"], 1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(GenerationSettings.model_fields)}"
        raise InvalidSetting(f"there is no setting {name!r}: {advice}", setting=name)
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return text if name == "user" or isinstance(value, dict) else value


def _name(text: str | None) -> str | None:
    if text is not None and not text.isidentifier():
        raise ConfigError(f"-o needs a name for a variable, not {text!r}")
    return text
