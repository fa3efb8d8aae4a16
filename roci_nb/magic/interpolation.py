"""The user's variables in a prompt: ``{{ expression }}`` becomes what it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.errors import ConfigError, one_line
from roci_nb.magic.expressions import OPENING, expression_spans
from roci_nb.markup.strings import clip, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

BUDGET_TOKENS = 1000
"""How much of a value that is no plain text is told, unless the caller says otherwise."""

_LITERALLY = '{{ "{{" }}'
_SHOWN_EXPRESSION = 80
_SHOWN_REASON = 300


@dataclass(frozen=True, slots=True)
class RenderedVariable:
    """How one ``{{ expression }}`` was rendered; ``left_out`` is "" where the whole value was told.

    ``kind`` is the type's name; ``tokens_estimate`` is ours, by the number of characters.
    """

    expression: str
    kind: str
    text: str
    left_out: str
    tokens_estimate: int


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A prompt with its variables in it, and how each of them was rendered, in order."""

    text: str
    variables: tuple[RenderedVariable, ...] = ()


def interpolate(
    prompt: str,
    namespace: Mapping[str, object],
    specials: Mapping[str, object],
    *,
    budget_tokens: int = BUDGET_TOKENS,
) -> Interpolated:
    """Put the values of ``{{ expression }}`` into a prompt; nothing else in it is active.

    An expression is Jinja's (attributes, elements, slices, calls, arithmetic, filters such as ``|round(2)``),
    evaluated in a sandbox on ``namespace``, then ``specials``, whose values are asked for only where they are named,
    then a few pure built-ins (``len``, ``sum``, ``min``, …). Text goes in whole, anything else as ``describe`` tells
    it; what went in is not looked at again.

    Calls are made: ``{{ df.head() }}`` runs, and so does a function of the user's own, or of a library, with all that
    it does (``df.to_csv(path)`` writes). Closed are names that begin with two underscores, attributes that begin with
    one, methods that change a list, dict, set, frame or array in place, and Python's own functions that run code or
    act on files, processes or the kernel. That is a guard against slips and pasted text, not a wall.

    Literal braces: ``{{ }}`` and a ``{{`` that nothing closes stay as they are; else write a string,
    ``{{ "{{" }}`` or ``{{ "${{ secrets.KEY }}" }}``. ``{% %}`` and ``{# #}`` mean nothing here.

    Raises ``ConfigError`` in one line that names the expression.
    """
    if OPENING not in prompt:
        return Interpolated(prompt)
    pieces: list[str] = []
    variables: list[RenderedVariable] = []
    position = 0
    for span in expression_spans(prompt):
        variable = _rendered(span.expression, namespace, specials, budget_tokens)
        pieces += [prompt[position : span.start], variable.text]
        variables.append(variable)
        position = span.end
    return Interpolated("".join([*pieces, prompt[position:]]), tuple(variables))


def _rendered(
    expression: str, namespace: Mapping[str, object], specials: Mapping[str, object], budget_tokens: int
) -> RenderedVariable:
    from roci_nb.magic.description import describe
    from roci_nb.providers.base import CHARACTERS_PER_TOKEN

    described = describe(value_of(expression, namespace, specials), budget_tokens)
    return RenderedVariable(
        expression=expression,
        kind=described.kind,
        text=described.text,
        left_out=described.left_out,
        tokens_estimate=-(-len(described.text) // CHARACTERS_PER_TOKEN),
    )


class _NoVariable(LookupError):
    """A name that stands for nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def value_of(expression: str, namespace: Mapping[str, object], specials: Mapping[str, object]) -> object:
    """Evaluate one expression as ``interpolate`` does, without its braces; raises ``ConfigError`` in one line."""
    from roci_nb.magic.sandbox import PURE_BUILTINS, evaluate

    def names(name: str) -> object:
        if not name.startswith("__"):
            for known in (namespace, specials, PURE_BUILTINS):
                if name in known:
                    return known[name]
        raise _NoVariable(name)

    try:
        return evaluate(expression, names)
    except (Exception, SystemExit) as error:  # the user's own objects may raise anything
        known = [*namespace, *specials, *PURE_BUILTINS]
        shown = clip(one_line(expression), _SHOWN_EXPRESSION)
        raise ConfigError(f"{{{{ {shown} }}}}: {_reason(error, known)}") from error


def _reason(error: BaseException, known: list[str]) -> str:
    """Say why an expression has no value, and what to do next."""
    from jinja2.exceptions import SecurityError, TemplateSyntaxError, UndefinedError

    told = _told(error)
    match error:
        case _NoVariable():
            return _no_variable(error.name, known)
        case ConfigError():
            return told
        case TemplateSyntaxError():
            return f"not an expression ({told}); to write braces literally: {_LITERALLY}"
        case SecurityError():
            return f"{told}: run it in a cell of its own, and insert its result"
        case UndefinedError():
            return told if told.endswith("?") else f"{told}: look at it in a cell of its own"
        case _:
            named = f"{type(error).__name__}: {told}".removesuffix(": ")
            return f"{named}: run it in a cell of its own to see where"


def _no_variable(name: str, known: list[str]) -> str:
    near = nearest(name, [other for other in known if name.startswith("_") or not other.startswith("_")])
    if near:
        return f"there is no variable {name!r}: did you mean {' or '.join(near)}?"
    return f"there is no variable {name!r}: define it in a cell first; to write braces literally: {_LITERALLY}"


def _told(error: BaseException) -> str:
    from roci_nb.magic.excerpts import without_style

    try:
        return clip(one_line(without_style(str(error))), _SHOWN_REASON).rstrip(".")
    except Exception:  # noqa: BLE001 - a user's __str__
        return ""
