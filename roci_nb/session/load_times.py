"""How long models took to load, kept between kernels: what "last time" means in a phase line."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from roci_nb.local.weights import weights_folder

if TYPE_CHECKING:
    from pathlib import Path

MOST_KEPT = 200
SHORTEST_S = 0.5
"""A shorter load is none that anybody waits for."""


def last_load_s(model: str, host: str | None) -> float | None:
    """Return how many seconds the model's last load took at that host; None where that is not known."""
    return _read(_file()).get(_key(model, host))


def record_load(model: str, host: str | None, seconds: float) -> None:
    """Keep how long a load took. A disk that can't be written is no error: the figure is a convenience."""
    if seconds < SHORTEST_S:
        return
    file = _file()
    times = _read(file)
    times.pop(_key(model, host), None)
    times[_key(model, host)] = round(seconds, 2)
    kept = dict(list(times.items())[-MOST_KEPT:])
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        unfinished.replace(file)


def _key(model: str, host: str | None) -> str:
    return f"{model} at {host}" if host else model


def _file() -> Path:
    return weights_folder().parent / "load_times.json"


def _read(file: Path) -> dict[str, float]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): float(value) for name, value in found.items() if isinstance(value, int | float)}
