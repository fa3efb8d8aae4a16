import pytest

from roci_nb.session.load_times import MOST_KEPT, last_load_s, record_load


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ROCI_NB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_last_load_of_a_model_is_remembered_by_host():
    assert last_load_s("ollama:gpt-oss:120b", None) is None
    record_load("ollama:gpt-oss:120b", None, 41.5)
    record_load("ollama:gpt-oss:120b", "box", 12.25)
    record_load("ollama:gpt-oss:120b", None, 39.0)
    assert last_load_s("ollama:gpt-oss:120b", None) == 39.0
    assert last_load_s("ollama:gpt-oss:120b", "box") == 12.25


def test_a_load_that_nobody_waits_for_is_none():
    record_load("ollama:a", None, 0.2)
    assert last_load_s("ollama:a", None) is None


def test_only_the_newest_are_kept():
    for n in range(MOST_KEPT + 5):
        record_load(f"ollama:m{n}", None, 1.0)
    assert last_load_s("ollama:m4", None) is None
    assert last_load_s("ollama:m5", None) == 1.0


@pytest.mark.parametrize("found", ["", "[]", "{", '{"ollama:a": "soon"}', "\x00"])
def test_a_broken_record_is_none(own_cache, found):
    own_cache.mkdir()
    (own_cache / "load_times.json").write_text(found)
    assert last_load_s("ollama:a", None) is None
    record_load("ollama:a", None, 2.0)
    assert last_load_s("ollama:a", None) == 2.0


def test_a_disk_that_cannot_be_written_is_no_error(own_cache):
    own_cache.write_text("a file where the folder should be")
    record_load("ollama:a", None, 2.0)
    assert last_load_s("ollama:a", None) is None
