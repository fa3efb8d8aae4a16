"""What was sent, or would be: to whom, how much, how each variable was rendered, and the exact JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.markup.html import Html, element
from roci_nb.markup.strings import clip, count
from roci_nb.markup.tables import html_table, text_table

if TYPE_CHECKING:
    from roci_nb.magic.interpolation import RenderedVariable
    from roci_nb.types.messages import ModelMessage
    from roci_nb.types.models import LanguageModel
    from roci_nb.types.requests import RequestPreview, TokenCount

_LONGEST_SHOWN = 400


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request as a person reads it, and as it goes out; keys are redacted.

    ``host`` is where it goes when that is not this machine. ``tokens`` is None where nothing has counted them.
    """

    model: LanguageModel
    host: str | None
    messages: tuple[ModelMessage, ...]
    request: RequestPreview | None
    tokens: TokenCount | None = None
    variables: tuple[RenderedVariable, ...] = ()
    dry: bool = False

    def _facts(self) -> list[tuple[str, str]]:
        where = self.host or "this machine"
        facts = [("would go to" if self.dry else "went to", f"{self.model} on {where}")]
        if self.request is not None:
            facts.append(("address", f"{self.request.method} {self.request.url}"))
        if self.tokens is not None:
            facts.append(("prompt", str(self.tokens)))
        for message in self.messages:
            pictures = f" + {len(message.images)} pictures" if message.images else ""
            facts.append((message.role, clip(message.text, _LONGEST_SHOWN) + pictures))
        for variable in self.variables:
            left_out = f" · left out: {variable.left_out}" if variable.left_out else ""
            about = f"{variable.kind} · ~{count(variable.tokens_estimate)} tok{left_out}"
            facts.append(
                (f"{{{{ {clip(variable.expression, 60)} }}}}", f"{about}\n{clip(variable.text, _LONGEST_SHOWN)}")
            )
        return facts

    def _exact(self) -> str:
        if self.request is None:
            return "(nothing was sent)"
        headers = "\n".join(f"{name}: {value}" for name, value in self.request.headers)
        return f"{headers}\n\n{json.dumps(self.request.body, indent=2, ensure_ascii=False)}".lstrip()

    def __str__(self) -> str:
        return f"{text_table(('', ''), self._facts())}\n\n{self._exact()}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> Html:
        exact = element(
            "pre", self._exact(), style="white-space:pre-wrap;overflow-wrap:anywhere;max-height:30em;overflow:auto"
        )
        folded = element("details", element("summary", "exact request"), exact, style="margin-top:.5em")
        return element("div", html_table(("", ""), self._facts()), folded)
