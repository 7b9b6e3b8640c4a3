"""Picking and placing along one axis: gather, scatter, index_select, index_add, index_put, ... (all out of place)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend.arrays import as_array, device_of, xp_of
from .axes import axis, numpy_names
from .casting import cast
from .elementwise import add
from .function import Primitive
from .indexing import check_range, filled, getitem, getitem_in_range, in_range, prepare, put
from .integers import integer, sizes
from .kinds import Indices, Operand
from .shape import broadcast_tensors, broadcast_to, reshape
from .tensor import Tensor, operand, wrap


def pick(name: str, input: Tensor, dim: int, index, negative: bool = False) -> tuple[int, Tensor]:
    """Check the ``dim`` and ``index`` of an operation that picks along one axis.

    Raises:
        TypeError: the index does not hold integers.
        IndexError: a value out of range; the message names the worst.
    """
    d = axis(name, dim, input.ndim)
    index = index if isinstance(index, Tensor) else Tensor(index)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: index must hold integers, not {index.dtype}; use .long()")
    in_range(name, index._data, input.shape[d] if input.ndim else 1, d, negative)
    return d, index


def _grid(index: Tensor, d: int, shape: tuple) -> tuple:
    """The full index of elements whose place on axis d is ``index`` and on the other axes, of ``shape``, their own."""
    xp = xp_of(index._data)
    return tuple(index if i == d else Tensor(xp.arange(n).reshape((n,) + (1,) * (index.ndim - 1 - i)))
                 for i, n in enumerate(shape))


def _same_axes(name: str, input: Tensor, d: int, index: Tensor, other: Tensor | None = None) -> None:
    for what, t in (("input", input), ("src", other)):
        if t is not None and t.ndim != index.ndim:
            raise ValueError(f"{name}: index has shape {index.shape} but {what} has {t.shape}; they need as many axes")
    for i, n in enumerate(index.shape):
        if i != d and n > input.shape[i]:
            raise ValueError(f"{name}: index {index.shape} is longer than input {input.shape} on axis {i}; apart from "
                             f"dim={d} no axis may be")
        if other is not None and n > other.shape[i]:
            raise ValueError(f"{name}: index {index.shape} is longer than src {other.shape} on axis {i}")


@numpy_names
def gather(input: Tensor, dim: int, index: Indices, *, sparse_grad: bool = False) -> Tensor:
    """out[i][j][k] = input[index[i][j][k]][j][k] for dim = 0, and likewise for other axes.

    Gradient: dL/dinput = g, added up at the places picked (an element picked twice gets the sum).

    Args:
        input: Tensor of any shape and dtype.
        dim: the axis to pick along.
        index: integers >= 0 with as many axes as ``input``, no longer than it except along ``dim``.
        sparse_grad: PyTorch's; not supported.

    Returns:
        Tensor of the shape of ``index`` and the dtype of ``input``.

    Raises:
        IndexError: an index or ``dim`` out of range; the message names the worst.
        TypeError: an index that does not hold integers.
        ValueError: shapes that do not fit.
        NotImplementedError: sparse_grad=True.
    """
    if sparse_grad:
        raise NotImplementedError("gather: sparse gradients are not supported; leave sparse_grad=False")
    d, index = pick("gather", input, dim, index)
    if input.ndim == 0:
        return reshape(getitem_in_range(reshape(input, 1), (reshape(index, -1),)), index.shape)
    if index.ndim == 0 and input.ndim == 1:
        return reshape(getitem_in_range(input, (reshape(index, -1),)), ())
    _same_axes("gather", input, d, index)
    return getitem_in_range(input, _grid(index, d, index.shape))


@numpy_names
def take_along_dim(input: Tensor, indices: Indices, dim: int | None = None) -> Tensor:
    """The elements at ``indices`` along axis ``dim``; other axes broadcast.

    Gradient: dL/dinput = g, added up at the places picked.

    Args:
        input: Tensor of any shape and dtype.
        indices: integers with as many axes as ``input``; negative ones count from the end.
        dim: the axis; None takes from the flattened tensor.

    Returns:
        Tensor of the shape of ``indices``, broadcast with ``input`` on the other axes.

    Raises:
        IndexError: an index or ``dim`` out of range.
        TypeError: indices that are not integers.
        ValueError: different numbers of axes.
    """
    if dim is None:
        indices = indices if isinstance(indices, Tensor) else Tensor(indices)
        input, indices, dim = reshape(input, -1), reshape(indices, -1), 0
    d, index = pick("take_along_dim", input, dim, indices, negative=True)
    if input.ndim != index.ndim:
        raise ValueError(f"take_along_dim: indices has shape {index.shape} but input {input.shape}; they need as many "
                         "axes")
    return along(input, index, d)


def along(input: Tensor, index: Tensor, dim: int) -> Tensor:
    """take_along_dim for an ``index`` that is known to be in range."""
    return getitem_in_range(input, _grid(index, dim, input.shape)) if input.ndim else reshape(input, index.shape)


@numpy_names
def index_select(input: Tensor, dim: int, index: Indices) -> Tensor:
    """The slices of ``input`` at the positions ``index`` along axis ``dim``.

    Gradient: dL/dinput = g, added up at the slices picked.

    Args:
        input: Tensor of any shape and dtype.
        dim: the axis.
        index: integers >= 0, (n,) or ().

    Returns:
        Tensor with n slices along ``dim``, a copy.

    Raises:
        IndexError: an index or ``dim`` out of range.
        TypeError: an index that does not hold integers.
        ValueError: an index with several axes.
    """
    d, index = pick("index_select", input, dim, index)
    if index.ndim > 1:
        raise ValueError(f"index_select: index has shape {index.shape}; it must be 1-d (input[index] takes any shape)")
    if input.ndim == 0:
        return reshape(getitem_in_range(reshape(input, 1), (reshape(index, -1),)), ())
    return getitem_in_range(input, (slice(None),) * d + (reshape(index, -1),))


def take(input: Tensor, index: Indices) -> Tensor:
    """The elements of the flattened tensor at ``index``.

    Gradient: dL/dinput = g, added up at the places picked.

    Args:
        input: Tensor of any shape and dtype.
        index: integers of any shape; negative ones count from the end.

    Returns:
        Tensor of the shape of ``index`` and the dtype of ``input``.

    Raises:
        IndexError: an index out of range.
        TypeError: an index that does not hold integers.
    """
    flat = reshape(input, -1)
    _, index = pick("take", flat, 0, index, negative=True)
    return reshape(getitem_in_range(flat, (reshape(index, -1),)), index.shape)


def masked_select(input: Tensor, mask: Tensor | np.ndarray) -> Tensor:
    """The elements where ``mask`` is true, on one axis.

    Gradient: dL/dinput = g at the elements picked, else 0.

    Args:
        input: Tensor of any shape and dtype.
        mask: boolean Tensor; the two broadcast.

    Returns:
        Tensor (n,) with one element for each true one of the mask.

    Raises:
        TypeError: a mask that is not boolean.
        ValueError: shapes that do not broadcast.
    """
    mask = mask if isinstance(mask, Tensor) else Tensor(mask)
    if mask.dtype.kind != "b":
        raise TypeError(f"masked_select: mask is {mask.dtype}, not bool; write the comparison, e.g. mask != 0")
    input, mask = broadcast_tensors(input, mask)
    return reshape(getitem(input, (mask,)), -1)


# ---------------------------------------------------------------------- placing

class Assign(Primitive):
    """y = x; y[index] = v.  dL/dx is g with zeros at the index, dL/dv is g[index]."""

    name = "index_put"

    def forward(self, x, v, *arrays, layout):
        self.layout, self.keep = layout, tuple(range(2, 2 + len(arrays)))
        y = x.copy()
        y[filled(layout, arrays)] = v
        return y

    def backward(self, g, *arrays):
        ex, ev = self.edges[:2]
        gx = gv = None
        if ex is not None:
            zero = xp_of(g._data if isinstance(g, Tensor) else g).zeros((), g.dtype)
            if isinstance(g, Tensor):
                gx = Assign.apply(g, wrap(zero), *arrays, layout=self.layout)
            else:
                gx = g.copy()
                gx[filled(self.layout, arrays)] = zero
        if ev is not None:
            gv = g[filled(self.layout, arrays)]
        return (gx, gv, *[None] * len(arrays))


def _place(name: str, input: Tensor, index: Any, shape: tuple | None, values: Any, accumulate: bool) -> Tensor:
    """``input`` with values assigned, or added, at an index that picks something of ``shape`` (None to find out)."""
    layout, arrays = prepare(index, device_of(input._data))
    if not isinstance(values, Tensor):
        values = wrap(xp_of(input._data).asarray(operand(name, values), dtype=input.dtype))
    values = cast(values, input.dtype)
    try:
        if shape is None:
            check_range(name, input, layout, arrays)
            xp = xp_of(input._data)
            shape = tuple(xp.broadcast_to(xp.zeros((), bool), input.shape)[filled(layout, arrays)].shape)
        values = broadcast_to(values, shape)
    except IndexError as error:
        raise IndexError(f"{name}: {error} (input has shape {input.shape})") from None
    except ValueError:
        raise ValueError(f"{name}: values of shape {values.shape} do not broadcast to the shape {shape} that the index "
                         f"picks from input {input.shape}") from None
    if accumulate:
        return add(input, put(values, layout, arrays, input.shape))
    return Assign.apply(input, values, *arrays, layout=layout)


def index_put(input: Tensor, indices: Sequence[Indices], values: Operand, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with input[indices] = values, or += with ``accumulate``; differentiable in both.

    Gradient: dL/dvalues = g at the indices, summed over what was broadcast; dL/dinput = g, with 0 at the
    indices unless ``accumulate``.

    Args:
        input: Tensor of any shape and dtype.
        indices: a tuple of integer or boolean Tensors, one for each leading axis.
        values: a Tensor (or number) that broadcasts to ``input[indices]``.
        accumulate: add, also where an element is named twice. Without it the result and the gradient of an element
            named twice are not defined.

    Returns:
        Tensor of the shape and dtype of ``input``.

    Raises:
        TypeError: indices that are not a tuple.
        IndexError: an index out of range.
        ValueError: values that do not broadcast to the shape picked.
    """
    if not isinstance(indices, (tuple, list)):
        raise TypeError("index_put: indices must be a tuple of Tensors, one for each leading axis")
    return _place("index_put", input, tuple(indices), None, values, accumulate)


def _source(name: str, input: Tensor, index: Tensor, src, d: int) -> Tensor:
    """The part of ``src`` that ``index`` speaks about."""
    if not isinstance(src, Tensor):
        return broadcast_to(wrap(xp_of(input._data).asarray(src, dtype=input.dtype)), index.shape)
    if src.ndim == 0 and index.ndim > 0:
        raise ValueError(f"{name}: src is 0-d but index has shape {index.shape}; they need as many axes")
    _same_axes(name, input, d, index, src)
    return src if src.shape == index.shape else getitem(src, tuple(slice(0, n) for n in index.shape))


@numpy_names
def scatter(input: Tensor, dim: int, index: Indices, src: Operand | None = None, *, reduce: str | None = None,
            value: float | None = None) -> Tensor:
    """A copy with out[index[i][j]][j] = src[i][j] for dim = 0, and likewise for other axes.

    Gradient: dL/dsrc = g at the places written; dL/dinput = g, with 0 at those places unless they are added
    to.

    Args:
        input: Tensor of any shape and dtype.
        dim: the axis that the index speaks about.
        index: integers with as many axes as ``input``.
        src: a Tensor at least as long as ``index`` on every axis, or a number.
        reduce: "add" to add; None to assign (then no element may be named twice).
        value: a number, by the name that PyTorch has for it.

    Returns:
        Tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: shapes that do not fit, or another word for ``reduce``.
        IndexError: an index or ``dim`` out of range.
        TypeError: an index that does not hold integers.
    """
    if (src is None) == (value is None):
        raise TypeError("scatter: give either src or value")
    src = value if src is None else src
    if reduce not in (None, "add"):
        raise ValueError(f"scatter: reduce={reduce!r}; choose None or 'add'")
    d, index = pick("scatter", input, dim, index)
    if input.ndim == 0:
        src = reshape(src, -1) if isinstance(src, Tensor) else src
        return reshape(scatter(reshape(input, 1), 0, reshape(index, -1), src, reduce=reduce), ())
    _same_axes("scatter", input, d, index)
    src = _source("scatter", input, index, src, d)
    return _place("scatter", input, _grid(index, d, index.shape), index.shape, src, reduce == "add")


@numpy_names
def scatter_add(input: Tensor, dim: int, index: Indices, src: Tensor) -> Tensor:
    """A copy with out[index[i][j]][j] += src[i][j] for dim = 0, and likewise for other axes.

    Gradient: dL/dinput = g; dL/dsrc = g at the places added to.

    Args:
        input: Tensor of any shape and dtype.
        dim: the axis that the index speaks about.
        index: integers >= 0 with as many axes as ``input``.
        src: Tensor at least as long as ``index`` on every axis.

    Returns:
        Tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: shapes that do not fit.
        IndexError: an index or ``dim`` out of range.
        TypeError: an index that does not hold integers.
    """
    d, index = pick("scatter_add", input, dim, index)
    if input.ndim == 0:
        return reshape(scatter_add(reshape(input, 1), 0, reshape(index, -1), reshape(src, -1)), ())
    _same_axes("scatter_add", input, d, index)
    src = _source("scatter_add", input, index, src, d)
    return _place("scatter_add", input, _grid(index, d, index.shape), index.shape, src, True)


def _slices(name: str, input: Tensor, dim: int, index, source) -> tuple[tuple, tuple]:
    """The index of the slices at ``index`` along ``dim``, and their shape, against which the source is checked."""
    d, index = pick(name, input, dim, index)
    index = reshape(index, -1)
    want = input.shape[:d] + index.shape + input.shape[d + 1:]
    if isinstance(source, Tensor) and source.ndim and source.shape != want:
        raise ValueError(f"{name}: source has shape {source.shape} but {index.numel()} slices along dim={d} of input "
                         f"{input.shape} have shape {want}")
    return (slice(None),) * d + (index,), want


@numpy_names
def index_add(input: Tensor, dim: int, index: Indices, source: Tensor, *, alpha: float = 1) -> Tensor:
    """A copy with slice index[i] along ``dim`` increased by alpha times slice i of ``source``.

    Gradient: dL/dinput = g; dL/dsource = alpha times the slices of g at the index.

    Args:
        input: Tensor of any shape and dtype.
        dim: the axis.
        index: integers >= 0, (n,).
        source: Tensor of the shape of ``input`` with length n along ``dim``, or 0-d.
        alpha: a number.

    Returns:
        Tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: a source of another shape.
        IndexError: an index or ``dim`` out of range.
        TypeError: an index that does not hold integers.
    """
    where, shape = _slices("index_add", input, dim, index, source)
    return _place("index_add", input, where, shape, source if alpha == 1 else source * alpha, True)


@numpy_names
def index_copy(input: Tensor, dim: int, index: Indices, source: Tensor) -> Tensor:
    """A copy with slice index[i] along ``dim`` replaced by slice i of ``source``.

    Gradient: dL/dinput = g with 0 at the index; dL/dsource = the slices of g at the index.

    Args:
        input: Tensor of any shape and dtype.
        dim: the axis.
        index: integers >= 0, (n,), no one twice.
        source: Tensor of the shape of ``input`` with length n along ``dim``, or 0-d.

    Returns:
        Tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: a source of another shape.
        IndexError: an index or ``dim`` out of range.
        TypeError: an index that does not hold integers.
    """
    where, shape = _slices("index_copy", input, dim, index, source)
    return _place("index_copy", input, where, shape, source, False)


@numpy_names
def index_fill(input: Tensor, dim: int, index: Indices, value: Operand) -> Tensor:
    """A copy with the slices at ``index`` along ``dim`` filled with one value.

    Gradient: dL/dinput = g with 0 at the index; dL/dvalue = the sum of g at the index.

    Args:
        input: Tensor of any shape and dtype.
        dim: the axis.
        index: integers >= 0, (n,).
        value: a number or a 0-d Tensor.

    Returns:
        Tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: a value with axes.
        IndexError: an index or ``dim`` out of range.
        TypeError: an index that does not hold integers.
    """
    d, index = pick("index_fill", input, dim, index)
    distinct = xp_of(index._data).unique(index._data)   # a place named twice takes the value once
    where, shape = _slices("index_fill", input, d, Tensor(distinct), value)
    if isinstance(value, Tensor) and value.ndim:
        raise ValueError(f"index_fill: value must be a number or a 0-d Tensor, not of shape {value.shape}")
    return _place("index_fill", input, where, shape, value, False)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 vectors with 1 at the class and 0 elsewhere, on a new last axis.

    Gradient: none (the result is an integer).

    Args:
        tensor: integers >= 0.
        num_classes: C; -1 takes the largest class + 1.

    Returns:
        int64 Tensor (*, C).

    Raises:
        TypeError: classes that are not integers.
        IndexError: a class outside [0, C).
        ValueError: nothing to infer C from.
    """
    index = as_array(operand("one_hot", tensor))
    if index.dtype.kind not in "iu":
        raise TypeError(f"one_hot: classes must be integers, not {index.dtype}; use .long()")
    num_classes = integer("one_hot", "num_classes", num_classes, -1)
    if num_classes != -1:
        sizes("one_hot", (*index.shape, num_classes), least=0)   # that memory holds them
    else:
        if index.size == 0:
            raise ValueError("one_hot: no element to infer num_classes from; give num_classes")
        num_classes = int(index.max()) + 1
    in_range("one_hot", index, num_classes, -1)
    return wrap((index[..., None] == xp_of(index).arange(num_classes)).astype(np.int64))
