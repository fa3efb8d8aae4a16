import pytest

from roci_nb.magic.completion import Known, complete

KNOWN = Known(
    ("use", "set", "history", "help"),
    ("temperature", "footer"),
    lambda: ("fast", "ollama:gpt-oss:20b", "ollama:phi4"),
    {"answer": 42, "df": type("Frame", (), {"columns": 1, "_hidden": 2})(), "_private": 0},
)


def texts(code: str) -> tuple[str, ...] | None:
    offer = complete(code, KNOWN)
    return None if offer is None else offer.texts


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("%%roci ", ("fast", "ollama:gpt-oss:20b", "ollama:phi4")),
        ("%%roci ollama:gpt", ("ollama:gpt-oss:20b",)),
        ("%%roci -m f", ("fast",)),
        ("%%roci --model=f", ("fast",)),
        ("%%roci fast --tempe", ("--temperature",)),
        ("%%roci --effort ", ("off", "low", "medium", "high")),
        ("%%roci --footer=f", ("full",)),
        ("%roci h", ("history", "help")),
        ("%roci use fa", ("fast",)),
        ("%roci set foo", ("footer",)),
        ("%roci set footer n", ("none",)),
        ("x = 1\n%roci hi", ("history",)),
        ("%%roci\nTell of {{ an", ("answer",)),
        ("%%roci\nTell of {{ df.co", ("columns",)),
    ],
)
def test_what_fits_is_offered(code, expected):
    assert texts(code) == expected


@pytest.mark.parametrize(
    "code",
    [
        "%%roci\nimp",
        "%%roci fast tell me",
        "%%roci -- --te",
        "%%roci fast -o na",
        "%%roci\n{{ x }} an",
        "%%roci\n{{ _pr",
    ],
)
def test_in_prose_nothing_is(code):
    assert texts(code) == ()


def test_an_option_that_is_given_is_not_offered_again_but_a_repeated_one_is():
    offered = texts("%%roci -t 1 --image a.png --")
    assert "--temperature" not in offered
    assert "--image" in offered


@pytest.mark.parametrize("code", ["import o", "roci", "%rocinante x", "%%rocix --te", ""])
def test_other_cells_are_none_of_ours(code):
    assert texts(code) is None


def test_paths_are_offered_for_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "nested").mkdir()
    assert texts("%%roci --file n") == ("nested/", "notes.txt")
