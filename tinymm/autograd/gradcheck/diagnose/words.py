"""Numbers, axes and indices in words, and how much of a gradient is wrong."""

from __future__ import annotations

import math

import numpy as np

from .evidence import TOLERANCE


def extent(analytic, numeric, wrong=None) -> str:
    """How many elements of a gradient are wrong, and by how much: "7 of 12 elements are wrong, by 3 % to 40 %".

    Args:
        analytic, numeric: two arrays of one shape; the numeric one is NaN where it is unknown.
        wrong: which elements count as wrong; by default those that are off by more than a millionth.

    Returns:
        The sentence; "" if nothing is known, or nothing wrong.
    """
    analytic, numeric = np.asarray(analytic, dtype=np.float64), np.asarray(numeric, dtype=np.float64)
    known = np.isfinite(numeric)
    if analytic.shape != numeric.shape or not known.any():
        return ""
    a, n, wrong = analytic[known], numeric[known], None if wrong is None else np.asarray(wrong)[known]
    with np.errstate(all="ignore"):
        floor = 1e-3 * np.abs(n).max()
        if wrong is None:
            wrong = ~(np.abs(a - n) <= 1e-6 * np.maximum(np.maximum(np.abs(a), np.abs(n)), floor)) | ~np.isfinite(a)
        if not wrong.any():
            return ""
        zero, infinite = wrong & (np.abs(n) <= 1e-9 * np.abs(n).max()), wrong & ~np.isfinite(a)
        off = np.abs(a - n)[wrong & ~zero & ~infinite] / np.abs(n)[wrong & ~zero & ~infinite]
    span = ""
    if off.size:
        least, most = percent(off.min()), percent(off.max())
        span = f", by {least}" + (f" to {most}" if most != least else "")
    several = wrong.sum() > 1
    parts = [f"{_some(mask, wrong)} {'are' if mask.sum() > 1 else 'is'} {text}" for mask, text in
             ((zero, "not zero where the truth is"), (infinite, "not finite")) if mask.any()]
    counted = f"{int(wrong.sum())} of {a.size} elements" + ("" if known.all() else " looked at")
    return f"{counted} {'are' if several else 'is'} wrong{span}" + (f" ({'; '.join(parts)})" if parts else "")


def _some(mask, of) -> str:
    return f"{int(mask.sum())} of them" if of.sum() > mask.sum() else "all of them" if mask.sum() > 1 else "it"


def percent(share: float) -> str:
    """0.0321 as "3.2 %"; a thousand times as "1e+05 %"."""
    return f"{100 * share:.2g} %" if share < 0.995 or share >= 1000 else f"{100 * share:.0f} %"


def axes_text(axes) -> str:
    """(1,) as "axis 1", (0, 2) as "axes (0, 2)"."""
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {tuple(axes)}"


def ranges(hit, known) -> str:
    """[0, 1, 2, 5] as "0-2, 5"; indices between which nothing else is known count as neighbours."""
    place = np.searchsorted(known, hit)
    parts = [run for run in np.split(hit, np.flatnonzero(np.diff(place) != 1) + 1)]
    text = [f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in parts[:6]]
    return ", ".join(text) + (f", ... ({len(hit)} in all)" if len(parts) > 6 else "")


def named(k: float, e) -> str:
    """A factor in words: as a small fraction, an axis length, a root of one."""
    magnitude, sign = abs(k), "-" if k < 0 else ""
    close = lambda value: abs(magnitude - value) < TOLERANCE * value
    if 0 < abs(magnitude - 1) < 1e-3:   # as many digits as it takes to differ from 1
        return f"{k:.{1 - math.floor(math.log10(abs(magnitude - 1)))}f}".rstrip("0")
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


def beyond(e, mask) -> str:
    """Where the argument's value decides: "where the argument is above 2.1", if ``mask`` is just those elements; else ""."""
    x, rest = e.value[e.known & mask], e.value[e.known & ~mask]
    if len(x) < 2 or len(rest) < 2 or len(x) + len(rest) < 6:
        return ""
    for sign, word in ((1, "above"), (-1, "below")):
        low, high = (sign * rest).max(), (sign * x).min()
        if low < high:
            between = 0.0 if low <= 0 <= high else (low + high) / 2
            return f"where the argument is {'positive' if sign > 0 else 'negative'}" if between == 0 else \
                f"where the argument is {word} about {sign * between:.3g}"
    if np.abs(rest).max() < np.abs(x).min():
        return f"where the argument is beyond about {(np.abs(rest).max() + np.abs(x).min()) / 2:.3g} in size"
    if np.abs(x).max() < np.abs(rest).min():
        return f"where the argument is within about {(np.abs(x).max() + np.abs(rest).min()) / 2:.3g} of 0"
    return ""
