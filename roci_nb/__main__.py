"""``python -m roci_nb``: the demo and the stand-in server, from a terminal."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from roci_nb.errors import ConfigError, MissingExtra, RociError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbclient import NotebookClient
    from nbformat import NotebookNode


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m roci_nb", description="Local language models in Jupyter.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="run a notebook in a real kernel against the embedded model")
    demo.add_argument("--to", type=Path, default=Path("roci_demo"), metavar="FOLDER", help="where the results go")
    standin = commands.add_parser("standin", help="serve Ollama's and LM Studio's wire from two small models")
    standin.add_argument("--port", type=int, default=0, metavar="N", help="of Ollama's side; 0 is any free one")
    standin.add_argument("--lmstudio-port", type=int, default=0, metavar="N", help="of LM Studio's side")
    standin.add_argument("--usual-ports", action="store_true", help="where the real ones listen: 11434 and 1234")
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "demo":
            run_demo(asked.to)
        else:
            run_standin(asked.port, asked.lmstudio_port, usual_ports=asked.usual_ports)
    except RociError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - this is the command's answer
        return 1
    except KeyboardInterrupt:
        print("\n■ stopped", file=sys.stderr)  # noqa: T201 - see above
        return 130
    return 0


def run_demo(folder: Path) -> None:
    """Execute ``notebooks/first_light.ipynb`` in a real kernel; show the stream, leave the notebook and a page."""
    try:
        import nbformat
        from nbconvert import HTMLExporter
    except ImportError:
        raise MissingExtra("demo", "the demo") from None
    notebook = nbformat.read(_notebook("first_light.ipynb"), as_version=4)
    folder.mkdir(parents=True, exist_ok=True)
    _execute(notebook, folder)
    executed, page = folder / "first_light.ipynb", folder / "first_light.html"
    nbformat.write(notebook, executed)
    html, _ = HTMLExporter().from_notebook_node(notebook)
    page.write_text(html, encoding="utf-8")
    print(f"\nThe executed notebook: {executed.resolve()}\nThe same as a page:    {page.resolve()}")  # noqa: T201 - see above


def run_standin(port: int, lmstudio_port: int, *, usual_ports: bool = False) -> None:
    """Serve until an interrupt; say where, and how to ask."""
    from roci_nb.standin.server import LMSTUDIO_PORT, OLLAMA_PORT, StandIn

    if usual_ports:
        port, lmstudio_port = port or OLLAMA_PORT, lmstudio_port or LMSTUDIO_PORT
    with StandIn(port, lmstudio_port) as standin:
        print(  # noqa: T201 - see above
            "Small models stand in for the documented names; each answer says which of them spoke.\n"
            f"Ollama's side:    OLLAMA_BASE_URL={standin.ollama_url}\n"
            f"LM Studio's side: LMSTUDIO_BASE_URL={standin.lmstudio_url}\n"
            "Ctrl+C ends it.",
            flush=True,
        )
        standin.wait()


def _notebook(name: str) -> Path:
    """Find a tutorial notebook: in the wheel beside this file, in a checkout one level up."""
    here = Path(__file__).parent
    for folder in (here / "notebooks", here.parent / "notebooks"):
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(f"{name} is not part of this installation: install roci-nb again")


def _execute(notebook: NotebookNode, folder: Path) -> None:
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    client = _client(notebook, folder)
    try:
        client.execute()
    except CellExecutionError as error:
        raise RociError(
            f"a cell of the demo failed ({error.ename}: {error.evalue}); mend that and run it again"
        ) from None
    except DeadKernelError as error:
        raise RociError(f"the demo's kernel died ({error}); run it again") from None


def _client(notebook: NotebookNode, folder: Path) -> NotebookClient:
    """Make a client that runs this very Python and shows what a kernel prints."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    from roci_nb.display.views import LIVE_VARIABLE

    class ThisPython(KernelSpecManager):
        """A kernel of the Python that runs the demo, whatever kernels the user has installed."""

        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"]
            return KernelSpec(argv=argv, display_name=kernel_name, language="python")

    class ShowingClient(NotebookClient):
        """Shows each cell and its stream in the terminal; the notebook keeps the final outputs only."""

        def process_message(self, msg: dict[str, object], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
            content = msg["content"]
            if msg["msg_type"] == "stream" and isinstance(content, dict) and _is_ask(cell.source):
                sys.stdout.write(str(content["text"]))
                sys.stdout.flush()
                return None
            output: NotebookNode | None = super().process_message(msg, cell, cell_index)
            if output is not None and not _is_ask(cell.source):
                print(output.get("text") or output.get("data", {}).get("text/plain", ""))  # noqa: T201 - see above
            return output

    def show_source(cell: NotebookNode, cell_index: int) -> None:
        del cell_index
        if cell.cell_type == "code":
            print("\n" + "\n".join(f"│ {line}" for line in cell.source.splitlines()), flush=True)  # noqa: T201 - see above

    os.environ[LIVE_VARIABLE] = "text"
    manager = AsyncKernelManager(kernel_spec_manager=ThisPython())
    return ShowingClient(
        notebook,
        km=manager,
        timeout=None,
        on_cell_execute=show_source,
        resources={"metadata": {"path": str(folder)}},
    )


def _is_ask(source: str) -> bool:
    return source.lstrip().startswith("%%roci")


if __name__ == "__main__":
    sys.exit(main())
