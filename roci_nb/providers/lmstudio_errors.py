"""LM Studio's refusals in our words (PROTOCOLS D.4). They are told by their text: the status differs by version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roci_nb.errors import ContextOverflow, ModelNotFound, ServerError, Unsupported, one_line
from roci_nb.markup.strings import clip, nearest
from roci_nb.providers.server_errors import complaint_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOLD = {
    r"model has crashed": "{model} crashed in LM Studio ({text}): load it again (lms load {model}), with a smaller "
    "window or less of it on the GPU",
    r"model (is|was|has been) unloaded": "LM Studio unloaded {model} meanwhile ({text}): run again, and it is loaded "
    "for the request",
    r"failed to load model": "LM Studio could not load {model} ({text}): free memory (lms unload --all), ask for a "
    "smaller window, or ease the guardrails in its settings",
    r"unexpected endpoint or method": "{name} knows no such path ({text}): update LM Studio, or check that the "
    "address has no more behind the port than its own prefix",
}
_NOTHING_LOADED = re.compile(r"no models? (is |are )?(currently )?loaded", re.IGNORECASE)
_NOT_FOUND = re.compile(r"not.found", re.IGNORECASE)


def in_our_words(error: ServerError, model_id: str, name: str, installed: Sequence[str]) -> ServerError:
    """Tell a refusal with what to do about it; the error itself where it is well told."""
    if isinstance(error, ContextOverflow | Unsupported) or not error.body:
        return error
    text = clip(one_line(complaint_of(error.body).text), 300).rstrip(".")
    if _NOTHING_LOADED.search(text):
        return _not_found(
            f"{name} has no model loaded, and loads none by itself: lms load {model_id}, provider.load(), or switch "
            "on just-in-time loading in its settings",
            error,
            model_id,
            installed,
        )
    for pattern, told in _TOLD.items():
        if re.search(pattern, text, re.IGNORECASE) and not (pattern.startswith("failed") and _NOT_FOUND.search(text)):
            message = told.format(model=model_id, text=text, name=name)
            return ServerError(message, status=error.status, body=error.body)
    if isinstance(error, ModelNotFound):
        return not_found(model_id, name, installed, error)
    return error


def not_found(model_id: str, name: str, installed: Sequence[str], error: ServerError | None = None) -> ModelNotFound:
    """Say that LM Studio lacks a model, what it has, and how to get it."""
    near = nearest(model_id, installed)
    has = f" (it has {', '.join(installed[:8])}{', …' if len(installed) > 8 else ''})" if installed else ""
    hint = f"Did you mean {near[0]}? Otherwise get it" if near else "Get it"
    return _not_found(f"{name} has no model {model_id!r}{has}. {hint}: lms get {model_id}", error, model_id, installed)


def _not_found(message: str, error: ServerError | None, model_id: str, installed: Sequence[str]) -> ModelNotFound:
    return ModelNotFound(
        message,
        model=model_id,
        installed=installed,
        nearest=nearest(model_id, installed),
        status=None if error is None else error.status,
        body="" if error is None else error.body,
    )
