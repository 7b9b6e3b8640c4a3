"""Parts of the Jacobian J[i, j] = dy_j/dx_i: transposed, only its diagonal, taken with another argument in one's place."""

from __future__ import annotations

import itertools

import numpy as np

from .evidence import SHARE
from .words import axes_text

OTHERS = 8    # arguments in whose place something else is tried


def transposed(e) -> str:
    """J g in place of J^T g."""
    jacobian = e.jacobian
    if jacobian is None or jacobian.shape[0] != jacobian.shape[1] or jacobian.shape[0] < 2:
        return ""
    if e.explains((jacobian.T @ e.cotangent).reshape(e.numeric.shape)):
        return "J g in place of J^T g: the Jacobian stands transposed (a matrix without its transpose, a cumulative sum or a " \
            "recursion not run in reverse, a permutation not inverted?)"
    return ""


def diagonal(e) -> str:
    """Only dy_i/dx_i arrived, or everything but it."""
    jacobian = e.jacobian
    if jacobian is None or jacobian.shape[0] != jacobian.shape[1] or jacobian.shape[0] < 2:
        return ""
    own = (np.diagonal(jacobian) * e.cotangent).reshape(e.numeric.shape)
    if e.explains(own):
        return "only dy_i/dx_i arrived, the diagonal of the Jacobian: every output depends on other elements, too, and what " \
            "comes back through them is missing"
    if np.abs(own).max() > 10 * e.slack and e.explains(e.numeric - own):
        return "dy_i/dx_i is missing, the diagonal of the Jacobian: only what comes back through the other outputs arrived"
    return ""


def unflipped(e) -> str:
    """A convolution's kernel used as in the forward: the Jacobian reversed along the same axes of argument and output."""
    jacobian = e.jacobian
    if jacobian is None or e.output_shape is None:
        return ""
    for count in range(1, min(3, e.value.ndim, len(e.output_shape)) + 1):
        over = tuple(range(-count, 0))
        turned = np.flip(e.cotangent.reshape(e.output_shape), over).reshape(-1)
        if e.explains(np.flip((jacobian @ turned).reshape(e.numeric.shape), over)):
            names = axes_text([d % e.value.ndim for d in over])
            return f"the kernel is not flipped: along {names} the gradient is that of the reversed kernel"
    return ""


def leak(e) -> str:
    """Elements get something from incoming gradients of outputs that do not depend on them."""
    if e.answer is None or e.output_shape is None or e.jacobian is None:
        return ""
    jacobian = e.jacobian
    cotangent = e.cotangent.reshape(e.output_shape)
    for d, n in enumerate(e.output_shape):
        alone = np.zeros_like(cotangent)
        first = (slice(None),) * d + (slice(0, 1),)
        alone[first] = cotangent[first]
        nothing = np.abs(jacobian[:, alone.reshape(-1) != 0]).max(1, initial=0.0) == 0
        found = e.answer(alone.reshape(-1)) if n > 1 and nothing.any() else None
        if found is not None and found.shape == e.numeric.shape \
                and np.abs(found.reshape(-1)[nothing]).max(initial=0.0) > 10 * e.slack:
            return f"the incoming gradient at index 0 of axis {d} of the output reaches elements on which the output there does " \
                "not depend: a sum over the wrong axis, or a mask forgotten in the backward?"
    return ""


def another_value(e) -> str:
    """The gradient would be right if another argument were reversed, transposed, or left out."""
    if e.along is None or not e.known.all():
        return ""
    rng = np.random.default_rng(0)
    directions = [rng.uniform(0.5, 1.5, e.value.shape) * np.sign(rng.normal(size=e.value.shape)) for _ in range(3)]
    want = [float((e.analytic * u).sum()) for u in directions]
    gap = [abs(w - float((e.numeric * u).sum())) for w, u in zip(want, directions)]
    if min(gap) <= 0:
        return ""
    limit = [min(SHARE * g, 1e-5 * float(np.abs(e.numeric * u).sum())) for g, u in zip(gap, directions)]
    for name, value in list(e.values.items())[:OTHERS]:
        if not 2 <= value.size <= 4096:
            continue
        for text, instead in _alternatives(name, value):
            if not np.array_equal(instead, value) and all(
                    abs(e.along(name, instead, u) - w) <= m for u, w, m in zip(directions, want, limit)):
                return text
    return ""


def matrix_untransposed(e) -> str:
    """A square matrix W where W^T should be, as a factor of the gradient: with dx = D W^T it is D W, whatever D is."""
    for name, w in e.values.items():
        if not e.known.all() or w.ndim != 2 or w.shape[0] != w.shape[1] or len(w) < 2 or np.linalg.cond(w) > 1e4:
            continue
        for right, instead in ((w.T, w), (w, w.T)):
            after, before = np.linalg.solve(right, instead), np.linalg.solve(right.T, instead.T).T
            if e.value.ndim and e.value.shape[-1] == len(w) and e.explains(e.numeric @ after) or \
                    e.value.ndim > 1 and e.value.shape[-2] == len(w) and e.explains(before @ e.numeric):
                return f"{name} stands transposed in this gradient: it would be right with its axes exchanged there"
    return ""


def _alternatives(name: str, value):
    """(sentence, array) pairs: what a backward may have used in the place of an argument."""
    long = [d for d in range(value.ndim) if value.shape[d] > 1]
    for count in range(1, min(3, len(long)) + 1):
        for over in itertools.combinations(long, count):
            yield f"{name} stands reversed along {axes_text(over)} in this gradient: a kernel not flipped (or flipped once " \
                "too often)?", np.flip(value, over)
    for a, b in itertools.combinations(long, 2):
        if value.shape[a] == value.shape[b]:
            yield f"{name} stands transposed in this gradient: it would be right for {name} with axes {a} and {b} exchanged", \
                np.swapaxes(value, a, b)
    yield f"{name} is forgotten in this gradient: it would be right if {name} were 1", np.ones_like(value)
    yield f"{name} is forgotten in this gradient: it would be right if {name} were 0", np.zeros_like(value)
    yield f"{name} has the wrong sign in this gradient", -value
    for d in long:
        for step in (1, -1):
            yield f"{name} stands one place too {'far' if step > 0 else 'early'} along axis {d} in this gradient", \
                np.roll(value, step, d)


def score_transposed(e) -> str:
    """dS for dS^T: with scores S = q k^T, dq = dS k and dk = dS^T q, and the other of the two was used.

    Of A = dS^T k in the place of dS k it is known that k^T A = (k^T dS k)^T, whatever dS is.
    """
    if not e.known.all() or e.numeric.ndim < 2 or e.numeric.shape[-1] < 2:
        return ""
    for name, value in e.values.items():
        if value.shape != e.numeric.shape:
            continue
        other = np.swapaxes(value, -1, -2)
        found, right = other @ e.analytic, other @ e.numeric
        turned, slack = np.swapaxes(right, -1, -2), e.slack * np.abs(other).sum(-1).max()
        if np.abs(found - turned).max() <= slack and np.abs(right - turned).max() > 10 * slack:
            return f"dS and dS^T are confused: of scores S = (this) {name}^T an index is swapped between two axes of equal length"
    return ""
