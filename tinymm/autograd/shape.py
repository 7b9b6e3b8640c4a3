"""Another view of the same elements: reshape, transpose, squeeze, expand, ... (joining and cutting: ``join.py``)"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .axes import axes, axis, numpy_names
from .function import Primitive, alias
from .integers import integers, listed, once, sizes
from .kinds import Dims, Shape
from .pointwise import unbroadcast
from .tensor import Tensor


class Clone(Primitive):
    """y = x, copied."""

    name = "clone"

    def forward(self, x):
        return x.copy()

    def backward(self, g):
        return g


def clone(input: Tensor) -> Tensor:
    """A copy, with memory of its own.

    Gradient: dL/dinput = g.

    Args:
        input: Tensor of any shape and dtype.

    Returns:
        Tensor of the shape and dtype of ``input``.
    """
    return Clone.apply(input)


class Contiguous(Clone):
    """y = x, laid out row by row."""

    name = "contiguous"

    def forward(self, x):
        return np.ascontiguousarray(x).reshape(x.shape)


def contiguous(input: Tensor) -> Tensor:
    """The tensor with its elements laid out row by row (itself if they are).

    Gradient: dL/dinput = g.

    Args:
        input: Tensor of any shape and dtype.

    Returns:
        Tensor of the shape and dtype of ``input``.
    """
    return input if input._data.flags.c_contiguous else Contiguous.apply(input)


class Reshape(Primitive):
    """The same elements in the same order under another shape."""

    name = "reshape"
    view = True

    def forward(self, x, shape):
        self.shape = x.shape
        return x.reshape(shape)

    def backward(self, g):
        return g.reshape(self.shape)


class ReshapeCopy(Reshape):
    """Reshape where the memory layout makes a copy necessary, so that the result has a version of its own."""

    name = "reshape"
    view = False


def can_view(array, shape: tuple) -> bool:
    """Whether ``array`` can be seen under ``shape`` without moving an element.

    Neighbouring axes can be merged when stepping over the end of the inner one lands on the next element of the outer
    one: stride[outer] = stride[inner] * length[inner]. Every new axis must lie inside one such merged run.
    """
    if array.flags.c_contiguous or array.size == 0:
        return True
    runs: list[list[int]] = []   # [number of elements, stride of the innermost] of each mergeable run, from the last axis on
    for n, stride in zip(array.shape[::-1], array.strides[::-1]):
        if n == 1:
            continue
        if runs and stride == runs[-1][1] * runs[-1][0]:
            runs[-1][0] *= n
        else:
            runs.append([n, stride])
    runs.reverse()
    left = 1
    for n in shape[::-1]:
        if n == 1:
            continue
        if left == 1:
            left = runs.pop()[0] if runs else 1
        if left % n:
            return False
        left //= n
    return True


def _resolve(name: str, input: Tensor, shape: tuple) -> tuple[int, ...]:
    """``shape`` with its -1 computed, checked against the number of elements."""
    count = input._data.size
    if math.prod(shape) == count and min(shape, default=0) >= 0:
        return shape
    known = math.prod(n for n in shape if n != -1)
    wrong = any(n < -1 for n in shape) or shape.count(-1) > 1
    if -1 in shape and not wrong and known > 0 and count % known == 0:
        shape = tuple(count // known if n == -1 else n for n in shape)
        known = count
    if wrong or -1 in shape or known != count:
        raise ValueError(f"{name}: {count} elements of shape {input.shape} do not fit shape {shape}"
                         + ("; at most one length may be -1, and then the others must divide the number of elements"
                            if -1 in shape or wrong else ""))
    return shape


def reshape(input: Tensor, *shape_: Shape, shape: Shape | None = None) -> Tensor:
    """The same elements in the same order under another shape; a view where the memory layout allows it.

    Gradient: dL/dinput = g in the shape of ``input``.

    Args:
        input: Tensor of any shape and dtype.
        *shape_, shape: lengths, or one tuple of them; one length may be -1 and is computed.

    Returns:
        Tensor of that shape and the dtype of ``input``.

    Raises:
        ValueError: the number of elements does not fit.
    """
    lengths = _resolve("reshape", input, sizes("reshape", shape_, "shape", named=shape))
    return (Reshape if can_view(input._data, lengths) else ReshapeCopy).apply(input, shape=lengths)


def view(input: Tensor, *size_: Shape, size: Shape | None = None) -> Tensor:
    """Like ``reshape``, but never a copy: the result shares memory with the input.

    Gradient: dL/dinput = g in the shape of ``input``.

    Args:
        input: Tensor of any shape and dtype.
        *size_, size: as ``shape`` of ``reshape``.

    Returns:
        Tensor of that shape, a view of ``input``.

    Raises:
        ValueError: the number of elements does not fit, or the memory layout would need a copy.
        TypeError: a dtype.
    """
    if size_ and isinstance(size_[0], (np.dtype, type)):   # PyTorch shows the same bytes as numbers of another dtype
        raise TypeError(f"view: {np.dtype(size_[0])} is a dtype, and a view has that of its tensor; use .to(dtype) to convert")
    shape = _resolve("view", input, sizes("view", size_, named=size))
    if not can_view(input._data, shape):
        raise ValueError(f"view: shape {input.shape} with strides {input._data.strides} (bytes) cannot be seen as "
                         f"{shape} without a copy; use .reshape(...), or .contiguous() before")
    return Reshape.apply(input, shape=shape)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.view(other.shape)``.

    Gradient: dL/dinput = g in the shape of ``input``.

    Args:
        input: Tensor of any shape and dtype.
        other: Tensor with as many elements, of which only the shape matters.

    Returns:
        Tensor of the shape of ``other``, a view of ``input``.

    Raises:
        ValueError: the number of elements does not fit, or the memory layout would need a copy.
    """
    return view(input, other.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.reshape(other.shape)``.

    Gradient: dL/dinput = g in the shape of ``input``.

    Args:
        input: Tensor of any shape and dtype.
        other: Tensor with as many elements, of which only the shape matters.

    Returns:
        Tensor of the shape of ``other``.

    Raises:
        ValueError: the number of elements does not fit.
    """
    return reshape(input, other.shape)


def ravel(input: Tensor) -> Tensor:
    """All elements on one axis.

    Gradient: dL/dinput = g in the shape of ``input``.

    Args:
        input: Tensor of any shape and dtype, n elements.

    Returns:
        Tensor (n,); a view where the memory layout allows it.
    """
    return reshape(input, -1)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes ``start_dim`` to ``end_dim`` (both included) into one.

    Gradient: dL/dinput = g in the shape of ``input``.

    Args:
        input: Tensor of any shape and dtype.
        start_dim, end_dim: the first and the last axis to merge.

    Returns:
        Tensor with one axis in their place; a view where the memory layout allows it.

    Raises:
        ValueError: start_dim comes after end_dim.
        IndexError: an axis out of range.
    """
    if input.ndim == 0:
        return reshape(input, 1)
    first, last = axis("flatten", start_dim, input.ndim, "start_dim"), axis("flatten", end_dim, input.ndim, "end_dim")
    if first > last:
        raise ValueError(f"flatten: start_dim={start_dim} comes after end_dim={end_dim}")
    merged = math.prod(input.shape[first:last + 1])
    return reshape(input, input.shape[:first] + (merged,) + input.shape[last + 1:])


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split axis ``dim`` into axes of the lengths ``sizes``; one may be -1.

    Gradient: dL/dinput = g in the shape of ``input``.

    Args:
        input: Tensor of any shape and dtype.
        dim: the axis to split.
        sizes: the lengths.

    Returns:
        Tensor with the axes of lengths ``sizes`` in the place of ``dim``.

    Raises:
        ValueError: the lengths do not multiply to that of the axis.
        IndexError: ``dim`` out of range.
    """
    d = axis("unflatten", dim, input.ndim)
    lengths = list(integers("unflatten", "sizes", listed(sizes)))
    n = input.shape[d] if input.ndim else 1
    if lengths.count(-1) == 1:
        known = math.prod(m for m in lengths if m != -1)
        lengths[lengths.index(-1)] = n // known if known else 0
    if not lengths or min(lengths) < 0 or math.prod(lengths) != n:
        raise ValueError(f"unflatten: sizes={sizes} do not multiply to the length {n} of dim={dim}")
    return reshape(input, input.shape[:d] + tuple(lengths) + input.shape[d + 1:])


class Permute(Primitive):
    """The axes in another order."""

    name = "permute"
    view = True

    def forward(self, x, dims):
        self.inverse = tuple(sorted(range(len(dims)), key=dims.__getitem__))
        return x.transpose(dims)

    def backward(self, g):
        return np.transpose(g, self.inverse)


def permute(input: Tensor, *dims_: Shape, dims: Shape | None = None) -> Tensor:
    """The axes in another order: axis i of the result is axis dims[i] of the input.

    Gradient: dL/dinput = g with its axes in the old order.

    Args:
        input: Tensor of any shape and dtype.
        *dims_, dims: every axis once, or one tuple of them.

    Returns:
        Tensor, a view of ``input``.

    Raises:
        ValueError: not every axis once.
        IndexError: an axis out of range.
    """
    order = axes("permute", sizes("permute", dims_, "dims", named=dims), input.ndim)
    if len(order) != input.ndim:
        raise ValueError(f"permute: {len(order)} axes given for a tensor with {input.ndim}; name every axis once")
    return Permute.apply(input, dims=order)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two axes.

    Gradient: dL/dinput = g with the two axes exchanged.

    Args:
        input: Tensor of any shape and dtype.
        dim0, dim1: the axes.

    Returns:
        Tensor, a view of ``input``.

    Raises:
        IndexError: an axis out of range.
    """
    order = list(range(input.ndim))
    if not order:
        return alias(input)
    a, b = axis("transpose", dim0, input.ndim, "dim0"), axis("transpose", dim1, input.ndim, "dim1")
    order[a], order[b] = order[b], order[a]
    return Permute.apply(input, dims=tuple(order))


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Exchange two axes (``transpose`` under NumPy's name).

    Gradient: dL/dinput = g with the two axes exchanged.

    Args:
        input: Tensor of any shape and dtype.
        axis0, axis1: the axes.

    Returns:
        Tensor, a view of ``input``.

    Raises:
        IndexError: an axis out of range.
    """
    return transpose(input, axis0, axis1)


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a 0-d or 1-d tensor stays as it is.

    Gradient: dL/dinput = the transpose of g.

    Args:
        input: Tensor (N, M), (N,) or ().

    Returns:
        Tensor (M, N), (N,) or (), a view of ``input``.

    Raises:
        ValueError: more than two axes.
    """
    if input.ndim > 2:
        raise ValueError(f"t: shape {input.shape} has {input.ndim} axes, a matrix has two; use .mT or transpose")
    return transpose(input, 0, 1) if input.ndim == 2 else alias(input)


def movedim(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """Move the axes ``source`` to the places ``destination``; the others keep their order.

    Gradient: dL/dinput = g with its axes moved back.

    Args:
        input: Tensor of any shape and dtype.
        source, destination: an axis, or as many of one as of the other.

    Returns:
        Tensor, a view of ``input``.

    Raises:
        ValueError: different numbers of axes, or an axis named twice.
        IndexError: an axis out of range.
    """
    src, dst = axes("movedim", source, input.ndim), axes("movedim", destination, input.ndim)
    if len(src) != len(dst):
        raise ValueError(f"movedim: {len(src)} axes in source but {len(dst)} in destination")
    order = [i for i in range(input.ndim) if i not in src]
    for d, s in sorted(zip(dst, src)):
        order.insert(d, s)
    return Permute.apply(input, dims=tuple(order))


@numpy_names
def squeeze(input: Tensor, *dim_: Dims, dim: Dims | None = None) -> Tensor:
    """Remove axes of length 1.

    Gradient: dL/dinput = g in the shape of ``input``.

    Args:
        input: Tensor of any shape and dtype.
        *dim_, dim: an axis or several, of which those of length 1 are removed; None for all.

    Returns:
        Tensor, a view of ``input``.

    Raises:
        IndexError: an axis out of range.
    """
    chosen = axes("squeeze", once("squeeze", dim_, "dim", dim), input.ndim)
    return Reshape.apply(input, shape=tuple([n for i, n in enumerate(input.shape) if n != 1 or i not in chosen]))


@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert an axis of length 1.

    Gradient: dL/dinput = g in the shape of ``input``.

    Args:
        input: Tensor of any shape and dtype.
        dim: the place of the new axis in the result; negative counts from its end.

    Returns:
        Tensor, a view of ``input``.

    Raises:
        IndexError: ``dim`` out of range.
    """
    d = axis("unsqueeze", dim, input.ndim + 1)
    return Reshape.apply(input, shape=input.shape[:d] + (1,) + input.shape[d:])


class BroadcastTo(Primitive):
    """Axes of length 1, and missing leading ones, repeated (a view)."""

    name = "expand"
    view = True

    def forward(self, x, shape):
        self.shape = x.shape
        return np.broadcast_to(x, shape)

    def backward(self, g):
        return unbroadcast(g, self.shape)


def broadcast_to(input: Tensor, *size_: Shape, size: Shape | None = None) -> Tensor:
    """Repeat axes of length 1, and add leading axes, to reach the shape ``size``.

    Gradient: dL/dinput = g, summed over the repeated axes.

    Args:
        input: Tensor of any shape and dtype.
        *size_, size: the lengths of the wanted shape, or one tuple of them.

    Returns:
        Tensor of that shape, a view of ``input``.

    Raises:
        ValueError: a shape that ``input`` does not broadcast to.
    """
    target = sizes("broadcast_to", size_, named=size)
    try:
        return BroadcastTo.apply(input, shape=target)
    except ValueError as error:
        raise ValueError(f"broadcast_to: shape {input.shape} does not broadcast to {target}; from the right, axes "
                         "must be equal or 1") from error


def expand(input: Tensor, *size_: Shape, size: Shape | None = None) -> Tensor:
    """Like ``broadcast_to``; -1 keeps an axis as it is.

    Gradient: dL/dinput = g, summed over the repeated axes.

    Args:
        input: Tensor of any shape and dtype.
        *size_, size: the wanted lengths, or one tuple of them.

    Returns:
        Tensor of that shape, a view of ``input``.

    Raises:
        ValueError: fewer lengths than axes, or a shape that ``input`` does not broadcast to.
    """
    target = sizes("expand", size_, named=size)
    extra = len(target) - input.ndim
    if extra < 0:
        raise ValueError(f"expand: {target} has fewer axes than the tensor's shape {input.shape}")
    full = (-1,) * extra + input.shape
    return broadcast_to(input, tuple(full[i] if n == -1 and i >= extra else n for i, n in enumerate(target)))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.expand(other.shape)``.

    Gradient: dL/dinput = g, summed over the repeated axes.

    Args:
        input: Tensor of any shape and dtype.
        other: Tensor of which only the shape matters.

    Returns:
        Tensor of the shape of ``other``, a view of ``input``.

    Raises:
        ValueError: a shape that ``input`` does not broadcast to.
    """
    return expand(input, other.shape)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape.

    Gradient: of each tensor its own g, summed over the repeated axes.

    Args:
        *tensors: Tensors whose shapes broadcast.

    Returns:
        A tuple of Tensors of the broadcast shape, views of the arguments.

    Raises:
        ValueError: shapes that do not broadcast.
    """
    try:
        common = np.broadcast_shapes(*(t.shape for t in tensors))
    except ValueError as error:
        raise ValueError("broadcast_tensors: shapes " + ", ".join(str(t.shape) for t in tensors) + " do not broadcast; "
                         "from the right, axes must be equal or 1") from error
    return tuple(broadcast_to(t, common) for t in tensors)
