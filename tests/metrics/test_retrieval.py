"""Ranks, R@K and the median rank: all orders of equal scores counted out, a scorer that knows nothing, and by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from tests.device_double import StrictArray
from tinymm import Tensor
from tinymm.metrics import median_rank, ranks, recall_at_k, retrieval_scores, top_k_accuracy

OWN = {"diagonal": (4, 4, None), "two captions each": (2, 4, np.array([0, 0, 1, 1])),
       "in any order": (3, 5, np.array([2, 0, 1, 0, 2])), "one has four": (2, 5, np.array([0, 0, 1, 0, 0])),
       "any relation": (3, 4, np.array([[1, 1, 1, 1], [0, 1, 0, 0], [0, 1, 1, 0]], bool))}


def relation(n, m, own):
    return np.eye(n, dtype=bool) if own is None else own if own.dtype == bool else np.arange(n)[:, None] == own


def counted_out(scores, mine):
    """The rank of the first own candidate in every list that the scores allow, (N, lists), each list as often as any other."""
    found = []
    for row, own in zip(scores, mine):
        orders = []
        for before in itertools.permutations(range(len(row))):   # a stable sort of each order of the candidates
            listed = sorted(before, key=lambda j: -row[j])
            orders.append(1 + next(place for place, j in enumerate(listed) if own[j]))
        found.append(orders)
    return np.array(found)


@pytest.mark.parametrize("levels", [1, 2, 3, 10])
@pytest.mark.parametrize("which", OWN)
def test_expected_values_are_means_over_all_orders_of_ties(which, levels):
    """From one level, a scorer that knows nothing, to ten, with few ties."""
    n, m, own = OWN[which]
    rng = np.random.default_rng(levels)
    for _ in range(6):
        scores = rng.integers(0, levels, (n, m)).astype(float)
        orders = counted_out(scores, relation(n, m, own))
        np.testing.assert_allclose(ranks(scores, own), orders.mean(1), rtol=1e-13)
        for k in range(1, m + 2):
            assert recall_at_k(scores, k, own) == pytest.approx((orders <= k).mean(), rel=1e-13, abs=1e-13)


def test_without_ties_they_are_the_plain_numbers():
    for seed in range(4):
        scores = np.random.default_rng(seed).normal(size=(40, 40)).astype(np.float32)
        place = 1 + (scores > scores.diagonal()[:, None]).sum(1)
        np.testing.assert_array_equal(ranks(scores), place)
        assert median_rank(scores) == np.median(place)
        for k in (1, 5, 40):
            assert recall_at_k(scores, k) == (place <= k).mean() == top_k_accuracy(scores, np.arange(40), k)


def test_ties_have_the_mean_rank_of_statistics():
    for seed in range(4):
        scores = np.random.default_rng(seed).integers(0, 6, (30, 30)).astype(float)
        np.testing.assert_allclose(ranks(scores), stats.rankdata(-scores, method="average", axis=1).diagonal(), rtol=1e-14)


@pytest.mark.parametrize("n", [1, 7, 60])
def test_a_constant_scorer_guesses(n):
    """R@K = K/N, and the median rank is in the middle, also where all that it gives is the lowest score."""
    for value in (0.0, 3.5, -np.inf, np.inf):
        scores = np.full((n, n), value)
        for k in (1, 5, 10, n):
            assert recall_at_k(scores, k) == pytest.approx(min(k / n, 1), rel=1e-14)
        assert median_rank(scores) == (n + 1) / 2


def test_a_constant_scorer_with_five_captions_a_picture():
    """To find none of five among K of 60 takes K from the 55 others; each caption has one picture among 12."""
    own = np.repeat(np.arange(12), 5)
    found = retrieval_scores(np.zeros((12, 60)), own, (1, 10), ("sentences", "pictures"))
    for k in (1, 10):
        assert found["sentences"][f"R@{k}"] == pytest.approx(1 - math.comb(55, k) / math.comb(60, k), rel=1e-13)
        assert found["pictures"][f"R@{k}"] == pytest.approx(k / 12, rel=1e-13)
    assert found["sentences"]["median rank"] == pytest.approx(61 / 6) and found["pictures"]["median rank"] == 6.5


def test_a_perfect_and_a_wrong_scorer():
    own = np.repeat(np.arange(4), 3)
    right = (np.arange(4)[:, None] == own).astype(float)
    assert retrieval_scores(right, own) == {way: {"R@1": 1, "R@5": 1, "R@10": 1, "median rank": 1} for way in
                                            ("candidates for a query", "queries for a candidate")}
    assert recall_at_k(-right, 9, own) == 0 and recall_at_k(-right, 10, own) == 1
    assert median_rank(-right, own) == 10 and median_rank(-right.T, right.T.astype(bool)) == 4


def test_both_ways_by_hand():
    """Three pictures and their sentences: who finds whom is not the same both ways."""
    scores = np.array([[9.0, 8, 1], [7, 6, 5], [4, 3, 2]])
    found = retrieval_scores(scores, at=(1, 2), ways=("a text for a picture", "a picture for a text"))
    assert found == {"a text for a picture": {"R@1": 1 / 3, "R@2": 2 / 3, "median rank": 2},
                     "a picture for a text": {"R@1": 1 / 3, "R@2": 1, "median rank": 2}}
    assert median_rank(scores[:2], np.array([0, 1, 1])) == 1.5   # halfway between 1 and 2


def test_the_best_of_several_counts():
    scores = np.array([[1.0, 5, 3, 4, 2]])
    for own, rank in (([1, 0, 0, 0, 0], 5), ([1, 0, 0, 1, 0], 2), ([1, 1, 1, 1, 1], 1)):
        assert ranks(scores, np.array([own], bool)) == [rank]


def test_the_order_of_queries_and_candidates_does_not_matter():
    rng = np.random.default_rng(0)
    scores, own = rng.integers(0, 5, (6, 18)).astype(float), rng.permutation(np.repeat(np.arange(6), 3))
    rows, columns = rng.permutation(6), rng.permutation(18)
    turned = scores[rows][:, columns], np.argsort(rows)[own[columns]]
    np.testing.assert_array_equal(ranks(*turned), ranks(scores, own)[rows])
    found = retrieval_scores(scores, own)
    assert {way: pytest.approx(numbers, rel=1e-13) for way, numbers in retrieval_scores(*turned).items()} == found


def test_tensors_of_a_graph_and_of_a_device():
    scores = np.random.default_rng(0).normal(size=(3, 6))
    own = np.array([0, 1, 2, 0, 1, 2])
    wanted = retrieval_scores(scores, own)
    assert retrieval_scores(Tensor(scores, requires_grad=True), Tensor(own)) == wanted
    assert retrieval_scores(Tensor(StrictArray(scores)), Tensor(StrictArray(own))) == wanted
    assert isinstance(recall_at_k(Tensor(scores), 1, own), float) and isinstance(median_rank(Tensor(scores), own), float)


NAN = np.array([[0.0, 1], [np.nan, 2]])


@pytest.mark.parametrize("function", [ranks, median_rank, lambda s, own=None: recall_at_k(s, 1, own), retrieval_scores])
@pytest.mark.parametrize("scores, own, error, message", [
    (np.zeros(3), None, ValueError, r"scores of shape \(3,\)"), (np.zeros((0, 0)), None, ValueError, "at least one of each"),
    (np.zeros((2, 4)), None, ValueError, r"scores \(N=2, M=4\) are no square.*give own"),
    (np.zeros((2, 4)), [0, 0, 1], ValueError, r"own of shape \(3,\) and dtype int64 for scores \(N=2, M=4\)"),
    (np.zeros((2, 4)), np.ones((4, 2), bool), ValueError, r"own of shape \(4, 2\) and dtype bool"),
    (np.zeros((2, 4)), [0, 0, 1, 2], ValueError, "own has 2, which is no query; there are N=2, from 0 to 1"),
    (np.zeros((2, 4)), [0, 0, 1, -1], ValueError, "own has -1, which is no query"),
    (np.zeros((2, 4)), [0.0, 0, 1, 1], TypeError, "own of dtype float64"),
    (np.zeros((2, 4)), [0, 0, 0, 0], ValueError, "query 1 has no candidate of its own"),
    (NAN, None, ValueError, "the scores of query 1 have NaN")])
def test_mistakes_are_explained(function, scores, own, error, message):
    with pytest.raises(error, match=message):
        function(scores, own)


def test_the_other_way_each_candidate_needs_a_query():
    own = np.array([[1, 0, 0], [0, 1, 0]], bool)
    assert recall_at_k(np.zeros((2, 3)), 1, own) == pytest.approx(1 / 3)   # one way, candidates of nobody are there to mislead
    with pytest.raises(ValueError, match="retrieval_scores: candidate 2 belongs to no query"):
        retrieval_scores(np.zeros((2, 3)), own)


def test_the_first_candidate_is_the_least():
    with pytest.raises(ValueError, match="recall_at_k: k=0 must be a positive integer"):
        recall_at_k(np.eye(3), 0)


@pytest.mark.parametrize("k", [1.0, 1.5, True, (1, 5)])
def test_k_is_an_integer(k):
    assert recall_at_k(np.eye(3), np.int64(1)) == 1
    with pytest.raises(TypeError, match="recall_at_k: k=.* must be an integer"):
        recall_at_k(np.eye(3), k)
