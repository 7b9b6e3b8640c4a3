"""A line search for the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6).

The safeguards (steps at most ten times longer, a bracket that must shrink by a tenth) are those of minFunc
(Schmidt 2005), which PyTorch's L-BFGS uses as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Point:
    """A step t with the loss f there, its gradient g and the slope along the search direction."""

    t: float
    f: float
    g: np.ndarray
    slope: float


def cubic_minimum(a: Point, b: Point, low: float | None = None, high: float | None = None) -> float:
    """Where the cubic through two points with their slopes is least, kept within [low, high] (equation 3.59)."""
    if low is None or high is None:
        low, high = min(a.t, b.t), max(a.t, b.t)
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    left, right = (a, b) if a.t <= b.t else (b, a)
    d2 = math.sqrt(square)
    t = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(t, low), high)


def strong_wolfe(evaluate, t: float, direction, f: float, g, slope: float, c1: float = 1e-4, c2: float = 0.9,
                 tolerance_change: float = 1e-9, max_ls: int = 25):
    """A step that decreases the loss enough (c1) and flattens the slope enough (c2).

    Args:
        evaluate: step -> (loss, gradient) at origin + step * direction.
        t: first step to try.
        direction: (n,) search direction.
        f, g, slope: loss, gradient and slope at the origin.

    Returns:
        (loss, gradient, step, number of evaluations).
    """
    longest = float(np.abs(direction).max())
    start = Point(0.0, f, g, slope)

    def at(step: float) -> Point:
        loss, gradient = evaluate(step)
        return Point(step, loss, gradient, float(np.dot(gradient, direction)))

    def too_high(p: Point) -> bool:
        return p.f > f + c1 * p.t * slope

    previous, now, used, iteration = start, at(t), 1, 0
    bracket: list[Point] | None = None
    while iteration < max_ls:
        if too_high(now) or (iteration > 1 and now.f >= previous.f):
            bracket = [previous, now]
            break
        if abs(now.slope) <= -c2 * slope:
            return now.f, now.g, now.t, used
        if now.slope >= 0:
            bracket = [previous, now]
            break
        step = cubic_minimum(previous, now, now.t + 0.01 * (now.t - previous.t), now.t * 10)
        previous, now = now, at(step)
        used += 1
        iteration += 1
    if bracket is None:
        bracket = [start, now]

    stalled = False
    low, high = (0, 1) if bracket[0].f <= bracket[1].f else (1, 0)
    while iteration < max_ls:
        if abs(bracket[1].t - bracket[0].t) * longest < tolerance_change:
            break
        step = cubic_minimum(bracket[0], bracket[1])
        left, right = sorted(p.t for p in bracket)
        margin = 0.1 * (right - left)
        if min(right - step, step - left) < margin:   # too near an end: once is allowed, twice is not
            if stalled or step >= right or step <= left:
                step = right - margin if abs(step - right) < abs(step - left) else left + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        now = at(step)
        used += 1
        iteration += 1
        if too_high(now) or now.f >= bracket[low].f:
            bracket[high] = now
            low, high = (0, 1) if bracket[0].f <= bracket[1].f else (1, 0)
        else:
            if abs(now.slope) <= -c2 * slope:
                bracket[low] = now
                break
            if now.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = now
    best = bracket[low]
    return best.f, best.g, best.t, used
