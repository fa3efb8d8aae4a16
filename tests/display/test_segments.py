from roci_nb.display.answer import final_bundle, running_html
from roci_nb.display.footer import Footer
from roci_nb.display.segments import AnswerSegments
from roci_nb.types.events import TextStreamDelta
from roci_nb.types.models import LanguageModel
from roci_nb.types.progress import Progress
from roci_nb.types.results import GenerateTextResult


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def segments(clock: Clock, *deltas: TextStreamDelta) -> AnswerSegments:
    folded = AnswerSegments(clock)
    for delta in deltas:
        folded.add(delta)
    return folded


def test_a_phase_line_says_what_is_done_for_how_long():
    clock = Clock()
    folded = segments(clock, TextStreamDelta(phase="queued_or_reading"))
    clock.now = 61
    assert folded.phase_line() == "queued or reading the prompt · 1:01"


def test_progress_shows_a_percentage_only_where_the_total_is_known():
    clock = Clock()
    line = lambda progress, phase="downloading": segments(  # noqa: E731
        clock, TextStreamDelta(phase=phase, progress=progress)
    ).phase_line()
    assert line(Progress("downloading x", 41_000_000, 93_000_000)) == "downloading x · 41 MB of 93 MB · 44% · 0:00"
    assert line(Progress("downloading x", 41_000_000)) == "downloading x · 41 MB · 0:00"
    assert line(Progress("loading x", total=13_800_000_000), "loading") == "loading x · 13.8 GB · 0:00"
    assert line(Progress("r", 36, 2048, "tokens"), "reading") == "reading the prompt · 36 of 2k tokens · 2% · 0:00"


def test_the_time_of_thinking_ends_with_the_first_word():
    clock = Clock()
    folded = segments(clock, TextStreamDelta(reasoning="hm", phase="thinking"))
    clock.now = 6.0
    folded.add(TextStreamDelta(text="Hi", phase="answering"))
    clock.now = 60.0
    folded.add(TextStreamDelta(text="!", phase="answering"))
    assert folded.thought_line() == "thought 6 s · ~1 tok"


def test_while_it_thinks_the_last_five_lines_show_and_then_fold():
    thoughts = TextStreamDelta(reasoning="\n".join(f"line {n}" for n in range(9)), phase="thinking")
    folded = segments(Clock(), thoughts)
    html = running_html(folded)
    assert "line 8" in html
    assert "line 3" not in html
    folded.add(TextStreamDelta(text="Hi", phase="answering"))
    assert running_html(folded).startswith("<details")


def test_phases_thoughts_and_warnings_are_never_active():
    hostile = "<img src=x onerror=alert(1)> $x$"
    folded = segments(Clock(), TextStreamDelta(reasoning=hostile, phase="thinking"))
    assert "<img" not in running_html(folded)
    result = GenerateTextResult(text=hostile, model=LanguageModel("a", hostile), reasoning=hostile)
    html = final_bundle(result, Footer((hostile,), (hostile,)), thought=hostile, problem=hostile).data["text/html"]
    assert "<img" not in html


def test_the_saved_reasoning_is_capped_and_says_so():
    result = GenerateTextResult(text="x", model=LanguageModel("a", "b"), reasoning="r" * 10_000)
    html = final_bundle(result, Footer(("b",))).data["text/html"]
    assert html.count("r" * 100) < 100
    assert "1,808 characters more in _roci.reasoning" in html


def test_the_saved_metadata_holds_what_is_known():
    result = GenerateTextResult(text="x", model=LanguageModel("a", "b"), finish_reason="stop")
    assert final_bundle(result, Footer(("b",))).metadata == {
        "roci": {"model": "a:b", "settings": {}, "usage": {}, "timing": {}, "finish_reason": "stop", "warnings": []}
    }
