"""Picking elements by index: x[...], and its gradient, which adds where an element was picked twice.

Operations that pick or place along one axis (gather, scatter_add, index_select, ...) are in ``scatter.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend.arrays import device_of, is_array, to_device, to_host, xp_of
from ..backend.rows import add_rows
from .function import Primitive
from .tensor import Tensor

_ALL = slice(None)
_BASIC = (int, slice, type(None), type(Ellipsis), np.integer)


def is_basic(index) -> bool:
    """Whether an index consists of integers, slices, None and ..., so that the result is a view."""
    for item in index if isinstance(index, tuple) else (index,):
        if not isinstance(item, _BASIC) or isinstance(item, bool):
            return False
    return True


class Index(Primitive):
    """y = x[index] for a basic index (a view)."""

    name = "getitem"
    view = True

    def forward(self, x, index):
        self.shape, self.index = x.shape, index
        y = x[index]
        return y if is_array(y) else np.asarray(y)

    def backward(self, g):
        if type(self.index) is tuple and all([item is None or item is Ellipsis for item in self.index]):
            return g.reshape(self.shape)   # nothing was left out
        return put(g, self.index, (), self.shape)


class AdvancedIndex(Primitive):
    """y = x[index] with arrays in the index (a copy).

    The arrays come as arguments, so that a change of one before the backward is noticed; ``layout`` is the index with
    an ``Array(i)`` in the place of the i-th of them.
    """

    name = "getitem"

    def forward(self, x, *arrays, layout):
        self.keep = tuple(range(1, 1 + len(arrays)))
        self.shape, self.layout = x.shape, layout
        along = _axis_of_integers(layout, arrays)
        if along is not None and type(x) is np.ndarray and x.flags.c_contiguous:
            return x.take(arrays[0], along)   # the same elements, in half the time of NumPy's general indexing
        return x[filled(layout, arrays)]

    def backward(self, g, *arrays):
        return (put(g, self.layout, arrays, self.shape), *[None] * len(arrays))


def _axis_of_integers(layout, arrays) -> int | None:
    """d of an index that is ``:`` along d axes and then one array of integers; None for any other index."""
    last = layout[-1] if isinstance(layout, tuple) else layout
    if len(arrays) != 1 or not isinstance(last, Array) or arrays[0].dtype.kind != "i":
        return None
    before = layout[:-1] if isinstance(layout, tuple) else ()
    return len(before) if all([type(item) is slice and item == _ALL for item in before]) else None


class Array(int):
    """The place of the i-th array in an index."""


def filled(layout, arrays):
    """An index from its layout and its arrays (or Tensors)."""
    arrays = [a._data if isinstance(a, Tensor) else a for a in arrays]
    if isinstance(layout, Array):
        return arrays[layout]
    if not isinstance(layout, tuple):
        return layout
    return tuple([arrays[item] if isinstance(item, Array) else item for item in layout])


class Put(Primitive):
    """y = zeros(shape); y[index] += x;  dL/dx = g[index]."""

    name = "put"

    def forward(self, x, *arrays, layout, shape):
        self.keep = tuple(range(1, 1 + len(arrays)))
        self.layout = layout
        xp, index = xp_of(x), filled(layout, arrays)
        if not arrays or _only_masks(index):   # no element twice
            y = xp.zeros(shape, x.dtype)
            y[index] = x
            return y
        if xp is np and x.dtype.kind == "f":
            return _add_at(x, index, shape)
        y = xp.zeros(shape, x.dtype)
        xp.add.at(y, index, x)
        return y

    def backward(self, g, *arrays):
        if isinstance(g, Tensor) and arrays:
            return (AdvancedIndex.apply(g, *arrays, layout=self.layout), *[None] * len(arrays))
        return (g[filled(self.layout, arrays)], *[None] * len(arrays))


def put(g, layout, arrays, shape: tuple):
    """Zeros of ``shape`` with ``g`` added at an index; for an array or a Tensor.

    Args:
        layout: a basic index, or one with ``Array(i)`` in the place of arrays[i].
        arrays: the arrays (or Tensors) of an advanced index; () for a basic one.
    """
    if isinstance(g, Tensor):
        return Put.apply(g, *arrays, layout=layout, shape=shape)
    return Put().forward(g, *[a._data if isinstance(a, Tensor) else a for a in arrays], layout=layout, shape=shape)


def _only_masks(index) -> bool:
    """Whether the arrays in an index are all boolean: they pick nothing twice, if there is one of them."""
    arrays = [i for i in (index if isinstance(index, tuple) else (index,)) if is_array(i)]
    return len(arrays) == 1 and arrays[0].dtype.kind == "b"


def _add_at(x: np.ndarray, index, shape: tuple) -> np.ndarray:
    """zeros(shape) with x added at an advanced index.

    The leading axes that the index speaks about are numbered through; what is left is adding rows at numbers.
    """
    items = index if isinstance(index, tuple) else (index,)
    if all(is_array(i) and i.dtype.kind in "iu" for i in items):   # rows, gather: the common cases
        used = len(items)
        places: Any = 0
        for i, n in zip(items, shape):
            places = places * n + np.where(i < 0, i + n, i)
    else:
        while items and isinstance(items[-1], slice) and items[-1] == slice(None):
            items = items[:-1]
        if Ellipsis in [i for i in items if not is_array(i)]:
            used = len(shape)
        else:
            used = sum(i.ndim if is_array(i) and i.dtype.kind == "b" else i is not None for i in items)
        places = np.arange(math.prod(shape[:used])).reshape(shape[:used])[items]
    width = math.prod(shape[used:])
    y = np.zeros(shape, x.dtype)
    add_rows(y.reshape(math.prod(shape[:used]), width), places.reshape(-1), x.reshape(places.size, width))
    return y


def _as_index(item, device: str):
    """An item of an index: lists and arrays as Tensors on the device, Tensors as they are, the rest untouched."""
    if type(item) is slice or item is None:
        return item
    if isinstance(item, (list, tuple, range)):
        item = [int(i) if isinstance(i, Tensor) and i.ndim == 0 else i.tolist() if isinstance(i, Tensor) else i
                for i in item]
        item = np.asarray(item)
        item = item.astype(np.int64) if item.size == 0 else item
    elif isinstance(item, (bool, np.bool_)):
        item = np.asarray(item)
    if is_array(item):
        item = Tensor(item)
    if not isinstance(item, Tensor):
        if isinstance(item, np.integer):
            return int(item)
        if not isinstance(item, _BASIC):
            raise TypeError(f"getitem: a {type(item).__name__} is no index; use integers, slices, None, ..., or "
                            "integer or boolean Tensors")
        return item
    if item.dtype.kind not in "iub":
        raise IndexError(f"getitem: an index must hold integers or booleans, not {item.dtype}; use .long()")
    if item.ndim == 0 and item.dtype.kind != "b":
        return int(item)   # as PyTorch does: it selects, and is no array
    if item.device != device:
        if device == "cpu":
            raise RuntimeError(f"getitem: the index is on {item.device} but the tensor on the CPU; move it with .cpu()")
        item = Tensor(to_device(item._data, device))
    return item


def prepare(index, device: str):
    """The layout of an index and its arrays (as Tensors), see ``AdvancedIndex``; no arrays for a basic index."""
    single = not isinstance(index, tuple)
    arrays: list[Tensor] = []
    layout: list[Any] = []
    for item in (index,) if single else index:
        item = _as_index(item, device)
        if isinstance(item, Tensor):
            layout.append(Array(len(arrays)))
            arrays.append(item)
        else:
            layout.append(item)
    return (layout[0] if single else tuple(layout)), arrays


def _integers_first(layout, arrays) -> tuple[tuple, tuple]:
    """An index in two steps: its integers, slices and None, then its arrays.

    PyTorch applies integers before arrays. NumPy takes them for arrays, which moves axes to the front where a slice
    stands between the two: x[0, :, [1, 2]].
    """
    first: list[Any] = []
    then: list[Any] = []
    for item in layout if isinstance(layout, tuple) else (layout,):
        if isinstance(item, Array):
            first += [slice(None)] * (arrays[item].ndim if arrays[item].dtype.kind == "b" else 1)
            then.append(item)
        else:
            first.append(item)
            if type(item) is not int:
                then.append(Ellipsis if item is Ellipsis else slice(None))
    return tuple(first), tuple(then)


def getitem(input: Tensor, index: Any) -> Tensor:
    """input[index], with basic and advanced indexing; the gradients of an element picked twice are added.

    Gradient: dL/dinput = g at the places picked, else 0.

    Args:
        input: Tensor of any shape and dtype.
        index: integers, slices (negative steps as in NumPy), None, ..., integer or boolean Tensors, arrays and lists,
            or a tuple of them.

    Returns:
        Tensor; a view where the index has only integers, slices, None and "...", else a copy.

    Raises:
        IndexError: an index out of range, too many indices, or a mask of the wrong shape.
    """
    try:
        if is_basic(index):
            return Index.apply(input, index=index)
        layout, arrays = prepare(index, device_of(input._data))
        if any(type(item) is int for item in (layout if isinstance(layout, tuple) else (layout,))):
            basic, layout = _integers_first(layout, arrays)
            input = Index.apply(input, index=basic)
            if not arrays:
                return input
        check_range("getitem", input, layout, arrays)
        return AdvancedIndex.apply(input, *arrays, layout=layout)
    except IndexError as error:
        text = str(error)
        raise IndexError((text if text.startswith("getitem:") else f"getitem: {text}")
                         + f" (the tensor has shape {input.shape})") from None


def getitem_in_range(input: Tensor, items: tuple) -> Tensor:
    """input[items] for slices and index Tensors that are known to be in range: a device need not be waited for."""
    layout, arrays = prepare(items, device_of(input._data))
    return AdvancedIndex.apply(input, *arrays, layout=layout)


def check_range(name: str, input: Tensor, layout, arrays) -> None:
    """On a device that does not check indices itself (CuPy wraps them round): raise IndexError for one out of range."""
    if isinstance(input._data, np.ndarray):
        return
    items = layout if isinstance(layout, tuple) else (layout,)
    taken = sum(arrays[i].ndim if isinstance(i, Array) and arrays[i].dtype.kind == "b" else i is not None
                for i in items if i is not Ellipsis)
    d = 0
    for item in items:
        if item is Ellipsis:
            d += input.ndim - taken
        elif isinstance(item, Array) and arrays[item].dtype.kind == "b":
            d += arrays[item].ndim
        elif item is not None:
            if isinstance(item, Array) and d < input.ndim:
                in_range(name, arrays[item]._data, input.shape[d], d, negative=True)
            d += 1


def in_range(name: str, index, n: int, dim: int, negative: bool = False) -> None:
    """Raise IndexError, naming the worst value, unless an array of integers can index an axis of length n."""
    if index.size == 0:
        return
    if isinstance(index, np.ndarray):
        low, high = int(index.min()), int(index.max())
    else:
        low, high = (int(v) for v in to_host(xp_of(index).stack([index.min(), index.max()])))   # one transfer for both
    least = -n if negative else 0
    if low < least or high >= n:
        worst = high if high - n >= least - low else low
        raise IndexError(f"{name}: index {worst} is out of range for dim={dim} of length {n}; "
                         f"choose {least} to {n - 1}")
