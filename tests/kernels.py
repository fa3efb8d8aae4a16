"""A real ipykernel, asked as a front end asks it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parent.parent


_JUPYTER_FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
_OF_THE_DEVELOPER = ("OPENAI_", "OLLAMA_", "LMSTUDIO_", "ROCI_")


def environment(folder: Path, **env: str) -> dict[str, str]:
    """What a kernel or a JupyterLab is given: this checkout, folders of its own, and no key or server of the developer's."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OF_THE_DEVELOPER) or name == "ROCI_NB_CACHE"
    }
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**inherited, "PYTHONPATH": path, **{name: str(folder / name.lower()) for name in _JUPYTER_FOLDERS}, **env}


class ThisPython(KernelSpecManager):
    """A kernel of the Python that runs the tests."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"]
        return KernelSpec(argv=argv, display_name=kernel_name, language="python")


@dataclass
class Running:
    """A cell in flight: its outputs as a front end holds them, updates folded in by their display id."""

    kernel: Kernel
    message_id: str
    outputs: list[dict] = field(default_factory=list)
    updates: int = 0
    status: str | None = None
    idle: bool = False
    payload: list[dict] = field(default_factory=list)
    comm_messages: list[dict] = field(default_factory=list)
    """What widgets were sent: the content of ``comm_open``, ``comm_msg`` and ``comm_close``."""
    received: int = 0
    received_bytes: int = 0
    """Messages on iopub, and their contents with some 600 bytes of envelope each (NOTEBOOK 2.1)."""
    _displays: dict[str, list[int]] = field(default_factory=dict)
    _clear_next: bool = False

    @property
    def done(self) -> bool:
        return self.idle and self.status is not None

    @property
    def stdout(self) -> str:
        return "".join(output["text"] for output in self.outputs if output["output_type"] == "stream")

    @property
    def data(self) -> list[dict[str, str]]:
        return [output["data"] for output in self.outputs if "data" in output]

    @property
    def error(self) -> str | None:
        """What the front end shows of an error."""
        return next(
            ("\n".join(output["traceback"]) for output in self.outputs if output["output_type"] == "error"), None
        )

    def take(self, kind: str, content: dict) -> None:
        self.received += 1
        self.received_bytes += len(json.dumps(content)) + 600
        if self._clear_next and kind in ("display_data", "execute_result", "stream", "error"):
            self._clear()
        if kind in ("display_data", "execute_result"):
            display_id = content.get("transient", {}).get("display_id")
            if display_id is not None:
                self._displays.setdefault(display_id, []).append(len(self.outputs))
            self.outputs.append({"output_type": kind, "data": content["data"], "metadata": content["metadata"]})
        elif kind == "update_display_data":
            self.updates += 1
            self.kernel.update_display(content)
        elif kind.startswith("comm_"):
            self.comm_messages.append({"type": kind, **content})
        elif kind in ("stream", "error"):
            self.outputs.append({"output_type": kind, **content})
        elif kind == "clear_output":
            if content["wait"]:
                self._clear_next = True
            else:
                self._clear()
        elif kind == "status" and content["execution_state"] == "idle":
            self.idle = True

    def update(self, content: dict) -> None:
        for index in self._displays.get(content["transient"]["display_id"], ()):
            self.outputs[index] |= {"data": content["data"], "metadata": content["metadata"]}

    def _clear(self) -> None:
        self.outputs.clear()
        self._displays.clear()
        self._clear_next = False

    def wait(self, timeout: float = 120) -> Running:
        self.kernel.pump(lambda: self.done, timeout)
        return self

    def wait_for(self, seen: Callable[[Running], bool], timeout: float = 120) -> Running:
        self.kernel.pump(lambda: seen(self) or self.done, timeout)
        assert seen(self), f"the cell ended without it: {self.outputs}"
        return self


class Kernel:
    """One kernel, in a folder of its own."""

    def __init__(self, folder: Path, **env: str) -> None:
        self._manager = KernelManager(kernel_spec_manager=ThisPython())
        self._manager.start_kernel(cwd=str(folder), env=environment(folder, **env))
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=120)
        self._cells: dict[str, Running] = {}

    def start(self, code: str, *, cell_id: str | None = "cell", deleted: tuple[str, ...] = ()) -> Running:
        """Send a cell as JupyterLab does, with the ids of the cells deleted since; ``cell_id=None`` as nbclient does."""
        session = self._client.session
        metadata = {} if cell_id is None else {"cellId": cell_id, "deletedCells": list(deleted), "trusted": True}
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = session.msg("execute_request", content, metadata=metadata)
        self._client.shell_channel.send(message)
        running = Running(self, message["header"]["msg_id"])
        self._cells[running.message_id] = running
        return running

    def run(self, code: str, *, cell_id: str | None = "cell", deleted: tuple[str, ...] = ()) -> Running:
        return self.start(code, cell_id=cell_id, deleted=deleted).wait()

    def run_all(self, *cells: str) -> list[Running]:
        """Queue the cells at once, as Run All does."""
        return [running.wait() for running in [self.start(code, cell_id=f"c{i}") for i, code in enumerate(cells)]]

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()

    def value(self, expression: str) -> str:
        """The repr of an expression in the kernel."""
        run = self.run(f"print(repr({expression}))")
        assert run.error is None, run.error
        return run.stdout.strip()

    def update_display(self, content: dict) -> None:
        for cell in self._cells.values():
            cell.update(content)

    def pump(self, ready: Callable[[], bool], timeout: float) -> None:
        """Take messages until ``ready``."""
        deadline = time.monotonic() + timeout
        while not ready():
            assert time.monotonic() < deadline, "the kernel did not get there"
            self._take(self._client.iopub_channel, 0.02)
            self._take(self._client.shell_channel, 0.0)

    def _take(self, channel, wait: float) -> None:
        try:
            message = channel.get_msg(timeout=wait)
        except Empty:
            return
        cell = self._cells.get(message["parent_header"].get("msg_id"))
        if cell is None:
            return
        if message["msg_type"] == "execute_reply":
            cell.status = message["content"]["status"]
            cell.payload = message["content"].get("payload", [])
            cell.idle = cell.idle or cell.status == "aborted"
        else:
            cell.take(message["msg_type"], message["content"])

    def complete(self, code: str) -> dict:
        """What the kernel offers at the end of a cell."""
        return self._client.complete(code, reply=True, timeout=60)["content"]

    def shutdown(self) -> None:
        """Shut it down as a front end does: it is asked to, and may tidy up."""
        self._manager.shutdown_kernel()

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.context.destroy(linger=0)
