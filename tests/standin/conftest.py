"""How the stand-in's tests ask it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from roci_nb.standin.server import StandIn

PATIENCE_S = 120


@pytest.fixture
def ollama_side(standin: StandIn) -> Iterator[httpx.Client]:
    """Ask Ollama's side as it is."""
    with httpx.Client(base_url=standin.ollama_url, timeout=PATIENCE_S, trust_env=False) as client:
        yield client


@pytest.fixture
def lmstudio_side(standin: StandIn) -> Iterator[httpx.Client]:
    """Ask LM Studio's side as it is."""
    with httpx.Client(base_url=standin.lmstudio_url, timeout=PATIENCE_S, trust_env=False) as client:
        yield client
