"""Numbers, times and names as people read them; pure functions, used by footers, tables and errors.

What is not known is None and reads as a dash (``UNKNOWN``), never as 0.
"""

from __future__ import annotations

import math
import unicodedata
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

UNKNOWN = "\N{EN DASH}"

_KIBI = 1024
_LONGEST_WORD = 100
_SHORTEST_PART = 3
_ALIKE = 0.6


def count(n: int | None) -> str:
    """Shorten a count by thousands: 348, 2.1k, 12k, 1.2M."""
    if n is None:
        return UNKNOWN
    number, unit = _scaled(float(n), ("", "k", "M", "B"))
    return f"{number.removesuffix('.0')}{unit}"


def window(n: int | None) -> str:
    """Name a context window as it is spoken of: 32768 is 32k, 1048576 is 1M.

    A number that is no multiple of 1024, or one of 1000 as well, is written out: 4,000 is not 4k, 128,000 not 125k.
    """
    if n is None:
        return UNKNOWN
    if n % _KIBI or n % 1000 == 0:
        return f"{n:,}"
    return f"{n // _KIBI}k" if n % _KIBI**2 else f"{n // _KIBI**2}M"


def size(n_bytes: float | None) -> str:
    """Write a number of bytes in decimal units, as disks and downloads do: 98 MB, 13.8 GB."""
    if n_bytes is None:
        return UNKNOWN
    number, unit = _scaled(float(n_bytes), ("B", "kB", "MB", "GB", "TB"), one_decimal_from="GB")
    return f"{number} {unit}"


def seconds(s: float | None) -> str:
    """Write how long something took: 0.4 s, 8.9 s, 2 min 05 s, 1 h 02 min."""
    if s is None or not math.isfinite(s):
        return UNKNOWN
    if s < 0.05:
        return "<0.1 s"
    if round(s, 1) < 60:
        return f"{s:.1f} s"
    minutes, rest = divmod(round(s), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min"


def clock(s: float | None) -> str:
    """Write how long something has been going on, as a clock that counts up: 0:04, 12:30, 1:02:03."""
    if s is None or not math.isfinite(s):
        return UNKNOWN
    minutes, rest = divmod(max(0, int(s)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def percent(fraction: float | None) -> str:
    """Write a share as a whole percentage; neither "0%" once something is there nor "100%" before all is."""
    if fraction is None or not math.isfinite(fraction):
        return UNKNOWN
    if 0 < fraction < 0.01:
        return "<1%"
    if 0.99 <= fraction < 1:
        return "99%"
    return f"{fraction:.0%}"


def clip(text: str, limit: int) -> str:
    """Cut a text to at most ``limit`` characters, the "…" that marks the cut among them."""
    if len(text) <= limit:
        return text
    return text[: limit - 1].rstrip() + "…" if limit > 0 else ""


def plain_text(text: str) -> str:
    """Leave out control characters but line breaks, tabs and returns, and what can't be encoded."""
    return "".join(character for character in text if character in "\n\t\r" or _is_shown(character))


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cs")


def nearest(word: str, possibilities: Iterable[str], n: int = 3) -> tuple[str, ...]:
    """Find the ``n`` names that were most likely meant, best first; () when none is near.

    Near is what is spelled alike, whatever the case, and what contains the word or is contained in it (three
    letters at least): "llama" finds "ollama", "temp" finds "temperature".
    """
    wanted = word[:_LONGEST_WORD].casefold()
    scored = [(_likeness(wanted, name[:_LONGEST_WORD].casefold()), name) for name in dict.fromkeys(possibilities)]
    # The sort is stable: names equally near keep the order they came in.
    near = sorted((pair for pair in scored if pair[0] >= _ALIKE), key=lambda pair: -pair[0])
    return tuple(name for _, name in near[:n])


def _likeness(wanted: str, name: str) -> float:
    """Score from 0 to 1; one inside the other counts as near at least, a common beginning a little more."""
    if wanted == name:
        return 1.0
    spelled = SequenceMatcher(None, wanted, name, autojunk=False).ratio()
    shorter, longer = sorted((wanted, name), key=len)
    if len(shorter) < _SHORTEST_PART or shorter not in longer:
        return spelled
    return max(spelled, _ALIKE + (0.1 if longer.startswith(shorter) else 0.0) + 0.2 * len(shorter) / len(longer))


def _scaled(number: float, units: tuple[str, ...], *, one_decimal_from: str | None = None) -> tuple[str, str]:
    """Divide by thousands until the number, as it is rounded, has at most three digits before its point.

    A scaled number under ten keeps one decimal; from the unit ``one_decimal_from`` on, every number does.
    """
    always = units[units.index(one_decimal_from) :] if one_decimal_from is not None else ()
    for unit in units:
        small = unit != units[0] and abs(round(number, 1)) < 10
        decimals = 1 if small or unit in always else 0
        if unit == units[-1] or round(abs(number), decimals) < 1000:
            return f"{number:.{decimals}f}", unit
        number /= 1000
    raise AssertionError("the last unit takes any number")
