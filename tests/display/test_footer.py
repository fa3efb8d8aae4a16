from dataclasses import replace

import pytest

from roci_nb import OllamaProvider, RociConfig, generate_text_sync
from roci_nb.display.footer import Footer, footer_of, footer_text
from roci_nb.types.events import GenerationWarning
from roci_nb.types.models import LanguageModel
from roci_nb.types.results import GenerateTextResult
from roci_nb.types.settings import GenerationSettings
from roci_nb.types.tools import ToolCall
from roci_nb.types.usage import Timing, Usage
from tests.servers.scripted import Reset, head, send
from tests.servers.scripted_ollama import ScriptedOllama, line

DONE = GenerateTextResult(
    text="…",
    model=LanguageModel.parse("openai-compatible:gpt-oss-20b"),
    finish_reason="stop",
    usage=Usage(96, 348),
    timing=Timing(total_s=8.9, tokens_per_second=42.3),
    context_window=32768,
)
OLLAMA = LanguageModel.parse("ollama:gpt-oss:20b")
FULL = replace(DONE, model=OLLAMA, finish_reason="length", usage=Usage(3310, 786), context_window=4096)


def notices(result, **known):
    return footer_of(result, **known).notices


def test_one_line_tells_whose_answer_its_tokens_speed_time_and_context():
    assert str(footer_of(DONE)) == "gpt-oss-20b · 96 → 348 tok · 42 tok/s · 8.9 s · ctx 1% of 32k"


def test_only_what_is_known_is_named():
    bare = footer_of(replace(DONE, usage=Usage(), timing=Timing(), context_window=None, finish_reason=None))
    assert str(bare) == "gpt-oss-20b"
    assert bare.details == (("model", "openai-compatible:gpt-oss-20b"), ("settings", "as the server has them"))


def test_a_speed_of_ours_is_marked():
    ours = replace(DONE, timing=Timing(total_s=1, tokens_per_second=4.25, approximate=True))
    assert "~4.2 tok/s" in str(footer_of(ours))


def test_what_left_this_machine_is_marked():
    assert "↗ sent to api.openai.com" in str(footer_of(DONE, host="api.openai.com"))


def test_the_turns_that_were_sent_are_in_the_line():
    assert str(footer_of(DONE, turns=1)).endswith("↩ 1 turn")
    assert str(footer_of(DONE, turns=3, turn_tokens=420)).endswith("↩ 3 turns, ~420 tok")
    assert "↩" not in str(footer_of(DONE, turns=0))


def test_a_stopped_answer_says_how_much_is_kept():
    stopped = replace(DONE, finish_reason="cancelled", usage=Usage(), timing=Timing(total_s=2.0), context_window=None)
    footer = footer_of(stopped, received=212)
    assert footer.facts == ("gpt-oss-20b", "~212 tok", "2.0 s")
    assert footer.notices == ("■ stopped after ~212 tokens · kept · %roci continue",)
    counted = replace(stopped, usage=Usage(96, 212))
    assert notices(counted, received=200) == ("■ stopped after 212 tokens · kept · %roci continue",)


def test_what_has_no_text_cannot_be_continued():
    stopped = replace(DONE, text="", finish_reason="cancelled", usage=Usage())
    assert notices(replace(stopped, reasoning="hm"), received=40) == ("■ stopped after ~40 tokens · kept",)
    assert notices(stopped, received=0) == ("■ stopped before the first word",)


# The window


def test_a_full_window_tells_the_sum_and_the_way_out():
    assert notices(replace(FULL, timing=Timing(load_s=7.2))) == (
        "⚠ cut: the window is full (3,310 + 786 = 4,096). %roci set num_ctx 16384 (reload ~7 s), then %roci continue",
    )


@pytest.mark.parametrize("load_s", [None, 0.04, 1.0])
def test_a_reload_that_is_quick_or_not_known_is_not_priced(load_s):
    [notice] = notices(replace(FULL, timing=Timing(load_s=load_s)))
    assert notice.endswith("%roci set num_ctx 16384, then %roci continue")


@pytest.mark.parametrize("key", ["openai-compatible", "openai"])
def test_where_a_request_cannot_ask_for_a_window_the_model_must_be_loaded_with_it(key):
    [notice] = notices(replace(FULL, model=LanguageModel(key, "m")))
    assert notice.endswith("Load the model with a window of 16,384")


def test_a_window_that_ends_an_answer_one_token_early_is_full_too():
    [notice] = notices(replace(FULL, usage=Usage(3310, 785)))
    assert "(3,310 + 785 = 4,095 of 4,096)" in notice


def test_a_large_window_is_doubled():
    assert "num_ctx 65536" in notices(replace(FULL, usage=Usage(32000, 768), context_window=32768))[0]


def test_a_reached_limit_is_told_from_a_full_window():
    for cut in (Usage(96, 50), Usage(4000, 500)):  # the second one ran past the window
        [notice] = notices(replace(FULL, usage=cut))
        assert notice.startswith("⚠ cut: the longest answer allowed was reached (")
        assert notice.endswith(" tokens). %roci continue, or more: --max-tokens")


def test_a_nearly_full_window_is_told():
    assert "81% of the window" in notices(replace(DONE, usage=Usage(3000, 318), context_window=4096))[0]
    assert notices(replace(DONE, usage=Usage(3000, 200), context_window=4096)) == ()


def test_an_answer_that_ran_past_its_window_is_told_once():
    past = GenerationWarning("the answer ran past the window (4,000 + 200 > 4,096): …")
    result = replace(DONE, usage=Usage(4000, 200), context_window=4096)
    assert notices(replace(result, warnings=(past,))) == (f"⚠ {past}",)
    assert len(notices(result)) == 1


def test_a_short_window_is_told_to_who_thinks():
    short = replace(DONE, model=OLLAMA, reasoning="hm", context_window=4096)
    assert notices(short) == ("⚠ the window of 4,096 is short for a model that thinks. %roci set num_ctx 16384",)
    assert notices(short, window_told=True) == ()
    elsewhere = replace(short, model=DONE.model)
    assert notices(elsewhere)[0].endswith("Load the model with a window of 16,384")
    assert notices(replace(short, reasoning="")) == notices(replace(short, context_window=8192)) == ()


# Nothing said


def test_an_answer_without_text_is_told():
    assert notices(replace(DONE, text=" \n")) == ("the model answered nothing",)
    assert notices(replace(DONE, text="", tool_calls=(ToolCall(name="f"),))) == ()


def test_an_answer_that_was_cut_before_its_first_word_is_told_once():
    cut = replace(FULL, text="", reasoning="hm", usage=Usage(96, 50))
    assert notices(cut) == ("⚠ cut before the first word of the answer: more --max-tokens",)
    [full] = notices(replace(cut, usage=Usage(3310, 786)))
    assert full == (
        "⚠ cut before the first word of the answer: the window is full (3,310 + 786 = 4,096). "
        "%roci set num_ctx 16384, then ask again"
    )


def test_nothing_is_told_twice():
    twice = GenerationWarning("num_ctx is not sent", setting="num_ctx")
    footer = footer_of(replace(DONE, warnings=(twice, twice)))
    assert footer.notices == ("⚠ num_ctx is not sent",)
    assert footer.with_problem("num_ctx is not sent") == footer.with_problem(None) == footer
    assert footer.with_problem("the server is gone").notices[1:] == ("⚠ the server is gone",)


# The processor


def test_a_part_on_the_cpu_is_a_warning_and_the_whole_of_it_a_fact():
    [notice] = notices(replace(DONE, gpu_share=0.62))
    assert notice.startswith("⚠ 38% of the model runs on the CPU")
    without = footer_of(replace(DONE, gpu_share=0.0))
    assert (without.facts[-1], without.notices) == ("on the CPU", ())


@pytest.mark.parametrize("share", [None, 1.0, 0.999])
def test_a_model_on_the_gpu_or_nobody_knows_where_is_not_remarked_on(share):
    footer = footer_of(replace(DONE, gpu_share=share))
    assert (footer.facts, footer.notices) == (footer_of(DONE).facts, ())


def ollama_result(server, **settings):
    provider = OllamaProvider("gpt-oss:20b", server.url, config=RociConfig())
    return generate_text_sync(provider, "Hello", GenerationSettings(**settings))


def asked(server, path):
    return sum(request.path == path for request in server.requests)


def test_ollama_tells_the_part_on_the_cpu_without_being_asked_once_more(scripted):
    ollama = ScriptedOllama().install(scripted)
    ollama.by_another_client()
    provider = OllamaProvider("gpt-oss:20b", scripted.url, config=RociConfig())
    generate_text_sync(provider, "Hello")
    before = asked(scripted, "/api/ps")
    result = generate_text_sync(provider, "Hello")
    assert result.gpu_share == 0.5
    assert any("50% of the model runs on the CPU" in notice for notice in notices(result))
    assert asked(scripted, "/api/ps") == before + 1  # the one before each request, that asks for the window


def test_a_model_that_was_loaded_for_the_answer_is_looked_at_when_it_is_there(scripted):
    ScriptedOllama().install(scripted)
    result = ollama_result(scripted, num_ctx=16384)
    assert (result.gpu_share, result.context_window) == (0.5, 16384)


def test_a_server_that_dies_after_the_answer_does_not_take_it_along(scripted):
    ollama = ScriptedOllama().install(scripted)
    last = {"message": {"role": "assistant", "content": "Hi"}, "done": True, "done_reason": "stop"}

    def chat(_):
        scripted.routes["GET /api/ps"] = [Reset()]
        return [head(200, "application/x-ndjson"), send(line(last))]

    scripted.routes["POST /api/chat"] = chat
    result = ollama_result(scripted, num_ctx=2048)
    assert (result.text, result.gpu_share, result.context_window) == ("Hi", None, 2048)
    assert ollama.loads == []


# What unfolds


def test_the_details_name_the_times_and_counts():
    timing = Timing(load_s=7.2, prompt_s=0.4, first_token_s=8.1, generation_s=18.7)
    usage = Usage(3310, 786, reasoning_tokens=500, cached_tokens=3000)
    details = footer_of(replace(FULL, timing=timing, usage=usage, gpu_share=0.62), turns=2).details
    assert details == (
        ("model", "ollama:gpt-oss:20b"),
        ("load", "7.2 s"),
        ("prompt read", "0.4 s · 775 tok/s"),
        ("first token", "8.1 s"),
        ("generation", "18.7 s"),
        ("reasoning", "500 tok"),
        ("prompt from cache", "3,000 tok"),
        ("window", "4,096 tok"),
        ("on the GPU", "62%"),
        ("turns sent", "2"),
        ("settings", "as the server has them"),
        ("ended by", "length"),
    )


def test_the_speed_of_reading_is_told_only_where_the_cached_part_is_known():
    read = footer_of(replace(DONE, timing=Timing(prompt_s=0.4)))
    assert ("prompt read", "0.4 s") in read.details


def test_each_setting_says_where_it_came_from():
    settings = GenerationSettings(temperature=0.2, stop_sequences=("END",), seed=7, extra={"num_gpu": 9})
    details = footer_of(replace(DONE, settings=settings), sources={"temperature": "line", "seed": "session"}).details
    assert ("temperature", "0.2 (line)") in details
    assert ("seed", "7 (session)") in details
    assert ("stop_sequences", '["END"]') in details
    assert ("num_gpu", "9") in details
    assert "settings" not in dict(details)


def test_without_settings_the_server_decides_or_the_engine():
    unset = replace(DONE, settings=GenerationSettings())
    assert ("settings", "as the server has them") in footer_of(unset).details
    embedded = replace(unset, model=LanguageModel.parse("embedded:nano"))
    assert ("settings", "as the engine has them") in footer_of(embedded).details


def test_a_terminal_shows_the_line_all_of_it_or_the_notices_only():
    footer = Footer(("m", "1 s"), ("⚠ w",), (("model", "a:m"), ("load", "2.0 s")))
    assert footer_text(footer) == str(footer) == "m · 1 s\n⚠ w"
    assert footer_text(footer, "full") == "m · 1 s\n  model  a:m\n  load   2.0 s\n⚠ w"
    assert footer_text(footer, "none") == "⚠ w"
    assert footer_text(Footer(("m",)), "none") == ""
