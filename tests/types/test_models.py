import pytest
from hypothesis import given
from hypothesis import strategies as st

from roci_nb.errors import SelectorError
from roci_nb.types.models import LanguageModel


def test_colons_in_the_model_id_are_kept():
    model = LanguageModel.parse("ollama:gpt-oss-120b:q4_k_m")
    assert (model.provider_key, model.model_id) == ("ollama", "gpt-oss-120b:q4_k_m")
    assert model == LanguageModel(provider_key="ollama", model_id="gpt-oss-120b:q4_k_m")


@given(
    st.from_regex(r"[a-z][a-z-]{0,10}", fullmatch=True),
    st.text(min_size=1).filter(lambda text: text == text.strip() and text),
)
def test_a_selector_survives_the_round_trip(key, model_id):
    assert LanguageModel.parse(str(LanguageModel(key, model_id))) == LanguageModel(key, model_id)


@pytest.mark.parametrize("selector", ["", "llama3.3", ":x", "ollama:", "ollama: ", "two words:x"])
def test_what_is_no_selector_says_how_one_is_written(selector):
    with pytest.raises(SelectorError, match="write"):
        LanguageModel.parse(selector)


def test_only_the_form_is_checked():
    assert LanguageModel.parse("nobody:knows").provider_key == "nobody"
