"""Borders around a tensor: zeros, mirrors, repeated edges, or the other end."""

from __future__ import annotations

from collections.abc import Sequence

from ..backend.arrays import xp_of
from .function import Primitive
from .integers import integers, listed
from .indexing import getitem
from .join import cat, flip
from .shape import clone, expand
from .tensor import Tensor


class PadConstant(Primitive):
    """x in the middle of a larger array filled with one value."""

    name = "pad"

    def forward(self, x, widths, value):
        self.inner = tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths))
        y = xp_of(x).full(tuple(n + before + after for n, (before, after) in zip(x.shape, widths)), value, x.dtype)
        y[self.inner] = x
        return y

    def backward(self, g):
        return g[self.inner]


def _slab(x: Tensor, d: int, start: int, stop: int) -> Tensor:
    """x[start:stop] along axis d."""
    return getitem(x, (slice(None),) * d + (slice(start, stop),))


def _reflect(x: Tensor, d: int, before: int, after: int, n: int):
    return [flip(_slab(x, d, 1, before + 1), d), x, flip(_slab(x, d, n - 1 - after, n - 1), d)]


def _replicate(x: Tensor, d: int, before: int, after: int, n: int):
    size = [-1] * x.ndim
    sides = []
    for width, edge in ((before, _slab(x, d, 0, 1)), (after, _slab(x, d, n - 1, n))):
        size[d] = width
        sides.append(expand(edge, size))
    return [sides[0], x, sides[1]]


def _circular(x: Tensor, d: int, before: int, after: int, n: int):
    return [_slab(x, d, n - before, n), x, _slab(x, d, 0, after)]


# mode -> (the pieces side by side along an axis, how far the border may reach for a length n)
_MODES = {"reflect": (_reflect, lambda n: n - 1), "replicate": (_replicate, lambda n: float("inf") if n else 0),
          "circular": (_circular, lambda n: n)}


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Add a border.

    Gradient: dL/dinput = g without the border; what a border copies from the input adds its part.

    Args:
        input: Tensor of any shape and dtype.
        pad: widths (before, after) of the last axis, then of the one before it, and so on: an even number of integers.
            Negative widths crop.
        mode: "constant" (filled with ``value``), "reflect" (a mirror at the edge element, which is not repeated),
            "replicate" (the edge element), "circular" (the other end).
        value: for "constant"; None is 0.

    Returns:
        Tensor, longer by the widths.

    Raises:
        ValueError: an odd number of widths or too many, an unknown mode, or a border wider than the mode allows.
    """
    widths = integers("pad", "pad", listed(pad))
    if len(widths) % 2 or len(widths) > 2 * input.ndim:
        raise ValueError(f"pad: {len(widths)} widths for shape {input.shape}; give (before, after) for the last axis, "
                         "then for the one before it, ...")
    if mode != "constant" and mode not in _MODES:
        raise ValueError(f"pad: mode={mode!r}; choose 'constant', 'reflect', 'replicate' or 'circular'")
    if mode != "constant" and value is not None:
        raise ValueError(f"pad: value={value} is for mode='constant', not for {mode!r}")
    given = list(zip(widths[::2], widths[1::2]))[::-1]                    # from the first axis to the last
    pairs = [(0, 0)] * (input.ndim - len(given)) + given
    if any(n + before + after < 0 for n, (before, after) in zip(input.shape, pairs)):
        raise ValueError(f"pad: widths {widths} cut more from shape {input.shape} than there is")
    x = input
    if mode == "constant":
        if min(widths, default=0) < 0:
            x = getitem(x, tuple(slice(max(-before, 0), n - max(-after, 0))
                                 for n, (before, after) in zip(x.shape, pairs)))
            pairs = [(max(before, 0), max(after, 0)) for before, after in pairs]
        return PadConstant.apply(x, widths=tuple(pairs), value=0 if value is None else value)
    pieces, reach = _MODES[mode]
    for d, (before, after) in enumerate(pairs):
        n = x.shape[d]
        if max(before, after) > reach(n):
            raise ValueError(f"pad: a border of ({before}, {after}) is too wide for the length {n} of dim={d} with "
                             f"mode={mode!r}, which reaches at most {reach(n)}")
        if before or after:
            start, stop = max(-before, 0), n - max(-after, 0)
            border = pieces(x, d, max(before, 0), max(after, 0), n)
            x = cat([border[0], _slab(x, d, start, stop), border[2]], d)
    return clone(x) if x is input else x
