"""What Ollama was recorded to answer, and what the stand-in answers to the same: field by field of the same shape."""

from __future__ import annotations

import json
import re

import pytest

from tests.servers.recorded import WIRE
from tests.standin.shapes import shapes_of

ROWS = {
    row["name"]: row for row in map(json.loads, (WIRE / "ollama-0.33.jsonl").read_text(encoding="utf-8").splitlines())
}
PLAYED_BY = {"gpt-oss-nano": "gpt-oss:20b", "smollm2": "codellama"}
"""The recorded models and those of the stand-in that can do the same."""
NOT_COMPARED = {
    "show_gpt_oss": "the license: the recorded model had none, the stand-in's says what it is",
    "show_created": "see show_gpt_oss",
    "pull_unreachable": "the stand-in's registry can be reached",
    "create_from_missing": "see pull_unreachable",
}


def asked(row, client):
    body = row["request"]
    for recorded, ours in PLAYED_BY.items():
        body = re.sub(rf'"(model|from)": "{recorded}"', rf'"\1": "{ours}"', body)
    return client.request(row["method"], row["path"], content=body.encode() or None)


def test_every_recorded_exchange_is_compared_or_says_why_not(ollama_side):
    compared = [name for name in ROWS if name not in NOT_COMPARED]
    for name in compared:  # in their order: a model that one of them makes, the next one copies
        row = ROWS[name]
        if "… (" in row["request"]:  # elided
            continue
        answer = asked(row, ollama_side)
        assert answer.status_code == row["status"], (name, answer.text[:500])
        media = (row["content_type"] or "").partition(";")[0]
        assert answer.headers.get("content-type", "").partition(";")[0] == media, name
        theirs, ours = shapes_of(row["body"], row["content_type"]), shapes_of(answer.text, row["content_type"])
        assert ours == theirs, f"{name}\nrecorded {sorted(theirs)}\nours     {sorted(ours)}"


@pytest.mark.parametrize(
    "name",
    [
        "show_missing", "chat_think_bad_level", "chat_missing_model", "chat_bad_name", "chat_think_unsupported",
        "chat_tools_unsupported", "chat_image_unsupported", "chat_bad_json", "chat_bad_option_type",
        "chat_bad_keep_alive", "embed", "copy_missing", "delete_missing", "not_found", "v1_chat_missing", "create_missing_blob",
    ],
)  # fmt: skip
def test_a_refusal_has_ollamas_own_words(ollama_side, name):
    row = ROWS[name]
    theirs = row["body"].replace("smollm2", "codellama").replace("gpt-oss-nano", "gpt-oss:20b")
    ours = asked(row, ollama_side).text
    assert re.sub(r"open \S+/", "open ", ours).strip() == re.sub(r"open \S+/", "open ", theirs).strip()


def test_show_has_the_recorded_fields_and_says_that_it_stands_in(ollama_side):
    recorded = json.loads(ROWS["show_created"]["body"])
    made = {"model": "shown", "from": "gpt-oss:20b", "system": "You are creative.", "parameters": {"num_ctx": 2048}}
    ollama_side.post("/api/create", json=made)
    ours = ollama_side.post("/api/show", json={"model": "shown"}).json()
    assert ours.keys() - {"license"} == recorded.keys()
    assert {key: type(value) for key, value in ours.items() if key != "license"} == {
        key: type(value) for key, value in recorded.items()
    }
    assert ours["details"].keys() == recorded["details"].keys()
    assert "stand-in" in ours["license"]
    assert ours["parameters"].splitlines()[0] == recorded["parameters"].splitlines()[0]
    facts = ours["model_info"]
    assert facts[f"{facts['general.architecture']}.context_length"] == 8192
