"""The tutorials: how they are stored, and that each runs from top to bottom in a fresh kernel on the stand-in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.kernels import ROOT, Kernel, Running

FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FIRST_CELL = re.compile(
    r"%load_ext roci_nb\nfrom roci_nb import tutorial_server\n\n"
    r'server = tutorial_server\("(ollama|lmstudio):[\w.:-]+"\)\nbase_url = server\.base_url\nserver'
)
PRIVATE = re.compile(
    r"/home/|/Users/|/root/|/tmp/|[A-Z]:\\\\|\bsk-\w{8,}|\bhf_\w{8,}|(api|secret)[_-]?key\s*=\s*['\"](?!not-a-real)"
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
MUTE = re.compile(r"[\w.\[\]\"]+ = \S+\Z")
"""Cells that only set something."""


def sources(path: Path, kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def test_there_are_tutorials():
    assert len(NOTEBOOKS) >= 11


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestStored:
    def test_no_outputs_are_stored(self, path):
        for cell in json.loads(path.read_text())["cells"]:
            assert not cell.get("outputs")
            assert cell.get("execution_count") is None
            assert not cell["metadata"]

    def test_no_key_and_no_path_is_stored(self, path):
        assert not PRIVATE.search(path.read_text())

    def test_it_is_valid_and_its_cells_have_names(self, path):
        notebook = nbformat.read(path, 4)
        nbformat.validate(notebook)
        assert all(re.fullmatch(r"[a-z-]+", cell.id) for cell in notebook.cells)
        assert notebook.metadata.kernelspec.name == "python3"

    def test_its_first_cell_picks_the_server(self, path):
        assert FIRST_CELL.fullmatch(sources(path, "code")[0])

    def test_it_has_all_its_parts(self, path):
        prose, code = "\n".join(sources(path, "markdown")), "\n".join(sources(path, "code"))
        assert "%%roci" in code
        assert "When to use which" in prose
        if path.stem != "00_first_cell":
            assert "One step beyond" in prose

    def test_no_line_of_code_is_cut_off_at_the_pages_edge(self, path):
        lines = [line for source in sources(path, "code") for line in source.splitlines()]
        assert max(len(line) for line in lines if not line.startswith("%%roci")) <= 96

    def test_the_map_tells_of_it(self, path):
        assert f"[{path.stem}]({path.name})" in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize(
    "path", [*NOTEBOOKS, FOLDER / "README.md", ROOT / "README.md"], ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_relative_links_lead_somewhere(path):
    text = "\n".join(sources(path, "markdown")) if path.suffix == ".ipynb" else path.read_text()
    for link in LINK.findall(text):
        if not link.startswith(("http", "#")):
            assert (path.parent / link.partition("#")[0]).exists(), link


NOWHERE = "http://127.0.0.1:9"
"""Where no server of the developer's is to be found."""


@pytest.fixture
def bare_kernel(tmp_path: Path) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path, OLLAMA_BASE_URL=NOWHERE, LMSTUDIO_BASE_URL=NOWHERE)
    yield kernel
    kernel.close()


def shown(cell: Running) -> str:
    return "\n".join([cell.stdout, *(data.get("text/plain", "") for data in cell.data)]).strip()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path, bare_kernel, smollm2):
    code = sources(path, "code")
    cells = [bare_kernel.start(source, cell_id=None) for source in code]  # Run All, by a runner without a front end
    for source, cell in zip(code, cells, strict=True):
        cell.wait(240)
        assert cell.error is None, cell.error
        assert not any(output.get("name") == "stderr" for output in cell.outputs), cell.outputs
        if not MUTE.match(source):
            assert shown(cell), source
        if source.startswith("%%roci") and "--dry-run" not in source:
            [answer] = cell.data
            label, _, text = answer["text/plain"].partition("\n")
            assert re.fullmatch(r"\[\S+ speaks for \S+\]", label)
            assert len(text.split()) > 1
            assert "tok/s" in answer["text/html"]
    assert "a stand-in" in shown(cells[0])
