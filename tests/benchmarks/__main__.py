"""``python -m tests.benchmarks [streams] [imports] [interrupts] [memory] [live_view]``: all of them where none is named."""

from __future__ import annotations

import sys

from tests.benchmarks import imports, interrupts, live_view, memory, streams
from tests.benchmarks.table import show

KINDS = {"streams": streams, "imports": imports, "interrupts": interrupts, "memory": memory, "live_view": live_view}


def main(names: list[str]) -> None:
    """Measure and print."""
    for name in names or KINDS:
        show(KINDS[name].sections())


if __name__ == "__main__":
    main(sys.argv[1:])
