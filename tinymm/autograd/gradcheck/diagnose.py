"""Guess the mistake behind a wrong gradient from the pattern of its error.

Every guess is a hypothesis about the whole gradient, tested on all elements whose numeric derivative is known; the
first that explains every one of them is reported.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np

TOLERANCE = 1e-5    # of the largest element: how closely a hypothesis must explain the gradient, or closer


@dataclasses.dataclass
class Evidence:
    """What is known about one wrong gradient.

    Attributes:
        analytic: the gradient that the backward gave.
        numeric: the numeric one, of the argument's shape, NaN where unknown.
        value: the argument.
        cotangent: the incoming gradient (flat).
        outputs: the outputs (flat), and ``output_shape`` if there is one output.
        others: name -> (analytic, numeric or None) of the other arguments.
        integers: arrays of the integer arguments.
        contributions: flat index -> the terms c_j dy_j/dx_i whose sum is the numeric derivative.
        ignores_cotangent: whether twice the incoming gradient gives the same result.
        right_for_ones: whether the gradient is right under a cotangent of ones.
    """

    analytic: np.ndarray
    numeric: np.ndarray
    value: np.ndarray
    cotangent: np.ndarray
    outputs: np.ndarray
    output_shape: tuple | None
    others: dict
    integers: list
    contributions: object
    ignores_cotangent: bool = False
    right_for_ones: bool = False

    def __post_init__(self):
        self.known = np.isfinite(self.numeric)
        self.scale = np.max(np.abs(self.numeric[self.known]), initial=0.0)
        self.slack = TOLERANCE * self.scale
        if self.analytic.shape == self.numeric.shape:   # a small error is not explained by leaving it over
            error = np.abs(self.analytic - self.numeric)[self.known & np.isfinite(self.analytic)].max(initial=0.0)
            self.slack = max(min(self.slack, 0.02 * error), 1e-9 * self.scale)

    def explains(self, candidate, target=None) -> bool:
        """Whether ``candidate`` equals the analytic gradient (or ``target``) wherever the numeric one is known."""
        target = self.analytic if target is None else target
        if np.shape(candidate) != self.numeric.shape or not self.known.any():
            return False
        with np.errstate(all="ignore"):
            a, b = np.asarray(candidate)[self.known], target[self.known]
            return bool(np.isfinite(a).all() and np.abs(a - b).max() <= self.slack)


def guess(e: Evidence) -> str:
    """The likely mistake, in a sentence; "" if no hypothesis fits."""
    if e.analytic.shape != e.numeric.shape:
        return _shape(e)
    if not np.isfinite(e.analytic).all():
        return _not_finite(e)
    for hypothesis in (_zero, _unscaled, _factor, _other_argument, _axes, _shifted, _lost_accumulation, _factor_by_axis,
                       _slices, _lost_cases, _missing_factor, _missing_term):
        text = hypothesis(e)
        if text:
            break
    notes = [text] if text else []
    if e.right_for_ones:
        notes.append("right when the incoming gradient is all ones, wrong otherwise: checking f(x).sum() would not "
                     "have seen it")
    return "; ".join(notes)


def _not_finite(e):
    bad = ~np.isfinite(e.analytic)
    what = "NaN" if np.isnan(e.analytic).any() else "infinite"
    return f"{int(bad.sum())} of {bad.size} elements are {what}, and the function is smooth there (0 * inf or 0 / 0?)"


def _shape(e):
    """A gradient of another shape than its argument."""
    got, want = e.analytic.shape, e.numeric.shape
    head = f"the gradient has shape {got}, the argument {want}"
    extra, axes = len(got) - len(want), ()
    if extra >= 0:
        axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(want) if n == 1 and got[i + extra] != 1)
        summed = e.analytic.sum(axis=axes, keepdims=True)
        if axes and summed.size == e.numeric.size and e.explains(summed.reshape(want), e.numeric):
            return f"{head}: the sum over the broadcast {_axes_text(axes)} is missing (the sum is right)"
    for order in itertools.permutations(range(len(got))) if len(got) <= 4 else ():
        if e.explains(e.analytic.transpose(order), e.numeric):
            return f"{head}: transposed"
    if axes:
        return f"{head}: the argument was broadcast over {_axes_text(axes)}; the gradient must be summed over it"
    return f"{head}: transposed?" if sorted(got) == sorted(want) else head


def _zero(e):
    return "zero everywhere: the backward gives nothing to this argument" if not e.analytic.any() else ""


def _unscaled(e):
    return "the incoming gradient is ignored: twice of it gives the same result" if e.ignores_cotangent else ""


def _ratio(e, numeric, analytic):
    """k with analytic = k * numeric, or None."""
    at = np.isfinite(numeric) & (np.abs(numeric) > 1e-6 * e.scale)
    if at.sum() < min(2, numeric.size):
        return None
    k = float(np.median(analytic[at] / numeric[at]))
    error = np.abs(analytic - k * numeric)[np.isfinite(numeric)].max(initial=0.0)
    return k if np.isfinite(k) and k != 0 and error <= e.slack * max(1, abs(k)) else None


def _factor(e):
    k = _ratio(e, e.numeric, e.analytic)
    if k is None:
        return ""
    if e.numeric.size == 1 and e.analytic.size == 1 and not _simple(k, e):
        return ""   # any two numbers have a ratio
    if abs(k + 1) < TOLERANCE:
        return "the sign is wrong"
    return f"a constant factor: {_named(k, e)} times what it should be"


def _simple(k, e):
    return abs(k + 1) < TOLERANCE or _named(k, e) != f"{k:.6g}"


def _named(k: float, e) -> str:
    """A factor in words: as a small fraction, an axis length, a root of one."""
    magnitude, sign = abs(k), "-" if k < 0 else ""
    close = lambda value: abs(magnitude - value) < TOLERANCE * value
    for q in range(1, 13):
        p = round(magnitude * q)
        if p and p <= 12 and close(p / q):
            text = f"{sign}{p}" if q == 1 else f"{sign}{p}/{q}"
            lengths = [f"axis {d} of the argument" for d, n in enumerate(e.value.shape) if n > 2 and n in (p, q)
                       and 1 in (p, q)]
            return text + (f" (the length of {lengths[0]})" if lengths else "")
    sizes = {n: f"the length of axis {d}" for d, n in reversed(list(enumerate(e.value.shape))) if n > 1}
    sizes[e.value.size] = "the number of elements"
    sizes[e.outputs.size] = "the number of outputs"
    for n, text in sizes.items():
        for value, form in ((n, "{n}"), (1 / n, "1/{n}"), (math.sqrt(n), "sqrt({n})"),
                            (1 / math.sqrt(n), "1/sqrt({n})"), ((n - 1) / n, "{m}/{n}"),
                            (n / max(n - 1, 1), "{n}/{m}")):
            if n > 1 and close(value):
                biased = ", as between biased and unbiased" if "{m}" in form else ""
                return sign + form.format(n=n, m=n - 1) + f" ({text} is {n}{biased})"
    return f"{k:.6g}"


def _other_argument(e):
    for name, (analytic, numeric) in e.others.items():
        if numeric is None or numeric.shape != e.analytic.shape or e.explains(numeric, e.numeric):
            continue
        if e.explains(numeric):
            back = analytic is not None and analytic.shape == e.numeric.shape and e.explains(analytic, e.numeric)
            return f"the gradients of this argument and of {name} are swapped" if back else \
                f"this is the gradient of {name}"
    return ""


def _axes(e):
    """Transposed, or reversed along an axis."""
    shape, ndim = e.numeric.shape, e.numeric.ndim
    if not e.known.all():
        return ""
    if 2 <= ndim <= 4:
        for order in itertools.permutations(range(ndim)):
            if order != tuple(range(ndim)) and tuple(shape[d] for d in order) == shape \
                    and e.explains(e.numeric.transpose(order)):
                return "transposed" if ndim == 2 else f"transposed: its axes stand in the order {order}"
    for d in range(ndim):
        if shape[d] > 1 and e.explains(np.flip(e.numeric, d)):
            return f"reversed along axis {d}"
    return ""


def _wrong(e):
    """Which elements are wrong."""
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.maximum(np.abs(e.numeric), np.abs(e.analytic)), 1e-3 * e.scale)
        return e.known & (np.abs(e.analytic - e.numeric) > 1e-6 * size)


def _lost_accumulation(e):
    """Only one of several contributions arrived: `=` in place of `+=`."""
    wrong = np.flatnonzero(_wrong(e))
    if not len(wrong):
        return ""
    for i in wrong[:48]:
        terms = e.contributions(int(i))
        terms = terms[np.abs(terms) > 1e-9 * max(np.abs(terms).max(initial=0.0), 1e-300)]
        if len(terms) < 2 or not np.any(np.abs(terms - e.analytic.flat[i]) <= TOLERANCE * np.abs(terms).max()):
            return ""
    repeated = any(np.unique(a).size < a.size for a in e.integers)
    return "only one of several contributions arrived, the others are lost: `=` in place of `+=`" + \
        (" where an index occurs twice" if repeated else "") + "?"


def _lost_cases(e):
    """The contributions of some outputs are missing: of one index along an axis of the output."""
    wrong = np.flatnonzero(_wrong(e))
    if not e.output_shape or not len(wrong) or not e.analytic.flat[wrong].any():
        return ""
    terms = np.stack([e.contributions(int(i)).reshape(e.output_shape) for i in wrong[:24]])   # (elements, *output)
    found, total = e.analytic.flat[wrong[:24]], terms.sum(tuple(range(1, terms.ndim)))
    for d, n in enumerate(e.output_shape):
        parts = terms.sum(tuple(i + 1 for i in range(len(e.output_shape)) if i != d))         # (elements, n)
        if n < 2 or np.abs(parts).max(initial=0.0) == 0:
            continue
        slack = TOLERANCE * np.abs(parts).max()
        for j in range(n):
            if np.abs(found - parts[:, j]).max() <= slack:
                return f"only the contribution of index {j} of axis {d} of the output arrived"
            if np.abs(found - (total - parts[:, j])).max() <= slack:
                return f"the contribution of index {j} of axis {d} of the output is missing"
    return ""


def _slices(e):
    """The error is confined to some indices of one axis."""
    wrong, shape = _wrong(e), e.numeric.shape
    count = int(wrong.sum())
    if not count or count == e.known.sum():
        return ""
    if count == 1:
        return "one single element is wrong" + (": it is zero" if e.analytic[wrong][0] == 0 else "")
    k = _ratio(e, np.where(wrong, e.numeric, np.nan), e.analytic)
    zero, minus = not e.analytic[wrong].any(), k is not None and abs(k + 1) < TOLERANCE
    matters = e.known & (np.abs(e.numeric) > 1e-6 * e.scale)
    best = None
    for d, n in enumerate(shape):
        hit = np.unique(np.nonzero(wrong)[d])
        inside = np.isin(np.arange(n), hit).reshape([-1 if i == d else 1 for i in range(len(shape))])
        full = wrong.sum() >= 0.9 * (matters & inside).sum()
        if full and len(hit) < n and (best is None or len(hit) / n < best[2]):
            best = (d, hit, len(hit) / n)
    if best is None:
        what = "zero that should not be" if zero else "of the wrong sign" if minus else \
            f"{_named(k, e)} times what they should be" if k else ""
        return f"{count} of {int(e.known.sum())} elements are {what}" if what else ""
    d, hit, _ = best
    one = len(hit) == 1
    span = f"index {hit[0]}" if one else f"indices {_ranges(hit, np.unique(np.nonzero(e.known)[d]))}"
    missing = "zero (one slice is missing)" if one else "zero (slices are missing)"
    what = missing if zero else "of the wrong sign" if minus \
        else f"{_named(k, e)} times what it should be" if k else "wrong"
    return f"only {span} of axis {d} {'is' if one else 'are'} {what}"


def _shifted(e):
    if not e.known.all():
        return ""
    for d, n in enumerate(e.numeric.shape):
        for step in (1, -1):
            moved = np.roll(e.numeric, step, d)
            inner = [slice(None)] * e.numeric.ndim
            inner[d] = slice(1, None) if step == 1 else slice(None, -1)
            if n > 2 and not e.explains(moved, e.numeric):
                a, b = e.analytic[tuple(inner)], moved[tuple(inner)]
                if np.abs(a - b).max(initial=0.0) <= TOLERANCE * e.scale:
                    return f"off by one along axis {d}: every element stands {abs(step)} place " + \
                        ("too far" if step == 1 else "too early")
    return ""


def _missing_factor(e):
    """The gradient lacks a factor that depends on the element."""
    x, candidates = e.value, []
    with np.errstate(all="ignore"):
        if e.outputs.size == x.size:
            c, y = e.cotangent.reshape(x.shape), e.outputs.reshape(x.shape)
            if e.explains(c):
                return "the incoming gradient is passed on as it is: the derivative of the function is missing"
            candidates = [("the incoming gradient", c), ("the output y", y), ("1 - y", 1 - y), ("1 - y^2", 1 - y * y),
                          ("y (1 - y)", y * (1 - y)), ("1 / y", 1 / y), ("exp(x)", np.exp(x)), ("cos(x)", np.cos(x))]
        candidates += [("the input x", x), ("1 / x", 1 / x), ("x^2", x * x), ("sqrt(x)", np.sqrt(x))]
        for text, factor in candidates:
            if e.explains(e.numeric, e.analytic * factor):
                return f"a factor is missing: {text}"
            if e.explains(e.numeric * factor):
                return f"there is a factor too many: {text}"
        for (first, f), (second, s) in itertools.permutations(candidates[1:], 2):
            if e.explains(e.numeric * f / s):
                return f"a factor {first} stands where {second} should"
    return ""


def _factor_by_axis(e):
    """A factor that depends only on the index along one axis."""
    if e.numeric.ndim < 2 or not e.known.all():
        return ""
    for d in range(e.numeric.ndim):
        over = tuple(i for i in range(e.numeric.ndim) if i != d)
        if math.prod(e.numeric.shape[i] for i in over) < 3 or e.numeric.shape[d] < 2:
            continue
        weight = (e.numeric * e.numeric).sum(over, keepdims=True)
        with np.errstate(all="ignore"):
            k = np.where(weight > 0, (e.analytic * e.numeric).sum(over, keepdims=True) / weight, 1.0)
        different = k[np.abs(k - 1) > 1e-6]
        if e.explains(k * e.numeric) and different.size and np.ptp(different) > 1e-6 * np.abs(different).max():
            return f"a factor that depends on the index along axis {d}"
    return ""


def _missing_term(e):
    """A term is missing that is constant, or proportional to the output or input, along an axis."""
    if not e.known.all():
        return ""
    error = e.analytic - e.numeric
    patterns = [("constant", np.ones_like(error)), ("proportional to the input", e.value)]
    if e.outputs.size == error.size:
        patterns.insert(1, ("proportional to the output", e.outputs.reshape(error.shape)))
    for d in reversed(range(error.ndim)):
        if error.shape[d] < 3:
            continue
        centred = e.value - e.value.mean(d, keepdims=True)
        for text, p in [*patterns, ("proportional to the centred input", centred)]:
            weight = (p * p).sum(d, keepdims=True)
            with np.errstate(all="ignore"):
                k = np.where(weight > 0, (error * p).sum(d, keepdims=True) / weight, 0.0)
            if np.abs(error - k * p).max() <= 10 * TOLERANCE * np.abs(error).max():
                return f"a term that is {text} along axis {d} is missing (or too many): the part of the gradient " \
                       "through a sum or mean over that axis"
    return ""


def _axes_text(axes) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"


def _ranges(hit, known) -> str:
    """[0, 1, 2, 5] as "0-2, 5"; indices between which nothing else is known count as neighbours."""
    place = np.searchsorted(known, hit)
    parts = [run for run in np.split(hit, np.flatnonzero(np.diff(place) != 1) + 1)]
    text = [f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in parts[:6]]
    return ", ".join(text) + (f", ... ({len(hit)} in all)" if len(parts) > 6 else "")
