"""A run to take along says the same as the run did."""

import json

import pytest

import roci_nb
from roci_nb.session.command import parse_assignments, parse_command, setting_value
from roci_nb.session.state import Session
from roci_nb.types.models import LanguageModel
from roci_nb.types.settings import GenerationSettings
from roci_nb.widgets.recipes import as_cell, as_modelfile, as_python

KEYS = ("ollama", "embedded", "lmstudio")
MODEL = LanguageModel.parse("ollama:gpt-oss:20b")


@pytest.mark.parametrize(
    ("model", "system", "settings"),
    [
        ("ollama:gpt-oss:20b", None, GenerationSettings()),
        ("ollama:x", 'Say "so" \\ and so.', GenerationSettings(temperature=0.3, top_k=0, seed=1, num_ctx=8192)),
        ("embedded:/a b/x.gguf", "Be brief.", GenerationSettings(stop_sequences=("a b", '"', "-x"), keep_alive=-1)),
        ("ollama:x", None, GenerationSettings(reasoning_effort="low", max_tokens=5, min_p=0.1, repeat_penalty=1.05)),
        ("ollama:x", None, GenerationSettings(stop_sequences=("\n\n", "]", "x"), presence_penalty=0.5, user="a b")),
    ],
)
def test_the_cell_asks_the_same(model, system, settings):
    text = as_cell(LanguageModel.parse(model), "What is -1?\n\nSay it.", system, settings)
    before, _, cell = text.rpartition("%%roci ")
    line, _, body = cell.partition("\n")
    command = parse_command(line, body, KEYS)
    session = Session()
    for row in before.splitlines():
        if row.startswith("%roci set "):
            session.set(parse_assignments(row.removeprefix("%roci set ")))
    assert command.model == model
    assert command.prompt == "What is -1?\n\nSay it."
    assert command.options.system == system
    assert (session.settings | command.settings).in_force() == settings.in_force()


def test_braces_of_a_prompt_stay_braces_in_a_cell():
    from roci_nb.magic.interpolation import interpolate

    text = as_cell(MODEL, "{{ x }}", None, GenerationSettings())
    assert interpolate(text.partition("\n")[2], {}, {}).text == "{{ x }}"


def test_what_has_no_place_in_a_cell_is_named():
    text = as_cell(MODEL, "Hi", "two\nlines", GenerationSettings(extra={"mirostat": 1}))
    assert "# system has no place in a cell's line: take the Python" in text
    assert "# extra has no place" in text


def test_the_python_asks_the_same(monkeypatch):
    settings = GenerationSettings(temperature=0.3, stop_sequences=("\n",), extra={"mirostat": 1})
    asked = []
    text = as_python(MODEL, 'Say "hi"\n', "Be brief.", settings)
    code = compile(text.removesuffix("result"), "recipe", "exec")
    monkeypatch.setitem(vars(roci_nb), "generate_text_sync", lambda *given: asked.append(given))
    exec(code, {})
    [(model, messages, given)] = asked
    assert model == str(MODEL)
    assert [(one.role, one.text) for one in messages] == [("system", "Be brief."), ("user", 'Say "hi"\n')]
    assert given == settings


def test_the_modelfile_has_ollamas_names_and_says_what_it_cannot_hold():
    settings = GenerationSettings(
        max_tokens=5, temperature=0.3, stop_sequences=("END", " x", "\n", '" y'), keep_alive="5m"
    )
    assert as_modelfile("Be brief.", settings).splitlines() == [
        "PARAMETER num_predict 5",
        "PARAMETER temperature 0.3",
        "PARAMETER stop END",
        'PARAMETER stop " x"',
        'PARAMETER stop "',
        '"',
        'PARAMETER stop """" y"""',
        "# keep_alive 5m is no parameter of a Modelfile",
        "SYSTEM Be brief.",
    ]


def test_a_list_for_the_line_is_read_back():
    [(name, value)] = parse_assignments(f"stop_sequences {json.dumps(['a', 'b'])}").items()
    assert setting_value(name, value) == ["a", "b"]
