"""The nano, on a real llama.cpp."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

import roci_nb
from roci_nb.local.engine import engine_for
from tests.nano.replies import MOST, Reply

NANO = Path(roci_nb.__file__).parent / "local" / "gpt-oss-nano.gguf"


@pytest.fixture(scope="module")
def ask():
    """A function that asks the nano, greedily."""

    async def start():
        async with engine_for(NANO, alias="gpt-oss-nano") as engine:
            return engine

    address = asyncio.run(start()).address
    headers = {"Authorization": f"Bearer {address.api_key}"}
    with httpx.Client(base_url=address.base_url, headers=headers, timeout=60, trust_env=False) as client:

        def send(messages, **settings):
            messages = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
            body = {"messages": messages, "temperature": 0, "max_tokens": MOST, **settings}
            answer = client.post("/v1/chat/completions", json=body)
            assert answer.status_code == 200, answer.text
            return Reply(answer.json())

        yield send
