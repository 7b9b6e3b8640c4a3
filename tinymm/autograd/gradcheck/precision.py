"""The gradient in float32 against the one in float64: what a float64 check never runs."""

from __future__ import annotations

import numpy as np

from .compare import random_signs
from .subject import Subject


def float32_gradients(subject: Subject, cotangent):
    """Gradients in float32, and in float64 at the same (rounded) inputs and cotangent; zeros for None."""
    rounded = [leaf.base.astype(np.float32).astype(np.float64) for leaf in subject.leaves]
    cotangent = cotangent.astype(np.float32).astype(np.float64)
    answers = []
    for dtype in ("float32", "float64"):
        subject.cast(dtype, rounded)
        found = subject.backward(subject.call(), cotangent)
        answers.append([np.zeros(leaf.base.shape, dtype) if g is None else g for g, leaf in zip(found, subject.leaves)])
    subject.cast("float64")
    return answers


def sensitivity(subject: Subject, cotangent, wide, floor: float = 1e-2) -> list[float]:
    """How many units in the last place the gradients ``wide`` move when every input moves by one: the condition number.

    No float32 computation can be held to less than that, since already its inputs are rounded.
    """
    rng = np.random.Generator(np.random.Philox(key=0))
    moved = [leaf.base.astype(np.float32) * (1 + 2.0**-23 * np.sign(random_signs(rng, *leaf.base.shape)))
             for leaf in subject.leaves]
    subject.cast("float64", moved)
    found = subject.backward(subject.call(), cotangent)
    subject.cast("float64")
    return [0.0 if g is None else ulps_apart(g, w, floor)[0] for g, w in zip(found, wide)]


def ulps_apart(found, want, floor: float = 1e-2) -> tuple[float, int]:
    """Largest difference in float32 units in the last place of the largest element (or of ``floor``), and where."""
    if not want.size:
        return 0.0, 0
    if found.shape != want.shape:
        return np.inf, 0
    unit = float(np.spacing(np.float32(max(np.abs(want).max(), floor))))
    apart = np.abs(found.astype(np.float64) - want) / unit
    apart = np.where(np.isnan(apart), np.where(np.isnan(want) & np.isnan(found), 0.0, np.inf), apart)
    return float(apart.max()), int(np.argmax(apart))
