"""The embedded provider: its windows and its models, on a real llama.cpp."""

from __future__ import annotations

import asyncio

import pytest

from roci_nb import (
    ConfigError,
    ContextOverflow,
    EmbeddedProvider,
    GenerationSettings,
    InvalidSetting,
    generate_text_sync,
)
from roci_nb.local.engine import running_engines, stop_all
from roci_nb.local.weights import PACKAGED

NANO = "embedded:gpt-oss-nano"
TOY = "a toy of half a million parameters, for tests and tutorials"


@pytest.fixture(autouse=True)
def _no_engines():
    stop_all()
    yield
    stop_all()


def told(**settings):
    """Ask the nano; what was warned of, and the window in force."""
    result = generate_text_sync(NANO, "Hello", GenerationSettings(temperature=0, max_tokens=4, **settings))
    assert all(warning.setting == "num_ctx" for warning in result.warnings)
    return [str(warning) for warning in result.warnings], result.context_window


def test_a_window_beyond_the_models_own_is_cut_and_each_answer_says_so():
    cut = ["the model was trained for 131,072: num_ctx 200000 was cut to 131,072"]
    assert told(num_ctx=200_000) == (cut, 131_072)
    assert told(num_ctx=200_000) == (cut, 131_072)
    assert len(running_engines()) == 1
    assert told(num_ctx=131_072) == ([], 131_072)


def test_a_window_that_is_rounded_is_told():
    assert told(num_ctx=64) == (["windows come in steps of 256: num_ctx 64 was rounded up to 256"], 256)
    assert told(num_ctx=512) == ([], 512)


def test_a_smaller_window_that_an_earlier_request_left_is_told_once():
    assert told() == ([], 8192)
    assert told(num_ctx=1024) == ([], 1024)
    assert told() == (
        ["the window of 1,024 is from an earlier request, and stays: ask for more with num_ctx 8192"],
        1024,
    )
    assert told() == ([], 1024)
    assert told(num_ctx=16_384) == ([], 16_384)
    assert told() == ([], 16_384)


def test_the_providers_own_window_is_measured_too():
    result = generate_text_sync(
        EmbeddedProvider("gpt-oss-nano", num_ctx=300), "Hello", GenerationSettings(temperature=0)
    )
    assert [str(warning) for warning in result.warnings] == [
        "windows come in steps of 256: num_ctx 300 was rounded up to 512"
    ]


def test_where_the_window_is_all_that_the_model_has_no_larger_one_is_advised(smollm2):
    with pytest.raises(ContextOverflow, match=r"shorten it, or ask for a larger window \(num_ctx\)$"):
        generate_text_sync("embedded:smollm2-135m", "word " * 9000, GenerationSettings(num_ctx=512))
    with pytest.raises(ContextOverflow, match="shorten it, or take a model that was trained for more$"):
        generate_text_sync("embedded:smollm2-135m", "word " * 9000, GenerationSettings(num_ctx=8192))


def test_a_model_with_a_name_does_not_ramble_to_the_end_of_its_window():
    settings = GenerationSettings(temperature=0, num_ctx=4096, extra={"ignore_eos": True})
    rambled = generate_text_sync(NANO, "Hello", settings)
    assert (rambled.finish_reason, rambled.usage.output_tokens) == ("length", 2048)
    asked = generate_text_sync(NANO, "Hello", settings | GenerationSettings(max_tokens=2500))
    assert (asked.finish_reason, asked.usage.output_tokens) == ("length", 2500)


def test_the_models_are_those_with_a_name_and_what_runs(smollm2, tmp_path):
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(PACKAGED["gpt-oss-nano"].path.read_bytes())

    async def listed():
        await EmbeddedProvider("gpt-oss-nano").load(num_ctx=512)
        await EmbeddedProvider(str(mine)).load()
        provider = EmbeddedProvider("smollm2-135m")
        return await provider.list_models(), await provider.running()

    models, running = asyncio.run(listed())
    assert [(str(info.model), info.loaded, info.loaded_window) for info in models] == [
        ("embedded:smollm2-135m", False, None),
        (NANO, True, 512),
        (f"embedded:{mine}", True, 8192),
    ]
    assert [(info.downloaded, info.trained_window) for info in models] == [(True, 8192), (True, 131072), (True, 131072)]
    assert running == models[1:]
    assert TOY in str(models)
    assert TOY in models._repr_html_()


def test_a_model_that_was_not_fetched_yet_is_listed_so(tmp_path, monkeypatch):
    monkeypatch.setenv("ROCI_NB_CACHE", str(tmp_path))

    async def seen():
        provider = EmbeddedProvider("smollm2-135m")
        return await provider.list_models(), await provider.model_info()

    models, info = asyncio.run(seen())
    assert models[0] == info
    assert (info.loaded, info.downloaded, info.size_bytes) == (False, False, 98_362_432)
    assert "to download" in str(models)
    assert "not downloaded" in str(info)
    assert not [*tmp_path.iterdir()]


def test_a_model_tells_of_itself_before_it_is_loaded_and_more_exactly_after():
    async def seen(model):
        provider = EmbeddedProvider(model)
        return await provider.model_info(), await provider.load(num_ctx=512)

    before, after = asyncio.run(seen("gpt-oss-nano"))
    for info in (before, after):
        assert info.size_bytes == PACKAGED["gpt-oss-nano"].path.stat().st_size
        assert (info.family, info.quantization, info.trained_window) == ("gpt-oss", "F16", 131072)
        assert info.capabilities == {"tools", "thinking"}
        assert info.efforts == ("low", "medium", "high")
        assert info.about == TOY
    assert (before.loaded, before.loaded_window, before.parameters) == (False, None, "0.5M")
    assert (after.loaded, after.loaded_window, after.parameters) == (True, 512, "496k")


def test_smollm2_is_known_to_neither_think_nor_call_tools(smollm2):
    async def seen():
        provider = EmbeddedProvider("smollm2-135m")
        return await provider.model_info(), await provider.load(num_ctx=100_000)

    before, after = asyncio.run(seen())
    assert (before.capabilities, before.efforts) == (after.capabilities, after.efforts) == (frozenset(), ())
    assert (before.quantization, after.quantization) == ("Q4_1", "Q4_1")
    assert (before.parameters, after.parameters) == ("135M", "135M")
    assert after.loaded_window == 8192


def test_a_model_that_is_not_known_is_told_as_when_it_is_asked(tmp_path):
    with pytest.raises(ConfigError, match="write embedded:smollm2-135m"):
        asyncio.run(EmbeddedProvider("smolm2").model_info())
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(50))
    info = asyncio.run(EmbeddedProvider(str(broken)).model_info())
    assert (info.loaded, info.size_bytes, info.trained_window, info.capabilities) == (False, 54, None, None)


def test_unloading_frees_this_file_and_no_other(tmp_path):
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(PACKAGED["gpt-oss-nano"].path.read_bytes())

    async def unload():
        nano, other = EmbeddedProvider("gpt-oss-nano"), EmbeddedProvider(str(mine))
        await nano.unload()  # nothing runs: nothing happens
        await nano.load()
        await other.load()
        await nano.unload()
        left = await nano.running()
        await other.unload()
        return left, await nano.running(), await nano.model_info()

    left, none, info = asyncio.run(unload())
    assert [info.model.model_id for info in left] == [str(mine)]
    assert none == ()
    assert str(none) == "no models"
    assert info.loaded is False
    assert running_engines() == ()


def test_loading_keeps_what_runs_unless_another_window_is_asked_for():
    async def load():
        provider = EmbeddedProvider("gpt-oss-nano", num_ctx=1024)
        windows = [(await provider.load()).loaded_window, (await provider.load(num_ctx=2048)).loaded_window]
        return [*windows, (await EmbeddedProvider("gpt-oss-nano").load()).loaded_window]

    assert asyncio.run(load()) == [1024, 2048, 2048]
    with pytest.raises(InvalidSetting):
        asyncio.run(EmbeddedProvider("gpt-oss-nano").load(num_ctx=0))
