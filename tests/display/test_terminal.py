import pytest

from roci_nb.display.terminal import TextView
from roci_nb.display.view import Look
from roci_nb.types.events import GenerationWarning, TextStreamDelta
from roci_nb.types.models import LanguageModel
from roci_nb.types.progress import Progress
from roci_nb.types.results import GenerateTextResult

HOSTILE = "\x1b]52;c;cm0=\x07\x1b[2Jsaid\x9b31m\x00\ud800\x08"
MODEL = LanguageModel("ollama", "a\x1b[31mb")


@pytest.mark.parametrize(
    "delta",
    [
        TextStreamDelta(text=HOSTILE),
        TextStreamDelta(reasoning=HOSTILE),
        TextStreamDelta(phase="loading", progress=Progress(HOSTILE)),
    ],
    ids=["text", "reasoning", "phase"],
)
def test_a_model_can_not_steer_the_terminal(capsys, delta):
    view = TextView(Look(heading=HOSTILE), final=False)
    view.add(delta)
    view.finish(GenerateTextResult(HOSTILE, MODEL, warnings=(GenerationWarning(HOSTILE),)))
    written = "".join(capsys.readouterr())
    assert written.count("]52;c;cm0=[2Jsaid31m") >= 2
    assert {character for character in written if not character.isprintable()} <= {"\n", "\r"}
    written.encode()


def test_in_a_pipe_the_standard_output_is_the_answer_alone(capsys):
    view = TextView(Look(heading="the only model installed"), final=False)
    for delta in (TextStreamDelta(phase="loading"), TextStreamDelta(reasoning="Hm."), TextStreamDelta(text="Yes.")):
        view.add(delta)
    view.finish(GenerateTextResult("Yes.", MODEL))
    answer, beside = capsys.readouterr()
    assert answer == "Yes.\n"
    for part in ("the only model installed", "◐ loading", "▾ thinking\nHm.", "────"):
        assert part in beside


def test_a_result_can_not_steer_a_terminal_either():
    shown = GenerateTextResult(HOSTILE, MODEL)._repr_mimebundle_()["text/plain"]
    assert "]52;c;cm0=[2Jsaid31m" in shown
    assert "\x1b" not in shown


def test_hidden_reasoning_shows_as_a_phase_only(capsys):
    view = TextView(Look(reasoning="hide"), final=False)
    view.add(TextStreamDelta(phase="thinking", reasoning="Hm."))
    view.add(TextStreamDelta(text="Yes."))
    view.finish(GenerateTextResult("Yes.", MODEL))
    answer, beside = capsys.readouterr()
    assert answer == "Yes.\n"
    assert "◐ thinking" in beside
    assert "Hm." not in beside
