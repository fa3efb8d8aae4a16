"""Client CPU per delta, and the time from the first byte of the answer to the first delta."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from functools import partial

from tests.benchmarks.clients import Ask, Client, clients
from tests.benchmarks.stream_server import serving
from tests.benchmarks.table import Row, Section, row

FLOOD, PACED, REPETITIONS, FIRSTS = 10_000, 1_000, 7, 30


def sections() -> Iterator[Section]:
    """Measure on one server, every client in turn, over and over."""
    with serving() as url:
        for model, deltas, how in (
            (f"flood-{FLOOD}", FLOOD, "as fast as the client reads"),
            (f"paced-{PACED}", PACED, "one a millisecond"),
        ):
            rows = _rows(clients(url), partial(_cpu, model=model, deltas=deltas), REPETITIONS, "µs")
            title = f"client CPU per delta, {deltas:,} deltas {how}"
            yield Section(title, "no more than ollama's client, a fifth of openai's", rows)
        rows = _rows([c for c in clients(url) if "httpx" not in c.name], _first_delta, FIRSTS, "ms")
        yield Section("first delta after first byte", "5 ms", rows)


def _cpu(ask: Ask, model: str, deltas: int) -> float:
    """Microseconds a delta, of all the threads of this process."""
    seen: list[str] = []
    gc.collect()
    before = time.process_time()
    ask(model, seen.append)
    spent = time.process_time() - before
    assert sum(map(len, seen)) > deltas, "an answer came short"
    return spent / deltas * 1e6


def _first_delta(ask: Ask) -> float:
    """Milliseconds from the server's send to the client's hands; both read this machine's monotonic clock."""
    late: list[float] = []
    ask("clock", lambda text: late.append(time.monotonic() - float(text)))
    [seconds] = late
    return seconds * 1e3


def _rows(asked: list[Client], measure: Callable[[Ask], float], repetitions: int, unit: str) -> tuple[Row, ...]:
    values: list[list[float]] = [[] for _ in asked]
    for turn in range(repetitions + 1):
        for client, measured in zip(asked, values, strict=True):
            if client.ask is not None:
                value = measure(client.ask)
                if turn:  # the first one pays for the imports
                    measured.append(value)
    return tuple(
        _row(client, measured, _peers(client, asked, values), unit)
        for client, measured in zip(asked, values, strict=True)
    )


def _peers(client: Client, asked: list[Client], values: list[list[float]]) -> list[float]:
    return next(measured for other, measured in zip(asked, values, strict=True) if other.name == client.peer)


def _row(client: Client, values: list[float], peer: list[float], unit: str) -> Row:
    who = f"{client.name} ({client.wire})"
    return row(who, values, unit, peer=peer, compared=client.peer) if values else Row(who, "not there yet")
