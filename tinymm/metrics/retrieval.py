"""Retrieval: queries and candidates that should find each other by their scores, such as pictures and sentences.

Every query ranks all candidates, the highest score first. Measured are the rank of the best of its own candidates, and R@K,
the share of queries that have one of their own among the first K.

Equal scores have no order, so each order of them counts alike: ranks and R@K are *expected* values over the orders, in closed
form. Without ties they are the plain numbers. A scorer that gives everything the same score thus has R@K = K/M, what guessing
has; counting ties for the model would give it 1, and counting them against it 0.

With ``a`` candidates above the best own score, and ``t`` at it, of which ``o`` are own:

    E[rank] = a + (t + 1) / (o + 1)             P(rank <= a + j) = 1 - C(t - o, j) / C(t, j)

All take Tensors of any device or arrays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..autograd.integers import integer
from .numbers import numbers


def ranks(scores, own=None) -> np.ndarray:
    """For each query the rank of the best of its own candidates, 1 for the first; expected where scores are equal.

    Args:
        scores: (N, M), how well each query (row) and each candidate (column) fit.
        own: which candidates are a query's own. None: the diagonal, N = M. Integers (M,): for each candidate the query that it
            belongs to, as with five captions a picture. Booleans (N, M): any relation.

    Returns:
        (N,) float64, from 1 to M.

    Raises:
        ValueError: shapes that do not fit, no query, a query without a candidate of its own, NaN among the scores.
        TypeError: ``own`` is neither integers nor booleans.
    """
    above, tied, own_tied = _counts("ranks", scores, own)
    return above + (tied + 1) / (own_tied + 1)


def median_rank(scores, own=None) -> float:
    """The median of ``ranks``, 1 at best; that of an even number of queries may lie halfway between two.

    Args:
        scores, own: as for ``ranks``, with its errors.
    """
    return float(np.median(ranks(scores, own)))


def recall_at_k(scores, k: int, own=None) -> float:
    """R@K: the share of queries that have one of their own among the first K candidates; expected where scores are equal.

    Args:
        scores, own: as for ``ranks``, with its errors.
        k: K, at least 1; all candidates are among the first K >= M.

    Raises:
        ValueError: k below 1.
        TypeError: k is no integer.
    """
    k = integer("recall_at_k", "k", k, 1)
    above, tied, own_tied = _counts("recall_at_k", scores, own)
    places = np.clip(k - above, 0, tied)                    # (N,), those of the first K that tied candidates take
    missed = np.ones(len(above))                            # (N,), the probability that no own one is there
    for i in range(own_tied.max()):                         # C(t - o, j) / C(t, j), a factor for each of the o
        left = np.maximum(tied - i, 1)
        missed *= np.where(i < own_tied, np.maximum(tied - places - i, 0) / left, 1.0)
    return float((1 - missed).mean())


def retrieval_scores(scores, own=None, at: Sequence[int] = (1, 5, 10),
                     ways: tuple[str, str] = ("candidates for a query", "queries for a candidate")) -> dict[str, dict[str, float]]:
    """R@K and the median rank, both ways: queries rank candidates, and candidates rank queries.

    Args:
        scores, own: as for ``ranks``, with its errors; here every candidate must belong to a query, too.
        at: the K.
        ways: the names of both directions: what is found for what.

    Returns:
        Way -> {"R@1", "R@5", "R@10", "median rank"}.
    """
    scores = numbers("retrieval_scores", "scores", scores)
    mine = _own("retrieval_scores", scores, own)
    if not mine.any(0).all():
        raise ValueError(f"retrieval_scores: candidate {mine.any(0).argmin()} belongs to no query, so none can be found for it")
    return {way: {**{f"R@{k}": recall_at_k(s, k, m) for k in at}, "median rank": median_rank(s, m)}
            for way, s, m in zip(ways, (scores, scores.T), (mine, mine.T))}


def _own(name: str, scores: np.ndarray, own) -> np.ndarray:
    """(N, M) booleans: which candidates are whose."""
    if scores.ndim != 2 or not scores.size:
        raise ValueError(f"{name}: scores of shape {scores.shape}; they must be (N queries, M candidates), at least one of each")
    N, M = scores.shape
    if own is None:
        if N != M:
            raise ValueError(f"{name}: scores (N={N}, M={M}) are no square, so the diagonal does not say which candidate belongs "
                             "to which query; give own, for each candidate its query")
        return np.eye(N, dtype=bool)
    own = numbers(name, "own", own)
    if own.dtype.kind not in "iub":
        raise TypeError(f"{name}: own of dtype {own.dtype}; it must be integers (M,), or booleans (N, M)")
    if own.shape != ((N, M) if own.dtype.kind == "b" else (M,)):
        raise ValueError(f"{name}: own of shape {own.shape} and dtype {own.dtype} for scores (N={N}, M={M}); it must be integers "
                         "(M,), for each candidate its query, or booleans (N, M)")
    if own.dtype.kind == "b":
        return own
    if own.min() < 0 or own.max() >= N:
        raise ValueError(f"{name}: own has {own[(own < 0) | (own >= N)][0]}, which is no query; there are N={N}, from 0 to {N - 1}")
    return np.arange(N)[:, None] == own


def _counts(name: str, scores, own) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) integers each: candidates above the best own score, at it, and own ones at it."""
    scores = numbers(name, "scores", scores)
    mine = _own(name, scores, own)
    if np.isnan(scores).any():
        raise ValueError(f"{name}: the scores of query {np.isnan(scores).any(1).argmax()} have NaN, which has no rank")
    if not mine.any(1).all():
        raise ValueError(f"{name}: query {mine.any(1).argmin()} has no candidate of its own")
    best = np.max(scores, axis=1, keepdims=True, where=mine, initial=scores.min())   # (N, 1)
    at = scores == best
    return (scores > best).sum(1), at.sum(1), (at & mine).sum(1)
