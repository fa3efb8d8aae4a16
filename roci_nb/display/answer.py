"""An answer as HTML, while it runs and when it is done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from roci_nb.markup.html import Html, element, whole
from roci_nb.markup.markdown import raw_html, render_markdown
from roci_nb.markup.styles import AMBER, GREY, LINE, PROSE, SMALL
from roci_nb.markup.tables import html_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from roci_nb.display.footer import Footer
    from roci_nb.display.segments import AnswerSegments
    from roci_nb.types.options import FooterStyle, ReasoningStyle
    from roci_nb.types.results import GenerateTextResult

SAVED_REASONING_CHARACTERS = 8192
"""How much of the reasoning the saved output keeps; the whole is in ``_roci.reasoning``."""

_QUIET = f"color:{GREY};{SMALL}"
_BOX = f"margin:.2em 0 .6em;padding-left:.8em;border-left:2px solid {LINE};white-space:pre-wrap;{PROSE}"
_FOOTER = f"margin-top:.7em;padding-top:.3em;border-top:1px solid {LINE};{_QUIET}"


@dataclass(frozen=True, slots=True)
class OutputBundle:
    """What stands in the cell when the answer is done: data by media type, and metadata."""

    data: dict[str, str]
    metadata: dict[str, JsonValue]


def running_html(segments: AnswerSegments, *, heading: str | None = None, raw: bool = False) -> str:
    """Show an answer that is still coming: its phase, or its thoughts, or its text so far."""
    above = _heading(heading)
    above += "".join(element("div", f"⚠ {warning}", style=f"color:{AMBER};{SMALL}") for warning in segments.warnings)
    if segments.answering:
        thought = _thought(segments.thought_line(), segments.reasoning) if segments.reasoning else ""
        text = raw_html(segments.text) if raw else render_markdown(segments.text)
        return above + thought + text + element("span", "▌", aria_hidden="true")
    line = element("div", f"◐ {segments.phase_line()}", role="status", style=_QUIET)
    if not segments.reasoning:
        return above + line
    tail = "\n".join(segments.reasoning[-1000:].splitlines()[-5:])
    return above + line + element("div", tail, style=f"{_BOX};{_QUIET};max-height:7.5em;overflow:hidden")


def _heading(line: str | None) -> str:
    return "" if line is None else element("div", line, style=f"margin-bottom:.5em;{_QUIET}")


def notice_html(line: str) -> Html:
    """Show one grey line."""
    return element("div", line, style=_QUIET)


def final_bundle(
    result: GenerateTextResult,
    footer: Footer,
    *,
    heading: str | None = None,
    thought: str = "",
    problem: str | None = None,
    footer_style: FooterStyle = "line",
    reasoning_style: ReasoningStyle = "fold",
    raw: bool = False,
) -> OutputBundle:
    """Show an answer that is done, stopped or broken: static HTML, and the answer's source as plain text."""
    reasoning = result.reasoning if reasoning_style != "hide" else ""
    html = "".join(
        (
            _heading(heading),
            _thought(thought, reasoning, is_open=reasoning_style == "show") if reasoning else "",
            raw_html(result.text) if raw and result.text else render_markdown(result.text),
            footer_html(footer.with_problem(problem), footer_style),
        )
    )
    shown = element("div", Html(html), style=PROSE)
    return OutputBundle({"text/html": shown, "text/plain": whole(result.text)}, {"roci": _metadata(result)})


def footer_html(footer: Footer, style: FooterStyle = "line") -> Html:
    """Show a footer: one grey line that unfolds, and the notices below it; ``none`` leaves the notices only."""
    notices = [
        element("div", notice, style=f"color:{AMBER}" if notice.startswith("⚠") else None) for notice in footer.notices
    ]
    if style != "none":
        notices.insert(0, _facts(footer, is_open=style == "full"))
    return element("div", *notices, style=_FOOTER) if notices else Html("")


def _facts(footer: Footer, *, is_open: bool) -> Html:
    line = " · ".join(footer.facts)
    if not footer.details:
        return element("div", line)
    head, table = element("summary", line, style="cursor:pointer"), html_table(("", ""), footer.details)
    return element("details", head, table, open="" if is_open else None)


def _thought(summary: str, reasoning: str, *, is_open: bool = False) -> Html:
    shown = reasoning[:SAVED_REASONING_CHARACTERS]
    if len(shown) < len(reasoning):
        shown += f"\n… {len(reasoning) - len(shown):,} characters more in _roci.reasoning"
    head, box = element("summary", summary or "thought", style="cursor:pointer"), element("div", shown, style=_BOX)
    return element("details", head, box, open="" if is_open else None, style=f"margin-bottom:.5em;{_QUIET}")


def _metadata(result: GenerateTextResult) -> dict[str, JsonValue]:
    known: dict[str, JsonValue] = {
        "model": str(result.model),
        "settings": _plain(result.settings.in_force()) if result.settings is not None else {},
        "usage": _known(asdict(result.usage)),
        "timing": _known(asdict(result.timing) | {"approximate": result.timing.approximate or None}),
        "finish_reason": result.finish_reason,
        "context_window": result.context_window,
        "gpu_share": result.gpu_share,
        "warnings": [str(warning) for warning in result.warnings],
    }
    return _known(known)


def _plain(settings: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Make lists of tuples: a notebook is JSON."""
    plain: dict[str, JsonValue] = {}
    for name, value in settings.items():
        sequence: Sequence[JsonValue] | None = value if isinstance(value, list | tuple) else None
        plain[name] = list(sequence) if sequence is not None else value
    return plain


def _known(values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: value for name, value in values.items() if value is not None}
