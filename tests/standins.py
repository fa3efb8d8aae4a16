"""The stand-in as a fixture; a pytest plugin, ``tests.standins``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from roci_nb.standin.server import StandIn


@pytest.fixture(scope="module")
def standin(smollm2: Path) -> Iterator[StandIn]:
    """One stand-in for the tests of a file, on free ports."""
    with StandIn() as server:
        yield server
