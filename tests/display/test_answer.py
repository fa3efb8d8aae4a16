from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roci_nb import OllamaProvider, RociConfig, generate_text_sync
from roci_nb.display.answer import SAVED_REASONING_CHARACTERS, final_bundle, footer_html
from roci_nb.display.footer import Footer, footer_of
from roci_nb.markup.html import whole
from roci_nb.markup.styles import AMBER
from roci_nb.types.events import GenerationWarning
from roci_nb.types.models import LanguageModel
from roci_nb.types.results import GenerateTextResult
from roci_nb.types.settings import GenerationSettings
from tests.display.outputs import check_output
from tests.servers.scripted_ollama import ScriptedOllama

MODEL = LanguageModel.parse("ollama:gpt-oss:20b")
DONE = GenerateTextResult(text="# Hi\n\nthere  \n", model=MODEL, finish_reason="stop", reasoning="hm")
FOOTER = Footer(("m", "1 s"), ("⚠ amber", "quiet"), (("model", "a:m"), ("load", "2.0 s")))


def html(result=DONE, footer=FOOTER, **how):
    shown = final_bundle(result, footer, **how).data["text/html"]
    check_output(shown)
    return shown


@given(st.text())
def test_plain_text_is_the_answers_source(text):
    for how in ({}, {"raw": True}, {"footer_style": "full", "problem": "x", "heading": "y"}):
        assert final_bundle(replace(DONE, text=text), FOOTER, **how).data["text/plain"] == whole(text)


def test_the_answers_source_keeps_its_blanks_and_line_ends():
    source = "\n\n  a\t\n```\nb\n```  \n\n"
    assert final_bundle(replace(DONE, text=source), FOOTER).data["text/plain"] == source


HOSTILE = "<img src=x onerror=alert(1)> $x$ \\(y\\) \"' </details></div> &lt;"
hostile = st.one_of(st.just(HOSTILE), st.text(max_size=20))


@given(hostile, hostile, st.sampled_from(["line", "full", "none"]), st.sampled_from(["show", "fold", "hide"]))
def test_no_text_of_anybody_adds_an_element(text, other, footer_style, reasoning_style):
    result = GenerateTextResult(
        text=text,
        model=LanguageModel("ollama", other if other.strip() else "m"),
        reasoning=other,
        finish_reason="stop",
        warnings=(GenerationWarning(other),),
        settings=GenerationSettings(user=other, extra={text: other}),
    )
    footer = footer_of(result, host=other, sources={"user": text}, turns=1)
    html(
        result,
        footer,
        heading=other,
        thought=other,
        problem=text,
        footer_style=footer_style,
        reasoning_style=reasoning_style,
    )


# The footer


def test_the_line_unfolds_by_itself_without_a_script():
    line = footer_html(FOOTER)
    assert '<details><summary style="cursor:pointer">m · 1 s</summary><table' in line
    assert footer_html(FOOTER, "full").count('<details open="">') == 1
    assert "<details" not in footer_html(Footer(("m",)))


def test_no_footer_leaves_the_notices():
    none = footer_html(FOOTER, "none")
    assert "1 s" not in none
    assert "⚠ amber" in none
    assert footer_html(Footer(("m",)), "none") == ""


def test_a_warning_is_amber_and_what_is_said_quietly_is_not():
    shown = footer_html(FOOTER)
    assert f'<div style="color:{AMBER}">⚠ amber</div><div>quiet</div>' in shown


def test_an_answer_of_nothing_says_so():
    empty = replace(DONE, text="")
    assert "<div>the model answered nothing</div>" in html(empty, footer_of(empty))
    assert "<pre" not in html(empty, footer_of(empty), raw=True)


def test_a_problem_is_told_once():
    told = GenerationWarning("the server is gone")
    result = replace(DONE, warnings=(told,))
    assert html(result, footer_of(result), problem="the server is gone").count("the server is gone") == 1
    assert "⚠ the server is gone" in html(problem="the server is gone")


def test_what_a_model_says_before_its_answer_is_text_and_no_thought(scripted):
    """Harmony's commentary, where the server lets its marks through."""
    ollama = ScriptedOllama().install(scripted)
    said = (
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary<|message|>Let me look.<|end|>",
        "<|start|>assistant<|channel|>final<|message|>It is 5.",
    )
    ollama.answer = tuple({"message": {"role": "assistant", "content": piece}, "done": False} for piece in said)
    result = generate_text_sync(OllamaProvider("gpt-oss:20b", scripted.url, config=RociConfig()), "x")
    assert result.reasoning == "hm"
    assert result.text.startswith("Let me look.")
    assert result.text.endswith("It is 5.")
    assert "Let me look." in html(result)


# The reasoning


def test_the_reasoning_is_folded_open_or_left_out():
    assert "<details style=" in html(thought="thought 6 s")
    assert '<details open="" style=' in html(thought="thought 6 s", reasoning_style="show")
    hidden = html(thought="thought 6 s", reasoning_style="hide")
    assert "thought" not in hidden
    assert "hm" not in hidden


@pytest.mark.parametrize("style", ["fold", "show"])
def test_long_reasoning_is_capped_in_what_is_saved(style):
    long = replace(DONE, reasoning="r" * (SAVED_REASONING_CHARACTERS + 1808))
    shown = html(long, reasoning_style=style)
    assert shown.count("r" * 100) < 100
    assert "1,808 characters more in _roci.reasoning" in shown
    whole_ = html(replace(DONE, reasoning="r" * SAVED_REASONING_CHARACTERS))
    assert "characters more" not in whole_


def test_the_metadata_holds_the_part_on_the_gpu_where_it_is_known():
    assert final_bundle(replace(DONE, gpu_share=0.62), FOOTER).metadata["roci"]["gpu_share"] == 0.62
    assert "gpu_share" not in final_bundle(DONE, FOOTER).metadata["roci"]
