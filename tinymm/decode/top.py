"""The k highest of each row, with ties broken the same way every time."""

from __future__ import annotations

import numpy as np


def top_words(scores: np.ndarray, k: int) -> np.ndarray:
    """The k highest of each row; of equal ones, those with the lower index.

    Args:
        scores: floats (N, K), without NaN. Which of several -inf are taken is left open.
        k: at least 1; more than K is K.

    Returns:
        int64 (N, min(k, K)), distinct indices in ascending order.
    """
    n, size = scores.shape
    if k >= size:
        return np.broadcast_to(np.arange(size), (n, size))
    piles = max(8 * k, 128)
    if size >= 5 * piles:
        # Deal the columns into piles. The k-th highest of the piles' maxima is a floor for the k-th highest of all, and
        # few scores reach it; picking those costs a fraction of partitioning whole rows.
        tops = scores[:, :size // piles * piles].reshape(n, -1, piles).max(axis=1)               # (N, piles)
        floor = np.partition(tops, piles - k, axis=1)[:, piles - k]                              # (N,)
        if floor.min() > -np.inf:   # otherwise some row would spare nothing
            row, column = np.divmod(np.flatnonzero(scores >= floor[:, None]), size)              # (M,), by rows
            count = np.bincount(row, minlength=n)                                                # (N,), each at least k
            place = row, np.arange(len(row)) - (np.cumsum(count) - count)[row]
            columns = np.zeros((n, count.max()), dtype=np.int64)
            few = np.full(columns.shape, -np.inf, dtype=scores.dtype)
            columns[place], few[place] = column, scores[row, column]
            return pick(columns, _partition(few, k)) if few.shape[1] > k else columns
    return _partition(scores, k)


def best_first(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest of each row in descending order; of equal ones the lower index comes first.

    Returns:
        (indices, values), both (N, min(k, K)).
    """
    found = top_words(scores, k)
    values = pick(scores, found)
    order = np.argsort(-values, axis=1, kind="stable")
    return pick(found, order), pick(values, order)


def pick(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """``values[i, index[i, j]]``: np.take_along_axis along axis 1, without what its generality costs."""
    first = np.arange(0, values.size, values.shape[1])   # (N,), where each row starts
    return values.reshape(-1).take(index + first[:, None])


def _partition(scores: np.ndarray, k: int) -> np.ndarray:
    """``top_words`` for k < K."""
    n, size = scores.shape
    least = np.partition(scores, size - k, axis=1)[:, size - k, None]      # (N, 1), the k-th highest
    taken = scores >= least                                                # (N, K)
    found = np.flatnonzero(taken)                                          # k of each row, if no row has equals of the k-th
    if len(found) > n * k:
        tied = np.flatnonzero(np.count_nonzero(taken, axis=1) > k)
        rows, edge = scores[tied], least[tied]
        above, equal = rows > edge, rows == edge
        spare = k - np.count_nonzero(above, axis=1)[:, None]
        taken[tied] = above | (equal & (np.cumsum(equal, axis=1) <= spare))
        found = np.flatnonzero(taken)
    return found.reshape(n, k) - np.arange(0, n * size, size)[:, None]
