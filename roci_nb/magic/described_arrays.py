"""Arrays and tensors in words; their libraries are not imported, only what they offer is asked."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Protocol, cast

from roci_nb.magic.excerpts import TIMES, Description, attempt, excerpt, is_a, short, type_name
from roci_nb.magic.literals import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_CELLS = 10_000_000
"""Over this many elements, nothing is counted over all of them."""
_FIRST_ELEMENTS = 10
_FEW_ELEMENTS = 64


class _Array(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def size(self) -> int: ...
    @property
    def dtype(self) -> object: ...
    @property
    def flat(self) -> Sequence[object]: ...
    def tolist(self) -> object: ...
    def min(self) -> object: ...
    def max(self) -> object: ...
    def mean(self) -> object: ...


class _Listable(Protocol):
    def tolist(self) -> list[object]: ...


def array(value: object, room: int) -> Description | None:
    """Describe a numpy array, or a scalar of one; None where the value is none of these."""
    if is_a(value, "numpy", "ndarray"):
        return _array(cast("_Array", value), room)
    if is_a(value, "numpy", "generic"):
        return Description(str(value), type_name(value))
    return None


def _array(array: _Array, room: int) -> Description:
    shape = f" {TIMES} ".join(f"{n:,}" for n in array.shape)
    title = f"numpy array, shape {shape or '()'}, {short(array.dtype)}"
    told = statistics(array) if array.size <= MOST_CELLS else "min, max, mean: not computed"
    head = "\n".join(filter(None, [title, told]))
    if array.size <= room // 2:
        listed = array.tolist()
        whole = literal(listed, room - len(head) - 1) if isinstance(listed, list) else None
        if not isinstance(listed, list):
            return Description(f"{head}\n{short(listed, 200)}", type_name(array))
        if whole is not None and not whole.left_out:
            return Description(f"{head}\n{whole.text}", type_name(array))
    first = ", ".join(short(array.flat[i]) for i in range(min(array.size, _FIRST_ELEMENTS)))
    left_out = f"{array.size - _FIRST_ELEMENTS:,} more elements"
    text, cut = excerpt(f"{head}\nthe first elements: {first}, … {left_out} left out", room)
    return Description(text, type_name(array), cut or left_out)


def statistics(numbers: object) -> str:
    """Tell the range and mean of numbers; "" where there are none, or they can't be compared."""
    array = cast("_Array", numbers)
    kind = getattr(array.dtype, "kind", "")
    if kind not in tuple("iuf") or not array.size or array.size > MOST_CELLS:
        return ""

    def told() -> str:
        absent = array != array  # noqa: PLR0124 - only NaN differs from itself
        n_absent = int(cast("int", absent.sum())) if kind == "f" else 0  # type: ignore[attr-defined]
        present = cast("_Array", array[~absent]) if n_absent else array  # type: ignore[index]
        if not present.size:
            return "all NaN"
        ranges = f"min {short(present.min())}, max {short(present.max())}, mean {short(present.mean())}"
        return f"{ranges}, {n_absent:,} NaN" if n_absent else ranges

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mean of what holds infinities, say
        return attempt(told, "")


def tensor(value: object, _room: int) -> Description | None:
    """Tell a tensor of any library by shape, dtype and device; its values only where they are few."""
    shape = attempt(lambda: getattr(value, "shape", None), None)
    dtype = attempt(lambda: getattr(value, "dtype", None), None)
    if isinstance(value, type) or not isinstance(shape, tuple) or dtype is None:
        return None
    root = type(value).__module__.partition(".")[0]
    device = attempt(lambda: getattr(value, "device", None), None)
    title = f"{root} {type_name(value)}, shape {f' {TIMES} '.join(map(short, shape)) or '()'}, {short(dtype)}"
    if device is not None and not callable(device):
        title += f", on {short(device)}"
    size = 1
    for n in shape:
        size *= n if isinstance(n, int) else _FEW_ELEMENTS + 1
    listed = attempt(cast("_Listable", value).tolist, None) if root == "torch" and size <= _FEW_ELEMENTS else None
    if listed is not None:
        return Description(f"{title}\n{short(listed, 2000)}", type_name(value))
    return Description(f"{title} (its values are left out)", type_name(value), "its values")
