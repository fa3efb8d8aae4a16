import pytest

from roci_nb.errors import ConfigError, InvalidSetting
from roci_nb.types.settings import GenerationSettings


def test_unset_is_none_and_not_in_force():
    settings = GenerationSettings(temperature=0.7)
    assert settings.top_p is None
    assert settings.in_force() == {"temperature": 0.7}


def test_merging_lets_the_right_side_win_and_keeps_the_rest():
    merged = GenerationSettings(temperature=0.7, top_p=0.9, extra={"a": 1, "b": 1}) | GenerationSettings(
        temperature=0.2, seed=3, extra={"b": 2}
    )
    assert merged == GenerationSettings(temperature=0.2, top_p=0.9, seed=3, extra={"a": 1, "b": 2})


def test_zero_is_set():
    merged = GenerationSettings(temperature=0.7) | GenerationSettings(temperature=0, top_k=0)
    assert merged.in_force() == {"temperature": 0, "top_k": 0}


def test_nothing_is_taken_out_of_settings():
    with pytest.raises(InvalidSetting, match="is frozen: make a new one without seed"):
        del GenerationSettings(seed=3).seed


@pytest.mark.parametrize("name", ["temperature", "temprature", "model_fields_set"])
def test_settings_are_frozen_in_one_line_of_ours(name):
    settings = GenerationSettings(temperature=0.5)
    with pytest.raises(InvalidSetting) as caught:
        setattr(settings, name, 1)
    assert str(caught.value) == f"GenerationSettings is frozen: make a new one with {name}=…"
    assert caught.value.setting == name
    assert settings == GenerationSettings(temperature=0.5)


@pytest.mark.parametrize(("name", "largest"), [("max_tokens", 2**31 - 1), ("num_ctx", 2**31 - 1), ("seed", 2**32 - 2)])
def test_a_number_that_a_servers_integer_cannot_hold_is_refused(name, largest):
    assert getattr(GenerationSettings(**{name: largest}), name) == largest
    with pytest.raises(InvalidSetting, match=f"{name} must be a whole number"):
        GenerationSettings(**{name: largest + 1})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"temperature": "hot"}, "temperature must be a number from 0 to 5, not 'hot'"),
        ({"temperature": -1}, "temperature must be a number from 0 to 5, not -1"),
        ({"temperature": float("nan")}, "temperature must be a number from 0 to 5, not nan"),
        ({"temperature": True}, "temperature must be a number from 0 to 5, not True"),
        ({"top_p": 1.5}, "top_p must be a number from 0 to 1, not 1.5"),
        ({"max_tokens": 0}, "max_tokens must be a whole number from 1 up, not 0"),
        ({"max_tokens": 1.5}, "max_tokens must be a whole number from 1 up, not 1.5"),
        ({"num_ctx": "8k"}, "num_ctx must be a whole number of tokens from 1 up, not '8k'"),
        ({"reasoning_effort": "max"}, "reasoning_effort must be off, low, medium or high, not 'max'"),
        ({"keep_alive": "300"}, "keep_alive must be seconds, or a duration"),
        ({"stop_sequences": [""]}, "stop_sequences must be a text or a list of texts"),
        ({"stop_sequences": 3}, "stop_sequences must be a text or a list of texts"),
        ({"extra": {"a": object()}}, "extra must be a dict of JSON values"),
        ({"temprature": 1}, "GenerationSettings has no 'temprature': did you mean temperature?"),
    ],
)
def test_a_wrong_setting_is_one_line_of_ours(given, told):
    with pytest.raises(InvalidSetting) as caught:
        GenerationSettings(**given)
    message = str(caught.value)
    assert told in message
    assert "\n" not in message
    assert "pydantic" not in message.lower()
    assert caught.value.setting == next(iter(given))
    assert isinstance(caught.value, ConfigError)


def test_stops_and_keep_alive_take_their_usual_forms():
    assert GenerationSettings(stop_sequences="END").stop_sequences == ("END",)
    assert GenerationSettings(stop_sequences=["a", "b"]).stop_sequences == ("a", "b")
    for value in (300, 0.5, -1, 0, "5m", "1h30m", "90s"):
        assert GenerationSettings(keep_alive=value).keep_alive == value


def test_the_repr_shows_what_is_set_and_can_be_read_back():
    settings = GenerationSettings(temperature=0.5, stop_sequences=("a",), extra={"mirostat": 2})
    assert repr(settings) == "GenerationSettings(temperature=0.5, stop_sequences=('a',), extra={'mirostat': 2})"
    assert eval(repr(settings)) == settings
