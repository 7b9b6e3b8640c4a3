"""Which region each word is about: a chain over the words of a sentence (Karpathy and Fei-Fei 2015, section 3.1).

Words looked up one by one jump from region to region. The chain lets neighbours agree: with a_t the region of word t,

    Q(a) = sum_t v_{a_t} . s_t + beta sum_t 1[a_t = a_{t+1}]        max over a, beta >= 0

beta = 0 is the best region of each word; beta >= sum_t (max_i - min_i) v_i . s_t is one region for the whole sentence. The paper
and the course's slides write E(a) = sum_t psi_U(a_t) + sum_t psi_B(a_t, a_{t+1}) with these very terms, psi_U = v . s and
psi_B = beta 1[=], and take min E. Read literally that picks the worst region of each word and forbids equal neighbours; it is kept
as ``energy="slide"``, a counter-example. What is meant is E = -Q.
"""

from __future__ import annotations

import numpy as np

from ..autograd.host import to_numpy

ENERGIES = ("max", "slide")


def align(scores, beta: float, energy: str = "max") -> tuple[np.ndarray, float]:
    """The best region for every word of a sentence, by dynamic programming in O(N M).

    With D_t(i) the best sum over words 1 to t that ends in region i, less the best of all regions,

        D_t(i) = v_i . s_t + max(D_{t-1}(i) + beta, max_{j != i} D_{t-1}(j))

    so a step needs the two best regions of the step before and no pairs. Of equal optima one is chosen from the last word back: the
    last word takes the lowest region; a word before it the region of the word after it where an optimum does (staying wins against
    moving), else the lowest. What is equal after rounding to float64 counts as equal.

    Args:
        scores: (N, M) v_i . s_t of N words and M regions; -inf where a region may not be chosen.
        beta: what equal neighbours gain, at least 0, in the unit of the scores.
        energy: "max" for the largest Q; "slide" for the smallest, as the slide literally says.

    Returns:
        a (N,) int64, the region of each word; and Q(a).

    Raises:
        ValueError: scores of another shape, no word, no region, a score that is NaN or +inf, a word whose scores are all -inf; a
            beta below 0, NaN or infinite; another energy.
    """
    psi = to_numpy(scores)
    if psi.ndim != 2 or psi.dtype.kind not in "iuf":
        raise ValueError(f"align: scores are {psi.dtype} of shape {psi.shape}; they must be numbers (N words, M regions)")
    if not all(psi.shape):
        raise ValueError(f"align: scores have shape {psi.shape}; there must be at least one word (axis 0) and one region (axis 1)")
    psi = psi.astype(np.float64)
    if (wrong := np.argwhere(~(psi < np.inf))).size:
        t, i = wrong[0].tolist()
        raise ValueError(f"align: scores[{t}, {i}] is {psi[t, i]}; scores must be finite, or -inf where a region is hidden")
    if (hidden := np.flatnonzero((psi == -np.inf).all(1))).size:
        raise ValueError(f"align: scores[{hidden[0]}] are all -inf: every region is hidden from this word; leave the word out")
    if not 0 <= beta < np.inf:
        raise ValueError(f"align: beta={beta} must be at least 0 and finite")
    if energy not in ENERGIES:
        raise ValueError(f"align: energy={energy!r}; choose from {', '.join(ENERGIES)}")
    sign = 1.0 if energy == "max" else -1.0
    a = _best_path(np.where(psi == -np.inf, psi, sign * psi), sign * float(beta))   # hidden regions stay so in a minimum
    return a, float(psi[np.arange(len(a)), a].sum() + beta * np.count_nonzero(a[1:] == a[:-1]))


def segments(a) -> list[tuple[int, int, int]]:
    """Runs of words with the same region.

    Args:
        a: (N,) integers, the region of each word.

    Returns:
        (start, stop, region) of each run, in order: words start to stop - 1.

    Raises:
        ValueError: something else than a row of integers.
    """
    a = to_numpy(a)
    if a.ndim != 1 or a.dtype.kind not in "iu":
        raise ValueError(f"segments: a is {a.dtype} of shape {a.shape}; it must be integers (N words,)")
    starts = [t for t in range(len(a)) if t == 0 or a[t] != a[t - 1]]
    return [(start, stop, int(a[start])) for start, stop in zip(starts, [*starts[1:], len(a)])]


def _best_path(psi: np.ndarray, beta: float) -> np.ndarray:
    """The a (N,) of the greatest sum_t psi[t, a_t] + beta sum_t 1[a_t = a_{t+1}]; psi < inf, beta of either sign."""
    count = len(psi)
    came = np.empty(psi.shape, np.int64)                                   # (N, M): the region of the word before
    D = psi[0] - psi[0].max()                                              # (M,)
    for t in range(1, count):
        first = int(D.argmax())
        rest = D.copy()
        rest[first] = -np.inf
        second = int(rest.argmax())
        other, came[t] = np.full_like(D, D[first]), first                  # the best region j != i, for each i
        other[first], came[t, first] = rest[second], second
        stays = D + beta >= other
        came[t, stays] = np.flatnonzero(stays)
        D = psi[t] + np.maximum(D + beta, other)
        D -= D.max()
    a = np.empty(count, np.int64)
    a[-1] = D.argmax()
    for t in range(count - 1, 0, -1):
        a[t - 1] = came[t, a[t]]
    return a
