"""What of a request LM Studio can take, and what it may do to a prompt that is too long (PROTOCOLS D.3 and D.4)."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from roci_nb.providers.base import estimate_tokens
from roci_nb.providers.harmony import is_gpt_oss
from roci_nb.types.events import GenerationWarning

if TYPE_CHECKING:
    from pydantic import JsonValue

    from roci_nb.providers.lmstudio_models import StoredModel, Target
    from roci_nb.types.requests import ProviderRequest
    from roci_nb.types.usage import Usage

ONE_INSTANCE = "{} is one loaded instance; name its model to load it with another window"
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(keep_alive: float | str) -> float:
    """Return a duration in seconds: a number is one, ``"1h30m"`` is 5400."""
    if not isinstance(keep_alive, str):
        return keep_alive
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", keep_alive)
    total = sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    return -total if keep_alive.startswith("-") else total


def fitted(
    request: ProviderRequest, model: StoredModel | None, *, loads: bool
) -> tuple[ProviderRequest, tuple[GenerationWarning, ...]]:
    """Write settings as LM Studio takes them, with a warning for each that it can't.

    ``num_ctx`` is no part of a chat request there, and ``keep_alive`` is its ``ttl``, which counts only where the
    request ``loads`` the model.
    """
    settings = request.settings
    warnings: list[GenerationWarning] = []
    changed: dict[str, JsonValue] = {"num_ctx": None, "keep_alive": None}
    if settings.keep_alive is not None:
        ttl, warnings = _ttl(settings.keep_alive, loads=loads)
        if ttl is not None:
            changed["extra"] = {"ttl": ttl, **settings.extra}
    sent, of_effort = _effort(request, model)
    if not sent:
        changed["reasoning_effort"] = None
    fitting = request.model_copy(update={"settings": settings.model_copy(update=changed)})
    return fitting, (*warnings, *of_effort)


def _ttl(keep_alive: float | str, *, loads: bool) -> tuple[int | None, list[GenerationWarning]]:
    ttl = math.ceil(seconds_of(keep_alive))
    if ttl < 0:
        why = "LM Studio's ttl has an end; a model that is loaded by provider.load() or lms load stays"
    elif ttl == 0:
        why = "LM Studio's ttl begins at a second; await provider.unload() frees the memory now"
    elif not loads:
        why = "LM Studio heeds it only where a request loads the model"
    else:
        return ttl, []
    return None, [GenerationWarning(f"keep_alive is not sent: {why}", setting="keep_alive")]


def _effort(request: ProviderRequest, model: StoredModel | None) -> tuple[bool, list[GenerationWarning]]:
    """Say whether the effort is sent, by the server's own list; that gpt-oss can't stop is said elsewhere."""
    effort = request.settings.reasoning_effort
    if effort is None or model is None or (effort == "off" and is_gpt_oss(f"{model.info.family or ''} {model.key}")):
        return True, []
    if model.efforts is None:
        told = f"reasoning_effort is sent, but this LM Studio does not tell whether {model.key} heeds it"
        return True, [GenerationWarning(told, setting="reasoning_effort")]
    if effort in model.efforts:
        return True, []
    told = f"reasoning_effort {effort} is not sent: {model.key} knows {', '.join(model.efforts)}"
    return False, [GenerationWarning(told, setting="reasoning_effort")]


def target_warnings(target: Target, num_ctx: int | None) -> tuple[GenerationWarning, ...]:
    """Warn where the model is not listed, and where a window that is asked for can't be had."""
    warnings = []
    if target.shelf.api in ("v1", "v0") and target.model is None:
        has = ", ".join(target.shelf.keys[:8]) or "none"
        warnings.append(GenerationWarning(f"LM Studio lists no model {target.name} (it has {has}): another may answer"))
    if num_ctx is not None and num_ctx != target.window and not target.needs_load(num_ctx):
        why = _why_no_window(target, num_ctx)
        warnings.append(GenerationWarning(f"num_ctx is not sent: {why}", setting="num_ctx"))
    return tuple(warnings)


def _why_no_window(target: Target, num_ctx: int) -> str:
    if target.shelf.api is None:
        return "LM Studio does not tell its models now; run again"
    if target.shelf.api != "v1":
        return "this LM Studio takes no window by its API; lms load MODEL -c N does"
    if target.model is None:
        return "LM Studio does not list the model"
    if target.is_full(num_ctx):
        return f"the model is loaded with {target.window:,}, the most that it takes"
    if target.is_one_instance:
        return ONE_INSTANCE.format(target.name)
    return f"LM Studio does not tell which quantization is loaded; name the model {target.model.key}"


def loaded_warning(before: Target, after: Target, num_ctx: int) -> GenerationWarning:
    """Announce a load that a window took."""
    window = f"{after.window:,}" if after.window is not None else "a size that it does not tell"
    if before.instance is None:
        told = f"the model was loaded with a window of {window}, as num_ctx asks, and stays loaded"
    else:
        was = f"{before.window:,}" if before.window is not None else "another"
        told = f"the model was loaded again, with a window of {window} in place of {was}, as num_ctx asks"
    if after.window != num_ctx:
        told += f" (asked: {num_ctx:,})"
    return GenerationWarning(told, setting="num_ctx")


def cut_warnings(
    request: ProviderRequest, window: int | None, usage: Usage | None = None
) -> tuple[GenerationWarning, ...]:
    """Warn where a prompt is, or was, too long: LM Studio cuts its middle in silence, unless it is told otherwise.

    Without ``usage`` nothing has been sent yet, and only an estimate tells.
    """
    if window is None:
        return ()
    estimate = estimate_tokens(request).n
    if usage is None:
        told = (
            f"the prompt has ~{estimate:,} tokens and the window holds {window:,}: LM Studio may cut its middle; "
            "shorten it, or ask for a larger window (num_ctx)"
        )
        return (GenerationWarning(told),) if estimate > window else ()
    read, written = usage.input_tokens, usage.output_tokens
    if read is not None and estimate > window and 2 * read < estimate:
        return (
            GenerationWarning(
                f"LM Studio read {read:,} tokens of a prompt of ~{estimate:,}: it seems to have cut its middle; "
                "shorten it, or ask for a larger window (num_ctx)"
            ),
        )
    if read is not None and written is not None and read + written > window:
        return (
            GenerationWarning(
                f"the answer ran past the window ({read:,} + {written:,} > {window:,}): the model lost a part of the "
                "conversation on the way; ask for a larger window (num_ctx)"
            ),
        )
    return ()
