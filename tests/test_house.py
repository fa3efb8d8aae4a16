"""The house: its import law, its lint, its types, its public names."""

import importlib
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import roci_nb

ROOT = Path(__file__).parent.parent
TOOLS = Path(sysconfig.get_path("scripts"))


def run(*command: str) -> None:
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize(
    "command",
    [("lint-imports", "--no-cache"), ("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)],
    ids=lambda command: " ".join(command[:2]),
)
def test_the_house_is_in_order(command):
    tool, *arguments = command
    run(str(TOOLS / tool), *arguments)


def test_every_public_name_loads_from_its_home():
    for name in roci_nb.__all__:
        assert getattr(roci_nb, name) is not None
    assert set(roci_nb.__all__) <= set(dir(roci_nb))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = roci_nb.nothing


def test_the_type_checkers_table_and_ours_name_the_same():
    text = Path(roci_nb.__file__).read_text()
    assert {*re.findall(r"import (\w+) as \1", text)} == set(roci_nb.__all__)


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys; before = set(sys.modules); import roci_nb; print(sorted({m.partition('.')[0] for m in set(sys.modules) - before}))"
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "httpx" not in finished.stdout
    assert "pydantic" not in finished.stdout
    assert "roci_nb" in finished.stdout


def test_files_and_functions_are_one_idea():
    import ast

    for path in (ROOT / "roci_nb").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < 50, f"{path}: {node.name}"


def test_the_version_is_the_same_everywhere():
    text = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{roci_nb.__version__}"' in text
    assert importlib.import_module("roci_nb").__version__
