"""The header of a GGUF file, whole, broken and hostile."""

from __future__ import annotations

import itertools
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roci_nb.local.gguf import MOST_TEXTS, GgufHeader, read_header, trained_window
from roci_nb.local.weights import PACKAGED

NANO = PACKAGED["gpt-oss-nano"].path
UINT8, UINT32, FLOAT32, BOOL, TEXT, LIST, UINT64, FLOAT64 = 0, 4, 6, 7, 8, 9, 10, 12
NUMBERS = {UINT8: "<B", UINT32: "<I", FLOAT32: "<f", BOOL: "<?", UINT64: "<Q", FLOAT64: "<d"}


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data)) + data


def fact(key, kind, value):
    if kind == LIST:
        kind_of_items, items = value
        packed = struct.pack("<IQ", kind_of_items, len(items)) + b"".join(packed_value(kind_of_items, i) for i in items)
    else:
        packed = packed_value(kind, value)
    return text(key) + struct.pack("<I", kind) + packed


def packed_value(kind, value):
    return text(value) if kind == TEXT else struct.pack(NUMBERS[kind], value)


def gguf(*facts, version=3, count=None):
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(facts) if count is None else count) + b"".join(facts)


LLAMA = fact("general.architecture", TEXT, "llama")
WINDOW = fact("llama.context_length", UINT32, 4096)
ALL = (
    LLAMA,
    fact("general.file_type", UINT32, 15),
    fact("general.size_label", TEXT, "8B"),
    fact("some.flag", BOOL, True),
    fact("some.share", FLOAT64, 0.5),
    WINDOW,
    fact("tokenizer.ggml.tokens", LIST, (TEXT, ["a", "ö", ""])),
    fact("tokenizer.ggml.scores", LIST, (FLOAT32, [0.0, 1.0])),
    fact("tokenizer.chat_template", TEXT, "{{ messages }}"),
)


@pytest.fixture(scope="session")
def write(tmp_path_factory):
    """Write bytes to a file that was never there: what is read is kept by path, time and size."""
    folder, numbers = tmp_path_factory.mktemp("gguf"), itertools.count()

    def to_file(data):
        path = folder / f"{next(numbers)}.gguf"
        path.write_bytes(data)
        return path

    return to_file


def test_the_nano_and_smollm2_tell_what_they_are(smollm2):
    nano = read_header(NANO)
    assert (nano.architecture, nano.trained_window, nano.file_type, nano.parameters) == (
        "gpt-oss",
        131072,
        "F16",
        "0.5M",
    )
    assert "reasoning_effort" in nano.chat_template
    header = read_header(smollm2)
    assert (header.architecture, header.trained_window, header.file_type) == ("llama", 8192, "Q4_1")
    assert (trained_window(NANO), trained_window(smollm2)) == (131072, 8192)


def test_facts_are_found_among_lists_and_numbers_of_all_kinds(write):
    assert read_header(write(gguf(*ALL))) == GgufHeader("llama", 4096, "Q4_K_M", "8B", "{{ messages }}")
    assert read_header(write(gguf(*reversed(ALL), version=2))).trained_window == 4096
    assert trained_window(write(gguf(*reversed(ALL)))) == 4096


def test_the_window_is_read_without_what_comes_behind_it(write):
    path = write(gguf(LLAMA, WINDOW, count=99))
    assert trained_window(path) == 4096
    assert read_header(path) is None


@pytest.mark.parametrize(
    "window",
    [
        fact("llama.context_length", UINT32, 0),
        fact("llama.context_length", UINT64, 2**40),
        fact("llama.context_length", FLOAT32, 4096.0),
        fact("llama.context_length", BOOL, True),
        fact("llama.context_length", TEXT, "4096"),
        fact("qwen3.context_length", UINT32, 4096),
    ],
)
def test_what_is_no_window_of_this_model_is_none(write, window):
    path = write(gguf(LLAMA, window))
    assert read_header(path) == GgufHeader("llama")
    assert trained_window(path) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GGUF",
        b"GGML" + gguf(*ALL)[4:],
        gguf(*ALL, version=1),
        gguf(*ALL, version=0x03000000),
        gguf(*ALL, count=2**64 - 1),
        gguf(LLAMA, fact("broken", UINT32, 1)[:-4] + b"\xff"),
        gguf(text("key") + struct.pack("<I", 13) + b"\0" * 64),
        gguf(struct.pack("<Q", 2**63) + b"\0" * 64),
        gguf(text("key") + struct.pack("<IQ", TEXT, 2**64 - 1)),
        gguf(text("key") + struct.pack("<IIQ", LIST, UINT64, 2**64 - 1)),
        gguf(text("key") + struct.pack("<IIQ", LIST, TEXT, 2**64 - 1)),
        gguf(text("key") + struct.pack("<IIQ", LIST, TEXT, MOST_TEXTS + 1) + b"\0" * 64),
        gguf(text("key") + struct.pack("<IIQ", LIST, LIST, 1) + struct.pack("<IQ", LIST, 1) * 1000),
    ],
    ids=range(14),
)
def test_a_broken_header_tells_nothing(write, data):
    assert read_header(write(data)) is None


def test_what_is_no_file_tells_nothing(tmp_path):
    assert read_header(tmp_path) is None
    assert read_header(tmp_path / "missing.gguf") is None
    assert trained_window(tmp_path / "missing.gguf") is None
    if hasattr(os, "mkfifo"):  # opening one would wait for a writer
        os.mkfifo(tmp_path / "fifo.gguf")
        assert read_header(tmp_path / "fifo.gguf") is None


def test_a_file_that_was_written_anew_is_read_anew(write):
    path = write(gguf(LLAMA, WINDOW))
    assert trained_window(path) == 4096
    path.write_bytes(gguf(LLAMA, fact("llama.context_length", UINT64, 2048)))
    assert trained_window(path) == 2048
    assert read_header(path).trained_window == 2048


def assert_told_or_none(path):
    header, window = read_header(path), trained_window(path)
    assert window is None or 0 < window < 2**31
    if header is not None:
        assert isinstance(header.architecture, str)
        assert isinstance(header.chat_template, str)
        assert header.trained_window is None or 0 < header.trained_window < 2**31


@given(st.binary(max_size=300), st.sampled_from([b"", b"GGUF\x03\0\0\0", gguf(LLAMA, count=9), gguf(count=9)]))
def test_no_bytes_make_it_fail(write, data, start):
    assert_told_or_none(write(start + data))


@given(st.data())
def test_no_damage_to_a_real_header_makes_it_fail(write, data):
    whole = NANO.read_bytes()[:60_000]
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)), label="length")])
    places = st.integers(0, max(len(damaged) - 1, 0)) | st.integers(0, max(min(len(damaged) - 1, 400), 0))
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8), label="damage"):
        damaged[place : place + 1] = bytes([value])
    assert_told_or_none(write(bytes(damaged)))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.text(max_size=20), st.just(UINT32), st.integers(0, 2**32 - 1)),
            st.tuples(st.text(max_size=20), st.just(TEXT), st.text(max_size=50)),
            st.tuples(st.text(max_size=20), st.just(LIST), st.tuples(st.just(TEXT), st.lists(st.text(max_size=5)))),
            st.tuples(st.text(max_size=20), st.just(LIST), st.tuples(st.just(UINT8), st.lists(st.integers(0, 255)))),
        ),
        max_size=8,
    ),
    st.integers(1, 2**31 - 1),
)
def test_whatever_else_stands_there_the_window_is_found(write, others, window):
    facts = [fact(*other) for other in others]
    path = write(gguf(*facts, LLAMA, fact("llama.context_length", UINT32, window)))
    assert trained_window(path) == read_header(path).trained_window == window
