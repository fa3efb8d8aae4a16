"""A scripted Ollama that keeps the reload rule as it was measured (PROTOCOLS A.0); the answers are canned.

It stands in for what can't be had here: a real Ollama with several clients. A changed ``num_ctx``, or ``shift`` sent
otherwise than in the last request of any client, loads the model again; nothing else does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tests.servers.scripted import Request, Script, ScriptedServer, Step, head, json_reply, send

DEFAULT_WINDOW = 4096


@dataclass
class Loaded:
    """What the model was loaded with."""

    num_ctx: int
    shift: bool | None = None


@dataclass
class ScriptedOllama:
    """The state of one server; ``routes`` go into a ScriptedServer."""

    model: str = "gpt-oss:20b"
    capabilities: tuple[str, ...] = ("completion", "tools", "thinking")
    template: str = "{{ .ThinkLevel }}"
    family: str = "gptoss"
    modelfile_window: int | None = None
    remote_host: str | None = None
    loaded: dict[str, Loaded] = field(default_factory=dict)
    loads: list[tuple[str, int]] = field(default_factory=list)
    answer: tuple[dict, ...] = (
        {"message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False},
        {"message": {"role": "assistant", "content": "Hi"}, "done": False},
    )
    before_answer: tuple[Step, ...] = ()
    counts: tuple[int, int] = (7, 2)
    load_ns: int = 2_000_000

    def install(self, server: ScriptedServer) -> ScriptedOllama:
        server.routes |= {
            "GET /api/version": json_reply({"version": "0.33.0"}),
            "GET /api/tags": lambda _: json_reply({"models": [self._row()]}),
            "GET /api/ps": lambda _: json_reply({"models": [self._loaded_row(name) for name in self.loaded]}),
            "POST /api/show": self._show,
            "POST /api/chat": self._chat,
        }
        return self

    def by_another_client(self, *, num_ctx: int | None = None, shift: bool | None = None) -> None:
        """Another client's chat: it may load the model in its own way."""
        self._schedule(self.model, num_ctx, shift)
        self.loads.clear()

    def _row(self) -> dict:
        details = {"family": self.family, "parameter_size": "20.9B", "quantization_level": "MXFP4"}
        remote = {} if self.remote_host is None else {"remote_host": self.remote_host}
        return {"name": self.model, "model": self.model, "size": 13_780_000_000, "details": details, **remote}

    def _loaded_row(self, name: str) -> dict:
        return {**self._row(), "name": name, "size_vram": 6_890_000_000, "context_length": self.loaded[name].num_ctx}

    def _show(self, request: Request) -> Script:
        if request.json["model"] != self.model:
            return json_reply({"error": f"model '{request.json['model']}' not found"}, 404)
        remote = {} if self.remote_host is None else {"remote_host": self.remote_host}
        return json_reply(
            {
                "template": self.template,
                "details": self._row()["details"],
                "model_info": {"general.architecture": "gptoss", "gptoss.context_length": 131072},
                "capabilities": list(self.capabilities),
                **remote,
            }
        )

    def _schedule(self, model: str, num_ctx: int | None, shift: bool | None) -> None:
        window = num_ctx or self.modelfile_window or DEFAULT_WINDOW
        loaded = self.loaded.get(model)
        if loaded is None or (loaded.num_ctx, loaded.shift) != (window, shift):
            self.loaded[model] = Loaded(window, shift)
            self.loads.append((model, window))

    def _chat(self, request: Request) -> Script:
        body = request.json
        if body["model"] != self.model:
            return json_reply({"error": f"model '{body['model']}' not found"}, 404)
        if not body["messages"] and body.get("keep_alive") == 0:
            self.loaded.pop(self.model, None)
            return json_reply({"done": True, "done_reason": "unload"})
        self._schedule(self.model, body.get("options", {}).get("num_ctx"), body.get("shift"))
        if not body["messages"]:
            return json_reply({"done": True, "done_reason": "load"})
        read, written = self.counts
        done = {
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "load_duration": self.load_ns,
            "prompt_eval_count": read,
            "prompt_eval_duration": 5_000_000,
            "eval_count": written,
            "eval_duration": 50_000_000,
        }
        return [*self.before_answer, head(200, "application/x-ndjson"), send(*map(line, (*self.answer, done)))]


def line(value: object) -> str:
    return json.dumps(value) + "\n"
