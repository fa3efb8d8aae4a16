"""Settings that belong together, by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roci_nb.errors import InvalidSetting
from roci_nb.markup.strings import nearest
from roci_nb.providers.harmony import is_gpt_oss
from roci_nb.session.options import PRESET_NAMES
from roci_nb.types.settings import GenerationSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings by a name; ``source`` says whose advice they are. ``clears`` takes back what lies below it."""

    name: str
    purpose: str
    source: str
    settings: GenerationSettings = field(default_factory=GenerationSettings)
    clears: tuple[str, ...] = ()


SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repeat_penalty",
)
_ALL = (
    Preset("model", "the model's own", "the server and its Modelfile: nothing is sent", clears=SAMPLING),
    Preset("openai", "gpt-oss as OpenAI samples it", "OpenAI", GenerationSettings(temperature=1.0, top_p=1.0, top_k=0)),
    Preset(
        "balanced",
        "everyday use",
        "the guide",
        GenerationSettings(temperature=0.7, top_p=0.95, top_k=40, repeat_penalty=1.1),
    ),
    Preset("code", "precise, for code", "the guide", GenerationSettings(temperature=0.3, top_p=0.95)),
    Preset(
        "creative",
        "varied, for stories",
        "the guide",
        GenerationSettings(temperature=1.2, top_p=0.98, repeat_penalty=0.9),
    ),
)
PRESETS: Mapping[str, Preset] = {name: next(one for one in _ALL if one.name == name) for name in PRESET_NAMES}


def preset(name: str) -> Preset:
    """Return a preset; raises ``InvalidSetting`` with the nearest name."""
    if name not in PRESETS:
        near = nearest(name, PRESETS, 1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(PRESETS)}"
        raise InvalidSetting(f"there is no preset {name!r}: {advice}", setting="preset")
    return PRESETS[name]


def harm(chosen: Preset, model_id: str) -> str | None:
    """Say what a preset does to this model that it should not; None where nothing is known.

    A repeat penalty counts the tokens of gpt-oss's channels too, which every answer repeats: it breaks their order.
    """
    penalty = chosen.settings.repeat_penalty
    if penalty is None or penalty == 1 or not is_gpt_oss(model_id):
        return None
    return f"preset {chosen.name}: its repeat_penalty {penalty:g} disturbs gpt-oss's channels; %roci set preset openai"
