"""Plots and pictures in words: what a model that sees only text can be told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from roci_nb.magic.excerpts import TIMES, Description, attempt, excerpt, is_a, short, type_name

if TYPE_CHECKING:
    from collections.abc import Sequence, Sized

_NOT_THE_PICTURE = "a description, the picture itself is not in this text"
_LINES = 20


class _Label(Protocol):
    def get_text(self) -> str: ...


class _Legend(Protocol):
    def get_texts(self) -> Sequence[_Label]: ...


class _Line(Protocol):
    def get_label(self) -> object: ...
    def get_xdata(self) -> Sequence[float]: ...
    def get_ydata(self) -> Sequence[float]: ...


class _Scatter(Protocol):
    def get_offsets(self) -> Sized: ...


class _Axes(Protocol):
    @property
    def collections(self) -> Sequence[_Scatter]: ...
    @property
    def patches(self) -> Sized: ...
    @property
    def images(self) -> Sized: ...
    def get_title(self) -> str: ...
    def get_xlabel(self) -> str: ...
    def get_ylabel(self) -> str: ...
    def get_lines(self) -> Sequence[_Line]: ...
    def get_legend(self) -> _Legend | None: ...


class _Figure(Protocol):
    @property
    def axes(self) -> Sequence[_Axes]: ...
    def get_suptitle(self) -> str: ...


class _Image(Protocol):
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def mode(self) -> str: ...


def picture(value: object, room: int) -> Description | None:
    """Describe a matplotlib figure or axes, or a PIL image; None where the value is none of these."""
    if is_a(value, "matplotlib", "FigureBase", "Figure"):
        figure = cast("_Figure", value)
        title = attempt(figure.get_suptitle, "")
        parts = [f"matplotlib figure with {len(figure.axes)} axes ({_NOT_THE_PICTURE})"]
        parts += [f"title: {short(title, 200)}"] if title else []
        parts += [f"axes {n}: {_axes(axes)}" for n, axes in enumerate(figure.axes, 1)]
        return _plot(value, parts, room)
    if is_a(value, "matplotlib", "_AxesBase", "Axes"):
        return _plot(value, [f"matplotlib axes ({_NOT_THE_PICTURE}): {_axes(cast('_Axes', value))}"], room)
    if is_a(value, "PIL", "Image"):
        image = cast("_Image", value)
        width, height = image.size
        text = f"picture of {width} {TIMES} {height} pixels, mode {image.mode} ({_NOT_THE_PICTURE})"
        return Description(text, type_name(value), "the picture")
    return None


def _plot(value: object, parts: list[str], room: int) -> Description:
    text, cut = excerpt("\n".join(parts), room)
    return Description(text, type_name(value), f"the picture and {cut}" if cut else "the picture")


def _axes(axes: _Axes) -> str:
    labels = (("title", axes.get_title()), ("x", axes.get_xlabel()), ("y", axes.get_ylabel()))
    told = [f"{name}: {short(text, 200)}" for name, text in labels if text]
    lines = axes.get_lines()
    told += [_line(line) for line in lines[:_LINES]]
    if len(lines) > _LINES:
        told.append(f"{len(lines) - _LINES:,} more lines")
    told += [f"{n:,} scattered points" for n in attempt(lambda: _scattered(axes), [])]
    told += [f"{len(axes.patches):,} bars or shapes"] if len(axes.patches) else []
    told += [f"{len(axes.images):,} images"] if len(axes.images) else []
    legend = axes.get_legend()
    if legend is not None:
        told.append("legend: " + ", ".join(short(label.get_text()) for label in legend.get_texts()))
    return "; ".join(told) or "empty"


def _scattered(axes: _Axes) -> list[int]:
    return [len(points.get_offsets()) for points in axes.collections[:_LINES]]


def _line(line: _Line) -> str:
    label = str(line.get_label())
    x, y = line.get_xdata(), line.get_ydata()
    name = "" if label.startswith("_") else f" {short(label)!r}"  # matplotlib's own name for a line without one
    told = f"line{name} of {len(x):,} points"
    ranges = attempt(lambda: f", x {short(min(x))} to {short(max(x))}, y {short(min(y))} to {short(max(y))}", "")
    return told + ranges
