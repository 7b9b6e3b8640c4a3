"""The right values in other places: transposed, reversed, blocks exchanged, shifted, displaced."""

from __future__ import annotations

import itertools

import numpy as np

from .words import axes_text

MOST_BLOCKS = 64     # slices of an axis that are matched with one another
SHIFTS = 2           # places: index mistakes are of one or two


def axes(e) -> str:
    """Transposed, or reversed along axes."""
    shape, ndim = e.numeric.shape, e.numeric.ndim
    if not e.known.all():
        return ""
    if 2 <= ndim <= 4:
        for order in itertools.permutations(range(ndim)):
            if order == tuple(range(ndim)):
                continue
            moved = e.numeric.transpose(order)
            if moved.shape == shape and e.explains(moved):
                two = [d for d in range(ndim) if order[d] != d]
                return "transposed" if ndim == 2 else f"transposed: axes {two[0]} and {two[1]} are exchanged" \
                    if len(two) == 2 else f"transposed: its axes stand in the order {order}"
            if moved.shape != shape and e.explains(moved.reshape(shape)):
                return "a reshape stands where axes must be transposed: the values are right and in another order"
    for count in range(1, ndim + 1):
        for over in itertools.combinations([d for d in range(ndim) if shape[d] > 1], count):
            if e.explains(np.flip(e.numeric, over)):
                return f"reversed along {axes_text(over)}"
    return ""


def blocks(e) -> str:
    """Two blocks of an axis (the gates of an LSTM, halves) in each other's place."""
    for d, b, order in _orders(e):
        moved, size = [i for i in range(b) if order[i] != i], e.numeric.shape[d] // b
        if len(moved) == 2:
            return f"indices {moved[0]} and {moved[1]} of axis {d} are exchanged" if size == 1 else \
                f"blocks {moved[0]} and {moved[1]} of axis {d} are exchanged ({b} blocks of {size})"
    return ""


def reordered(e) -> str:
    """The blocks, or all slices, of an axis in any other order."""
    for d, b, order in _orders(e):
        size = e.numeric.shape[d] // b
        return f"the {'slices' if size == 1 else f'{b} blocks of {size}'} of axis {d} stand in another order: {order}"
    return ""


def _orders(e):
    """(axis, number of blocks, their order) where the blocks of an axis stand in another order, the largest blocks first."""
    for d, n in enumerate(e.numeric.shape if e.known.all() else ()):
        for b in (b for b in range(2, min(n, MOST_BLOCKS) + 1) if n % b == 0):
            order = _order(e, d, b)
            if order is not None and order != list(range(b)):
                yield d, b, order


def _order(e, d: int, b: int) -> list[int] | None:
    """For each of ``b`` blocks of axis ``d`` the block of the numeric gradient that stands there; None if there is none."""
    cut = lambda a: np.stack([part.reshape(-1) for part in np.split(a, b, axis=d)])
    analytic, numeric = cut(e.analytic), cut(e.numeric)
    left, order = set(range(b)), []
    for i in range(b):
        fits = [j for j in sorted(left, key=lambda j: j != i) if np.abs(analytic[i] - numeric[j]).max() <= e.slack]
        if not fits:
            return None
        order.append(fits[0])
        left.remove(fits[0])
    return order


def shifted(e) -> str:
    """A shift along one axis or two; what stands at the border is not looked at."""
    shape, ndim = e.numeric.shape, e.numeric.ndim
    if not e.known.all():
        return ""
    for over in [(d,) for d in range(ndim)] + list(itertools.combinations(range(ndim), 2)):
        for steps in itertools.product([s for k in range(1, SHIFTS + 1) for s in (k, -k)], repeat=len(over)):
            here, there = [slice(None)] * ndim, [slice(None)] * ndim
            for d, s in zip(over, steps):
                here[d], there[d] = (slice(s, None), slice(None, -s)) if s > 0 else (slice(None, s), slice(-s, None))
            if any(abs(s) >= shape[d] for d, s in zip(over, steps)):
                continue
            a, b, c = e.analytic[tuple(here)], e.numeric[tuple(there)], e.numeric[tuple(here)]
            if 3 * a.size < e.numeric.size or np.count_nonzero(b) < 3:   # too little is left to tell
                continue
            if np.abs(a - b).max() <= e.slack and np.abs(c - b).max() > 10 * e.slack:
                return _shift_text(over, steps)
    return ""


def _shift_text(over, steps) -> str:
    word = {1: "one", 2: "two"}
    if len(over) == 1:
        s = abs(steps[0])
        return f"off by {word[s]} along axis {over[0]}: every element stands {s} place{'s' * (s > 1)} " + \
            ("too far" if steps[0] > 0 else "too early")
    return "shifted: off by " + " and by ".join(
        f"{word[abs(s)]} along axis {d} (too {'far' if s > 0 else 'early'})" for d, s in zip(over, steps))


def spread(e) -> str:
    """The same for every element along an axis, though they should differ: weights of a sum left out."""
    if not e.known.all():
        return ""
    for d, n in enumerate(e.numeric.shape):
        total = e.numeric.sum(d, keepdims=True) if n > 1 else None
        if total is None or np.ptp(e.numeric, axis=d).max() <= 10 * e.slack:
            continue
        for amount, k in (("an equal share", 1 / n), ("the whole", 1.0)):
            if e.explains(np.broadcast_to(k * total, e.numeric.shape)):
                return f"every element along axis {d} gets {amount} of what they should get together: the weights are missing " \
                    "by which it is shared out (one for the largest of a max, a softmax's for a logsumexp)"
    return ""


def displaced(e) -> str:
    """The right values, each in some other place."""
    wrong = e.wrong
    if not e.known.all():
        return ""
    a, b = np.sort(e.analytic[wrong]), np.sort(e.numeric[wrong])
    if len(np.unique(b[np.abs(b) > 1e-6 * e.scale])) < 2 or np.abs(a - b).max() > e.slack:
        return ""
    within = [d for d, n in enumerate(e.numeric.shape) if n > 1 and e.numeric.ndim > 1
              and np.abs(np.sort(e.analytic, d) - np.sort(e.numeric, d)).max() <= e.slack]
    return "the right values in other places" + (f", displaced along axis {within[0]}" if len(within) == 1 else "") + \
        ": another element of a window chosen, or an index or a permutation taken the wrong way?"
