"""A linear probe: how good features are, measured by logistic regression on them (Radford et al. 2021,
section 3.2, appendix A.3).

    minimise over W, b:   1/2 |W|^2 + C sum_i -ln softmax(W f_i + b)[y_i]

scikit-learn's objective, with its C; the bias is not penalised. Of two classes scikit-learn has one row of
weights, the difference of the two here: its C is twice this one. The features stay as they are, no pictures
are augmented.
"""

from __future__ import annotations

import numpy as np

from .. import functional as F
from .. import nn, optim
from ..autograd import Tensor
from ..autograd.host import to_numpy
from ..metrics import accuracy

ITERATIONS = 1000
LOW, HIGH, STEPS = -6, 6, 8   # decades of C, and steps a decade at the end of the search


class LinearProbe(nn.Module):
    """Multinomial logistic regression by L-BFGS, in float64.

    Args:
        features: length D of a feature vector.
        classes: K.
        C: weight of the data against the penalty; large fits them closely.

    Attributes:
        weight: (K, D).
        bias: (K,).
    """

    def __init__(self, features: int, classes: int, C: float = 1.0):
        super().__init__()
        if not (np.isfinite(C) and C > 0):
            raise ValueError(f"LinearProbe: C={C} must be positive and finite")
        self.C = C
        self.weight = nn.Parameter(np.zeros((classes, features)))
        self.bias = nn.Parameter(np.zeros(classes))

    def forward(self, f: Tensor) -> Tensor:
        """(N, D) -> logits (N, K)."""
        return F.linear(f, self.weight, self.bias)

    def objective(self, f: Tensor, y: Tensor) -> Tensor:
        """What is minimised, divided by C N so that its gradients do not grow with the data."""
        return F.cross_entropy(self(f), y) + (self.weight**2).sum() / (2 * self.C * f.shape[0])

    def fit(self, f: np.ndarray, y: np.ndarray, max_iter: int = ITERATIONS) -> LinearProbe:
        """Fit to features and classes; returns the probe.

        Args:
            f: (N, D) features.
            y: (N,) integers from 0 to K - 1.
            max_iter: of L-BFGS.

        Raises:
            ValueError: shapes that do not fit, or a class outside of 0 to K - 1.
        """
        f, y = np.asarray(f, dtype=np.float64), np.asarray(y)
        if f.ndim != 2 or f.shape[1] != self.weight.shape[1] or y.shape != f.shape[:1] or not len(y):
            raise ValueError(f"LinearProbe.fit: features {f.shape} and classes {y.shape}; they must be "
                             f"(N, D={self.weight.shape[1]}) and (N,)")
        if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= len(self.bias):
            raise ValueError(f"LinearProbe.fit: the classes must be integers from 0 to {len(self.bias) - 1}")
        inputs, answers = Tensor(f), Tensor(y.astype(np.int64))
        optimizer = optim.LBFGS(self.parameters(), max_iter=max_iter, tolerance_grad=1e-9, tolerance_change=1e-14, history_size=20,
                                line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = self.objective(inputs, answers)
            loss.backward()
            return loss

        optimizer.step(closure)
        return self

    def accuracy(self, f: np.ndarray, y: np.ndarray) -> float:
        """The share of rows whose largest logit is the class's."""
        logits = np.asarray(f, dtype=np.float64) @ to_numpy(self.weight).T + to_numpy(self.bias)
        return accuracy(logits.argmax(1), y)


def sweep(train: tuple, held: tuple, classes: int, max_iter: int = ITERATIONS) -> tuple[LinearProbe, dict[float, float]]:
    """The probe whose C is best on held-out data, by the paper's search: every second decade, then ever finer around the peak.

    Args:
        train: features (N, D) and classes (N,).
        held: the same, for choosing C.
        classes: K.
        max_iter: of each fit.

    Returns:
        The probe with the highest accuracy (of equals that with the smallest C), fitted to ``train``; and
        C -> accuracy of all that were tried, ascending.
    """
    tried: dict[int, tuple[float, LinearProbe]] = {}   # exponent of C in 1 / STEPS decades -> (accuracy, probe)

    def attempt(exponent: int) -> None:
        if exponent not in tried and LOW * STEPS <= exponent <= HIGH * STEPS:
            probe = LinearProbe(train[0].shape[1], classes, 10.0**(exponent / STEPS)).fit(train[0], train[1], max_iter)
            tried[exponent] = probe.accuracy(*held), probe

    best = lambda: max(tried, key=lambda exponent: (tried[exponent][0], -exponent))
    interval = 2 * STEPS
    for exponent in range(LOW * STEPS, HIGH * STEPS + 1, interval):
        attempt(exponent)
    while interval > 1:
        interval //= 2
        peak = best()
        attempt(peak - interval)
        attempt(peak + interval)
    return tried[best()][1], {10.0**(exponent / STEPS): tried[exponent][0] for exponent in sorted(tried)}
