"""A scripted LM Studio that keeps state, after its documentation: it can't be had here.

Models are loaded by the chat request itself (just in time), with the user's own window, or by /api/v1/models/load;
every load and unload is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.servers.scripted import Request, Script, ScriptedServer, chat_chunk, json_reply, sse

CHAT = "/v1/chat/completions"
GPT_OSS = "openai/gpt-oss-20b"
QWEN = "qwen/qwen3-vl-8b"
LLAMA = "llama-3.2-1b"
EMBEDDING = "text-embedding-nomic"
JIT_WINDOW = 4096


def unexpected(request: Request) -> Script:
    """What LM Studio says, with 200, to a path that it does not know."""
    return json_reply({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})


@dataclass
class LmStudio:
    """Give it to a ``ScriptedServer`` with ``serve``; ``apis`` are those that this version has."""

    apis: tuple[str, ...] = ("v1", "v0")
    jit: bool = True
    answer: Script = field(default_factory=lambda: sse(chat_chunk("Hi"), chat_chunk(finish="stop")))
    instances: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    loads: list[tuple[str, str, int]] = field(default_factory=list)
    unloads: list[str] = field(default_factory=list)
    jit_refusal: Script | None = None
    load_refusal: Script | None = None

    def serve(self, server: ScriptedServer) -> LmStudio:
        server.routes |= {
            f"POST {CHAT}": self.chat,
            "GET /v1/models": self.models_openai,
            "GET /api/v1/models": self.models_v1 if "v1" in self.apis else unexpected,
            "GET /api/v0/models": self.models_v0 if "v0" in self.apis else unexpected,
            "POST /api/v1/models/load": self.load if "v1" in self.apis else unexpected,
            "POST /api/v1/models/unload": self.unload if "v1" in self.apis else unexpected,
        }
        return self

    def put(self, key: str, window: int, name: str | None = None) -> None:
        """Load as the user does, in the app: no request of ours."""
        self.instances.setdefault(key, []).append({"id": name or key, "config": {"context_length": window}})

    def models_v1(self, request: Request) -> Script:
        told = {
            GPT_OSS: {"architecture": "gpt-oss", "size_bytes": 12_109_565_632, "params_string": "20B",
                      "max_context_length": 131072, "quantization": {"name": "MXFP4", "bits_per_weight": 4},
                      "capabilities": {"vision": False, "trained_for_tool_use": True,
                                       "reasoning": {"allowed_options": ["low", "medium", "high"], "default": "low"}}},
            QWEN: {"architecture": "qwen3vl", "size_bytes": 5_000_000_000, "params_string": "8B",
                   "max_context_length": 262144, "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
                   "variants": [f"{QWEN}@q4_k_m", f"{QWEN}@q8_0"], "selected_variant": f"{QWEN}@q4_k_m",
                   "capabilities": {"vision": True, "trained_for_tool_use": True,
                                    "reasoning": {"allowed_options": ["off", "on"], "default": "on"}}},
            LLAMA: {"architecture": "llama", "size_bytes": 808_000_000, "params_string": None, "quantization": None,
                    "max_context_length": 131072, "capabilities": {"vision": False, "trained_for_tool_use": False}},
        }  # fmt: skip
        rows = [
            {"type": "llm", "key": key, "display_name": key, "format": "gguf", **facts,
             "loaded_instances": self.instances.get(key, [])}
            for key, facts in told.items()
        ]  # fmt: skip
        embedding = {"type": "embedding", "key": EMBEDDING, "loaded_instances": [], "max_context_length": 2048}
        return json_reply({"models": [*rows, embedding]})

    def models_v0(self, request: Request) -> Script:
        rows = []
        for key, kind in ((GPT_OSS, "llm"), (QWEN, "vlm"), (LLAMA, "llm"), (EMBEDDING, "embeddings")):
            loaded = self.instances.get(key)
            state = {"state": "loaded", "loaded_context_length": loaded[0]["config"]["context_length"]} if loaded else {
                "state": "not-loaded"}  # fmt: skip
            rows.append({"id": key, "object": "model", "type": kind, "arch": "x", "quantization": "Q4_K_M",
                         "max_context_length": 131072, **state})  # fmt: skip
        return json_reply({"data": rows, "object": "list"})

    def models_openai(self, request: Request) -> Script:
        return json_reply({"data": [{"id": key, "object": "model"} for key in (GPT_OSS, QWEN, LLAMA)]})

    def find(self, name: str) -> dict[str, Any] | None:
        return next((one for ones in self.instances.values() for one in ones if one["id"] == name), None) or next(
            iter(self.instances.get(name, [])), None
        )

    def chat(self, request: Request) -> Script:
        name = request.json["model"]
        if self.find(name) is None:
            if self.jit_refusal is not None:
                return self.jit_refusal
            if name not in (GPT_OSS, QWEN, LLAMA, f"{QWEN}@q8_0"):
                return json_reply({"error": {"message": f'Model "{name}" not found', "code": "model_not_found"}}, 404)
            if not self.jit:
                told = "No models loaded. Please load a model in the developer page or use the 'lms load' command."
                return json_reply({"error": {"message": told, "type": "invalid_request_error"}}, 400)
            self.put(name, JIT_WINDOW)
            self.loads.append(("jit", name, JIT_WINDOW))
        return self.answer

    def load(self, request: Request) -> Script:
        if self.load_refusal is not None:
            return self.load_refusal
        body = request.json
        key, window = body["model"], body.get("context_length", JIT_WINDOW)
        number = len(self.instances.get(key, []))
        name = f"{key}:{number + 1}" if number else key
        self.put(key, window, name)
        self.loads.append(("load", key, window))
        reply = {"type": "llm", "instance_id": name, "load_time_seconds": 1.5, "status": "loaded"}
        return json_reply(
            {**reply, "load_config": {"context_length": window}} if body.get("echo_load_config") else reply
        )

    def unload(self, request: Request) -> Script:
        name = request.json["instance_id"]
        self.unloads.append(name)
        for key, ones in self.instances.items():
            self.instances[key] = [one for one in ones if one["id"] != name]
        return json_reply({"instance_id": name})
