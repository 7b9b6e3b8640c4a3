"""What is known about one wrong gradient, and when a hypothesis counts as an explanation of it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

TOLERANCE = 1e-5    # of the largest element: how closely a hypothesis must explain the gradient, or closer
SHARE = 0.02        # of the largest error: a hypothesis leaves less than this of it; so the truth itself is never one
WHOLE = 256         # elements of an argument up to which its whole Jacobian is computed
SAMPLE = 48         # wrong elements of a larger one whose contributions are


@dataclasses.dataclass
class Evidence:
    """What is known about one wrong gradient.

    Attributes:
        analytic: the gradient that the backward gave.
        numeric: the numeric one, of the argument's shape, NaN where unknown.
        value: the argument.
        cotangent: the incoming gradient (flat).
        outputs: the outputs (flat), and ``output_shape`` if there is one output.
        others: name -> (analytic, numeric or None) of other arguments.
        integers: arrays of the integer arguments.
        contributions: flat index -> the terms c_j dy_j/dx_i whose sum is the numeric derivative.
        ignores_cotangent: whether twice the incoming gradient gives the same result.
        right_for_ones: whether the gradient is right under a cotangent of ones.
        kink: why the function has no derivative at the worst element; "" if it has one.
        output_shapes: of all outputs, in the order of ``outputs``.
        values: name -> value of every other floating-point argument.
        answer: cotangent (flat) -> the gradient that the backward gives for it, or None.
        along: (name, array, direction) -> slope along ``direction`` with ``array`` in the place of another argument.
        undetached: () -> (gradient, place) with a ``detach`` or ``no_grad`` passed through, in turn.
    """

    analytic: np.ndarray
    numeric: np.ndarray
    value: np.ndarray
    cotangent: np.ndarray
    outputs: np.ndarray
    output_shape: tuple | None
    others: dict
    integers: list
    contributions: Any
    ignores_cotangent: bool = False
    right_for_ones: bool = False
    kink: str = ""
    output_shapes: tuple = ()
    values: dict = dataclasses.field(default_factory=dict)
    answer: Callable | None = None
    along: Callable | None = None
    undetached: Callable | None = None

    def __post_init__(self):
        self.known = np.isfinite(self.numeric)
        self.scale = np.max(np.abs(self.numeric[self.known]), initial=0.0)
        self.slack = TOLERANCE * self.scale
        self._terms: dict[int, np.ndarray] = {}
        if self.analytic.shape == self.numeric.shape:   # a small error is not explained by leaving it over
            error = np.abs(self.analytic - self.numeric)[self.known & np.isfinite(self.analytic)].max(initial=0.0)
            self.slack = max(min(self.slack, SHARE * error), 1e-9 * self.scale)
        if not self.output_shapes and self.output_shape is not None:
            self.output_shapes = (self.output_shape,)

    def explains(self, candidate, target=None) -> bool:
        """Whether ``candidate`` equals the analytic gradient (or ``target``) wherever the numeric one is known."""
        target = self.analytic if target is None else target
        if np.shape(candidate) != self.numeric.shape or not self.known.any():
            return False
        with np.errstate(all="ignore"):
            a, b = np.asarray(candidate)[self.known], target[self.known]
            return bool(np.isfinite(a).all() and np.abs(a - b).max() <= self.slack)

    @functools.cached_property
    def wrong(self) -> np.ndarray:
        """Which elements are wrong."""
        with np.errstate(invalid="ignore"):
            size = np.maximum(np.maximum(np.abs(self.numeric), np.abs(self.analytic)), 1e-3 * self.scale)
            return self.known & (np.abs(self.analytic - self.numeric) > 1e-6 * size)

    def terms(self, indices) -> np.ndarray | None:
        """c_j dy_j/dx_i for some elements i and all outputs j, (elements, outputs); None if they are not to be had."""
        if self.contributions is None:
            return None
        for i in indices:
            if int(i) not in self._terms:
                self._terms[int(i)] = np.asarray(self.contributions(int(i)))
        rows = [self._terms[int(i)] for i in indices]
        if not rows or any(row.size != self.outputs.size for row in rows):
            return None
        found = np.stack(rows)
        return found if np.isfinite(found).all() else None

    @functools.cached_property
    def jacobian(self) -> np.ndarray | None:
        """dy_j/dx_i, (elements, outputs), of a small argument; None if it is large or the derivative somewhere unknown."""
        if self.value.size > WHOLE or not self.known.all() or not self.cotangent.all() or not self.outputs.size:
            return None
        terms = self.terms(range(self.value.size))
        return None if terms is None else terms / self.cotangent

    @functools.cached_property
    def sampled(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Some wrong elements (flat indices), of a small argument all, and the terms of their derivatives."""
        return self._some(np.flatnonzero(self.wrong))

    @functools.cached_property
    def looked_at(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Like ``sampled``, of a small argument with the right elements, too."""
        return self.sampled if self.value.size > WHOLE or not self.wrong.any() else self._some(np.flatnonzero(self.known))

    def _some(self, indices):
        if len(indices) > SAMPLE and self.value.size > WHOLE:
            indices = indices[np.linspace(0, len(indices) - 1, SAMPLE).astype(int)]
        return indices, self.terms(indices)

    def seen(self, found, indices) -> bool:
        """Whether ``found`` equals the analytic gradient at flat ``indices``."""
        return bool(np.abs(found - self.analytic.reshape(-1)[indices]).max(initial=0.0) <= self.slack)
