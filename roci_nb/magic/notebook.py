"""What the kernel knows of the notebook's cells, and what it may put into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@dataclass(frozen=True, slots=True)
class RunningCell:
    """The cell that runs now: its id where the front end sends one, and the ids of cells that were deleted."""

    id: str | None
    deleted: tuple[str, ...]
    number: int

    @property
    def name(self) -> str:
        """What a table calls it."""
        return f"In[{self.number}]"


def running_cell(shell: InteractiveShell) -> RunningCell:
    """Return the cell that runs now (NOTEBOOK 11): JupyterLab and VS Code send its id, nbclient does not."""
    get_parent = getattr(shell, "get_parent", None)
    parent = get_parent() if callable(get_parent) else {}
    metadata = parent.get("metadata", {}) if isinstance(parent, dict) else {}
    cell_id, deleted = metadata.get("cellId"), metadata.get("deletedCells")
    return RunningCell(
        cell_id if isinstance(cell_id, str) else None,
        tuple(str(one) for one in deleted) if isinstance(deleted, list) else (),
        shell.execution_count,
    )
