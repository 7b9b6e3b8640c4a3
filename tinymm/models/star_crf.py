"""Conditional random fields over a few labels, such as activity, object, tool and place of a clip (Donahue et al. 2015, section 6).

Slot s has the values 0 ... K_s - 1, and the evidence x_s (K_s,) of a detector. With a matrix A_ij for each coupled pair of slots

    psi_s = W_s x_s + b_s                                                              what the evidence says
    F(y, x) = sum_s psi_s[y_s] + sum_ij A_ij[y_i, y_j]       p(y | x) = exp F(y, x) / Z(x)

The course's slides name a CRF's maximum and its marginals without an equation. In ``StarCRF`` slot 0 is coupled with every other
slot, and these not with each other. Given y_0 the others are independent, so that everything is exact in one pass over them:

    m_s(a) = log sum_k exp(psi_s[k] + A_0s[a, k])            log Z = log sum_a exp(psi_0[a] + sum_s m_s(a))
    p(a) = softmax_a(psi_0[a] + sum_s m_s(a))                p(y_s = k) = sum_a p(a) exp(psi_s[k] + A_0s[a, k] - m_s(a))

and with max in place of log sum exp the most probable tuple. ``FullCRF`` couples all pairs, and enumerates all tuples.

Both learn by -log p(y | x), exactly. It is convex in W, b and A; all start at 0, where it is sum_s log K_s. So the scale of the
potentials is learnt, and the probabilities are calibrated as far as the model's couplings allow.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from .. import functional as F
from .. import nn
from ..autograd import Tensor, no_grad
from ..autograd.host import to_numpy
from ..autograd.integers import integers
from .label_slots import checked_labels


class CRF(nn.Module):
    """What both share: potentials, the score of a tuple, the loss; subclasses sum and maximise over tuples.

    Args:
        sizes: K_0, K_1, ...: values of each slot, at least two slots.
        pairs: the coupled pairs of slots, each (i, j) with i < j.

    Attributes:
        unary: W_s and b_s, a Linear a slot.
        couplings: A_ij (K_i, K_j), in the order of ``pairs``.

    Raises:
        ValueError: fewer than two slots, a slot without values.
    """

    def __init__(self, sizes: Sequence[int], pairs: Sequence[tuple[int, int]]):
        super().__init__()
        self.sizes = integers(type(self).__name__, "sizes", tuple(sizes), 1)
        if len(self.sizes) < 2:
            raise ValueError(f"{type(self).__name__}: sizes={self.sizes} must have the number of values of two slots or more")
        self.pairs = tuple(pairs)
        self.unary = nn.ModuleList(nn.Linear(size, size) for size in self.sizes)
        self.couplings = nn.ParameterList(nn.Parameter(np.zeros((self.sizes[i], self.sizes[j]), self.unary[0].weight.dtype))
                                          for i, j in self.pairs)
        with no_grad():
            for linear in self.unary:
                linear.weight.zero_()
                linear.bias.zero_()

    def potentials(self, x: Tensor) -> list[Tensor]:
        """psi_s (B, K_s) of each slot from the evidence (B, sum K_s), the slots side by side.

        Raises:
            ValueError: evidence of another shape.
        """
        if x.ndim != 2 or x.shape[1] != sum(self.sizes):
            raise ValueError(f"{type(self).__name__}: x has shape {x.shape}; the evidence must be (B, {sum(self.sizes)}), the "
                             f"slots' {' + '.join(map(str, self.sizes))} values side by side")
        return [linear(part) for linear, part in zip(self.unary, F.split(x, list(self.sizes), 1))]

    def _finite_potentials(self, x: Tensor) -> list[Tensor]:
        """``potentials``, where each is a number."""
        psi = self.potentials(x)
        for slot, p in enumerate(psi):
            wrong = np.argwhere(~np.isfinite(to_numpy(p)))
            if len(wrong):
                raise ValueError(f"{type(self).__name__}.maximum: the potentials of slot {slot} are not finite for x[{wrong[0, 0]}]"
                                 "; look for nan or inf in the evidence and in the weights")
        return psi

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """F(y, x) (B,).

        Args:
            x: (B, sum K_s) evidence.
            y: (B, S) integers, a label a slot.

        Raises:
            ValueError: shapes that do not fit, a label that its slot does not have.
        """
        psi, rows = self.potentials(x), np.arange(x.shape[0])
        columns = checked_labels(type(self).__name__, y, self.sizes, x.shape[0]).T            # (S, B)
        total = sum((p[rows, column] for p, column in zip(psi[1:], columns[1:])), psi[0][rows, columns[0]])
        return sum((A[columns[i], columns[j]] for (i, j), A in zip(self.pairs, self.couplings)), total)

    def log_prob(self, x: Tensor, y: Tensor) -> Tensor:
        """log p(y | x) (B,) of the tuples (B, S)."""
        return self.score(x, y) - self.log_partition(x)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """-log p(y | x), the mean of a batch."""
        return -self.log_prob(x, y).mean()

    def log_partition(self, x: Tensor) -> Tensor:
        """log Z(x) (B,)."""
        raise NotImplementedError(f"{type(self).__name__}: log_partition is not written")

    def marginals(self, x: Tensor) -> Tensor:
        """p(y_s = k | x) (B, sum K_s), the slots side by side."""
        raise NotImplementedError(f"{type(self).__name__}: marginals is not written")

    def maximum(self, x: Tensor) -> np.ndarray:
        """The most probable tuple (B, S) int64; of equal ones one with the lowest value of slot 0.

        Raises:
            ValueError: evidence of another shape, or that is not finite: no tuple is the most probable one then.
        """
        raise NotImplementedError(f"{type(self).__name__}: maximum is not written")


class StarCRF(CRF):
    """Slot 0 is coupled with each of the others, and nothing else is.

    Args:
        sizes: K_0, K_1, ...: values of each slot; slot 0 is the centre.
    """

    def __init__(self, sizes: Sequence[int]):
        super().__init__(sizes, [(0, s) for s in range(1, len(sizes))])

    def _branches(self, psi: Sequence[Tensor]) -> list[Tensor]:
        """psi_s[k] + A_0s[a, k] (B, K_0, K_s) of each outer slot."""
        return [p[:, None] + A for p, A in zip(psi[1:], self.couplings)]

    def log_partition(self, x: Tensor) -> Tensor:
        psi = self.potentials(x)
        return sum((b.logsumexp(2) for b in self._branches(psi)), psi[0]).logsumexp(1)

    def marginals(self, x: Tensor) -> Tensor:
        psi = self.potentials(x)
        branches = self._branches(psi)
        centre = sum((b.logsumexp(2) for b in branches), psi[0]).softmax(1)                   # (B, K_0)
        return F.cat([centre, *((centre[:, None] @ b.softmax(2)).squeeze(1) for b in branches)], 1)

    def maximum(self, x: Tensor) -> np.ndarray:
        psi = self._finite_potentials(x)
        branches, rows = [to_numpy(b) for b in self._branches(psi)], np.arange(x.shape[0])
        centre = sum((b.max(2) for b in branches), to_numpy(psi[0])).argmax(1)                # (B,)
        return np.stack([centre, *(b[rows, centre].argmax(1) for b in branches)], 1)


class FullCRF(CRF):
    """All pairs of slots are coupled; sums and maxima run over all tuples.

    Args:
        sizes: K_0, K_1, ...: values of each slot. A batch needs B * K_0 * K_1 * ... numbers.
    """

    def __init__(self, sizes: Sequence[int]):
        super().__init__(sizes, list(itertools.combinations(range(len(sizes)), 2)))

    def joint(self, x: Tensor) -> Tensor:
        """F(y, x) of all tuples, (B, K_0, K_1, ...)."""
        S, psi = len(self.sizes), self.potentials(x)
        along = lambda t, batch, *slots: t.reshape(batch, *(self.sizes[s] if s in slots else 1 for s in range(S)))
        first, *others = (along(p, x.shape[0], s) for s, p in enumerate(psi))
        return sum([*others, *(along(A, 1, i, j) for (i, j), A in zip(self.pairs, self.couplings))], first)

    def log_partition(self, x: Tensor) -> Tensor:
        return self.joint(x).flatten(1).logsumexp(1)

    def marginals(self, x: Tensor) -> Tensor:
        joint = self.joint(x)
        p = joint.flatten(1).softmax(1).reshape(joint.shape)
        axes = range(1, joint.ndim)
        return F.cat([p.sum([axis for axis in axes if axis != s]) for s in axes], 1)

    def maximum(self, x: Tensor) -> np.ndarray:
        self._finite_potentials(x)
        best = to_numpy(self.joint(x).flatten(1)).argmax(1)
        return np.stack(np.unravel_index(best, self.sizes), 1)
