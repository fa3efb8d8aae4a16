"""The base of values that meet the outside: checked by pydantic, told in our words."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from roci_nb.errors import ConfigError, InvalidSetting
from roci_nb.markup.strings import clip, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails


class Value(BaseModel):
    """A frozen value. A wrong field raises one line of ours, never pydantic's own text.

    ``expected`` says of each field what it takes, in words that complete "temperature must be …".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)

    expected: ClassVar[Mapping[str, str]] = {}

    def __init__(self, /, **data: object) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise self._in_our_words(error.errors(include_url=False)[0]) from None

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            raise InvalidSetting(f"{type(self).__name__} is frozen: make a new one with {name}=…", setting=name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if not name.startswith("_"):
            raise InvalidSetting(f"{type(self).__name__} is frozen: make a new one without {name}", setting=name)
        super().__delattr__(name)

    @classmethod
    def _in_our_words(cls, detail: ErrorDetails) -> ConfigError:
        where = [str(part) for part in detail["loc"]]
        field = where[0] if where else cls.__name__
        if detail["type"] == "extra_forbidden":
            near = nearest(field, cls.model_fields)
            advice = f"did you mean {near[0]}?" if near else f"it has {', '.join(cls.model_fields)}"
            return InvalidSetting(f"{cls.__name__} has no {field!r}: {advice}", setting=field)
        if detail["type"] == "missing":
            return InvalidSetting(f"{cls.__name__} needs {field}", setting=field)
        wants = cls.expected.get(field, "a text" if detail["type"] == "string_type" else "of another kind")
        if field.endswith("api_key"):
            return InvalidSetting(f"{field} must be a text", setting=field)
        got = clip(repr(detail["input"]), 60)
        return InvalidSetting(f"{field} must be {wants}, not {got}", setting=field)
