"""What the README shows runs as it is written, and names what there is."""

import re

import pytest

from roci_nb import __all__ as public_names
from roci_nb.session.options import OPTIONS, VERBS
from tests.kernels import ROOT, Kernel

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def reader(tmp_path_factory, standin):
    """A kernel whose Ollama and LM Studio are the stand-in."""
    kernel = Kernel(
        tmp_path_factory.mktemp("reader"), OLLAMA_BASE_URL=standin.ollama_url, LMSTUDIO_BASE_URL=standin.lmstudio_url
    )
    yield kernel
    kernel.close()


def test_it_shows_python():
    assert len(BLOCKS) >= 6


def test_its_python_runs_in_a_notebook(reader):
    for block in BLOCKS:
        cell = reader.run(block)
        assert cell.error is None, f"{block}\n{cell.error}"


def test_it_names_every_option_and_verb():
    for option in OPTIONS:
        assert any(f"{flag}" in README for flag in option.flags), option.flags
    for verb in VERBS:
        assert re.search(rf"[`( ]{verb}\b", README), verb


def test_its_imports_are_public():
    imported = {name.strip() for line in re.findall(r"from roci_nb import (.+)", README) for name in line.split(",")}
    assert imported <= set(public_names)
