"""CPU of ``%load_ext roci_nb`` and of the first use, over bare IPython, beside what others take to import."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator

from tests.benchmarks.table import Section, row

REPETITIONS = 11
BARE = "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell.instance()"
FIRST_USE = "from roci_nb import OpenAiCompatibleProvider, stream_text_sync; OpenAiCompatibleProvider('m')"
STATEMENTS = {
    "%load_ext roci_nb": "shell.run_line_magic('load_ext', 'roci_nb')",
    "import roci_nb": "import roci_nb",
    "first use (a provider, stream_text_sync)": FIRST_USE,
    "import httpx": "import httpx",
    "import ollama": "import ollama",
    "import openai": "import openai",
}
CODE = f"""
import time
{BARE}
before = time.process_time()
{{}}
print((time.process_time() - before) * 1e3)
"""


def _cpu_ms(statement: str) -> float:
    command = [sys.executable, "-W", "ignore", "-c", CODE.format(statement)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(finished.stdout.splitlines()[-1])


def sections() -> Iterator[Section]:
    """Measure each statement in fresh processes, in turn."""
    values: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for turn in range(REPETITIONS + 1):
        for name, statement in STATEMENTS.items():
            value = _cpu_ms(statement)
            if turn:  # the first one may compile
                values[name].append(value)
    httpx = values["import httpx"]
    assert statistics.median(httpx) > 0
    yield Section(
        "over bare IPython, CPU",
        "%load_ext: 100 ms, and under importing httpx",
        tuple(row(name, measured, "ms", peer=httpx, compared="httpx") for name, measured in values.items()),
    )
