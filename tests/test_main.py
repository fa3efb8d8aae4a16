"""``python -m roci_nb`` as a person runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*arguments: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "roci_nb", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_the_demo_shows_the_stream_and_leaves_a_notebook_and_a_page(tmp_path, smollm2):
    demo = run("demo", folder=tmp_path)
    assert demo.returncode == 0, demo.stderr
    assert "%%roci embedded:smollm2-135m" in demo.stdout
    assert demo.stdout.count("tok/s · ") == 2
    assert "output_tokens=" in demo.stdout
    assert demo.stderr == ""
    executed, page = tmp_path / "roci_demo" / "first_light.ipynb", tmp_path / "roci_demo" / "first_light.html"
    assert str(executed) in demo.stdout
    assert str(page) in demo.stdout
    cells = [cell for cell in json.loads(executed.read_text())["cells"] if cell["cell_type"] == "code"]
    answers = [cell["outputs"] for cell in cells if "".join(cell["source"]).startswith("%%roci")]
    assert [[output["output_type"] for output in outputs] for outputs in answers] == [["display_data"]] * 2
    answer = "".join(answers[0][0]["data"]["text/plain"])
    assert answer.split()[0] in demo.stdout
    assert "tok/s" in page.read_text()


def test_a_demo_that_fails_says_why_in_one_line(tmp_path):
    demo = run(
        "demo", folder=tmp_path, ROCI_NB_CACHE=str(tmp_path / "cache"), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path)
    )
    assert demo.returncode == 1
    assert demo.stderr.count("\n") == 1
    assert "could not fetch smollm2-135m" in demo.stderr


def test_the_notebooks_are_stored_without_outputs():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            assert not cell.get("outputs"), path
            assert cell.get("execution_count") is None, path
