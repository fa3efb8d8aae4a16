"""A session of the test's own, near no server but the test's."""

import pytest

from roci_nb.session.state import Session

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def session(monkeypatch, tmp_path) -> Session:
    for name in ("OLLAMA_BASE_URL", "LMSTUDIO_BASE_URL", "OPENAI_COMPAT_BASE_URL"):
        monkeypatch.setenv(name, NOWHERE)
    monkeypatch.delenv("ROCI_MODEL", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return Session()
