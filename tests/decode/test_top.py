"""Picking the k highest against a stable sort of everything."""

import numpy as np
import pytest

from tinymm.decode.top import best_first, top_words


def scores_of(kind, rng, n, size):
    if kind == "normal":
        return rng.normal(size=(n, size))
    if kind == "float32":
        return rng.normal(size=(n, size)).astype(np.float32)
    if kind == "ties":
        return rng.integers(0, 4, size=(n, size)).astype(float)
    if kind == "equal":
        return np.zeros((n, size))
    if kind == "peaked":   # all of the highest in one pile, and in neighbouring columns
        return np.where(np.arange(size) % 40 < 2, 5.0, 0.0) + rng.normal(size=(n, size)) * (np.arange(size) > size // 2)
    return rng.normal(size=(size, n)).T   # not contiguous


@pytest.mark.parametrize("kind", ["normal", "float32", "ties", "equal", "peaked", "transposed"])
@pytest.mark.parametrize("k, size", [(1, 1), (1, 2), (1, 7), (1, 8), (1, 50), (3, 3), (3, 4), (3, 23), (3, 24), (3, 31), (3, 400),
                                     (20, 159), (20, 160), (1, 639), (1, 640), (3, 1000), (20, 799), (20, 800), (20, 1003),
                                     (9, 5)])
def test_same_as_a_stable_sort(kind, k, size):
    scores = scores_of(kind, np.random.default_rng(k * size), 13, size)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(top_words(scores, k), np.sort(order, axis=1))
    index, values = best_first(scores, k)
    np.testing.assert_array_equal(index, order)
    np.testing.assert_array_equal(values, np.take_along_axis(scores, order, axis=1))


@pytest.mark.parametrize("k, size", [(3, 30), (3, 100), (3, 700), (20, 1000)])
def test_rows_with_few_possible_words(k, size):
    rng = np.random.default_rng(size)
    scores = np.full((30, size), -np.inf)
    for row in range(30):
        possible = rng.permutation(size)[:row]   # fewer than k, k, and more
        scores[row, possible] = rng.integers(-3, 0, size=row)
    found = top_words(scores, k)
    for row in range(30):
        assert len(set(found[row])) == k
        order = np.argsort(-scores[row], kind="stable")[:k]
        want = set(order[scores[row, order] > -np.inf])
        assert {i for i in found[row] if scores[row, i] > -np.inf} == want
