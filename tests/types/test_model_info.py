"""Models as tables."""

from __future__ import annotations

from roci_nb.types.model_info import ModelInfo, ModelList
from roci_nb.types.models import LanguageModel

PLAIN = ModelInfo(LanguageModel("ollama", "phi4"), loaded=False, size_bytes=9_100_000_000)
TOLD = ModelInfo(LanguageModel("embedded", "tiny"), loaded=False, downloaded=False, about="a <toy>")


def test_a_list_has_a_last_column_only_where_something_is_told_about_a_model():
    assert "about" not in str(ModelList([PLAIN])) + ModelList([PLAIN])._repr_html_()
    both = ModelList([PLAIN, TOLD])
    assert "about" in str(both)
    assert "a <toy>" in str(both)
    assert "a &lt;toy&gt;" in both._repr_html_()
    assert str(ModelList()) == "no models"
    assert "no models" in ModelList()._repr_html_()


def test_what_would_be_fetched_first_is_told_as_such():
    assert "not downloaded" in str(TOLD)
    assert "to download" in str(ModelList([TOLD]))
    assert "not loaded" in str(PLAIN)
    assert "download" not in str(ModelList([PLAIN]))
