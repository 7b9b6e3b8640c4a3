"""Numeric derivatives along a line, and how far to trust them.

A central difference (f(x + h) - f(x - h)) / 2h errs in two ways: by truncation, which grows as h^2, and by rounding,
which grows as 1/h. Plotted over h the error is a U. ``study`` walks the U from right to left, removes the h^2 term
between neighbours (Richardson 1911, "The approximate arithmetical solution by finite differences"), and takes the
bottom; the scatter there is the precision that the difference really has. At a kink the slopes from the left and
from the right stay apart however small h is, which is how a kink is told from a mistake. What a function really
rounds by (float32 inside, perhaps) is measured first, by ``noise_level``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

STEPS = tuple(10.0 ** (-k / 2) for k in range(4, 19))            # 1e-2 ... 1e-9, for float64
COARSE_STEPS = tuple(10.0 ** (-k / 2) for k in range(1, 11))     # 3e-1 ... 1e-5, for a float32 result
RATIO = 10.0                                                     # (h_k / h_(k+1))^2


@dataclasses.dataclass
class Study:
    """What the differences along one line say.

    Attributes:
        steps: the step sizes h.
        differences: the central difference at each.
        numeric: the best estimate of the derivative; None where there is none (a kink, the edge of the domain).
        precision: estimated error of ``numeric``.
        kink: why there is no derivative, or None.
        low, high: at a kink, the slopes between which a subgradient may lie.
    """

    steps: tuple
    differences: list
    numeric: float | None
    precision: float
    kink: str | None = None
    low: float = np.nan
    high: float = np.nan


def dot(cotangents, y):
    """Cotangents (K, M) or (M,) times outputs (M,), where an output that no cotangent asks for may be infinite."""
    wanted = cotangents.any(axis=0) if cotangents.ndim == 2 else cotangents != 0
    with np.errstate(all="ignore"):
        return cotangents @ np.where(wanted, y, 0.0)


def central(line, cotangents, h: float):
    """The central difference with step ``h`` along ``line`` for each cotangent (K, M); NaN outside the domain."""
    plus, minus, width = line.pair(h)
    with np.errstate(all="ignore"):
        return dot(cotangents, (plus - minus) / width)


def extrapolated(line, cotangents, h: float = 1e-3):
    """Two central differences, combined so that their h^2 terms cancel: about 1e-12 where the function is smooth."""
    wide, narrow = central(line, cotangents, h), central(line, cotangents, h / 2)
    return narrow + (narrow - wide) / 3


def noise_level(line, cotangent, y0, h: float = 1e-6) -> float:
    """Rounding error of <cotangent, outputs> along ``line``, from fourth differences of thirteen values (Moré and Wild
    2011, "Estimating computational noise"): what is smooth has none of them, and a kink or a jump spoils four of nine."""
    ahead, behind = [], []
    with np.errstate(all="ignore"):
        for k in range(1, 7):
            plus, minus, _ = line.pair(k * h)
            ahead.append(float(dot(cotangent, plus - y0)))
            behind.append(float(dot(cotangent, minus - y0)))
        fourth = np.diff([*behind[::-1], 0.0, *ahead], 4)
    return float(np.median(np.abs(fourth)) / np.sqrt(70.0)) if np.isfinite(fourth).all() else 0.0


def study(line, cotangent, y0, coarse: bool = False, level: float = 0.0, unit: float = 2.0**-52) -> Study:
    """Differences over all step sizes, their best estimate with its precision, and the search for kinks.

    Args:
        line: the line through the point.
        cotangent: (M,).
        y0: the outputs at the point, (M,).
        coarse: the function computes in float32, or rounds as coarsely.
        level: rounding error of <cotangent, outputs>, as far as it was measured.
        unit: of the rounding: 2^-52 in float64.
    """
    steps = COARSE_STEPS if coarse else STEPS
    slopes, ahead, behind, noises, ends = [], [], [], [], []
    with np.errstate(all="ignore"):
        for h in steps:
            plus, minus, width = line.pair(h)
            moved = np.where(plus != minus, np.abs(y0), 0.0)
            slopes.append(float(dot(cotangent, (plus - minus) / width)))
            ahead.append(float(dot(cotangent, (plus - y0) / (width / 2))))
            behind.append(float(dot(cotangent, (y0 - minus) / (width / 2))))
            noises.append(float(2 * max(unit * dot(np.abs(cotangent), moved), level) / width))
            ends.append(((plus - y0) / (width / 2), (y0 - minus) / (width / 2)))
        slope, noise = np.array(slopes), np.array(noises)
        gap = np.abs(np.array(ahead) - np.array(behind))
        scale = np.max(np.abs(slope[np.isfinite(slope)]), initial=0.0)
        broken = _kinked(gap, noise, scale)
        usable = np.isfinite(slope) & ~broken
        # A step that the function's own rounding swallows gives an exact 0 where larger steps do not.
        seen = np.cumsum(usable & (np.abs(slope) > 1e-6 * scale)) > 0
        usable &= ~((slope == 0) & seen)
        numeric, precision = _bottom(np.where(usable, slope, np.nan), noise)
    if numeric is not None:
        return Study(steps, slopes, numeric, precision)
    if not np.isfinite(gap).any():
        sides = "is not defined" if not np.isfinite(slope).any() else "is not smooth"
        return Study(steps, slopes, None, np.inf, f"the function {sides} on one side of this point")
    if not broken.any():
        return Study(steps, slopes, *_fallback(slope, noise))
    at = np.flatnonzero(broken)[len(np.flatnonzero(broken)) // 2]
    right, left = (np.where(cotangent != 0, cotangent * end, 0.0) for end in ends[at])
    low, high = float(np.minimum(right, left).sum()), float(np.maximum(right, left).sum())
    last = np.flatnonzero(np.isfinite(slope))[-3:]
    if len(last) == 3 and gap[last[2]] > 2 * gap[last[1]] > 4 * gap[last[0]]:
        return Study(steps, slopes, None, np.inf, "the value jumps at this point")
    return Study(steps, slopes, None, np.inf, "a kink: the slopes from the left and from the right differ", low, high)


def _kinked(gap, noise, scale):
    """For each step: whether the gap between the one-sided slopes refuses to shrink with h."""
    broken = np.zeros(len(gap), bool)
    stays = (gap[1:] > 0.5 * gap[:-1]) & (gap[1:] > 100 * noise[1:]) & (gap[1:] > 1e-6 * scale)
    broken[:-1] |= stays
    broken[1:] |= stays
    return broken


def _bottom(slope, noise):
    """The bottom of the U: where three neighbouring extrapolations agree best."""
    better = slope[1:] + (slope[1:] - slope[:-1]) / (RATIO - 1)
    if len(better) < 3:
        return None, np.inf
    change = np.abs(np.diff(better))
    scatter = np.maximum(change[:-1], change[1:]) + 2 * noise[2:-1]
    scatter = np.where(np.isfinite(scatter), scatter, np.inf)
    at = int(np.argmin(scatter))
    if not np.isfinite(scatter[at]):
        return None, np.inf
    return float(better[at + 1]), float(scatter[at])


def _fallback(slope, noise) -> tuple[Any, ...]:
    """Too few usable steps for an extrapolation: the last two, as far apart as they are."""
    finite = np.flatnonzero(np.isfinite(slope))
    if len(finite) < 2:
        return None, np.inf, "the function is not defined close to this point"
    a, b = finite[len(finite) // 2 - 1], finite[len(finite) // 2]
    return float(slope[b]), float(abs(slope[a] - slope[b]) + noise[b])
