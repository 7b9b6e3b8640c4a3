"""Where the wrong elements are: not zero where the truth is, beyond a value, in some slices of an axis."""

from __future__ import annotations

import numpy as np

from .evidence import TOLERANCE
from .scale import ratio
from .words import beyond, named, ranges

NOTHING = 1e-9    # of the largest element: a numeric derivative of zero, but for rounding


def not_zero(e) -> str:
    """Something where the truth is zero."""
    wrong = e.wrong
    count = int(wrong.sum())
    if not count or np.abs(e.numeric[wrong]).max() > NOTHING * e.scale or not e.scale:
        return ""
    where = beyond(e, wrong)
    passed = ""
    if e.outputs.size == e.value.size and e.seen(e.cotangent[np.flatnonzero(wrong)], np.flatnonzero(wrong)):
        passed = "; the incoming gradient passes there"
    return f"{count} of {int(e.known.sum())} elements {'are' if count > 1 else 'is'} not zero where the truth is zero" + \
        (f", {where}" if where else "") + passed + \
        (": a bound forgotten (clip, relu)?" if where else ": a mask or a bound forgotten?")


def pointed(e) -> str:
    """Wrong at one element of every row: where an integer argument points, the target of a loss."""
    for a in e.integers:
        if not a.size or a.min() < 0 or a.shape != e.value.shape[:-1] or a.max() >= e.value.shape[-1]:
            continue
        at = np.zeros(e.value.shape, bool)
        np.put_along_axis(at, a[..., None], True, -1)
        if np.array_equal(at & e.known, e.wrong):
            return "wrong just where the integer argument points, at the target: what is added or subtracted there is missing"
    if e.value.ndim == 2 and min(e.value.shape) > 2 and e.known.all() and (e.wrong.sum(1) == 1).all():
        return "one element of every row is wrong, and no other: the target's? What is added or subtracted there (a one-hot " \
            "vector) is missing"
    return ""


def patterned(e) -> str:
    """``slices`` where the wrong elements have something in common: they are zero, or a factor of what they should be."""
    text = slices(e)
    return "" if text.endswith("wrong") or " wrong, " in text else text


def slices(e) -> str:
    """The error is confined to some indices of one axis, or to a range of the argument's values."""
    wrong = e.wrong
    count = int(wrong.sum())
    if not count or count == e.known.sum():
        return ""
    if count == 1:
        return "one single element is wrong" + (": it is zero" if e.analytic[wrong][0] == 0 else "")
    k = ratio(e, np.where(wrong, e.numeric, np.nan), e.analytic)
    zero, minus = not e.analytic[wrong].any(), k is not None and abs(k + 1) < TOLERANCE
    where, best = beyond(e, wrong), _filled(e, wrong)
    what = "zero that should not be" if zero else "of the wrong sign" if minus else \
        f"{named(k, e)} times what they should be" if k else "wrong"
    if best is None or where and count > 2:
        where = f", those {where}" if where else ""
        return f"{count} of {int(e.known.sum())} elements are {what}{where}" if where or what != "wrong" else ""
    d, hit = best
    one = len(hit) == 1
    span = f"index {hit[0]}" if one else f"indices {ranges(hit, np.unique(np.nonzero(e.known)[d]))}"
    missing = "zero (one slice is missing)" if one else "zero (slices are missing)"
    what = missing if zero else "of the wrong sign" if minus \
        else f"{named(k, e)} times what it should be" if k else "wrong"
    return f"only {span} of axis {d} {'is' if one else 'are'} {what}"


def _filled(e, wrong):
    """(axis, indices) with the smallest share of an axis whose slices hold the wrong elements and hardly a right one."""
    matters, best = e.known & (np.abs(e.numeric) > 1e-6 * e.scale), None
    shape = e.numeric.shape
    for d, n in enumerate(shape):
        hit = np.unique(np.nonzero(wrong)[d])
        inside = np.isin(np.arange(n), hit).reshape([-1 if i == d else 1 for i in range(len(shape))])
        full = wrong.sum() >= 0.9 * (matters & inside).sum()
        if full and len(hit) < n and (best is None or len(hit) / n < best[2]):
            best = (d, hit, len(hit) / n)
    return None if best is None else best[:2]
