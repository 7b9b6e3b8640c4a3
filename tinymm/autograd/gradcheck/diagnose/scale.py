"""The gradient as a whole: not finite, zero, a factor, the incoming gradient misused, right to some digits."""

from __future__ import annotations

import math

import numpy as np

from .evidence import TOLERANCE
from .words import named

NEARLY = 5e-3      # right to two digits and more: what a small mistake in a constant makes
FLOAT32 = 2e-6     # a few roundings of float32, of 6e-8 each


def not_finite(e) -> str:
    """NaN or infinite elements."""
    bad = ~np.isfinite(e.analytic)
    what = "NaN" if np.isnan(e.analytic).any() else "infinite"
    zeros, count = e.value == 0, int(bad.sum())
    finite = bool(np.isfinite(e.numeric[bad]).all()) and not e.kink
    where = ": those where the argument is 0" if np.array_equal(bad, zeros) and count else \
        ": there the argument is 0" if zeros[bad].all() else ""
    return f"{count} of {bad.size} elements {'is' if count == 1 else 'are'} {what}{where}" + \
        (", and the numeric derivative is finite there" if finite else "") + \
        (" (0 * inf or 0 / 0?)" if what == "NaN" else " (a division by 0?)")


def zero(e) -> str:
    """Nothing at all."""
    return "zero everywhere: the backward gives nothing to this argument" if not e.analytic.any() else ""


def unscaled(e) -> str:
    """The incoming gradient is not used."""
    return "the incoming gradient is ignored: twice of it gives the same result" if e.ignores_cotangent else ""


def nonlinear(e) -> str:
    """The backward is no linear function of the incoming gradient, as every backward is."""
    if e.answer is None or not e.cotangent.any():
        return ""
    minus, double, none = e.answer(-e.cotangent), e.answer(2 * e.cotangent), e.answer(0 * e.cotangent)
    if none is not None and none.shape == e.analytic.shape and np.abs(none).max(initial=0.0) > 10 * e.slack:
        return "something is added that does not depend on the incoming gradient: it is there when that is zero"
    if minus is None or double is None or minus.shape != e.analytic.shape or double.shape != e.analytic.shape:
        return ""
    size = TOLERANCE * np.abs(e.analytic).max(initial=0.0)
    like = lambda a, k: bool(np.abs(a - k * e.analytic).max(initial=0.0) <= size * abs(k))
    if like(double, 4):
        return "the incoming gradient counts twice (it is squared): twice of it gives four times the result"
    if like(minus, 1) and not like(minus, -1):
        return "the sign of the incoming gradient is lost: its negative gives the same result"
    if not like(minus, -1) or not like(double, 2):
        return "not linear in the incoming gradient, as a backward is: twice of it does not give twice the result"
    return ""


def ratio(e, numeric, analytic) -> float | None:
    """k with analytic = k * numeric, or None."""
    at = np.isfinite(numeric) & (np.abs(numeric) > 1e-6 * e.scale)
    if at.sum() < min(2, numeric.size):
        return None
    k = float(np.median(analytic[at] / numeric[at]))
    error = np.abs(analytic - k * numeric)[np.isfinite(numeric)].max(initial=0.0)
    return k if np.isfinite(k) and k != 0 and error <= e.slack * max(1, abs(k)) else None


def factor(e) -> str:
    """A constant factor."""
    k = ratio(e, e.numeric, e.analytic)
    if k is None or e.numeric.size == 1 and not _simple(k, e):   # any two numbers have a ratio
        return ""
    if abs(k + 1) < TOLERANCE:
        return "the sign is wrong"
    return f"a constant factor: {named(k, e)} times what it should be"


def _simple(k, e) -> bool:
    return abs(k + 1) < TOLERANCE or named(k, e) != f"{k:.6g}" and abs(k - 1) > 1e-3


def digits(e) -> str:
    """Right to some digits everywhere: no missing term, but a constant or a formula that is a little off."""
    known = e.known & (np.abs(e.numeric) > 1e-3 * e.scale)
    if known.sum() < 3 or not np.isfinite(e.analytic).all():
        return ""
    off = np.abs(e.analytic - e.numeric)[known] / np.abs(e.numeric)[known]
    small = np.abs(e.analytic - e.numeric)[e.known & ~known].max(initial=0.0) <= NEARLY * e.scale
    most = np.abs(e.analytic - e.numeric)[known].max() / e.scale
    if not small or most > NEARLY or off.max() > 0.1 or np.median(off) < 1e-8 or (off > 1e-2).mean() > 0.1:
        return ""   # the second: single elements are wrong, the others right
    many = max(2, math.floor(-math.log10(most)))
    if most < FLOAT32:
        return f"right to {many} digits everywhere, as float32 would be: is something on the way computed or kept in float32?"
    return f"right to {many} digits everywhere: an eps forgotten or in another place, an approximation (tanh for erf), or a " \
        "rounded constant?"
