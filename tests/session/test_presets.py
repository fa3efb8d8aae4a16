import pytest

from roci_nb.errors import InvalidSetting
from roci_nb.session.options import PRESET_NAMES
from roci_nb.session.presets import PRESETS, harm, preset


def test_every_preset_that_is_offered_exists():
    assert tuple(PRESETS) == PRESET_NAMES


def test_the_models_own_sends_nothing():
    assert preset("model").settings.in_force() == {}


def test_the_guides_and_openais_figures():
    assert preset("openai").settings.in_force() == {"temperature": 1.0, "top_p": 1.0, "top_k": 0}
    assert preset("balanced").settings.in_force() == {
        "temperature": 0.7,
        "top_p": 0.95,
        "top_k": 40,
        "repeat_penalty": 1.1,
    }
    assert preset("code").settings.in_force() == {"temperature": 0.3, "top_p": 0.95}
    assert preset("creative").settings.in_force() == {"temperature": 1.2, "top_p": 0.98, "repeat_penalty": 0.9}


def test_a_repeat_penalty_on_gpt_oss_is_told():
    assert "gpt-oss" in harm(preset("balanced"), "gpt-oss:20b")
    assert harm(preset("balanced"), "llama3.3") is None
    assert harm(preset("openai"), "gpt-oss:20b") is None


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(InvalidSetting, match="did you mean creative"):
        preset("creatve")
