"""The runs of a tuner as values: a table of them, and two beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roci_nb.markup.html import Html, element
from roci_nb.markup.strings import UNKNOWN, clip, count, seconds
from roci_nb.markup.tables import Table, html_table
from roci_nb.types.settings import GenerationSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import JsonValue

    from roci_nb.types.results import GenerateTextResult

_HEADERS = ("run", "model", "settings", "tokens", "speed", "first token", "seed", "ended", "prompt")
_SHOWN_PROMPT = 40


@dataclass(frozen=True, slots=True)
class TunerRun:
    """One run: what was asked, what came, and how it shows. ``ended`` is how, in a word."""

    number: int
    prompt: str
    system: str | None
    result: GenerateTextResult
    html: str
    ended: str

    @property
    def settings(self) -> GenerationSettings:
        """The settings that were in force, whoever set them."""
        return self.result.settings or GenerationSettings()

    @property
    def label(self) -> str:
        """What a menu calls it."""
        return clip(f"#{self.number} · {_settings_line(self.settings) or 'as the server has it'}", 60)

    def facts(self) -> dict[str, str]:
        """Return its settings and figures by name, as they are compared."""
        result = self.result
        settings = {name: _text(value) for name, value in self.settings.in_force().items()}
        prompt = {"prompt": clip(self.prompt, 200), "system": clip(self.system or UNKNOWN, 200)}
        return {"model": str(result.model), **prompt, **settings}

    def figures(self) -> dict[str, str]:
        """Return what it took."""
        timing, usage = self.result.timing, self.result.usage
        return {
            "tokens": f"{count(usage.input_tokens)} → {count(usage.output_tokens)}",
            "speed": _speed(timing.tokens_per_second, approximate=timing.approximate),
            "first token": seconds(timing.first_token_s),
            "total": seconds(timing.total_s),
            "ended": self.ended,
        }


def table_of(runs: Sequence[TunerRun]) -> Table:
    """Return the runs as a table, the newest first."""
    return Table(_HEADERS, tuple(_row(run) for run in reversed(runs)))


def _row(run: TunerRun) -> tuple[str, ...]:
    figures = run.figures()
    seed = run.settings.seed
    return (
        f"#{run.number}",
        run.result.model.model_id,
        _settings_line(run.settings) or "as the server has it",
        figures["tokens"],
        figures["speed"],
        figures["first token"],
        UNKNOWN if seed is None else str(seed),
        run.ended,
        clip(" ".join(run.prompt.split()), _SHOWN_PROMPT),
    )


def comparison_html(one: TunerRun, other: TunerRun) -> Html:
    """Show two runs beside each other; what differs is marked."""
    left, right = one.facts(), other.facts()
    rows = list(_compared({name: left.get(name) for name in left | right}, right))
    ours, theirs = one.figures(), other.figures()
    rows += [(name, ours[name], theirs[name]) for name in ours]
    table = html_table(("", f"#{one.number}", f"#{other.number}"), rows)
    answers = [
        element("section", element("h5", f"#{run.number}"), Html(run.html), aria_label=f"answer of run {run.number}")
        for run in (one, other)
    ]
    both = element("div", *answers, class_="roci-beside")
    return element("div", element("div", table, class_="roci-scroll"), both)


def _compared(left: dict[str, str | None], right: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, mine in left.items():
        shown = tuple("as the server has it" if value is None else value for value in (mine, right.get(name)))
        if shown[0] == shown[1]:
            yield name, shown[0], shown[1]
        else:
            marked = [element("mark", text) for text in shown]
            yield f"≠ {name}", marked[0], marked[1]


def _settings_line(settings: GenerationSettings) -> str:
    return " · ".join(f"{name} {_text(value)}" for name, value in settings.in_force().items() if name != "seed")


def _text(value: JsonValue) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(repr(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _speed(tokens_per_second: float | None, *, approximate: bool) -> str:
    if tokens_per_second is None:
        return UNKNOWN
    return f"{'~' if approximate else ''}{tokens_per_second:.{0 if tokens_per_second >= 10 else 1}f} tok/s"
