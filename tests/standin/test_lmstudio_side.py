"""LM Studio's side, after its documentation: nothing of it could be compared with the program itself."""

from __future__ import annotations

import time

import pytest

MODEL = "openai/gpt-oss-20b"
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def nothing_loaded(lmstudio_side):
    for row in lmstudio_side.get("/api/v1/models").json()["models"]:
        for instance in row["loaded_instances"]:
            lmstudio_side.post("/api/v1/models/unload", json={"instance_id": instance["id"]})


def instances(lmstudio_side, key=MODEL):
    rows = {row["key"]: row for row in lmstudio_side.get("/api/v1/models").json()["models"]}
    return {one["id"]: one["config"]["context_length"] for one in rows[key]["loaded_instances"]}


def test_models_are_told_in_all_three_apis(lmstudio_side):
    [row] = [row for row in lmstudio_side.get("/api/v1/models").json()["models"] if row["key"] == MODEL]
    assert row.keys() >= {
        *("type", "publisher", "key", "display_name", "architecture", "quantization", "size_bytes"),
        *("params_string", "loaded_instances", "max_context_length", "format", "capabilities"),
    }
    assert "stand-in" in row["display_name"]
    [older] = [row for row in lmstudio_side.get("/api/v0/models").json()["data"] if row["id"] == MODEL]
    assert older.keys() >= {"id", "object", "type", "publisher", "arch", "compatibility_type", "state"}
    assert lmstudio_side.get(f"/api/v0/models/{MODEL}").json()["id"] == MODEL
    assert MODEL in [row["id"] for row in lmstudio_side.get("/v1/models").json()["data"]]
    assert lmstudio_side.get("/lmstudio-greeting").json() == {"lmstudio": True}


@pytest.mark.usefixtures("nothing_loaded")
def test_a_model_is_loaded_with_a_window_and_unloaded(lmstudio_side):
    body = {"model": MODEL, "context_length": 2048, "echo_load_config": True}
    loaded = lmstudio_side.post("/api/v1/models/load", json=body).json()
    assert loaded.keys() == {"type", "instance_id", "load_time_seconds", "status", "load_config"}
    assert loaded["load_config"]["context_length"] == 2048
    assert instances(lmstudio_side) == {MODEL: 2048}
    [older] = [row for row in lmstudio_side.get("/api/v0/models").json()["data"] if row["id"] == MODEL]
    assert (older["state"], older["loaded_context_length"]) == ("loaded", 2048)
    second = lmstudio_side.post("/api/v1/models/load", json={"model": MODEL, "context_length": 2048}).json()
    assert instances(lmstudio_side).keys() == {MODEL, second["instance_id"]} == {MODEL, f"{MODEL}:2"}
    assert lmstudio_side.post("/api/v1/models/unload", json={"instance_id": MODEL}).json() == {"instance_id": MODEL}
    assert instances(lmstudio_side).keys() == {f"{MODEL}:2"}
    assert lmstudio_side.post("/api/v1/models/unload", json={"instance_id": MODEL}).status_code == 404


@pytest.mark.usefixtures("nothing_loaded")
def test_a_chat_loads_a_model_just_in_time_and_uses_one_that_is_loaded(lmstudio_side):
    body = {"model": MODEL, "messages": HELLO, "max_tokens": 20}
    assert lmstudio_side.post("/v1/chat/completions", json=body).status_code == 200
    assert instances(lmstudio_side) == {MODEL: 4096}
    lmstudio_side.post("/api/v1/models/unload", json={"instance_id": MODEL})
    lmstudio_side.post("/api/v1/models/load", json={"model": MODEL, "context_length": 1024})
    assert lmstudio_side.post("/v1/chat/completions", json=body).status_code == 200
    assert instances(lmstudio_side) == {MODEL: 1024}


def test_a_download_has_a_job_that_can_be_asked(lmstudio_side):
    key = "meta/llama-3.3-70b"
    assert lmstudio_side.post("/api/v1/models/download", json={"model": MODEL}).json() == {
        "status": "already_downloaded"
    }
    job = lmstudio_side.post("/api/v1/models/download", json={"model": key}).json()
    assert (job["status"], job["total_size_bytes"] > 0) == ("downloading", True)
    deadline = time.monotonic() + 60
    while (told := lmstudio_side.get(f"/api/v1/models/download/status/{job['job_id']}").json())[
        "status"
    ] != "completed":
        assert told["status"] == "downloading"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert told["downloaded_bytes"] == told["total_size_bytes"]
    assert instances(lmstudio_side, key) == {}
    assert lmstudio_side.get("/api/v1/models/download/status/none").json()["error"]["type"] == "job_not_found"
    assert lmstudio_side.post("/api/v1/models/download", json={"model": "no/such"}).status_code == 404


def test_an_unknown_path_is_a_200_with_an_error_inside(lmstudio_side):
    reply = lmstudio_side.post("/chat/completions", json={})
    assert reply.status_code == 200
    assert reply.json() == {"error": "Unexpected endpoint or method. (POST /chat/completions)"}
    assert lmstudio_side.get("/v1/chat/completions").json()["error"].startswith("Unexpected endpoint")
