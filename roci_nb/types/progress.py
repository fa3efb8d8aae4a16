"""How far a long operation has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a download, a load or a prompt being read.

    ``completed`` and ``total`` count ``unit``s ("bytes" or "tokens"); each is None where nobody tells. No figure is
    invented: without both there is no percentage.
    """

    status: str
    completed: int | None = None
    total: int | None = None
    unit: str = "bytes"

    @property
    def fraction(self) -> float | None:
        """Between 0 and 1, or None where the total is not known."""
        if self.completed is None or not self.total:
            return None
        return min(self.completed / self.total, 1.0)
