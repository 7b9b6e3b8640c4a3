"""Putting tensors together and cutting them up: cat, stack, split, repeat, roll, ..."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .axes import axes, axis, numpy_names
from .integers import integer, integers, listed, sizes
from .kinds import Dims, Indices, Shape
from .pointwise import promote
from .function import alias, Function, Primitive
from .scatter import index_select
from .shape import broadcast_to, can_view, clone, reshape
from .tensor import Tensor


class Cat(Primitive):
    """Arrays one after the other along an axis;  each gets its slice of the gradient."""

    name = "cat"

    def forward(self, *arrays, dim):
        self.dim, self.lengths = dim, [a.shape[dim] for a in arrays]
        return np.concatenate(arrays, axis=dim)

    def backward(self, g):
        parts, start, before = [], 0, (slice(None),) * self.dim
        for n, edge in zip(self.lengths, self.edges):
            parts.append(g[(*before, slice(start, start + n))] if edge is not None else None)
            start += n
        return parts


class Stack(Primitive):
    """Arrays along a new axis."""

    name = "stack"

    def forward(self, *arrays, dim):
        self.dim = dim
        return np.stack(arrays, axis=dim)

    def backward(self, g):
        before = (slice(None),) * self.dim
        return [g[(*before, i)] if edge is not None else None for i, edge in enumerate(self.edges)]


def _gathered(name: str, tensors) -> list[Tensor]:
    """The tensors of a list, in their common dtype."""
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}: tensors must be a list or tuple of Tensors, not one Tensor; write {name}([a, b])")
    tensors = [t if isinstance(t, Tensor) else Tensor(t) for t in tensors]
    if not tensors:
        raise ValueError(f"{name}: needs at least one tensor")
    if all(t.dtype == tensors[0].dtype for t in tensors):
        return tensors
    common = tensors[0]._data
    for t in tensors[1:]:
        common = promote(common, t._data.reshape(-1)[:1] if t.ndim else t._data)[0]
    return [t.to(common.dtype) for t in tensors]


@numpy_names
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after the other along axis ``dim``; all other axes must agree.

    Empty tensors of shape (0,) are left out, as PyTorch does, so that a loop can start from one.

    Gradient: of each tensor its own slice of g.

    Args:
        tensors: a list or tuple of Tensors.
        dim: the axis.

    Returns:
        Tensor of the common dtype, as long along ``dim`` as all of them together.

    Raises:
        ValueError: no tensors, or shapes that disagree; the message names the tensor and the axis.
        TypeError: a single Tensor.
        IndexError: ``dim`` out of range.
    """
    tensors = _gathered("cat", tensors)
    tensors = [t for t in tensors if t.shape != (0,)] or tensors[:1]
    first = tensors[0]
    d = axis("cat", dim, first.ndim)
    rest = first.shape[:d] + first.shape[d + 1:]
    for i, t in enumerate(tensors):
        if t.ndim != first.ndim or first.ndim == 0 or t.shape[:d] + t.shape[d + 1:] != rest:
            raise ValueError(f"cat: tensors[{i}] has shape {t.shape} but tensors[0] has {first.shape}; all axes but "
                             f"dim={d} must agree" + ("; use stack for 0-d tensors" if first.ndim == 0 else ""))
    return Cat.apply(*tensors, dim=d)


@numpy_names
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors along a new axis at ``dim``; all must have the same shape.

    Gradient: of each tensor its own slice of g.

    Args:
        tensors: a list or tuple of n Tensors.
        dim: the place of the new axis in the result.

    Returns:
        Tensor of the common dtype, with an axis of length n at ``dim``.

    Raises:
        ValueError: no tensors, or shapes that differ.
        TypeError: a single Tensor.
        IndexError: ``dim`` out of range.
    """
    tensors = _gathered("stack", tensors)
    for i, t in enumerate(tensors):
        if t.shape != tensors[0].shape:
            raise ValueError(f"stack: tensors[{i}] has shape {t.shape} but tensors[0] has {tensors[0].shape}")
    return Stack.apply(*tensors, dim=axis("stack", dim, tensors[0].ndim + 1))


# ---------------------------------------------------------------------- cutting

class Split(Function):
    """Views of consecutive pieces along an axis. One node for all, so that n pieces cost one gradient and not n."""

    name = "split"
    keep = ()

    @staticmethod
    def definition(x, lengths, dim):
        return tuple(x[i] for i in _pieces(lengths, dim))

    def forward(self, x, lengths, dim):
        self.dim = dim
        return tuple(x[i] for i in _pieces(lengths, dim))

    def backward(self, *grads):
        return np.concatenate(grads, axis=self.dim)


class Unbind(Function):
    """Views of all slices along an axis, without the axis."""

    name = "unbind"
    keep = ()

    @staticmethod
    def definition(x, dim):
        return tuple(x[(slice(None),) * dim + (i,)] for i in range(x.shape[dim]))

    def forward(self, x, dim):
        self.dim = dim
        at = (slice(None),) * dim
        return tuple(x[(*at, slice(i, i + 1))].reshape(x.shape[:dim] + x.shape[dim + 1:]) for i in range(x.shape[dim]))

    def backward(self, *grads):
        return np.stack(grads, axis=self.dim)


def _pieces(lengths, dim):
    start = 0
    for n in lengths:
        yield (slice(None),) * dim + (slice(start, start + n),)
        start += n


def _views_of(input: Tensor, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Mark the parts as views: a change in place of one is a change of all."""
    version = input._shared_version()
    for part in parts:
        part._version = version
    return parts


def split(tensor: Tensor, split_size_or_sections: Dims, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut along axis ``dim``, into views.

    Gradient: dL/dtensor = those of the pieces, one after the other.

    Args:
        tensor: Tensor of any shape and dtype.
        split_size_or_sections: the length of each piece (the last may be shorter), or a list of all lengths.
        dim: the axis.

    Returns:
        A tuple of Tensors, views of ``tensor``.

    Raises:
        ValueError: lengths that do not add up to the axis.
        IndexError: ``dim`` out of range.
    """
    d = axis("split", dim, tensor.ndim)
    if tensor.ndim == 0:
        raise ValueError("split: a 0-d tensor cannot be cut")
    n = tensor.shape[d]
    if not isinstance(split_size_or_sections, (tuple, list)) and not getattr(split_size_or_sections, "ndim", 0):
        size = integer("split", "split_size_or_sections", split_size_or_sections)
        if size < 0 or size == 0 and n > 0:
            raise ValueError(f"split: pieces of length {size}; choose a length >= 1")
        lengths = [min(size, n - start) for start in range(0, n, size)] if n else [0]
    else:
        lengths = list(integers("split", "split_size_or_sections", listed(split_size_or_sections)))
        if sum(lengths) != n or min(lengths, default=0) < 0:
            raise ValueError(f"split: lengths {lengths} add up to {sum(lengths)} but dim={d} has length {n}")
    return _views_of(tensor, Split.apply(tensor, lengths=tuple(lengths), dim=d))


@numpy_names
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut along axis ``dim`` into at most ``chunks`` views of equal length (the last may be shorter).

    Gradient: dL/dinput = those of the pieces, one after the other.

    Args:
        input: Tensor of any shape and dtype.
        chunks: how many pieces at most.
        dim: the axis.

    Returns:
        A tuple of Tensors, views of ``input``.

    Raises:
        ValueError: fewer than one chunk, or a 0-d tensor.
        IndexError: ``dim`` out of range.
    """
    chunks = integer("chunk", "chunks", chunks, 1)
    d = axis("chunk", dim, input.ndim)
    n = input.shape[d] if input.ndim else 0
    return split(input, -(-n // chunks), d) if n else split(input, [0] * chunks, d)


@numpy_names
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along axis ``dim``, as views without that axis.

    Gradient: dL/dinput = those of the slices, along ``dim``.

    Args:
        input: Tensor of any shape and dtype.
        dim: the axis, of length n.

    Returns:
        A tuple of n Tensors, views of ``input``.

    Raises:
        ValueError: a 0-d tensor.
        IndexError: ``dim`` out of range.
    """
    d = axis("unbind", dim, input.ndim)
    if input.ndim == 0:
        raise ValueError("unbind: a 0-d tensor has no axis to take apart")
    return _views_of(input, Unbind.apply(input, dim=d)) if input.shape[d] else ()


# ---------------------------------------------------------------------- repeating

def repeat(input: Tensor, *repeats_: Shape, repeats: Shape | None = None) -> Tensor:
    """The tensor laid out ``repeats[i]`` times along axis i; more numbers than axes add leading axes.

    Gradient: dL/dinput = g, summed over the repetitions.

    Args:
        input: Tensor of any shape and dtype.
        *repeats_, repeats: a number for each axis, or one tuple of them.

    Returns:
        Tensor with each axis repeats[i] times as long, a copy.

    Raises:
        ValueError: fewer numbers than axes, or a negative one.
    """
    times = sizes("repeat", repeats_, "repeats", named=repeats)
    extra = len(times) - input.ndim
    if extra < 0:
        raise ValueError(f"repeat: {len(times)} numbers for shape {input.shape}; give one for each axis")
    if min(times, default=0) < 0:
        raise ValueError(f"repeat: repeats={times} must not be negative")
    lengths = (1,) * extra + input.shape
    apart = reshape(input, tuple(n for m in lengths for n in (1, m)))                     # (1, n0, 1, n1, ...)
    spread = broadcast_to(apart, tuple(n for t, m in zip(times, lengths) for n in (t, m)))   # (r0, n0, r1, n1, ...)
    return _filled(spread, tuple(t * m for t, m in zip(times, lengths)))


def _filled(spread: Tensor, shape: tuple) -> Tensor:
    """An expanded tensor under another shape, always with memory of its own."""
    y = reshape(spread, shape)
    return clone(y) if can_view(spread._data, shape) else y


def tile(input: Tensor, *dims_: Shape, dims: Shape | None = None) -> Tensor:
    """Like ``repeat``, but fewer numbers than axes are filled with leading ones.

    Gradient: dL/dinput = g, summed over the repetitions.

    Args:
        input: Tensor of any shape and dtype.
        *dims_, dims: how often each axis is laid out, or one tuple of such numbers.

    Returns:
        Tensor with each axis that many times as long, a copy.

    Raises:
        ValueError: a negative number.
    """
    times = sizes("tile", dims_, "dims", named=dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


@numpy_names
def repeat_interleave(input: Tensor, repeats: Indices | None = None, dim: int | None = None, *,
                      output_size: int | None = None) -> Tensor:
    """Every element (slice along ``dim``) several times in a row.

    Gradient: dL/dinput = g, summed over the repetitions.

    Args:
        input: Tensor of any shape and dtype.
        repeats: how many times, an integer or one for each slice (integer Tensor or list). Left out, ``input`` is the
            repeats, and the result says which element each repetition is of.
        dim: the axis; None flattens first.
        output_size: the length of the result along ``dim``, which is then checked.

    Returns:
        Tensor with the repetitions along ``dim``, or (n,) if flattened; a copy.

    Raises:
        ValueError: a number of repeats that is not that of the slices, or a negative one; another output_size.
        TypeError: ``dim`` without repeats.
        IndexError: ``dim`` out of range.
    """
    if repeats is None:
        if dim is not None:
            raise TypeError(f"repeat_interleave: dim={dim} without repeats; say how many times")
        input, repeats = Tensor(np.arange(input.numel())), input
    if dim is None:
        input, dim = reshape(input, -1), 0
    d = axis("repeat_interleave", dim, input.ndim)
    n = input.shape[d]
    if isinstance(repeats, Tensor):
        repeats = repeats.tolist()
    times = integers("repeat_interleave", "repeats", listed(repeats))
    times = times * n if len(times) == 1 else times
    if len(times) != n or min(times, default=0) < 0:
        raise ValueError(f"repeat_interleave: repeats has {len(times)} numbers but dim={d} has length {n}; give one "
                         "non-negative number for each slice")
    if output_size is not None and sum(times) != output_size:
        raise ValueError(f"repeat_interleave: output_size={output_size}, but the repeats add up to {sum(times)}")
    if len(set(times)) == 1:
        apart = reshape(input, input.shape[:d + 1] + (1,) + input.shape[d + 1:])
        spread = broadcast_to(apart, apart.shape[:d + 1] + (times[0],) + apart.shape[d + 2:])
        return _filled(spread, input.shape[:d] + (n * times[0],) + input.shape[d + 1:])
    return index_select(input, d, Tensor(np.repeat(np.arange(n), np.asarray(times, dtype=np.int64))))


# ---------------------------------------------------------------------- turning around

class Flip(Primitive):
    """The elements in reverse order along some axes."""

    name = "flip"

    def forward(self, x, dims):
        self.dims = dims
        return np.flip(x, dims).copy()

    def backward(self, g):
        return np.flip(g, self.dims)


def flip(input: Tensor, *dims_: Shape, dims: Shape | None = None) -> Tensor:
    """Reverse the order of the elements along some axes (a copy).

    Gradient: dL/dinput = g, reversed along the same axes.

    Args:
        input: Tensor of any shape and dtype.
        *dims_, dims: the axes, or one tuple of them.

    Returns:
        Tensor of the shape and dtype of ``input``.

    Raises:
        IndexError: an axis out of range.
        ValueError: an axis named twice.
    """
    return Flip.apply(input, dims=axes("flip", sizes("flip", dims_, "dims", named=dims), input.ndim))


class Roll(Primitive):
    """The elements shifted along some axes; what leaves at one end enters at the other."""

    name = "roll"

    def forward(self, x, shifts, dims):
        self.shifts, self.dims = shifts, dims
        return np.roll(x, shifts, dims)

    def backward(self, g):
        back = tuple(-n for n in self.shifts)
        return Roll.apply(g, shifts=back, dims=self.dims) if isinstance(g, Tensor) else np.roll(g, back, self.dims)


def roll(input: Tensor, shifts: Dims, dims: Dims | None = None) -> Tensor:
    """Shift the elements by ``shifts`` along ``dims``; what leaves at one end enters at the other.

    Gradient: dL/dinput = g, shifted back.

    Args:
        input: Tensor of any shape and dtype.
        shifts: an integer, or one for each of ``dims``; an axis may be named several times.
        dims: an axis or several; None shifts the flattened tensor.

    Returns:
        Tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: not one shift for each axis.
        IndexError: an axis out of range.
    """
    if dims is None:
        return reshape(roll(reshape(input, -1), shifts, 0), input.shape)
    by = integers("roll", "shifts", listed(shifts))
    along = dims if isinstance(dims, (tuple, list)) else (dims,)
    if len(by) != len(along):
        raise ValueError(f"roll: {len(by)} shifts for {len(along)} axes")
    along = tuple(axis("roll", d, input.ndim) for d in along)
    return Roll.apply(input, shifts=by, dims=along) if input.ndim else alias(input)


def meshgrid(*tensors: Tensor, indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of a grid: result i holds the values of tensor i along axis i, and repeats them along the others.

    Gradient: of each tensor its own g, summed over the other axes.

    Args:
        *tensors: n tensors of shape (N_i,), or one list of them.
        indexing: "ij" for axes in the order of the tensors, "xy" with the first two axes exchanged.

    Returns:
        A tuple of n Tensors (N_1, ..., N_n), views of the arguments.

    Raises:
        ValueError: a tensor with more than one axis, or another word for ``indexing``.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing={indexing!r}; choose 'ij' or 'xy'")
    for i, t in enumerate(tensors):
        if t.ndim > 1:
            raise ValueError(f"meshgrid: tensors[{i}] has shape {t.shape}; coordinates are 0-d or 1-d")
    n = len(tensors)
    places = [1 - i if indexing == "xy" and i < 2 and n > 1 else i for i in range(n)]
    shape = [0] * n
    for place, t in zip(places, tensors):
        shape[place] = t.numel()
    return tuple(broadcast_to(reshape(t, tuple(-1 if i == place else 1 for i in range(n)) if t.numel() else
                                      tuple(0 if i == place else 1 for i in range(n))), tuple(shape))
                 for place, t in zip(places, tensors))


