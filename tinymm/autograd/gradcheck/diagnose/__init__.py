"""Guess the mistake behind a wrong gradient from the pattern of its error.

Every guess is a hypothesis about the whole gradient, tested on all elements whose numeric derivative is known; the
first that explains every one of them is reported. The order is from the special to the general, so that what is said is
the most that is known, and the tolerance (``Evidence.slack``) is so small beside the error that the truth, or a hypothesis
that leaves out what is wrong, never passes for a cause. One family of hypotheses is a file.
"""

from __future__ import annotations

import numpy as np

from . import factors, jacobian, normal, notes, paths, places, regions, scale, shapes, terms
from .evidence import Evidence
from .words import extent

__all__ = ["Evidence", "extent", "guess"]

HYPOTHESES = (
    scale.zero, scale.unscaled, paths.detached, scale.factor, normal.bypass,                # the gradient as a whole
    scale.nonlinear, shapes.other_argument, jacobian.another_value, jacobian.transposed,
    places.axes, places.blocks, places.shifted, places.reordered, places.spread,            # the right values, elsewhere
    jacobian.diagonal, terms.lost_outputs, terms.lost_repeats, factors.factor_by_axis,      # a part of it, or of the sum
    regions.not_zero, regions.patterned, regions.pointed, terms.lost_cases, terms.lost_accumulation,
    factors.missing_factor, paths.one_path, jacobian.matrix_untransposed, jacobian.unflipped,   # others
    jacobian.score_transposed, normal.missing_term, terms.one_step, places.displaced, scale.digits, terms.weighted_cases,
    jacobian.leak, regions.slices)


def guess(e: Evidence) -> str:
    """The likely mistake, in a sentence; "" if no hypothesis fits."""
    if e.analytic.shape != e.numeric.shape:
        return shapes.shape(e)
    if not np.isfinite(e.analytic).all():
        return scale.not_finite(e)
    found = next((text for hypothesis in HYPOTHESES if (text := hypothesis(e))), "")
    return "; ".join(part for part in (found, notes.right_sometimes(e)) if part)
