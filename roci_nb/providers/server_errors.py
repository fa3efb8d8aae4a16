"""A server's refusal, in any of its shapes, to one of our errors (PROTOCOLS A.8, D.4, E.1 and E.2)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roci_nb.errors import (
    ContextOverflow,
    ModelNotFound,
    RateLimited,
    RociError,
    ServerError,
    Unauthorized,
    Unsupported,
    one_line,
)
from roci_nb.markup.strings import clip

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Addressee:
    """Who was asked, in the words that an error needs: a sentence ends ``how_to_start`` and ``how_to_get``."""

    name: str
    model_id: str
    how_to_start: str
    how_to_get: str
    key_hint: str = "pass api_key=…"
    larger_window: str = "load the model with a larger window"
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What no error may show, even where the server repeats it."""

    def redact(self, text: str) -> str:
        """Take the secrets out of what the server said."""
        text = _KEY.sub("[redacted]", text)  # some quote the key that they refuse
        for secret in self.secrets:
            scheme, _, credentials = secret.partition(" ")  # "Basic …"
            for form in (secret, credentials if scheme in _SCHEMES else ""):
                if form:
                    text = text.replace(form, "[redacted]").replace(form.replace("/", r"\/"), "[redacted]")
        return text


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a server's error body says."""

    text: str
    prompt_tokens: int | None = None
    window: int | None = None
    code: str = ""


_OVERFLOW = re.compile(
    r"exceed_context_size|context_length_exceeded|exceeds the available context size|longer than the context length"
    r"|(input length )?exceeds the context length|maximum context length|trying to keep the first|n_keep"
    r"|larger than the max context size|context size has been exceeded",
    re.IGNORECASE,
)
_OVERFLOW_COUNTS = (
    re.compile(r"\((?P<prompt>\d+) tokens?\).*\((?P<window>\d+) tokens?\)"),
    re.compile(r"first (?P<prompt>\d+) tokens.*only (?P<window>\d+) tokens"),
    re.compile(r"n_keep \((?P<prompt>\d+)\) >= n_ctx \((?P<window>\d+)\)"),
    re.compile(
        r"maximum context length is (?P<window>\d+) tokens.*?(?:requested|contains|resulted in)\D*(?P<prompt>\d+)"
    ),
    re.compile(r"maximum context length is (?P<window>\d+)"),
)
_NO_MODEL = re.compile(
    r"model.{0,200}?(not found|does not exist|is not available)|model_not_found|no models? (is )?loaded"
    r"|file does not exist",
    re.IGNORECASE,
)
_SCHEMES = ("Bearer", "Basic", "Token", "ApiKey")
_KEY = re.compile(r"\bsk-[\w*:.-]{6,}")
_FEATURES = {
    "images": re.compile(
        r"image input is not supported|does not support (vision|images?|multimodal)|mmproj", re.IGNORECASE
    ),
    "thinking": re.compile(r"does not support (thinking|reasoning)", re.IGNORECASE),
    "tools": re.compile(
        r"does not support tools|tool choice requires|tool-call-parser|tools.*not supported", re.IGNORECASE
    ),
    "schema": re.compile(r"json schema error|response_format|json_schema", re.IGNORECASE),
}


def error_from_reply(
    status: int | None,
    body: bytes,
    addressee: Addressee,
    *,
    retry_after: str | None = None,
    location: str | None = None,
) -> RociError:
    """Map a refusal to our error. ``status`` is None for an error inside a stream that began well."""
    raw = addressee.redact(body.decode("utf-8", "replace"))
    complaint = complaint_of(raw)
    text = clip(one_line(addressee.redact(complaint.text)), 300)  # once more: JSON has ways to write a character
    known = _known_error(status, complaint, text, raw, addressee)
    if known is not None:
        return known
    name = addressee.name
    if status in (401, 403):
        return _refused_key(status, text, raw, addressee)
    if status == 429 or (status == 503 and "busy" in text.lower()):
        wait = _seconds(retry_after)
        again = f"wait {wait:g} s and run again" if wait else "wait a little and run again"
        return RateLimited(f"{name} is busy ({text}): {again}", retry_after_s=wait, status=status, body=raw)
    whither = addressee.redact(location or "")
    return ServerError(_failure(status, text, whither, name), status=status, body=raw)


def _refused_key(status: int, text: str, raw: str, addressee: Addressee) -> Unauthorized:
    name = addressee.name
    if text:
        return Unauthorized(f"{name} refused the key ({status}: {text}): {addressee.key_hint}", status=status, body=raw)
    return Unauthorized(
        f"{name} refused the request without a word ({status}): its host check wants a name that it knows; "
        "use 127.0.0.1 in the address, or allow the host there",
        status=status,
        body=raw,
    )


def _failure(status: int | None, text: str, location: str, name: str) -> str:
    if status is not None and 300 <= status < 400:
        return f"{name} redirects to {location}: use that address"
    if status in (404, 405):
        return f"{name} knows no such path ({status}): is the address right, and is it this kind of server?"
    return f"{name} failed ({f'{status}: ' if status is not None else ''}{text}): look at its log"


def _known_error(
    status: int | None, complaint: Complaint, text: str, raw: str, addressee: Addressee
) -> ServerError | None:
    """Errors that are told by their text, whatever the status: it differs by server and version."""
    name = addressee.name
    told = f"{complaint.text} {complaint.code}"
    if _OVERFLOW.search(told):
        return overflow(addressee, complaint.prompt_tokens, complaint.window, status=status, body=raw)
    for feature, pattern in _FEATURES.items():
        if status in (400, 500, 501, 422, None) and pattern.search(told):
            return Unsupported(
                f"{addressee.model_id} at {name} can't take {feature} ({text}): leave it out, or choose another model",
                feature=feature,
                status=status,
                body=raw,
            )
    if status in (400, 404, 500, None) and _NO_MODEL.search(told):
        return ModelNotFound(
            f"{name} has no model {addressee.model_id!r}. {addressee.how_to_get}",
            model=addressee.model_id,
            status=status,
            body=raw,
        )
    return None


def overflow(
    addressee: Addressee, prompt: int | None, window: int | None, *, status: int | None = None, body: str = ""
) -> ContextOverflow:
    """Say that a prompt does not fit, with its numbers where they are known."""
    size = f"the prompt has {prompt:,} tokens" if prompt is not None else "the prompt is too long"
    fits = f" and the window holds {window:,}" if window is not None else " for the window"
    return ContextOverflow(
        f"{size}{fits}: shorten it, or {addressee.larger_window}",
        prompt_tokens=prompt,
        window=window,
        status=status,
        body=body,
    )


def complaint_of(raw: str) -> Complaint:
    """Read an error body: ``{"error": str | object}``, JSON nested in that string, flat objects, or plain text."""
    value = _leading_json(raw)
    if not isinstance(value, dict):
        return Complaint("" if value is None and not raw.strip() else _without_tags(raw))
    inner = value.get("error", value.get("detail", value))
    if isinstance(inner, str):
        nested = _leading_json(inner)
        if isinstance(nested, dict):
            return complaint_of(json.dumps(nested))
        return _with_counts(Complaint(inner))
    if not isinstance(inner, dict):
        return Complaint(json.dumps(inner))
    text = inner.get("message")
    code = f"{inner.get('type') or ''} {inner.get('code') or ''}".strip()
    return _with_counts(
        Complaint(
            str(text) if text is not None else json.dumps(inner),
            _count(inner.get("n_prompt_tokens")),
            _count(inner.get("n_ctx")),
            code,
        )
    )


def _with_counts(complaint: Complaint) -> Complaint:
    if complaint.window is not None or not _OVERFLOW.search(complaint.text):
        return complaint
    for pattern in _OVERFLOW_COUNTS:
        if match := pattern.search(complaint.text):
            counts = {name: int(digits) for name, digits in match.groupdict().items() if digits}
            return Complaint(complaint.text, counts.get("prompt"), counts.get("window"), complaint.code)
    return complaint


def _leading_json(text: str) -> JsonValue:
    """Read the JSON document that a text begins with; Ollama may append a line behind it (PROTOCOLS A.6)."""
    stripped = text.lstrip()
    if not stripped.startswith(("{", "[")):
        return None
    try:
        value: JsonValue = json.JSONDecoder().raw_decode(stripped)[0]
    except (ValueError, RecursionError):
        return None
    return value


def _without_tags(text: str) -> str:
    return re.sub(r"<[^>]*>", " ", re.sub(r"(?is)<(script|style).*?</\1>", " ", text))


def _count(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
