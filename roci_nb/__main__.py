"""``python -m roci_nb``: a prompt, the tutorials and the stand-in server, from a terminal."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from roci_nb.errors import ConfigError, MissingExtra, RociError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbclient import NotebookClient
    from nbformat import NotebookNode


FIRST = "00_first_cell.ipynb"
"""The tutorial that the demo runs."""

_FURTHER = "All other options go to JupyterLab: --no-browser, --port, …"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    if not words:
        parser.print_help()
        return 2
    try:
        if words[0] == "ask":  # its words are a cell's line, which argparse would read differently
            run_ask(words[1:])
        else:
            asked, further = parser.parse_known_args(words)
            if further and asked.command != "lab":
                parser.error(f"{asked.command} takes no {further[0]}")
            asked.further = further
            asked.run(asked)
    except RociError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - this is the command's answer
        return 1
    except KeyboardInterrupt:
        print("\n■ stopped", file=sys.stderr)  # noqa: T201 - see above
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m roci_nb", description="Local language models in Jupyter.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("ask", help="ask a model: ask [PROVIDER:MODEL] [options] PROMPT", add_help=False)
    models = commands.add_parser("models", help="list the models of the servers that answer")
    models.set_defaults(run=lambda _: run_models())
    demo = commands.add_parser("demo", help="run the first tutorial in a real kernel, and leave it as a page")
    demo.add_argument("--to", type=Path, default=Path("roci_demo"), metavar="FOLDER", help="where the results go")
    demo.set_defaults(run=lambda asked: run_demo(asked.to))
    lab = commands.add_parser("lab", help="open JupyterLab with a copy of the tutorials", epilog=_FURTHER)
    lab.add_argument("--to", type=Path, default=Path("roci_tutorials"), metavar="FOLDER", help="where the copy goes")
    lab.set_defaults(run=lambda asked: run_lab(asked.to, asked.further))
    standin = commands.add_parser("standin", help="serve Ollama's and LM Studio's wire from two small models")
    standin.add_argument("--port", type=int, default=0, metavar="N", help="of Ollama's side; 0 is any free one")
    standin.add_argument("--lmstudio-port", type=int, default=0, metavar="N", help="of LM Studio's side")
    standin.add_argument("--usual-ports", action="store_true", help="where the real ones listen: 11434 and 1234")
    standin.set_defaults(run=lambda asked: run_standin(asked.port, asked.lmstudio_port, usual_ports=asked.usual_ports))
    return parser


def run_ask(words: Sequence[str]) -> None:
    """Ask one prompt, with the options of a ``%%roci`` line; what is piped in goes below it."""
    if words and words[0] in ("-h", "--help"):
        from roci_nb.session.options import help_text

        print(help_text().replace("%%roci", "python -m roci_nb ask"))  # noqa: T201 - see above
        return
    from roci_nb.magic.command_line import ask

    ask(words, "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read())


def run_models() -> None:
    """Print what ``%roci models`` shows."""
    from roci_nb.magic.command_line import bare_cells
    from roci_nb.magic.verbs import run_verb

    print(run_verb(bare_cells(), "models"))  # noqa: T201 - see above


def run_demo(folder: Path) -> None:
    """Execute the first tutorial in a real kernel; show the stream, leave the notebook and a page."""
    try:
        import nbformat
        from nbconvert import HTMLExporter
    except ImportError:
        raise MissingExtra("demo", "the demo") from None
    notebook = nbformat.read(_tutorials() / FIRST, as_version=4)
    _make(folder)
    _execute(notebook, folder)
    executed = folder / FIRST
    page = executed.with_suffix(".html")
    nbformat.write(notebook, executed)
    html, _ = HTMLExporter().from_notebook_node(notebook)
    page.write_text(html, encoding="utf-8")
    print(f"\nThe executed notebook: {executed.resolve()}\nThe same as a page:    {page.resolve()}")  # noqa: T201 - see above


def run_lab(folder: Path, options: Sequence[str] = ()) -> None:
    """Copy the tutorials to a folder of the user's, and open JupyterLab there; what the user changed stays.

    ``options`` go to JupyterLab as they are.
    """
    try:
        from jupyterlab.labapp import LabApp
    except ImportError:
        raise MissingExtra("lab", "JupyterLab") from None
    _make(folder)
    for source in sorted(_tutorials().glob("*.*")):
        target = folder / source.name
        if not target.exists():
            shutil.copyfile(source, target)
    print(f"The tutorials: {folder.resolve()} (README.md there says which is which)", flush=True)  # noqa: T201 - see above
    first = f"--LabApp.default_url=/lab/tree/{FIRST}"
    LabApp.launch_instance([f"--ServerApp.root_dir={folder.resolve()}", first, *options])


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} can't be made ({error.strerror}): name another with --to FOLDER") from None


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


def _tutorials() -> Path:
    """Find the tutorial notebooks: in the wheel beside this file, in a checkout one level up."""
    here = Path(__file__).parent
    for folder in (here / "notebooks", here.parent / "notebooks"):
        if (folder / FIRST).is_file():
            return folder
    raise ConfigError("the tutorials are not part of this installation: install roci-nb again")


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
