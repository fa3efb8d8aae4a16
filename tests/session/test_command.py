import pytest
from hypothesis import given
from hypothesis import strategies as st

from roci_nb.errors import ConfigError, InvalidSetting
from roci_nb.session.command import (
    OPTIONS,
    Command,
    named_output,
    parse_assignments,
    parse_command,
    setting_value,
)
from roci_nb.types.options import CellOptions
from roci_nb.types.settings import GenerationSettings

KEYS = ("openai-compatible", "embedded")


def parse(line: str, body: str = "why?") -> Command:
    return parse_command(line, body, KEYS)


def test_an_empty_line_leaves_all_to_the_session():
    assert parse("") == Command(prompt="why?")


def test_the_first_word_is_the_model_when_its_provider_is_registered():
    assert parse("embedded:smollm2-135m").model == "embedded:smollm2-135m"
    assert parse("openai-compatible:a:b/c").model == "openai-compatible:a:b/c"


def test_a_mistyped_provider_is_a_model_and_not_prose():
    assert parse("embeded:smollm2-135m").model == "embeded:smollm2-135m"


@pytest.mark.parametrize(
    "line", ["Note: this is prose", "http://example.org is a page", "why: because", "12:30 is early"]
)
def test_prose_with_a_colon_is_prose(line):
    command = parse(line)
    assert command.model is None
    assert command.prompt == f"{line}\nwhy?"


def test_all_options_are_read():
    command = parse(
        'embedded:x -s "be \\"very\\" brief" -t 0.5 --top-p 0.9 --max-tokens 100 --num-ctx 2048 --seed 7 -o answer'
    )
    assert command == Command(
        prompt="why?",
        model="embedded:x",
        output="answer",
        settings=GenerationSettings(temperature=0.5, top_p=0.9, max_tokens=100, num_ctx=2048, seed=7),
        options=CellOptions(system='be "very" brief'),
    )


def test_every_option_of_the_table_is_read():
    values = {
        "model": "embedded:x", "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "repeat_penalty": 1.0,
        "max_tokens": 9, "num_ctx": 2048, "seed": 7, "stop_sequences": ("a", "b"), "reasoning_effort": "low",
        "keep_alive": "5m", "system": "brief", "preset": "code", "chat": "side", "budget": 500, "reasoning": "show",
        "footer": "full", "timeout": 3.5, "output": "answer", "image": ("a.png", "{{fig}}"), "file": ("a.txt",),
    }  # fmt: skip
    line = "embedded:x"
    for option in OPTIONS:
        if option.metavar is None:
            line += f" {option.flags[0]}"
        elif option.name != "model":
            given = values[option.name] if option.repeated else [values[option.name]]
            line += "".join(f" {option.flags[-1]} {value}" for value in given)
    command = parse(line)
    read = {
        **command.settings.in_force(), **command.options.in_force(), "model": command.model, "output": command.output,
        "image": command.images, "file": command.files,
    }  # fmt: skip
    assert read == {**values, "alone": True, "raw": True, "stream": False, "bg": True}
    assert command.dry_run


def test_a_name_that_is_known_is_the_model():
    assert parse_command("fast why", "", KEYS, ["fast"]).model == "fast"
    assert parse_command("fast why", "", KEYS).prompt == "fast why"
    assert parse("-m fast").model == "fast"


def test_minus_one_is_an_option_and_minus_five_is_prose():
    assert parse("-1 tell me").options.alone is True
    assert parse("-5 degrees").options.alone is None


def test_long_options_take_an_equals_sign_and_short_quotes():
    assert parse("--temperature=0 --system='be brief'").options.system == "be brief"
    assert parse("--model=embedded:x").model == "embedded:x"
    assert parse("-m embedded:x").model == "embedded:x"


@pytest.mark.parametrize(
    ("line", "prose"),
    [
        ("-t 0 tell me -- and more", "tell me -- and more"),
        ("-t 0 -- -s is an option of ls", "-s is an option of ls"),
        ("-- embedded:x is no model here", "embedded:x is no model here"),
        ("embedded:x  two  spaces  stay", "two  spaces  stay"),
        ("-5 degrees", "-5 degrees"),
        ("- a list", "- a list"),
        ('he said "hi', 'he said "hi'),
    ],
)
def test_prose_is_kept_to_the_letter_and_stands_before_the_body(line, prose):
    assert parse(line).prompt == f"{prose}\nwhy?"
    assert parse(line, "").prompt == prose


def test_the_bodys_own_lines_are_kept():
    assert parse("", "\n  indented\n\nlast  \n").prompt == "  indented\n\nlast  "


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--temprature 1", "no option --temprature: did you mean --temperature?"),
        ("-t", "-t needs a value: -t T"),
        ("--seed=", "--seed needs a value"),
        ("-t 1 --temperature 2", "--temperature is given twice"),
        ("embedded:x -m embedded:y", "two models"),
        ("-o class", "-o needs a name for a variable"),
        ("--raw=yes", "--raw takes no value"),
        ("-s 'unclosed quote", "the quote is not closed"),
        ("--footer big", "footer must be line, full or none"),
        ("--budget -1", "budget must be a whole number"),
        ("--effort hard", "reasoning_effort must be off, low, medium or high"),
        ("-o 1x", "-o needs a name for a variable"),
        ("-t hot", "temperature must be a number from 0 to 5, not 'hot'"),
        ("--max-tokens 1.5", "max_tokens must be a whole number"),
    ],
)
def test_what_is_wrong_is_one_line(line, told):
    with pytest.raises(ConfigError) as caught:
        parse(line)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_line_is_read_or_refused_in_one_line(line):
    try:
        command = parse(line.replace("\n", " "), "body")
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert command.prompt.endswith("body")


def test_a_settings_value_is_json_where_it_is_json():
    assert setting_value("temperature", "0.5") == 0.5
    assert setting_value("stop_sequences", '["a", "b"]') == ["a", "b"]
    assert setting_value("stop_sequences", "END") == "END"
    assert setting_value("keep_alive", "5m") == "5m"
    assert setting_value("reasoning_effort", "high") == "high"
    assert setting_value("user", "12") == "12"


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(InvalidSetting, match="did you mean num_ctx"):
        setting_value("numctx", "1")


@pytest.mark.parametrize(
    "word", ["gpt-oss:20b", "llama3.2:1b", "qwen2.5-coder:7b-instruct", "olama:gpt-oss:20b", "gpt-oss:20b@x"]
)
def test_a_model_without_its_provider_is_a_model_and_not_prose(word):
    command = parse(f"{word} why is it so")
    assert command.model == word
    assert command.prompt == "why is it so\nwhy?"


@pytest.mark.parametrize(
    ("text", "assignments"),
    [
        ("", {}),
        ("temperature 0.3", {"temperature": "0.3"}),
        ("temperature=0.3 top_p = 0.8 seed 7", {"temperature": "0.3", "top_p": "0.8", "seed": "7"}),
        ('stop_sequences ["a", "b c"] seed 7', {"stop_sequences": '["a", "b c"]', "seed": "7"}),
        ('stop_sequences=["a", "b c"]', {"stop_sequences": '["a", "b c"]'}),
        ("""system "be \\"very\\" brief" user 'a b'""", {"system": 'be "very" brief', "user": "a b"}),
        ("keep_alive -1", {"keep_alive": "-1"}),
        ("  temperature\tdefault  ", {"temperature": "default"}),
    ],
)
def test_assignments_are_names_with_their_values(text, assignments):
    assert parse_assignments(text) == assignments


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("temperature", "temperature needs a value: %roci set temperature VALUE"),
        ("temperature=", "temperature needs a value"),
        ("seed 7 temperature", "temperature needs a value"),
        ("7 seed", "'7 seed' is no setting with a value"),
        ("seed 7 =8", "'=8' is no setting with a value"),
        ('user "a temperature 1', "the quote is not closed"),
        ("seed 7 top_p 1 seed 8", "seed is given twice"),
    ],
)
def test_what_is_no_assignment_is_told_in_one_line(text, told):
    with pytest.raises(ConfigError) as caught:
        parse_assignments(text)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_assignments_are_read_or_refused_in_one_line(text):
    try:
        parse_assignments(text)
    except ConfigError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "line",
    [
        "-o mine",
        "embedded:x -t 0.5 -o mine and prose",
        "fast -o mine",
        "-o=mine",
        "-t hot -o mine",
        "--temprature 1 -o mine",
        "--raw=yes -o mine",
        "-s 'never closed -o mine",
        "-o mine -t",
    ],
)
def test_the_outputs_name_is_found_also_where_the_line_can_not_be_read(line):
    assert named_output(line) == "mine"


@pytest.mark.parametrize(
    "line",
    ["", "what does gcc -o main do", "-- -o main", "-s 'write -o main' why", "-t 0.5 gcc -o main", "-s -o", "-o 1x"],
)
def test_an_o_in_prose_or_in_a_value_names_nothing(line):
    assert named_output(line) is None
