"""A cell's prompt as it is sent: its variables put in, its files and pictures with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roci_nb.errors import ConfigError
from roci_nb.magic.interpolation import interpolate, value_of
from roci_nb.magic.notebook_context import notebook_specials, user_variables
from roci_nb.types.messages import ImagePart, ModelMessage, TextPart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from roci_nb.magic.interpolation import RenderedVariable
    from roci_nb.session.command import Command

LARGEST_FILE = 10_000_000
"""A larger one is no text for a prompt."""

_FENCES = re.compile(r"^`{3,}", re.MULTILINE)
_EXPRESSION = re.compile(r"\{\{(.+)\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A user's message, and how each variable in it was rendered."""

    message: ModelMessage
    variables: tuple[RenderedVariable, ...] = ()


def make_prompt(command: Command, shell: InteractiveShell) -> Prompt:
    """Make a cell's message; raises ``ConfigError`` for a name, a file or a picture that is not there."""
    names, specials = user_variables(shell), notebook_specials(shell)
    interpolated = interpolate(command.prompt, names, specials)
    text = "\n\n".join((interpolated.text, *(_file(path) for path in command.files)))
    if not text.strip():
        raise ConfigError("the cell holds no prompt: write one below %%roci")
    if not command.images:
        return Prompt(ModelMessage.user(text), interpolated.variables)
    pictures = [ImagePart.of(_named(image, names, specials)) for image in command.images]
    return Prompt(ModelMessage.user([TextPart(text=text), *pictures]), interpolated.variables)


def _named(image: str, names: Mapping[str, object], specials: Mapping[str, object]) -> object:
    """Return the variable that ``{{ name }}`` stands for, or the path."""
    found = _EXPRESSION.fullmatch(image.strip())
    if found is None:
        return Path(image).expanduser()

    return value_of(found[1].strip(), names, specials)


def _file(path: str) -> str:
    """Return a text file in a fence that nothing in it can close."""
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise ConfigError(f"--file {path} is too large for a prompt: name a smaller one")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--file {path} can't be read ({error.strerror}): name a file that is there") from None
    except UnicodeDecodeError:
        raise ConfigError(f"--file {path} is no text: for a picture there is --image") from None
    fence = "`" * (1 + max((len(found) for found in _FENCES.findall(text)), default=2))
    return f"{file.name}:\n{fence}{file.suffix.removeprefix('.')}\n{text.rstrip()}\n{fence}"
