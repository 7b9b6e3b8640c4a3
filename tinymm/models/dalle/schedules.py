"""What changes while the dVAE learns: beta, tau and the step's size, each along half a cosine (Ramesh et al. 2021, appendix A.2).

    beta: 0 -> 6.6 in 5,000 updates        tau: 1 -> 1/16 in 150,000        step: 1e-4 -> 1.25e-6 in 1,200,000

The paper says that the parameters are annealed with "a cosine schedule"; that it is half a period is our reading.
"""

from __future__ import annotations

import math

from ...autograd.integers import integer


def half_cosine(step: int, start: float, end: float, steps: int) -> float:
    """Half a period of a cosine from ``start`` to ``end``, and ``end`` from then on.

        start + (end - start) (1 - cos(pi min(step, steps) / steps)) / 2

    Args:
        step: updates so far, from 0.
        start: the value at step 0.
        end: the value at ``steps`` and after it.
        steps: updates from one to the other, at least 1.

    Returns:
        The value at this step; in the middle it is the mean of both.

    Raises:
        ValueError: a step below 0, or fewer than 1 of ``steps``.
    """
    step, steps = integer("half_cosine", "step", step, 0), integer("half_cosine", "steps", steps, 1)
    if step >= steps:
        return end
    return start + (end - start) * (1 - math.cos(math.pi * step / steps)) / 2
