"""Windows: for how many tokens an engine is started.

llama.cpp allocates whatever it is asked for, and only then goes up to the next 256 or down to what the model was
trained for. Asked for what it would arrive at, it wastes nothing, and two wishes that come to the same are one.
"""

from __future__ import annotations

DEFAULT_WINDOW = 8192
"""Tokens for each slot where nobody asks for a window; a model trained for fewer gets its own."""
STEP = 256
"""llama.cpp's windows are multiples of this, but for one that is all that the model was trained for."""


def fitted_window(asked: int | None, trained: int | None) -> int:
    """Return the window that an engine gets: ``asked``, rounded up, and no more than the model was trained for."""
    rounded = -(-(asked or DEFAULT_WINDOW) // STEP) * STEP
    return rounded if trained is None else min(rounded, trained)


def difference(asked: int, window: int, trained: int | None) -> str | None:
    """Say in one line how the window in force differs from the one that was asked for; None where it does not."""
    if asked == window:
        return None
    if trained is not None and asked > trained:
        return f"the model was trained for {trained:,}: num_ctx {asked} was cut to {window:,}"
    if window == fitted_window(asked, trained):
        return f"windows come in steps of {STEP}: num_ctx {asked} was rounded up to {window:,}"
    return f"num_ctx {asked} was asked for, and the engine has a window of {window:,}"


def leftover(window: int, trained: int | None) -> str | None:
    """Say in one line that a running window, for which nobody asks now, is smaller than one would get unasked."""
    usual = fitted_window(None, trained)
    if window >= usual:
        return None
    return f"the window of {window:,} is from an earlier request, and stays: ask for more with num_ctx {usual}"
