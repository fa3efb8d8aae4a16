from dataclasses import replace

from roci_nb.display.footer import footer_of
from roci_nb.types.events import GenerationWarning
from roci_nb.types.models import LanguageModel
from roci_nb.types.results import GenerateTextResult
from roci_nb.types.usage import Timing, Usage

DONE = GenerateTextResult(
    text="…",
    model=LanguageModel.parse("openai-compatible:gpt-oss-20b"),
    finish_reason="stop",
    usage=Usage(96, 348),
    timing=Timing(total_s=8.9, tokens_per_second=42.3),
    context_window=32768,
)


def test_one_line_tells_whose_answer_its_tokens_speed_time_and_context():
    assert str(footer_of(DONE)) == "gpt-oss-20b · 96 → 348 tok · 42 tok/s · 8.9 s · ctx 1% of 32k"


def test_only_what_is_known_is_named():
    bare = replace(DONE, usage=Usage(), timing=Timing(), context_window=None)
    assert str(footer_of(bare)) == "gpt-oss-20b"


def test_a_speed_of_ours_is_marked():
    ours = replace(DONE, timing=Timing(total_s=1, tokens_per_second=4.25, approximate=True))
    assert "~4.2 tok/s" in str(footer_of(ours))


def test_what_left_this_machine_is_marked():
    assert "↗ sent to api.openai.com" in str(footer_of(DONE, host="api.openai.com"))


def test_a_stopped_answer_says_how_much_is_kept():
    stopped = replace(DONE, finish_reason="cancelled", usage=Usage(), timing=Timing(total_s=2.0), context_window=None)
    footer = footer_of(stopped, received=212)
    assert footer.facts == ("gpt-oss-20b", "~212 tok", "2.0 s")
    assert footer.notices == ("■ stopped after ~212 tokens · kept in _roci",)
    assert footer_of(stopped, received=0).notices == ("■ stopped before the first word",)


def test_a_full_window_and_a_reached_limit_are_told_apart():
    full = replace(DONE, finish_reason="length", usage=Usage(3310, 786), context_window=4096)
    [notice] = footer_of(full).notices
    assert notice.startswith("⚠ cut: the window is full (3,310 + 786 = 4,096).")
    assert "16,384" in notice
    embedded = replace(full, model=LanguageModel.parse("embedded:smollm2-135m"))
    assert footer_of(embedded).notices[0].endswith("%roci set num_ctx 16384")
    cut = replace(DONE, finish_reason="length", usage=Usage(96, 50))
    assert footer_of(cut).notices == ("⚠ cut: the longest answer allowed was reached (50 tokens). More: --max-tokens",)


def test_a_nearly_full_window_is_told():
    assert "81% of the window" in footer_of(replace(DONE, usage=Usage(3000, 318), context_window=4096)).notices[0]


def test_warnings_stand_below():
    warned = replace(DONE, warnings=(GenerationWarning("num_ctx is not sent", setting="num_ctx"),))
    assert footer_of(warned).notices == ("⚠ num_ctx is not sent",)
