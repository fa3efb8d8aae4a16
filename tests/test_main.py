"""``python -m roci_nb`` as a person runs it."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent


NOWHERE = {"OLLAMA_BASE_URL": "http://127.0.0.1:9", "LMSTUDIO_BASE_URL": "http://127.0.0.1:9"}
NANO = "embedded:gpt-oss-nano"


def environment(**env: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, **NOWHERE, **env}


def run(*arguments: str, folder: Path, piped: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "roci_nb", *arguments],
        cwd=folder,
        env=environment(**env),
        input=piped,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_the_demo_shows_the_stream_and_leaves_a_notebook_and_a_page(tmp_path, smollm2):
    demo = run("demo", folder=tmp_path)
    assert demo.returncode == 0, demo.stderr
    assert "a stand-in: two small models speak for gpt-oss:20b and say so" in demo.stdout
    assert "%%roci ollama:gpt-oss:20b" in demo.stdout
    assert demo.stdout.count("tok/s · ") == 3
    assert "output_tokens=" in demo.stdout
    assert demo.stderr == ""
    executed, page = tmp_path / "roci_demo" / "00_first_cell.ipynb", tmp_path / "roci_demo" / "00_first_cell.html"
    assert str(executed) in demo.stdout
    assert str(page) in demo.stdout
    cells = [cell for cell in json.loads(executed.read_text())["cells"] if cell["cell_type"] == "code"]
    answers = [cell["outputs"] for cell in cells if "".join(cell["source"]).startswith("%%roci")]
    assert [[output["output_type"] for output in outputs] for outputs in answers] == [["display_data"]] * 3
    answer = "".join(answers[0][0]["data"]["text/plain"])
    assert answer.split()[-1] in demo.stdout
    assert "tok/s" in page.read_text()


def test_a_demo_that_fails_says_why_in_one_line(tmp_path):
    demo = run(
        "demo", folder=tmp_path, ROCI_NB_CACHE=str(tmp_path / "cache"), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path)
    )
    assert demo.returncode == 1
    assert demo.stderr.count("\n") == 1
    assert "could not fetch smollm2-135m" in demo.stderr


def test_a_folder_that_can_not_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for command in ("demo", "lab"):
        failed = run(command, "--to", "file", folder=tmp_path)
        assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
        assert "name another with --to FOLDER" in failed.stderr


def test_ask_answers_a_prompt_with_the_options_of_a_cell(tmp_path):
    asked = run("ask", NANO, "-t", "0", "What is the capital", "of France?", folder=tmp_path)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout == "The capital of France is **Paris**.\n"
    assert "tok/s" in asked.stderr
    assert "▾ thinking" in asked.stderr


def test_ask_keeps_quotes_in_values_and_takes_what_is_piped_in(tmp_path):
    dry = run(
        "ask",
        "--dry-run",
        "--model=" + NANO,
        "-s",
        'be "brief" \\ kind',
        "What",
        "is -x?",
        folder=tmp_path,
        piped="def f(): pass",
    )
    assert dry.returncode == 0, dry.stderr
    body = json.loads(dry.stdout[dry.stdout.index("\n{") :])
    assert [message["content"] for message in body["messages"]] == [
        'be "brief" \\ kind',
        "What is -x?\n\ndef f(): pass",
    ]


def test_ask_says_in_one_line_what_is_wrong(tmp_path):
    for words, told in (
        (["--temprature", "1", "Hi"], "did you mean --temperature?"),
        (["-o", "name", "Hi"], "which is for a notebook"),
        (["olama:phi4", "Hi"], "did you mean ollama:phi4?"),
        ([], "no prompt"),
    ):
        failed = run("ask", *words, folder=tmp_path, ROCI_MODEL=NANO)
        assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1), failed.stderr
        assert told in failed.stderr


def test_help_is_shown_where_nothing_is_asked(tmp_path):
    assert "standin" in run(folder=tmp_path).stdout
    assert "--temperature" in run("ask", "--help", folder=tmp_path).stdout
    assert NANO in run("models", folder=tmp_path).stdout


def fetch(url: str) -> dict:
    """What JupyterLab answers; it tells its address a moment before it listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_lab_opens_a_copy_of_the_tutorials_and_leaves_changed_ones_alone(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "02_ollama.ipynb").write_text("changed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={free.getsockname()[1]}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "roci_nb", "lab", "--to", "mine", *options],
        cwd=tmp_path,
        env=environment(JUPYTER_CONFIG_DIR=str(tmp_path / "config")),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        log = iter(process.stderr.readline, "")
        url = next(found[0] for line in log if (found := re.search(r"http://127\S+token=\w+", line)))
        address, _, token = url.partition("?")
        assert address.endswith("/lab/tree/00_first_cell.ipynb")
        contents = f"{address.partition('/lab')[0]}/api/contents?{token}"
        names = {entry["name"] for entry in fetch(contents)["content"]}
        assert {"00_first_cell.ipynb", "18_conversations.ipynb", "README.md"} <= names
        assert (folder / "02_ollama.ipynb").read_text() == "changed"
    finally:
        process.terminate()
        process.communicate(timeout=60)
