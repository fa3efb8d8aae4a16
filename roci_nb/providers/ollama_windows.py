"""What Ollama's counts say of a window: an answer that ran past it, a prompt that was cut, one that did not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roci_nb.errors import ContextOverflow
from roci_nb.providers.base import estimate_tokens
from roci_nb.types.events import GenerationWarning, TextStreamDelta
from roci_nb.types.usage import Usage

if TYPE_CHECKING:
    from roci_nb.providers.server_errors import Addressee
    from roci_nb.types.requests import ProviderRequest

LONG_LOAD_S = 1.0
"""Ollama counts its own preparations as load too; measured: 1 to 30 ms where nothing is loaded."""


def with_unasked_reload(last: TextStreamDelta) -> TextStreamDelta:
    """Tell of a load that nobody asked for: the model was there, with the window that was sent.

    Measured on 0.24 and 0.33: whoever loaded it had set ``num_batch``, ``num_thread``, ``use_mmap`` or ``main_gpu``,
    which /api/ps does not tell, and which a request without them sets back.
    """
    load_s = None if last.timing is None else last.timing.load_s
    if load_s is None or load_s < LONG_LOAD_S:
        return last
    told = (
        f"Ollama loaded the model again ({load_s:.0f} s): another program had loaded it with options of its own, which "
        "Ollama does not tell. Set them in its Modelfile"
    )
    return replace(last, warnings=(*last.warnings, GenerationWarning(told)))


def with_window(last: TextStreamDelta, window: int | None, request: ProviderRequest) -> TextStreamDelta:
    """Complete the last delta with the window, and with what the counts say of it (PROTOCOLS A.0 and A.6)."""
    usage = last.usage or Usage()
    warnings = list(last.warnings)
    if window is not None and usage.total_tokens is not None and usage.total_tokens > window:
        warnings.append(
            GenerationWarning(
                f"the answer ran past the window ({usage.input_tokens:,} + {usage.output_tokens:,} > {window:,}): "
                "the model lost the beginning on the way. More: num_ctx"
            )
        )
    estimate = estimate_tokens(request).n
    if window is not None and usage.input_tokens is not None and estimate > window > 2 * usage.input_tokens:
        warnings.append(
            GenerationWarning(
                f"the server read {usage.input_tokens:,} tokens of a prompt of ~{estimate:,}: it seems to have cut it"
            )
        )
    return replace(last, context_window=window, warnings=tuple(warnings))


def overflow_of(
    error: ContextOverflow, request: ProviderRequest, window: int | None, addressee: Addressee
) -> ContextOverflow:
    """Complete an error that names no figures (0.24 says only that the input is too long): ours is an estimate."""
    estimate = estimate_tokens(request).n
    about = f" (~{estimate:,} tokens)" if window is None or estimate > window else ""
    holds = f" of {window:,} tokens" if window is not None else ""
    told = f"the prompt{about} is too long for the window{holds}: shorten it, or {addressee.larger_window}"
    return ContextOverflow(told, prompt_tokens=None, window=window, status=error.status, body=error.body)
