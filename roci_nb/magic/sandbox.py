"""One Jinja expression, evaluated on the user's own variables without reaching Python's inside."""

from __future__ import annotations

import re
import types
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from jinja2 import StrictUndefined, Undefined
from jinja2.exceptions import SecurityError, TemplateRuntimeError, UndefinedError
from jinja2.runtime import Context, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from roci_nb.markup.strings import clip, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PURE_BUILTINS: Mapping[str, Callable[..., object]] = {
    function.__name__: function for function in (abs, len, max, min, round, sorted, sum)
}
"""The built-in functions that an expression may call unless the user's variables say otherwise."""

_NAMES = " names"  # not an identifier: no variable can be called so
_ASKS_WHETHER_DEFINED = re.compile(r"\b(?:un)?defined\b|\bdefault\b|\|\s*d\b")
_LARGEST_POWER_BITS = 1_000_000
_NAMED_KEYS = 8
_SHORTEST_NAME = 3

_CLOSED_MODULES = frozenset(
    {"IPython", "_io", "_pickle", "_posixsubprocess", "_signal", "_socket", "ctypes", "importlib", "io", "ipykernel"}
    | {"marshal", "multiprocessing", "nt", "os", "pickle", "posix", "pty", "runpy", "shutil", "signal", "socket"}
    | {"subprocess", "sys", "webbrowser"}
    # and what reaches around the sandbox
    | {"_operator", "functools", "gc", "inspect", "operator"}
)
_CHANGE_IN_PLACE: Mapping[str, frozenset[str]] = {
    "numpy": frozenset({"fill", "itemset", "partition", "put", "resize", "setfield", "setflags", "sort", "tofile"}),
    "pandas": frozenset({"insert", "pop", "update"}),
    "pathlib": frozenset(
        {"chmod", "hardlink_to", "lchmod", "mkdir", "open", "rename", "replace", "rmdir", "symlink_to", "touch"}
        | {"unlink", "write_bytes", "write_text"}
    ),
}


def evaluate(expression: str, names: Callable[[str], object]) -> object:
    """Evaluate one expression; ``names`` gives a variable's value and raises ``LookupError`` where there is none.

    Raises ``TemplateSyntaxError`` where it is no expression, ``SecurityError`` where it reaches for what is closed,
    ``UndefinedError`` where an attribute or element is missing, and whatever the user's own objects raise. A missing
    name raises the ``LookupError`` of ``names``, unless the expression asks whether something is defined.
    """
    lenient = _ASKS_WHETHER_DEFINED.search(expression) is not None
    compiled = _environment(lenient=lenient).compile_expression(expression, undefined_to_none=False)

    def found(name: str) -> object:
        try:
            return names(name)
        except LookupError:
            if lenient:
                return missing
            raise

    value: object = compiled({_NAMES: found})
    if isinstance(value, Undefined):
        str(value)  # raises, and says what is missing
        raise UndefinedError("the condition does not hold, and there is no else")
    if isinstance(value, TemplateReference):
        raise SecurityError("'self' is Jinja's own name")
    return value


@cache
def _environment(*, lenient: bool) -> _Sandbox:
    environment = _Sandbox(undefined=StrictUndefined if lenient else _RaisedAtOnce)
    environment.globals.clear()
    return environment


class _Names(Context):
    """Asks for a variable when an expression names it, so that what nobody names is never computed."""

    def resolve_or_missing(self, key: str) -> object:
        found: Callable[[str], object] = self.parent[_NAMES]
        return found(key)


class _RaisedAtOnce(StrictUndefined):
    """What is missing raises where it is met: inside a list it would otherwise pass as "Undefined"."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: object = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = UndefinedError,
    ) -> None:
        super().__init__(hint, obj, name, exc)
        if hint is None and obj is not missing:
            raise exc(_what_is_missing(obj, name))
        raise exc(self._undefined_message)


def _what_is_missing(value: object, name: object) -> str:
    """Say what the value does not have, and what is there instead."""
    kind = type(value).__name__
    if isinstance(value, list | tuple | str) and not isinstance(name, str):
        return f"the {kind} has no element {name!r} (it has {len(value):,})"
    keys: list[str] = []
    names: list[str] = []
    with suppress(Exception):  # a user's own methods
        keys = [str(key) for key in (value if isinstance(value, dict) else getattr(value, "columns", ()))]
        names = [known for known in dir(value) if not known.startswith("_") and len(known) >= _SHORTEST_NAME]
    near = nearest(str(name), keys) or nearest(str(name), names)
    if near:
        return f"the {kind} has no {name!r}: did you mean {' or '.join(near)}?"
    named = ", ".join(clip(key, 40) for key in keys[:_NAMED_KEYS])
    more = ", …" if len(keys) > _NAMED_KEYS else ""
    return f"the {kind} has no {name!r}" + (f" (it has {named}{more})" if keys else "")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, and closed besides: what acts on the machine, and what data libraries change in place."""

    context_class = _Names
    intercepted_binops = frozenset({"**"})

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        if not super().is_safe_attribute(obj, attr, value) or _changes(obj, attr):
            return False
        # str.format itself, taken from the type, would read any attribute.
        return not (isinstance(value, types.MethodDescriptorType) and attr in ("format", "format_map"))

    def unsafe_undefined(self, obj: object, attribute: str) -> Undefined:
        hint = f"{attribute!r} of a {type(obj).__name__} is closed to prompts"
        return self.undefined(hint, obj=obj, name=attribute, exc=SecurityError)

    def is_safe_callable(self, obj: object) -> bool:
        if not super().is_safe_callable(obj):
            return False
        home = getattr(obj, "__module__", None)
        if not isinstance(home, str):
            return True
        if home == "builtins" and (obj is type or isinstance(obj, types.BuiltinFunctionType)):
            return obj in PURE_BUILTINS.values()
        return home.partition(".")[0] not in _CLOSED_MODULES

    def call(__self, __context: Context, __obj: object, *args: object, **kwargs: object) -> object:  # noqa: N805, PYI063 - as Jinja names them
        if kwargs.get("inplace"):
            raise SecurityError("inplace=True would change the variable")
        name = getattr(__obj, "__name__", type(__obj).__name__)
        if not __self.is_safe_callable(__obj):
            raise SecurityError(f"{name}() is closed to prompts")
        called: object = super().call(__context, __obj, *args, **kwargs)
        return called

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        if isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > _LARGEST_POWER_BITS:
            raise OverflowError("the power is too large")
        power: object = super().call_binop(context, operator, left, right)
        return power


def _changes(value: object, attribute: str) -> bool:
    roots = {kind.__module__.partition(".")[0] for kind in type(value).__mro__}
    if "torch" in roots and attribute.endswith("_"):
        return True
    return any(attribute in names for root, names in _CHANGE_IN_PLACE.items() if root in roots)
