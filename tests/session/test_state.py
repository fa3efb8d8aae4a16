import pytest

from roci_nb.errors import ConfigError, InvalidSetting
from roci_nb.session.command import parse_assignments
from roci_nb.session.state import Session
from roci_nb.types.options import CellOptions
from roci_nb.types.settings import GenerationSettings


@pytest.fixture
def session():
    session = Session()
    session.set({"temperature": "0.5", "reasoning": "show"})
    return session


@pytest.mark.parametrize(
    "assignments",
    [
        {"top_p": "0.9", "temperature": "hot"},
        {"temperature": "hot", "top_p": "0.9"},
        {"temperature": "0.9", "footer": "big"},
        {"footer": "line", "temperature": "9"},
        {"reasoning": "default", "temperature": "default", "temprature": "1"},
        {"top_p": "0.9", "extra": "{}"},
        {"top_p": "0.9", "preset": "wild"},
    ],
)
def test_settings_are_set_all_or_none(session, assignments):
    with pytest.raises(ConfigError) as caught:
        session.set(assignments)
    assert "\n" not in str(caught.value)
    assert session.settings == GenerationSettings(temperature=0.5)
    assert session.options == CellOptions(reasoning="show")
    assert session.sources == {"temperature": "session"}


def test_values_in_brackets_and_quotes_are_set_as_they_are_meant(session):
    session.set(parse_assignments("""stop_sequences=["a", "b c"] user 'Ann "A" B' system="be brief" seed 7"""))
    assert session.settings == GenerationSettings(
        temperature=0.5, stop_sequences=("a", "b c"), user='Ann "A" B', seed=7
    )
    assert session.options == CellOptions(reasoning="show", system="be brief")


@pytest.mark.parametrize("word", ["default", "none", "unset", "Default"])
def test_a_setting_is_given_back_while_another_is_set(session, word):
    session.set({"temperature": word, "reasoning": word, "seed": "1"})
    assert session.settings == GenerationSettings(seed=1)
    assert session.options == CellOptions()


def test_a_word_that_is_a_value_of_its_own_takes_nothing_back(session):
    session.set({"footer": "none"})
    assert session.options == CellOptions(reasoning="show", footer="none")


def test_a_mistyped_setting_names_the_nearest_even_where_it_is_given_back(session):
    with pytest.raises(InvalidSetting, match="did you mean temperature"):
        session.set({"temprature": "default"})
