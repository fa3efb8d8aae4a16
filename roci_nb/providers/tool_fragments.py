"""Tool calls that come in pieces, put together (PROTOCOLS G.9)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roci_nb.providers.harmony import clean_tool_name, parse_arguments
from roci_nb.types.json import int_of, object_of, text_of
from roci_nb.types.tools import ToolCall

if TYPE_CHECKING:
    from collections.abc import Collection

    from roci_nb.types.json import JsonObject


@dataclass(slots=True)
class _Fragments:
    index: int | None
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class ToolCallFragments:
    """Takes fragments with or without an index, in one piece or in many."""

    def __init__(self, offered: Collection[str] = ()) -> None:
        self._offered = offered
        self._calls: list[_Fragments] = []

    def add(self, fragment: JsonObject) -> None:
        """Take one fragment."""
        function = object_of(fragment.get("function"))
        name, call_id = text_of(function.get("name")), text_of(fragment.get("id"))
        index = int_of(fragment.get("index"))
        if index is None:
            index = int_of(function.get("index"))
        call = self._call_of(index, call_id, name)
        call.id = call.id or call_id
        if name and name != call.name:
            call.name += name
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            call.arguments = [json.dumps(arguments)]
        elif isinstance(arguments, str):
            call.arguments.append(arguments)

    def _call_of(self, index: int | None, call_id: str, name: str) -> _Fragments:
        """Find the call that a fragment goes on with.

        An id that differs begins a new call, whatever the index: some servers give 0 to every whole call. Without
        index and id, a name behind arguments does.
        """
        for call in reversed(self._calls):
            if call_id and call.id and call_id != call.id:
                continue
            if index is not None and call.index is not None and index != call.index:
                continue
            same = (index is not None and index == call.index) or bool(call_id and call_id == call.id)
            begins = bool(name) and bool(call.arguments)
            if same and not (begins and not call_id and name != call.name):
                return call
            if index is None and not call_id and call is self._calls[-1] and not begins:
                return call
        self._calls.append(_Fragments(index))
        return self._calls[-1]

    def calls(self) -> list[ToolCall]:
        """Return the calls, whole; raises ``BadReply`` where arguments can't be read."""
        return [
            ToolCall(
                name=clean_tool_name(call.name, self._offered),
                arguments=parse_arguments("".join(call.arguments), call.name),
                id=call.id or f"call_{number}",
            )
            for number, call in enumerate(self._calls)
        ]
