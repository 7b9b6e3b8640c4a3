"""The slide's table, computed: what a change of weights or data does to batch, weight and layer normalisation.

Rows are the three normalisations of a = W x, before gain and bias; columns are the changes, each with positive factors. A
normalised vector that stays the same is invariant to that change. eps is 0 here: with it, scaling is invariant only as far
as eps is small beside the variance, and how far is measured, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ... import functional as F
from ...autograd import Tensor

COLUMNS = ("weight matrix re-scaling", "weight matrix re-centering", "weight vector re-scaling", "dataset re-scaling",
           "dataset re-centering", "single training case re-scaling")
SLIDE = {"batch norm": (True, False, True, True, True, False), "weight norm": (True, False, True, False, False, False),
         "layer norm": (True, True, False, True, False, True)}
UNITS, INPUTS, CASES = 5, 7, 32   # H, D, N
EPS = 1e-5


def batch_norm(W: Tensor, X: Tensor, eps: float) -> Tensor:
    """Each unit over the cases of the data: W (H, D), X (N, D) -> (N, H)."""
    return F.batch_norm(X @ W.T, None, None, training=True, eps=eps)


def weight_norm(W: Tensor, X: Tensor, eps: float) -> Tensor:
    """Each unit by the length of its weights; it has no eps, so the root of their squares gets it here."""
    return X @ (W / ((W * W).sum(1, keepdim=True) + eps).sqrt()).T


def layer_norm(W: Tensor, X: Tensor, eps: float) -> Tensor:
    """Each case over its units."""
    return F.layer_norm(X @ W.T, (W.shape[0],), eps=eps)


NORMS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "batch norm": batch_norm, "weight norm": weight_norm, "layer norm": layer_norm}


def changes(rng: np.random.Generator, W: np.ndarray, X: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Column -> the changed W (H, D) and X (N, D); a re-centering of W adds one row vector to all rows."""
    (H, D), N = W.shape, len(X)
    scale, rows, cases = rng.uniform(1.5, 3), rng.uniform(1.5, 3, (H, 1)), rng.uniform(1.5, 3, (N, 1))
    shift_w, shift_x = rng.standard_normal((1, D)) + 1, rng.standard_normal((1, D)) + 1
    return dict(zip(COLUMNS, [(scale * W, X), (W + shift_w, X), (rows * W, X), (W, scale * X), (W, X + shift_x), (W, cases * X)]))


def deviations(seed: int = 0, eps: float = 0.0) -> dict[str, dict[str, float]]:
    """The largest change of a normalised summed input, float64.

    Args:
        seed: of weights, data and changes.
        eps: of the normalisations.

    Returns:
        row -> column -> max |after - before|.
    """
    rng = np.random.default_rng(seed)
    W, X = rng.standard_normal((UNITS, INPUTS)), rng.standard_normal((CASES, INPUTS))
    table: dict[str, dict[str, float]] = {}
    for name, norm in NORMS.items():
        before = norm(Tensor(W), Tensor(X), eps).numpy()
        table[name] = {column: float(np.abs(norm(Tensor(w), Tensor(x), eps).numpy() - before).max())
                       for column, (w, x) in changes(np.random.default_rng([seed, 1]), W, X).items()}
    return table


def summary(seed: int = 0) -> dict:
    """The table with eps = 0, the largest deviation where the slide says invariant and the least where it says No; and with
    ``EPS``, the largest where it says invariant."""
    exact, usual = deviations(seed), deviations(seed, EPS)
    says = lambda table, invariant: [table[row][column] for row in SLIDE
                                     for column, yes in zip(COLUMNS, SLIDE[row]) if yes == invariant]
    return {"table": exact, "largest where invariant": max(says(exact, True)), "least where not": min(says(exact, False)),
            "with eps": {"eps": EPS, "table": usual, "largest where invariant": max(says(usual, True))}}


def batch_independence(seed: int = 0, units: int = 100, cases: int = 128) -> dict[str, float]:
    """The difference of a case's normalised summed inputs alone and among others: of layer norm, and of batch norm among all
    and among half of them (alone it has no variance)."""
    a = np.random.default_rng(seed).standard_normal((cases, units)).astype(np.float32)   # (N, H)
    ln = lambda x: F.layer_norm(Tensor(x), (units,)).numpy()
    bn = lambda x: F.batch_norm(Tensor(x), None, None, training=True).numpy()
    among = ln(a)
    return {"layer": max(float(np.abs(ln(a[i:i + 1]) - among[i]).max()) for i in range(cases)),
            "batch": float(np.abs(bn(a[:cases // 2])[0] - bn(a)[0]).max())}
