"""For which incoming gradients the gradient would have been right."""

from __future__ import annotations

import numpy as np


def right_sometimes(e) -> str:
    """Right when the incoming gradient is all ones, or constant along one axis of the output."""
    constant = _constant_along(e)
    if e.right_for_ones:
        return "right when the incoming gradient is all ones" + (f", or {constant}" if constant else "") + \
            ", wrong otherwise: checking f(x).sum() would not have seen it"
    return f"right when the incoming gradient is {constant}, wrong otherwise: one slice, or a mean, of it is used for all" \
        if constant else ""


def _constant_along(e) -> str:
    """"constant along axis 1 of the output" if that is all it takes."""
    if e.answer is None or e.output_shape is None or e.jacobian is None or not e.analytic.any():
        return ""
    jacobian = e.jacobian
    c = e.cotangent.reshape(e.output_shape)
    for d, n in enumerate(e.output_shape):
        if n < 2 or c.size == n:
            continue
        for part in (c.take([0], d), c.take([-1], d)):   # no mean: that would also fit a backward that takes the mean
            even = np.broadcast_to(part, c.shape).reshape(-1)
            found, want = e.answer(even), jacobian @ even
            if found is None or found.shape != e.numeric.shape or np.abs(want).max(initial=0.0) < 1e-6 * e.scale \
                    or np.abs(found.reshape(-1) - want).max() > e.slack:
                break
        else:
            return f"constant along axis {d} of the output"
    return ""
