"""An answer as HTML, while it runs and when it is done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from roci_nb.display.footer import Footer
from roci_nb.markup.html import element, whole
from roci_nb.markup.markdown import render_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from roci_nb.display.segments import AnswerSegments
    from roci_nb.markup.html import Html
    from roci_nb.types.results import GenerateTextResult

SAVED_REASONING_CHARACTERS = 8192
"""How much of the reasoning the saved output keeps; the whole is in ``_roci.reasoning``."""

# JupyterLab's variables first, VS Code's next, and a plain colour for pages that have neither.
_GREY = "var(--jp-ui-font-color2,var(--vscode-descriptionForeground,#6b7280))"
_AMBER = "var(--jp-warn-color1,var(--vscode-editorWarning-foreground,#b45309))"
_LINE = "var(--jp-border-color2,var(--vscode-panel-border,#d1d5db))"
_SMALL = "font-size:.9em;line-height:1.5"
_BOX = (
    f"margin:.2em 0 .6em;padding-left:.8em;border-left:2px solid {_LINE};color:{_GREY};"
    "white-space:pre-wrap;overflow-wrap:anywhere"
)
_FOOTER = f"margin-top:.7em;padding-top:.3em;border-top:1px solid {_LINE};color:{_GREY};{_SMALL}"


@dataclass(frozen=True, slots=True)
class OutputBundle:
    """What stands in the cell when the answer is done: data by media type, and metadata."""

    data: dict[str, str]
    metadata: dict[str, JsonValue]


def running_html(segments: AnswerSegments, *, heading: str | None = None) -> str:
    """Show an answer that is still coming: its phase, or its thoughts, or its text so far."""
    above = _heading(heading)
    above += "".join(element("div", f"⚠ {warning}", style=f"color:{_AMBER};{_SMALL}") for warning in segments.warnings)
    if segments.answering:
        thought = _thought(segments.thought_line(), segments.reasoning) if segments.reasoning else ""
        return above + thought + render_markdown(segments.text) + element("span", "▌", aria_hidden="true")
    line = element("div", f"◐ {segments.phase_line()}", role="status", style=f"color:{_GREY};{_SMALL}")
    if not segments.reasoning:
        return above + line
    tail = "\n".join(segments.reasoning[-1000:].splitlines()[-5:])
    return above + line + element("div", tail, style=f"{_BOX};{_SMALL};max-height:7.5em;overflow:hidden")


def _heading(line: str | None) -> str:
    return "" if line is None else element("div", line, style=f"margin-bottom:.5em;color:{_GREY};{_SMALL}")


def notice_html(line: str) -> Html:
    """Show one grey line."""
    return element("div", line, style=f"color:{_GREY};{_SMALL}")


def final_bundle(
    result: GenerateTextResult,
    footer: Footer,
    *,
    heading: str | None = None,
    thought: str = "",
    problem: str | None = None,
) -> OutputBundle:
    """Show an answer that is done, stopped or broken: static HTML, and the answer's source as plain text."""
    notices = (*footer.notices, f"⚠ {problem}") if problem else footer.notices
    html = "".join(
        (
            _heading(heading),
            _thought(thought, result.reasoning) if result.reasoning else "",
            render_markdown(result.text),
            footer_html(Footer(footer.facts, notices)),
        )
    )
    return OutputBundle({"text/html": html, "text/plain": whole(result.text)}, {"roci": _metadata(result)})


def footer_html(footer: Footer) -> Html:
    """Show a footer: one grey line, and the notices below it."""
    facts = element("div", " · ".join(footer.facts))
    notices = (element("div", notice, style=f"color:{_AMBER}") for notice in footer.notices)
    return element("div", facts, *notices, style=_FOOTER)


def _thought(summary: str, reasoning: str) -> Html:
    shown = reasoning[:SAVED_REASONING_CHARACTERS]
    if len(shown) < len(reasoning):
        shown += f"\n… {len(reasoning) - len(shown):,} characters more in _roci.reasoning"
    head, box = element("summary", summary or "thought"), element("div", shown, style=_BOX)
    return element("details", head, box, style=f"margin-bottom:.5em;color:{_GREY};{_SMALL}")


def _metadata(result: GenerateTextResult) -> dict[str, JsonValue]:
    known: dict[str, JsonValue] = {
        "model": str(result.model),
        "settings": _plain(result.settings.in_force()) if result.settings is not None else {},
        "usage": _known(asdict(result.usage)),
        "timing": _known(asdict(result.timing) | {"approximate": result.timing.approximate or None}),
        "finish_reason": result.finish_reason,
        "context_window": result.context_window,
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
