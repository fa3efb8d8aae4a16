"""Which control suits which setting: data, no widgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from roci_nb.session.options import EFFORTS
from roci_nb.session.presets import PRESETS

Kind: TypeAlias = Literal["slider", "field", "seed", "choice", "tags", "prose"]
Choice: TypeAlias = tuple[str, str]
"""What a menu shows, and what it stands for; "" is unset (ipywidgets takes None for no choice at all)."""

AS_SERVER = "as the server has it"


@dataclass(frozen=True, slots=True)
class Control:
    """How one setting is set.

    A slider goes from ``low`` to ``high`` and stands at ``neutral`` while nothing is set; other values are typed.
    ``suggestions`` are offered in a field that takes any value, ``example`` stands in it while it is empty; ``unset``
    says what holds while nothing is set.
    """

    name: str
    label: str
    hint: str
    kind: Kind = "field"
    low: float = 0
    high: float = 1
    step: float = 0.01
    neutral: float = 0
    suggestions: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    unset: str = AS_SERVER
    example: str = ""


SYSTEM = Control("system", "system prompt", "instructions for the model", "prose", unset="none", example="none")
PRESET = Control(
    "preset",
    "preset",
    "settings that belong together",
    "choice",
    choices=(("none", ""), *((f"{one.name} · {one.purpose} · {one.source}", one.name) for one in PRESETS.values())),
    unset="none",
)
GROUPS: tuple[tuple[str, tuple[Control, ...]], ...] = (
    (
        "How words are chosen",
        (
            Control("temperature", "temperature", "how freely words are chosen", "slider", 0, 2, 0.05, 1),
            Control("top_p", "top-p", "among the likeliest words that make up this share", "slider", neutral=1),
            Control("top_k", "top-k", "among this many likeliest words; 0 is off", "slider", 0, 100, 1),
            Control("min_p", "min-p", "leave out words this much less likely than the likeliest", "slider"),
            Control(
                "repeat_penalty", "repeat penalty", "repeated words less likely; 1 is off", "slider", 0.5, 2, 0.05, 1
            ),
            Control("presence_penalty", "presence penalty", "used words less likely", "slider", -2, 2, 0.05),
            Control("frequency_penalty", "frequency penalty", "often used words less likely", "slider", -2, 2, 0.05),
            Control("seed", "seed", "the same seed gives the same answer", "seed"),
        ),
    ),
    (
        "How long",
        (
            Control(
                "reasoning_effort", "effort", "how long it thinks", "choice", choices=tuple((e, e) for e in EFFORTS)
            ),
            Control(
                "max_tokens",
                "longest answer",
                "the longest answer, in tokens",
                example="tokens",
                suggestions=("256", "512", "1024", "2048", "4096", "8192"),
            ),
            Control(
                "num_ctx",
                "window",
                "in tokens; another one loads the model again",
                example="tokens",
                suggestions=("4096", "8192", "16384", "32768", "65536", "131072"),
            ),
            Control("stop_sequences", "stop before", "end the answer before a text; \\n is a line break", "tags"),
            Control(
                "keep_alive",
                "keep alive",
                "how long it stays loaded",
                example="5m, 1h, -1",
                suggestions=("5m", "30m", "1h", "-1", "0"),
            ),
            Control("user", "user", "a name that the server is told"),
        ),
    ),
)
SETTING_CONTROLS = tuple(control for _, controls in GROUPS for control in controls)
