"""Terms that are missing or too many: through a mean, a variance, a sum, or past the function altogether."""

from __future__ import annotations

import itertools

import numpy as np

from .evidence import TOLERANCE
from .words import axes_text

REMAINS = 10 * TOLERANCE    # of the error: terms are differences of gradients, which lose a digit
SCALE_FREE = 1e-2           # an eps in a root leaves this much of the derivative along x
ALONG = "{} is missing (or too many): the part of the gradient through a sum or mean over {}"


def bypass(e) -> str:
    """An error that is one number times the incoming gradient, or the argument."""
    if not e.known.all() or e.value.size < 4:
        return ""
    error = e.analytic - e.numeric
    if e.outputs.size == error.size:
        k = _multiple(error, e.cotangent.reshape(error.shape))
        if k is not None and abs(k + 1) < TOLERANCE:
            return "the path past the function (a residual, x + ...) is missing: the incoming gradient itself is to be added"
        if k is not None and abs(k - 1) < TOLERANCE:
            return "the incoming gradient itself is added once too often: a residual path that is not there, or counts twice"
    k = _multiple(error, e.value)
    return "" if k is None else f"{k:.6g} times the argument is too {'many' if k > 0 else 'few'}: a term proportional to the " \
        "argument, as of weight decay"


def _multiple(error, pattern) -> float | None:
    size = float((pattern * pattern).sum())
    k = float((error * pattern).sum()) / size if size else 0.0
    return k if k and np.abs(error - k * pattern).max() <= REMAINS * np.abs(error).max() else None


def missing_term(e) -> str:
    """A term that is constant, or proportional to the output or the input, or both, along axes of a normalisation."""
    if not e.known.all():
        return ""
    for names, view in _views(e):
        error, x, numeric = view(e.analytic - e.numeric), view(e.value), view(e.numeric)   # (groups, elements of a group)
        n = error.shape[1]
        if n < 3:
            continue
        one, centred = np.ones_like(x), x - x.mean(1, keepdims=True)
        kept = np.abs(numeric.sum(1)).max() <= 1e-5 * np.abs(numeric).sum(1).max()   # nothing along (1, ..., 1)
        stays = lambda p: np.abs((numeric * p).sum(1)).max() <= SCALE_FREE * (np.abs(numeric) * np.abs(p)).sum(1).max()
        patterns = [("constant", [one]), ("proportional to the input", [x]), ("proportional to the centred input", [centred])]
        if e.outputs.size == e.value.size:
            patterns.insert(1, ("proportional to the output", [view(e.outputs.reshape(e.value.shape))]))
        for text, basis in [*patterns, ("constant and one that is proportional to the input", [one, x])]:
            if len(error) * (n - len(basis)) < 3 or not _spanned(error, basis):
                continue
            part = "mean and variance" if len(basis) == 2 else "the mean" if text == "constant" else \
                "the variance (or the mean square)"
            both = kept and stays(centred)
            if both or len(basis) == 1 and text != "constant" and stays(x):
                plural = "are" if len(basis) == 2 else "is"
                return f"{part} over {names} {plural} treated as constant: a term that is {text} along {names} is missing " \
                    "(or has another size)"
            return "a term that is " + ALONG.format(f"{text} along {names}", "that axis" if names[:5] == "axis " else "them")
    return ""


def _views(e):
    """(words, view as (groups, elements of a group)) for sets of axes and for groups of channels, the largest first."""
    shape, ndim = e.value.shape, e.value.ndim
    views = []
    for over in (over for count in range(1, ndim + 1) for over in itertools.combinations(range(ndim), count)):
        rest, n = tuple(d for d in range(ndim) if d not in over), int(np.prod([shape[d] for d in over]))
        if all(shape[d] > 1 for d in over):
            views.append((n, axes_text(over), lambda a, order=rest + over, n=n: a.transpose(order).reshape(-1, n)))
    for groups in range(2, shape[1] if ndim > 1 else 0):
        if shape[1] % groups == 0:
            views.append((e.value[0].size // groups, f"groups of {shape[1] // groups} along axis 1 and all that follows",
                          lambda a, groups=groups: a.reshape(shape[0] * groups, -1)))
    return [view[1:] for view in sorted(views, key=lambda view: -view[0])]


def _spanned(error, basis) -> bool:
    """Whether each row of ``error`` is a combination of the same row of the ``basis`` arrays."""
    first = basis[0] / np.maximum(np.sqrt((basis[0] ** 2).sum(1, keepdims=True)), 1e-300)
    rest = error - (error * first).sum(1, keepdims=True) * first
    for p in basis[1:]:
        p = p - (p * first).sum(1, keepdims=True) * first
        p = p / np.maximum(np.sqrt((p * p).sum(1, keepdims=True)), 1e-300)
        rest = rest - (rest * p).sum(1, keepdims=True) * p
    return bool(np.abs(rest).max() <= REMAINS * np.abs(error).max())
