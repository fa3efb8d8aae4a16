"""The options of a ``%%roci`` line as data: what the parser reads, the help tells and the completer offers.

Nothing heavy is imported here: the help is made when the extension loads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Target: TypeAlias = Literal["setting", "option", "cell"]


EFFORTS = ("off", "low", "medium", "high")
PRESET_NAMES = ("model", "openai", "balanced", "code", "creative")


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the line.

    ``name`` is its long word, and the name of what it sets: a setting of the model, an option that is configuration
    too, or something of this cell only. Without ``metavar`` it takes no value and sets ``value``.
    """

    flags: tuple[str, ...]
    metavar: str | None
    purpose: str
    target: Target
    name: str
    values: tuple[str, ...] = ()
    value: bool = True
    repeated: bool = False


OPTIONS = (
    Option(("-m", "--model"), "PROVIDER:MODEL", "the model of this cell", "cell", "model"),
    Option(("-s", "--system"), "TEXT", "instructions for the model", "option", "system"),
    Option(("-t", "--temperature"), "T", "how freely words are chosen, from 0 up", "setting", "temperature"),
    Option(("--top-p",), "P", "choose among the likeliest words that make up this share", "setting", "top_p"),
    Option(("--top-k",), "K", "choose among this many likeliest words; 0 is off", "setting", "top_k"),
    Option(("--min-p",), "P", "leave out words this much less likely than the likeliest", "setting", "min_p"),
    Option(("--repeat-penalty",), "R", "make repeated words less likely; 1 is off", "setting", "repeat_penalty"),
    Option(("--max-tokens",), "N", "the longest answer, in tokens", "setting", "max_tokens"),
    Option(("--num-ctx",), "N", "the window, in tokens; another one loads the model again", "setting", "num_ctx"),
    Option(("--seed",), "N", "the same seed gives the same answer", "setting", "seed"),
    Option(("--stop",), "TEXT", "end the answer before this text", "setting", "stop_sequences", repeated=True),
    Option(("--effort",), "LEVEL", "how long a reasoning model thinks", "setting", "reasoning_effort", EFFORTS),
    Option(("--keep-alive",), "TIME", "how long the model stays loaded: 5m, 1h, -1", "setting", "keep_alive"),
    Option(("--preset",), "NAME", "settings that belong together", "option", "preset", PRESET_NAMES),
    Option(("--chat",), "NAME", "talk in a conversation of this name", "option", "chat"),
    Option(("-1", "--alone"), None, "send no earlier turn, and keep this one apart", "option", "alone"),
    Option(("--budget",), "N", "send at most this many tokens of earlier turns", "option", "budget"),
    Option(("--image",), "PATH", "send a picture: a file, or {{ a variable }}", "cell", "image", repeated=True),
    Option(("--file",), "PATH", "send a text file with the prompt", "cell", "file", repeated=True),
    Option(("-o",), "NAME", "bind the result to this name", "cell", "output"),
    Option(("--reasoning",), "HOW", "how the reasoning shows", "option", "reasoning", ("show", "fold", "hide")),
    Option(("--footer",), "HOW", "what stands below the answer", "option", "footer", ("line", "full", "none")),
    Option(("--raw",), None, "show the answer as plain text", "option", "raw"),
    Option(("--no-stream",), None, "show the answer when it is done", "option", "stream", value=False),
    Option(("--timeout",), "SECONDS", "give up after this long", "option", "timeout"),
    Option(("--bg",), None, "answer in the background, while other cells run", "option", "bg"),
    Option(("--dry-run",), None, "show what would be sent, and send nothing", "cell", "dry_run"),
)

BY_FLAG = {flag: option for option in OPTIONS for flag in option.flags}

VALUES = {option.name: option.values for option in OPTIONS if option.values}
SETTABLE = tuple(option.name for option in OPTIONS if option.target != "cell")
"""What ``%roci set`` and the configuration take."""

VERBS = {
    "ask": ("[MODEL] [options] PROMPT", "a prompt on one line"),
    "use": ("PROVIDER:MODEL", "the model of the cells to come"),
    "set": ("NAME VALUE …", "settings and options of the cells to come; default gives one back"),
    "alias": ("NAME PROVIDER:MODEL", "a short name for a model; - takes it away"),
    "models": ("", "what the servers have"),
    "ps": ("", "what is loaded now"),
    "load": ("[MODEL] [--num-ctx N]", "load a model now"),
    "unload": ("[MODEL]", "free a model's memory"),
    "panel": ("", "the settings as controls"),
    "tune": ("", "try settings on a prompt, and compare"),
    "usage": ("[cell|model|conversation]", "tokens used in this kernel"),
    "history": ("[NAME]", "the turns of the conversation, and which of them are stale"),
    "sent": ("[N]", "what was sent, and to whom; N counts back from the last"),
    "code": ("[N]", "put the answer's N-th code block into a new cell below"),
    "fix": ("[options] [prose]", "send the last error with its code"),
    "continue": ("", "go on with an answer that was cut or stopped"),
    "reset": ("[NAME]", "forget the turns of the conversation"),
    "save": ("[PATH]", "keep the conversations in a file"),
    "restore": ("[PATH]", "take them back from it"),
    "stop": ("[N]", "end the answers in the background, or the N-th"),
    "help": ("[VERB]", "this"),
}
"""The verbs of a ``%roci`` line: how each is written, and what it does."""

_HEAD = """Ask a language model: the cell is the prompt, the answer streams below it.

    %%roci [MODEL] [options] [--] [prose]
    prompt

MODEL is PROVIDER:MODEL, an alias, or an installed model's own name. {{ name }} puts a variable into the prompt.

options:
"""
_TAIL = """
_roci is the last answer. %roci help lists the verbs of a line.
"""


def help_text() -> str:
    """Return the help of ``%%roci``."""
    import argparse

    formatter = argparse.HelpFormatter("%%roci", max_help_position=28, width=100)
    parser = argparse.ArgumentParser(add_help=False)
    for option in OPTIONS:
        purpose = option.purpose + (f": {', '.join(option.values)}" if option.values else "")
        if option.metavar is None:
            parser.add_argument(*option.flags, dest=option.name, help=purpose, action="store_true")
        else:
            parser.add_argument(*option.flags, dest=option.name, help=purpose, metavar=option.metavar)
    for action in parser._actions:  # noqa: SLF001 - the formatter alone takes them from nowhere else
        formatter.add_argument(action)
    return _HEAD + formatter.format_help() + _TAIL
