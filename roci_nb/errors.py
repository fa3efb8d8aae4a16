"""Every error that roci_nb raises, and what each of them knows.

::

    RociError                 .partial, when an answer had begun
    ├── ConfigError           something that was written down wrong
    │   ├── SelectorError         not of the form "provider:model_id"
    │   ├── UnknownProvider       .key, .nearest
    │   ├── InvalidSetting        .setting
    │   └── MissingExtra          .extra
    ├── ServerUnreachable     .url
    ├── ServerError           .status, .body
    │   ├── ModelNotFound         .model, .installed, .nearest
    │   ├── ContextOverflow       .prompt_tokens, .window
    │   ├── Unsupported           .feature
    │   ├── Unauthorized
    │   └── RateLimited           .retry_after_s
    ├── StreamBroken          the answer ended without its end mark
    │   └── IdleTimeout           .seconds
    ├── BadReply              .raw
    ├── EngineFailed          .log
    └── ToolError             .tool

    Stopped (KeyboardInterrupt)   the user's ■; .partial

A message is one line and ends with what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from traceback import FrameSummary

    from roci_nb.types.results import Step


@dataclass(frozen=True, slots=True)
class Partial:
    """What had arrived of an answer when it ended early."""

    text: str = ""
    reasoning: str = ""
    steps: tuple[Step, ...] = ()


class RociError(Exception):
    """Base of every error of roci_nb: one line that ends with what to do next."""

    partial: Partial | None = None
    """What had arrived, when the error came in the middle of an answer."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))

    def _render_traceback_(self) -> list[str]:
        """Show IPython the user's own lines, not the dozens inside; ``traceback.print_exception`` has them all."""
        causes = _own_lines(self.__cause__)
        caused = [f"caused by {type(self.__cause__).__name__}: {self.__cause__}", *causes] if causes else []
        return [*_own_lines(self), f"{type(self).__name__}: {self}", *caused]

    def __reduce__(self) -> tuple[Callable[..., RociError], tuple[type[RociError], dict[str, object]]]:
        """Survive a process pool: the subclasses' own arguments are attributes by then."""
        # How IPython shows it is a function of this process (show_as_one_line).
        state = {name: value for name, value in self.__dict__.items() if name != "_render_traceback_"}
        return _restored, (type(self), {**state, "args": self.args})


def _own_lines(error: BaseException | None) -> list[str]:
    """Return the lines of a traceback that lie neither in this package, nor in others, nor in Python itself."""
    import sysconfig
    import traceback
    from pathlib import Path

    trace = None if error is None else error.__traceback__
    others = (str(Path(__file__).parent), sysconfig.get_path("stdlib"), "<frozen ")
    installed = ("site-packages", "dist-packages")
    own = (
        _own_line(frame)
        for frame in traceback.extract_tb(trace)
        if not frame.filename.startswith(others) and not any(folder in frame.filename for folder in installed)
    )
    return list(dict.fromkeys(own))  # a comprehension has a frame of its own on the same line


def _own_line(frame: FrameSummary) -> str:
    where = "" if "ipykernel_" in frame.filename or frame.filename.startswith("<") else f'File "{frame.filename}", '
    return f"{where}line {frame.lineno}: {frame.line}"


def _restored(kind: type[RociError], state: dict[str, object]) -> RociError:
    error = kind.__new__(kind)
    error.args = state.pop("args")  # type: ignore[assignment]  # put there by __reduce__
    error.__dict__.update(state)
    return error


class ConfigError(RociError):
    """Something that was written down wrong: a selector, a setting, an address, a file."""


class SelectorError(ConfigError):
    """A model selector that is not of the form ``provider:model_id``."""


class UnknownProvider(ConfigError):
    """A selector names a provider that is not registered; ``nearest`` holds selectors that may be meant."""

    def __init__(self, message: str, *, key: str, nearest: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.key = key
        self.nearest = tuple(nearest)


class InvalidSetting(ConfigError):
    """A setting of the wrong name, type or range."""

    def __init__(self, message: str, *, setting: str) -> None:
        super().__init__(message)
        self.setting = setting


class MissingExtra(ConfigError):
    """An optional part of the package is not installed; the message holds the pip command."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs an optional part: pip install "roci-nb[{extra}]"')
        self.extra = extra


class ServerUnreachable(RociError):
    """Nothing answered at ``url``; the message says how to start the server."""

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(message)
        self.url = url


class ServerError(RociError):
    """The server refused or failed; ``status`` is None when it was found before sending or inside a stream."""

    def __init__(self, message: str, *, status: int | None = None, body: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class ModelNotFound(ServerError):
    """The server does not have the model."""

    def __init__(
        self,
        message: str,
        *,
        model: str,
        installed: Sequence[str] = (),
        nearest: Sequence[str] = (),
        status: int | None = None,
        body: str = "",
    ) -> None:
        super().__init__(message, status=status, body=body)
        self.model = model
        self.installed = tuple(installed)
        self.nearest = tuple(nearest)


class ContextOverflow(ServerError):
    """The prompt does not fit the window; counts are tokens, None where the server did not say."""

    def __init__(
        self,
        message: str,
        *,
        prompt_tokens: int | None = None,
        window: int | None = None,
        status: int | None = None,
        body: str = "",
    ) -> None:
        super().__init__(message, status=status, body=body)
        self.prompt_tokens = prompt_tokens
        self.window = window


class Unsupported(ServerError):
    """The model or its server lacks a feature: thinking, tools, schema, images."""

    def __init__(self, message: str, *, feature: str, status: int | None = None, body: str = "") -> None:
        super().__init__(message, status=status, body=body)
        self.feature = feature


class Unauthorized(ServerError):
    """The server wants another key, or one at all."""


class RateLimited(ServerError):
    """The server is busy or the account's limit is reached."""

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, status: int | None = None, body: str = ""
    ) -> None:
        super().__init__(message, status=status, body=body)
        self.retry_after_s = retry_after_s


class StreamBroken(RociError):
    """The answer ended without the server's end mark."""


class IdleTimeout(StreamBroken):
    """The server sent nothing for ``seconds``."""

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class BadReply(RociError):
    """The server's reply could not be understood; ``raw`` is what it sent."""

    def __init__(self, message: str, *, raw: str = "") -> None:
        super().__init__(message)
        self.raw = raw


class EngineFailed(RociError):
    """The embedded engine could not start, or died; ``log`` is the end of what it printed."""

    def __init__(self, message: str, *, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class ToolError(RociError):
    """A tool of the user's failed; ``tool`` is its name."""

    def __init__(self, message: str, *, tool: str) -> None:
        super().__init__(message)
        self.tool = tool


class Stopped(KeyboardInterrupt):
    """The user stopped an answer (■ or Ctrl-C); the cell fails, so that Run All stops."""

    partial: Partial | None = None

    def __init__(self, message: str = "stopped") -> None:
        super().__init__(message)

    def _render_traceback_(self) -> list[str]:
        return [f"■ {self}"]


def one_line(message: str) -> str:
    """Fold a message, foreign text in it included, into one line without control characters."""
    return " ".join("".join(character if character.isprintable() else " " for character in message).split())


def show_as_one_line(error: BaseException, line: str) -> None:
    """Let IPython show ``error`` as ``line`` instead of a traceback.

    IPython asks an exception for ``_render_traceback_``; setting it on the instance leaves the type alone,
    which ``asyncio.timeout`` and ``TaskGroup`` need of a ``CancelledError``.
    """
    render: Callable[[], list[str]] = lambda: [line]  # noqa: E731 - an attribute of the instance, not a method
    error.__dict__["_render_traceback_"] = render
