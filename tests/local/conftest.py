"""Engines start and end with each test here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from roci_nb.local.engine import stop_all

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def no_engines() -> Iterator[None]:
    """Each test begins and ends without an engine."""
    stop_all()
    yield
    stop_all()
