"""What an embedded model id means."""

from __future__ import annotations

import os

import pytest

from roci_nb.errors import ConfigError
from roci_nb.local.weights import PACKAGED, WEIGHTS, longest_answer, resolve_model_path, stored_path, weights_folder


@pytest.fixture
def gguf(tmp_path):
    path = tmp_path / "llama-3.2-1b.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0")
    return path


def refusal_of(model_id):
    with pytest.raises(ConfigError) as caught:
        resolve_model_path(str(model_id))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_known_name_means_its_weights():
    assert resolve_model_path("smollm2-135m") is WEIGHTS["smollm2-135m"]
    assert resolve_model_path("SmolLM2-135M") is WEIGHTS["smollm2-135m"]


def test_the_nano_lies_in_the_package():
    nano = resolve_model_path("gpt-oss-nano")
    assert nano == resolve_model_path("GPT-OSS-nano") == PACKAGED["gpt-oss-nano"].path
    assert nano.stat().st_size < 1_200_000


def test_whoever_comes_near_the_nano_is_told_that_it_is_a_toy():
    assert refusal_of("gpt-oss-20b") == (
        "the embedded engine has no model named 'gpt-oss-20b': write embedded:gpt-oss-nano (a toy of half a million "
        "parameters, for tests and tutorials), or a GGUF file, embedded:/path/model.gguf"
    )


def test_answers_of_the_named_models_end_and_a_users_own_file_has_no_limit(gguf, tmp_path):
    assert longest_answer(PACKAGED["gpt-oss-nano"].path) == longest_answer(stored_path(WEIGHTS["smollm2-135m"])) == 2048
    assert longest_answer(gguf) is None
    (tmp_path / "linked.gguf").symlink_to(PACKAGED["gpt-oss-nano"].path)
    assert longest_answer(tmp_path / "linked.gguf") == 2048


def test_a_path_may_be_absolute_relative_or_begin_at_home(gguf, monkeypatch):
    monkeypatch.chdir(gguf.parent)
    monkeypatch.setenv("HOME", str(gguf.parent))
    monkeypatch.setenv("USERPROFILE", str(gguf.parent))
    for model_id in (str(gguf), gguf.name, f"./{gguf.name}", f"~/{gguf.name}", f" {gguf} "):
        assert resolve_model_path(model_id) == gguf


def test_a_file_without_the_ending_is_taken_by_its_content(gguf, monkeypatch):
    monkeypatch.chdir(gguf.parent)
    blob = gguf.rename(gguf.with_name("sha256-abc"))
    assert resolve_model_path("sha256-abc") == blob


def test_an_unknown_name_brings_the_known_ones():
    assert refusal_of("smollm2") == (
        "the embedded engine has no model named 'smollm2': write embedded:smollm2-135m, "
        "or a GGUF file, embedded:/path/model.gguf"
    )


def test_a_missing_file_brings_the_nearest_of_its_folder(gguf):
    missing = gguf.with_name("llama-3.1-1b.gguf")
    assert refusal_of(missing) == f"there is no {missing}: write embedded:{gguf}"


def test_a_missing_file_in_an_empty_folder_says_what_else_to_write(tmp_path):
    assert refusal_of(tmp_path / "a.gguf").endswith("or write embedded:smollm2-135m")


def test_a_missing_folder_is_named(tmp_path):
    assert refusal_of(tmp_path / "no" / "a.gguf").startswith(f"there is no folder {tmp_path / 'no'}: ")


def test_a_folder_brings_a_file_in_it(gguf):
    assert refusal_of(gguf.parent) == f"{gguf.parent} is a folder, not a GGUF file: write embedded:{gguf}"


def test_a_file_that_is_no_gguf_is_refused_before_any_engine_starts(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"PK\x03\x04 safetensors in a zip")
    assert "is no GGUF file (it starts with b'PK\\x03\\x04')" in refusal_of(path)
    path.write_bytes(b"")
    assert "is no GGUF file" in refusal_of(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_can_not_be_read_is_refused(gguf):
    gguf.chmod(0)
    assert "can't be read (Permission denied)" in refusal_of(gguf)


def test_someone_unknown_at_home_is_no_traceback():
    assert refusal_of("~nobody-of-this-name/a.gguf").startswith("there is no ")


def test_the_cache_moves_with_its_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("ROCI_NB_CACHE", str(tmp_path))
    assert weights_folder() == tmp_path / "weights"
    monkeypatch.delenv("ROCI_NB_CACHE")
    assert "roci_nb" in str(weights_folder())
