"""Operations that only move elements: reshape, transpose, expand, concatenate, ..."""

from __future__ import annotations

import numpy as np

from .axes import axes, axis, sizes
from .elementwise import promote, unbroadcast
from .function import Primitive
from .tensor import Tensor


class Alias(Primitive):
    """y = x, as a new tensor."""

    name = "alias"
    view = True

    def forward(self, x):
        return x

    def backward(self, g):
        return g


def alias(input: Tensor) -> Tensor:
    """The same values as a separate node of the graph."""
    return Alias.apply(input)


class Clone(Primitive):
    """y = x, copied."""

    name = "clone"

    def forward(self, x):
        return x.copy()

    def backward(self, g):
        return g


def clone(input: Tensor) -> Tensor:
    """A copy; the gradient flows through."""
    return Clone.apply(input)


class Contiguous(Clone):
    """y = x, laid out row by row."""

    name = "contiguous"

    def forward(self, x):
        return np.ascontiguousarray(x).reshape(x.shape)


def contiguous(input: Tensor) -> Tensor:
    """The tensor with its elements laid out row by row (itself if they are)."""
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


def reshape(input: Tensor, *shape) -> Tensor:
    """The same elements in the same order under another shape; one length may be -1.

    Raises:
        ValueError: the number of elements does not fit.
    """
    shape = sizes(shape)
    try:
        return Reshape.apply(input, shape=shape)
    except ValueError as error:
        raise ValueError(f"reshape: {input.numel()} elements of shape {input.shape} do not fit shape {shape}") from error


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes ``start_dim`` to ``end_dim`` (both included) into one."""
    if input.ndim == 0:
        return reshape(input, 1)
    first, last = axis("flatten", start_dim, input.ndim), axis("flatten", end_dim, input.ndim)
    if first > last:
        raise ValueError(f"flatten: start_dim={start_dim} comes after end_dim={end_dim}")
    merged = int(np.prod(input.shape[first:last + 1]))
    return reshape(input, input.shape[:first] + (merged,) + input.shape[last + 1:])


def unflatten(input: Tensor, dim: int, sizes: tuple) -> Tensor:
    """Split axis ``dim`` into axes of the given lengths; one may be -1."""
    d = axis("unflatten", dim, input.ndim)
    lengths = list(sizes)
    if -1 in lengths:
        known = -int(np.prod(lengths))
        lengths[lengths.index(-1)] = input.shape[d] // max(known, 1)
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


def permute(input: Tensor, *dims) -> Tensor:
    """The axes in the order ``dims``: axis i of the result is axis dims[i] of the input."""
    order = axes("permute", sizes(dims), input.ndim)
    if len(order) != input.ndim:
        raise ValueError(f"permute: {len(order)} axes given for a tensor with {input.ndim}; name every axis once")
    return Permute.apply(input, dims=order)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two axes."""
    order = list(range(input.ndim))
    if not order:
        return alias(input)
    a, b = axis("transpose", dim0, input.ndim), axis("transpose", dim1, input.ndim)
    order[a], order[b] = order[b], order[a]
    return Permute.apply(input, dims=tuple(order))


def movedim(input: Tensor, source, destination) -> Tensor:
    """Move the axes ``source`` to the places ``destination``; the others keep their order."""
    src, dst = axes("movedim", source, input.ndim), axes("movedim", destination, input.ndim)
    if len(src) != len(dst):
        raise ValueError(f"movedim: {len(src)} axes in source but {len(dst)} in destination")
    order = [i for i in range(input.ndim) if i not in src]
    for d, s in sorted(zip(dst, src)):
        order.insert(d, s)
    return Permute.apply(input, dims=tuple(order))


def squeeze(input: Tensor, dim=None) -> Tensor:
    """Remove the axes of length 1, all of them or those in ``dim``."""
    chosen = axes("squeeze", dim, input.ndim)
    return reshape(input, tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in chosen))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert an axis of length 1 at ``dim``."""
    d = axis("unsqueeze", dim, input.ndim + 1)
    return reshape(input, input.shape[:d] + (1,) + input.shape[d:])


class BroadcastTo(Primitive):
    """Axes of length 1, and missing leading ones, repeated (a view)."""

    name = "expand"
    view = True

    def forward(self, x, shape):
        self.shape = x.shape
        return np.broadcast_to(x, shape)

    def backward(self, g):
        return unbroadcast(g, self.shape)


def broadcast_to(input: Tensor, size) -> Tensor:
    """Repeat axes of length 1, and add leading axes, to reach the shape ``size``."""
    try:
        return BroadcastTo.apply(input, shape=tuple(size))
    except ValueError as error:
        raise ValueError(f"broadcast_to: shape {input.shape} does not broadcast to {tuple(size)}; from the right, axes "
                         "must be equal or 1") from error


def expand(input: Tensor, *sizes_) -> Tensor:
    """Like ``broadcast_to``; -1 keeps an axis as it is."""
    target = sizes(sizes_)
    extra = len(target) - input.ndim
    if extra < 0:
        raise ValueError(f"expand: {target} has fewer axes than the tensor's shape {input.shape}")
    full = (None,) * extra + input.shape
    return broadcast_to(input, tuple(full[i] if n == -1 and i >= extra else n for i, n in enumerate(target)))


class Cat(Primitive):
    """Arrays one after the other along an axis."""

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


def cat(tensors, dim: int = 0) -> Tensor:
    """The tensors one after the other along axis ``dim``; all other axes must agree.

    Raises:
        ValueError: no tensors, or shapes that disagree; the message names the tensor and the axis.
    """
    tensors = [t if isinstance(t, Tensor) else Tensor(t) for t in tensors]
    if not tensors:
        raise ValueError("cat: needs at least one tensor")
    first = tensors[0]
    d = axis("cat", dim, first.ndim)
    for i, t in enumerate(tensors):
        if t.ndim != first.ndim or first.ndim == 0 or t.shape[:d] + t.shape[d + 1:] != first.shape[:d] + first.shape[d + 1:]:
            raise ValueError(f"cat: tensors[{i}] has shape {t.shape} but tensors[0] has {first.shape}; all axes but "
                             f"dim={d} must agree" + ("; use stack for 0-d tensors" if first.ndim == 0 else ""))
    common = tensors[0]._data
    for t in tensors[1:]:
        common = promote(common[:0], t._data[:0])[0]
    tensors = [t.to(common.dtype) for t in tensors]
    return Cat.apply(*tensors, dim=d)


def stack(tensors, dim: int = 0) -> Tensor:
    """The tensors along a new axis at ``dim``; all must have the same shape."""
    tensors = [t if isinstance(t, Tensor) else Tensor(t) for t in tensors]
    if not tensors:
        raise ValueError("stack: needs at least one tensor")
    for i, t in enumerate(tensors):
        if t.shape != tensors[0].shape:
            raise ValueError(f"stack: tensors[{i}] has shape {t.shape} but tensors[0] has {tensors[0].shape}")
    d = axis("stack", dim, tensors[0].ndim + 1)
    return cat([unsqueeze(t, d) for t in tensors], d)


class Flip(Primitive):
    """The elements in reverse order along some axes."""

    name = "flip"

    def forward(self, x, dims):
        self.dims = dims
        return np.flip(x, dims).copy()

    def backward(self, g):
        return np.flip(g, self.dims)


def flip(input: Tensor, dims) -> Tensor:
    """Reverse the order of the elements along the axes ``dims``."""
    return Flip.apply(input, dims=axes("flip", dims, input.ndim))
