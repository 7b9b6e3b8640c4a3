"""Operations that choose elements by size: max and min with their index, argmax, sort, topk, median.

Each finds indices, which have no gradient, and then picks the elements at them, which have.
"""

from __future__ import annotations

from typing import overload

import numpy as np

from ..backend.arrays import as_array, xp_of
from .axes import axis, numpy_names
from .elementwise import maximum, minimum
from .integers import integer
from .kinds import ValuesIndices
from .scatter import along
from .reduction import Amax, Amin, Extremum, extremum
from .tensor import Tensor, wrap


def _result(name: str) -> type[ValuesIndices]:
    """A named tuple that prints as the operation's result."""
    return type(name, (ValuesIndices,), {"__slots__": ()})


MaxResult, MinResult, SortResult, TopKResult, MedianResult = map(_result, ("max", "min", "sort", "topk", "median"))


def _no_index(input: Tensor) -> Tensor:
    """The index 0 of the only element of a 0-d tensor."""
    return wrap(xp_of(input._data).zeros((), np.int64))


def _pick(kind, name: str, input: Tensor, indices, d: int, keepdim: bool):
    """The named tuple of the elements at ``indices`` (one along axis d) and those indices."""
    if input.ndim == 0:
        return kind(input.clone(), wrap(as_array(indices).reshape(())))
    values = along(input, wrap(indices), d)
    if keepdim:
        return kind(values, wrap(indices))
    shape = input.shape[:d] + input.shape[d + 1:]
    return kind(values.reshape(shape), wrap(indices.reshape(shape)))


def _index(name: str, function, input: Tensor, d: int):
    """The index of the chosen element along axis d, which stays with length 1."""
    if input.ndim == 0:
        return _no_index(input)._data
    if input.shape[d] == 0:
        raise ValueError(f"{name}: shape {input.shape} has no element along dim={d}, so there is none to choose")
    return xp_of(input._data).expand_dims(function(input._data, axis=d), d)


@overload
def max(input: Tensor, dim: Tensor | None = None, keepdim: bool = False, *, other: Tensor | None = None) -> Tensor: ...
@overload
def max(input: Tensor, dim: int, keepdim: bool = False) -> ValuesIndices: ...
@numpy_names
def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *,
        other: Tensor | None = None) -> Tensor | ValuesIndices:
    """The largest element; over all axes, or along ``dim``, or of two tensors.

    Gradient: dL/dinput = g at the largest element, else 0. Without ``dim`` ties share it equally; with an
    integer the first of a tie gets it.

    Args:
        input: Tensor of any shape.
        dim: None for one value; an integer for (values, indices) along it; a Tensor is ``other``.
        keepdim: leave the axis in place with length 1.
        other: Tensor for ``maximum(input, other)``.

    Returns:
        Tensor, or a named tuple ``(values, indices)`` of Tensors without ``dim``, the indices int64.

    Raises:
        ValueError: no element to choose.
        IndexError: ``dim`` out of range.
    """
    if isinstance(dim, Tensor) and other is None:
        dim, other = None, dim
    if other is not None:
        if dim is not None or keepdim:
            raise TypeError("max: give dim and keepdim, or other, not both")
        return maximum(input, other)
    if dim is None:
        return extremum(Amax, np.max, input, None, keepdim)
    d = axis("max", dim, input.ndim)
    return _pick(MaxResult, "max", input, _index("max", np.argmax, input, d), d, keepdim)


@overload
def min(input: Tensor, dim: Tensor | None = None, keepdim: bool = False, *, other: Tensor | None = None) -> Tensor: ...
@overload
def min(input: Tensor, dim: int, keepdim: bool = False) -> ValuesIndices: ...
@numpy_names
def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *,
        other: Tensor | None = None) -> Tensor | ValuesIndices:
    """The smallest element; over all axes, or along ``dim``, or of two tensors.

    Gradient: dL/dinput = g at the smallest element, else 0. Without ``dim`` ties share it equally; with an
    integer the first of a tie gets it.

    Args:
        input: Tensor of any shape.
        dim: None for one value; an integer for (values, indices) along it; a Tensor is ``other``.
        keepdim: leave the axis in place with length 1.
        other: Tensor for ``minimum(input, other)``.

    Returns:
        Tensor, or a named tuple ``(values, indices)`` of Tensors without ``dim``, the indices int64.

    Raises:
        ValueError: no element to choose.
        IndexError: ``dim`` out of range.
    """
    if isinstance(dim, Tensor) and other is None:
        dim, other = None, dim
    if other is not None:
        if dim is not None or keepdim:
            raise TypeError("min: give dim and keepdim, or other, not both")
        return minimum(input, other)
    if dim is None:
        return extremum(Amin, np.min, input, None, keepdim)
    d = axis("min", dim, input.ndim)
    return _pick(MinResult, "min", input, _index("min", np.argmin, input, d), d, keepdim)


def _index_of(name: str, function, input: Tensor, dim, keepdim: bool) -> Tensor:
    if dim is None:
        if input.numel() == 0:
            raise ValueError(f"{name}: a tensor of shape {input.shape} has no element to choose")
        index = as_array(function(input._data.reshape(-1), axis=0))
        return wrap(index.reshape((1,) * input.ndim) if keepdim else index)
    d = axis(name, dim, input.ndim)
    index = _index(name, function, input, d)
    return wrap(index if keepdim or input.ndim == 0 else index.reshape(input.shape[:d] + input.shape[d + 1:]))


@numpy_names
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the largest element along ``dim``, or in the flattened tensor; the first of a tie.

    Gradient: none (the result is an index).

    Args:
        input: Tensor of any shape.
        dim: an axis; None flattens first.
        keepdim: leave the axis in place with length 1.

    Returns:
        int64 Tensor of the shape of ``input`` without ``dim``, or 0-d.

    Raises:
        ValueError: no element to choose.
        IndexError: ``dim`` out of range.
    """
    return _index_of("argmax", np.argmax, input, dim, keepdim)


@numpy_names
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the smallest element along ``dim``, or in the flattened tensor; the first of a tie.

    Gradient: none (the result is an index).

    Args:
        input: Tensor of any shape.
        dim: an axis; None flattens first.
        keepdim: leave the axis in place with length 1.

    Returns:
        int64 Tensor of the shape of ``input`` without ``dim``, or 0-d.

    Raises:
        ValueError: no element to choose.
        IndexError: ``dim`` out of range.
    """
    return _index_of("argmin", np.argmin, input, dim, keepdim)


def sorted_indices(x, d: int, descending: bool):
    """Indices that sort an array along axis d; equal elements keep their order, and NaN counts as the largest."""
    if not descending:
        return np.argsort(x, axis=d, kind="stable")
    n = x.shape[d]
    return n - 1 - np.flip(np.argsort(np.flip(x, d), axis=d, kind="stable"), d)   # two flips keep ties in order


@numpy_names
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> ValuesIndices:
    """The elements in order along ``dim``, smallest first or, if ``descending``, largest first.

    Gradient: dL/dinput = dL/dvalues, each brought back to the place where its element was.

    Args:
        input: Tensor of any shape; NaN counts as the largest.
        dim: the axis to sort along.
        descending: largest first.
        stable: accepted for PyTorch's sake; equal elements always keep their order.

    Returns:
        A named tuple ``(values, indices)`` of the shape of ``input``, the indices int64.

    Raises:
        IndexError: ``dim`` out of range.
    """
    if input.ndim == 0:
        return SortResult(input.clone(), _no_index(input))
    d = axis("sort", dim, input.ndim)
    indices = sorted_indices(input._data, d, descending)
    return SortResult(along(input, wrap(indices), d), wrap(indices))


@numpy_names
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """The indices that ``sort`` returns.

    Gradient: none (the result is an index).

    Args:
        input, dim, descending, stable: as in ``sort``.

    Returns:
        int64 Tensor of the shape of ``input``.

    Raises:
        IndexError: ``dim`` out of range.
    """
    if input.ndim == 0:
        return _no_index(input)
    return wrap(sorted_indices(input._data, axis("argsort", dim, input.ndim), descending))


@numpy_names
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesIndices:
    """The k largest (or smallest) elements along ``dim``, best first.

    Gradient: dL/dinput = dL/dvalues at the elements that were chosen, else 0.

    Args:
        input: Tensor of any shape.
        k: how many.
        dim: the axis to choose along.
        largest: False for the smallest.
        sorted: False leaves their order open, which saves sorting them.

    Returns:
        A named tuple ``(values, indices)`` with length k along ``dim``, the indices int64.

    Raises:
        ValueError: k is negative or longer than the axis.
        IndexError: ``dim`` out of range.
    """
    d = axis("topk", dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    k = integer("topk", "k", k)
    if not 0 <= k <= n:
        raise ValueError(f"topk: k={k} is out of range for dim={dim} of length {n}")
    if input.ndim == 0:
        return TopKResult(input.clone(), _no_index(input))
    x = input._data
    if 0 < k < n:   # part the k best from the rest, which is linear in n; then sort only those
        split = np.argpartition(x, n - k if largest else k - 1, axis=d)
        best = split[(slice(None),) * d + (slice(n - k, None) if largest else slice(0, k),)]
        if sorted:
            best = np.sort(best, axis=d)   # so that ties come by position
            order = sorted_indices(np.take_along_axis(x, best, axis=d), d, largest)
            best = np.take_along_axis(best, order, axis=d)
    else:
        best = sorted_indices(x, d, largest)[(slice(None),) * d + (slice(0, k),)]
    return TopKResult(along(input, wrap(best), d), wrap(best))


class Median(Extremum):
    name = "median"


def _lower_median(x, axis, keepdims):
    """The element in the middle of the flattened array, the lower of two; NaN if there is one."""
    flat = np.sort(x.reshape(-1))
    middle = flat[-1:] if np.isnan(flat[-1]) else flat[(flat.size - 1) // 2:(flat.size + 1) // 2]
    return middle.reshape((1,) * x.ndim if keepdims else ())


@overload
def median(input: Tensor, dim: None = None, keepdim: bool = False) -> Tensor: ...
@overload
def median(input: Tensor, dim: int, keepdim: bool = False) -> ValuesIndices: ...
@numpy_names
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | ValuesIndices:
    """The element in the middle, the lower of two, over all axes or along ``dim``; NaN where there is one.

    Gradient: dL/dinput = g at the median, else 0. Without ``dim`` ties share it equally.

    Args:
        input: Tensor of any shape.
        dim: an axis; None for all.
        keepdim: leave the axis in place with length 1.

    Returns:
        Tensor without ``dim``; else a named tuple ``(values, indices)``, the indices int64.

    Raises:
        ValueError: no element to choose.
        IndexError: ``dim`` out of range.
    """
    if dim is None:
        return extremum(Median, _lower_median, input, None, keepdim)
    d = axis("median", dim, input.ndim)

    def middle(x, axis):
        order = np.argsort(x, axis=axis, kind="stable")
        lower = np.take(order, (x.shape[axis] - 1) // 2, axis=axis)
        if x.dtype.kind != "f":
            return lower
        nan = np.isnan(x)
        return np.where(nan.any(axis=axis), nan.argmax(axis=axis), lower)

    return _pick(MedianResult, "median", input, _index("median", middle, input, d), d, keepdim)
