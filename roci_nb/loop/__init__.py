"""The background event loop, the hop onto it, the sync twins and ``run``.

One daemon thread owns one asyncio loop, and with it every connection. Whoever awaits a public coroutine (a script,
a notebook's own loop, a second loop, a widget's callback) only waits; the work runs there, and results cross in
batches. The waiting side wakes every 40 ms: ipykernel's interrupt does not wake a sleeping loop, so that without a
tick ■ would hang on a stalled stream.
"""

from roci_nb.loop.background import background_loop, close_at_exit, on_background_loop
from roci_nb.loop.blocking import Stopper, call_blocking, iterate_blocking, sync_twin
from roci_nb.loop.crossing import attach_partial, hop, iterate_on_loop, partial_of
from roci_nb.loop.nested import run

__all__ = [
    "Stopper",
    "attach_partial",
    "background_loop",
    "call_blocking",
    "close_at_exit",
    "hop",
    "iterate_blocking",
    "iterate_on_loop",
    "on_background_loop",
    "partial_of",
    "run",
    "sync_twin",
]
