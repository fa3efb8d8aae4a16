import pytest

from roci_nb.errors import InvalidSetting
from roci_nb.providers.registry import provider_keys
from roci_nb.session.command import parse_command
from roci_nb.session.options import PRESET_NAMES
from roci_nb.session.presets import PRESETS, harm, preset
from roci_nb.session.state import Session


def test_every_preset_that_is_offered_exists():
    assert tuple(PRESETS) == PRESET_NAMES


def test_the_models_own_sends_nothing():
    assert preset("model").settings.in_force() == {}


def test_the_models_own_takes_back_what_lies_below_it_and_the_line_wins(monkeypatch):
    monkeypatch.setenv("OPENAI_COMPAT_BASE_URL", "http://127.0.0.1:9")
    session = Session()
    session.set({"temperature": "1.5", "repeat_penalty": "1.3", "max_tokens": "9"})

    def in_force(line: str) -> dict[str, object]:
        command = parse_command(f"openai-compatible:phi4 {line}", "hi", provider_keys(), ())
        chosen = session.in_force(command)
        assert chosen.sources.keys() == chosen.settings.in_force().keys()
        return chosen.settings.in_force()

    assert in_force("--preset model") == {"max_tokens": 9}
    assert in_force("--preset model -t 0.2") == {"max_tokens": 9, "temperature": 0.2}
    assert in_force("--preset code")["repeat_penalty"] == 1.3


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
