"""Child processes that no interrupt of ours reaches."""

from __future__ import annotations

import os
import subprocess
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Windows: a group of its own for Ctrl-C, and no console window that pops up.
_WINDOWS_FLAGS = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)


def spawn(
    command: Sequence[str],
    *,
    stdin: int,
    stdout: int | IO[bytes],
    stderr: int,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own.

    A front end's ■ sends SIGINT to the kernel's whole process group, a terminal's Ctrl-C to the foreground
    group. Neither may end a model that took a minute to load: what is to be stopped, we stop.

    This is plain ``subprocess`` and not asyncio's: a child outlives the loop that asked for it, and the loop
    that ipykernel chooses on Windows can't start children.
    """
    return subprocess.Popen(  # noqa: S603 - every command is written in this room
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=env,
        start_new_session=os.name == "posix",
        creationflags=_WINDOWS_FLAGS,
    )
