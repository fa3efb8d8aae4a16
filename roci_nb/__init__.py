"""Local language models in Jupyter: ``%%roci`` cells over a typed async provider layer.

Nothing is imported until it is used: the public names below load with their first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from roci_nb.config import RociConfig as RociConfig
    from roci_nb.errors import BadReply as BadReply
    from roci_nb.errors import ConfigError as ConfigError
    from roci_nb.errors import ContextOverflow as ContextOverflow
    from roci_nb.errors import EngineFailed as EngineFailed
    from roci_nb.errors import IdleTimeout as IdleTimeout
    from roci_nb.errors import InvalidSetting as InvalidSetting
    from roci_nb.errors import MissingExtra as MissingExtra
    from roci_nb.errors import ModelNotFound as ModelNotFound
    from roci_nb.errors import Partial as Partial
    from roci_nb.errors import RateLimited as RateLimited
    from roci_nb.errors import RociError as RociError
    from roci_nb.errors import SelectorError as SelectorError
    from roci_nb.errors import ServerError as ServerError
    from roci_nb.errors import ServerUnreachable as ServerUnreachable
    from roci_nb.errors import Stopped as Stopped
    from roci_nb.errors import StreamBroken as StreamBroken
    from roci_nb.errors import ToolError as ToolError
    from roci_nb.errors import Unauthorized as Unauthorized
    from roci_nb.errors import UnknownProvider as UnknownProvider
    from roci_nb.errors import Unsupported as Unsupported
    from roci_nb.generation.conversation import Conversation as Conversation
    from roci_nb.generation.conversation import Turn as Turn
    from roci_nb.generation.text import generate_text as generate_text
    from roci_nb.generation.text import generate_text_sync as generate_text_sync
    from roci_nb.generation.text import stream_text as stream_text
    from roci_nb.generation.text import stream_text_sync as stream_text_sync
    from roci_nb.loop import run as run
    from roci_nb.providers.base import Provider as Provider
    from roci_nb.providers.embedded import EmbeddedProvider as EmbeddedProvider
    from roci_nb.providers.lmstudio import LmStudioModel as LmStudioModel
    from roci_nb.providers.lmstudio import LmStudioProvider as LmStudioProvider
    from roci_nb.providers.ollama import OllamaModel as OllamaModel
    from roci_nb.providers.ollama import OllamaProvider as OllamaProvider
    from roci_nb.providers.openai import OpenAiProvider as OpenAiProvider
    from roci_nb.providers.openai_compatible import OpenAiCompatibleProvider as OpenAiCompatibleProvider
    from roci_nb.providers.registry import provider_for as provider_for
    from roci_nb.providers.registry import register_provider as register_provider
    from roci_nb.providers.scripted import ScriptedProvider as ScriptedProvider
    from roci_nb.providers.transport import Timeouts as Timeouts
    from roci_nb.standin.server import StandIn as StandIn
    from roci_nb.standin.tutorial import TutorialServer as TutorialServer
    from roci_nb.standin.tutorial import tutorial_server as tutorial_server
    from roci_nb.types.events import GenerationWarning as GenerationWarning
    from roci_nb.types.events import TextStreamDelta as TextStreamDelta
    from roci_nb.types.messages import ImagePart as ImagePart
    from roci_nb.types.messages import ModelMessage as ModelMessage
    from roci_nb.types.messages import TextPart as TextPart
    from roci_nb.types.model_info import ModelInfo as ModelInfo
    from roci_nb.types.model_info import ModelList as ModelList
    from roci_nb.types.models import LanguageModel as LanguageModel
    from roci_nb.types.progress import Progress as Progress
    from roci_nb.types.requests import ProviderRequest as ProviderRequest
    from roci_nb.types.requests import RequestPreview as RequestPreview
    from roci_nb.types.requests import TokenCount as TokenCount
    from roci_nb.types.results import GenerateTextResult as GenerateTextResult
    from roci_nb.types.results import Step as Step
    from roci_nb.types.settings import GenerationSettings as GenerationSettings
    from roci_nb.types.usage import Timing as Timing
    from roci_nb.types.usage import Usage as Usage
    from roci_nb.widgets.settings_panel import SettingsPanel as SettingsPanel
    from roci_nb.widgets.tuner import Tuner as Tuner

_HOMES = {
    "roci_nb.config": ("RociConfig",),
    "roci_nb.errors": (
        "BadReply",
        "ConfigError",
        "ContextOverflow",
        "EngineFailed",
        "IdleTimeout",
        "InvalidSetting",
        "MissingExtra",
        "ModelNotFound",
        "Partial",
        "RateLimited",
        "RociError",
        "SelectorError",
        "ServerError",
        "ServerUnreachable",
        "Stopped",
        "StreamBroken",
        "ToolError",
        "Unauthorized",
        "UnknownProvider",
        "Unsupported",
    ),
    "roci_nb.generation.conversation": ("Conversation", "Turn"),
    "roci_nb.generation.text": ("generate_text", "generate_text_sync", "stream_text", "stream_text_sync"),
    "roci_nb.loop": ("run",),
    "roci_nb.providers.base": ("Provider",),
    "roci_nb.providers.embedded": ("EmbeddedProvider",),
    "roci_nb.providers.lmstudio": ("LmStudioModel", "LmStudioProvider"),
    "roci_nb.providers.ollama": ("OllamaModel", "OllamaProvider"),
    "roci_nb.providers.openai": ("OpenAiProvider",),
    "roci_nb.providers.openai_compatible": ("OpenAiCompatibleProvider",),
    "roci_nb.providers.registry": ("provider_for", "register_provider"),
    "roci_nb.providers.scripted": ("ScriptedProvider",),
    "roci_nb.providers.transport": ("Timeouts",),
    "roci_nb.standin.server": ("StandIn",),
    "roci_nb.standin.tutorial": ("TutorialServer", "tutorial_server"),
    "roci_nb.types.events": ("GenerationWarning", "TextStreamDelta"),
    "roci_nb.types.messages": ("ImagePart", "ModelMessage", "TextPart"),
    "roci_nb.types.model_info": ("ModelInfo", "ModelList"),
    "roci_nb.types.models": ("LanguageModel",),
    "roci_nb.types.progress": ("Progress",),
    "roci_nb.types.requests": ("ProviderRequest", "RequestPreview", "TokenCount"),
    "roci_nb.types.results": ("GenerateTextResult", "Step"),
    "roci_nb.types.settings": ("GenerationSettings",),
    "roci_nb.types.usage": ("Timing", "Usage"),
    "roci_nb.widgets.settings_panel": ("SettingsPanel",),
    "roci_nb.widgets.tuner": ("Tuner",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__version__ = "0.1.0"
__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - derived from the table above, and tested against it


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext roci_nb``: register ``%%roci`` and ``%roci``."""
    from roci_nb.magic.magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext roci_nb``: leave nothing behind."""
    from roci_nb.magic.magics import unload

    unload(shell)
