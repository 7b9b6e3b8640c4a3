"""The chain over words: every assignment enumerated, ties, the limits of beta, the slide's sign, the cost counted, odd input."""

import itertools

import numpy as np
import pytest

from tinymm import Tensor
from tinymm.decode import align, segments
from tinymm.decode.chain import _best_path

BETAS = (0, 0.1, 0.5, 1, 2, 10)


def total(scores, a, beta):
    """Q(a) as it is written, of paths (..., N)."""
    a = np.asarray(a)
    return np.asarray(scores)[np.arange(a.shape[-1]), a].sum(-1) + beta * (a[..., 1:] == a[..., :-1]).sum(-1)


def enumerated(scores, beta, best=max):
    """The best Q of all M^N assignments, and all that have it."""
    n, m = scores.shape
    paths = np.array(list(itertools.product(range(m), repeat=n)))          # (M^N, N)
    value = total(scores, paths, beta)
    allowed = np.isfinite(value)
    wanted = best(value[allowed])
    return wanted, paths[allowed & (value == wanted)]


def by_the_rule(left):
    """Of equal optima (K, N) the one that the stated rule takes."""
    for t in reversed(range(left.shape[1])):
        regions = left[:, t]
        stays = t + 1 < left.shape[1] and (regions == left[0, t + 1]).any()
        left = left[regions == (left[0, t + 1] if stays else regions.min())]
    return left[0].tolist()


def test_every_assignment_enumerated():
    rng = np.random.default_rng(0)
    for case in range(400):
        scores = rng.standard_normal((rng.integers(1, 6), rng.integers(1, 5)))
        if case % 4 == 0 and scores.shape[1] > 1:                          # a region that no word may choose
            scores[:, rng.integers(scores.shape[1])] = -np.inf
        for beta in BETAS:
            for energy, best in (("max", max), ("slide", min)):
                a, q = align(scores, beta, energy)
                wanted, optima = enumerated(scores, beta, best)
                assert q == pytest.approx(wanted, abs=1e-12) and a.tolist() in optima.tolist(), (scores, beta, energy)
                assert a.dtype == np.int64 and isinstance(q, float) and total(scores, a, beta) == pytest.approx(q, abs=1e-12)


def test_ties_stay_and_then_take_the_lowest():
    """Small whole numbers, exact in float64: many cases have several optima."""
    rng, several = np.random.default_rng(1), 0
    for _ in range(400):
        scores, beta = np.floor(2.5 * rng.random((rng.integers(1, 6), rng.integers(1, 5)))), float(rng.integers(0, 3))
        for energy, best in (("max", max), ("slide", min)):
            optima = enumerated(scores, beta, best)[1]
            assert align(scores, beta, energy)[0].tolist() == by_the_rule(optima)
            several += len(optima) > 1
    assert several > 200


def test_the_rule_for_ties_in_three_lines():
    assert align(np.zeros((3, 2)), 0.0)[0].tolist() == [0, 0, 0]
    assert align([[0, 0, 0], [0, 0, 1]], 0.0)[0].tolist() == [2, 2]        # staying with the next word's, though 0 is as good
    assert align([[1, 0, 1], [0, 2, 0]], 1.0)[0].tolist() == [1, 1]        # staying gains 1, as moving from 0 would


def test_without_beta_each_word_has_its_own_best():
    rng = np.random.default_rng(2)
    for _ in range(50):
        scores = rng.standard_normal((30, 8)) * 10.0 ** rng.integers(-8, 9, (30, 1))   # sums would round the small words away
        assert (align(scores, 0)[0] == scores.argmax(1)).all()


def test_a_great_beta_gives_one_region():
    rng = np.random.default_rng(3)
    for _ in range(100):
        scores = rng.standard_normal((12, 6))
        a, q = align(scores, np.ptp(scores, 1).sum())
        assert (a == scores.sum(0).argmax()).all() and len(segments(a)) == 1
        assert q == pytest.approx(scores.sum(0).max() + 11 * np.ptp(scores, 1).sum())


def test_segments_do_not_grow_with_beta():
    rng = np.random.default_rng(4)
    for _ in range(100):
        scores = rng.standard_normal((12, 6))
        counts = [len(segments(align(scores, beta)[0])) for beta in np.linspace(0, 6, 25)]
        assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]


def test_the_slides_sign():
    """Two words, two regions, each word nearest to its own: the literal minimum takes the other one."""
    scores = np.array([[2.0, 1.0], [1.0, 2.0]])
    assert align(scores, 0.5)[0].tolist() == [0, 1]
    a, q = align(scores, 0.5, energy="slide")
    assert a.tolist() == [1, 0] and q == 2.0
    same = align(np.zeros((5, 2)), 0.5, energy="slide")[0]
    assert (same[1:] != same[:-1]).all()                                   # and it forbids equal neighbours


def test_hidden_regions_are_never_chosen():
    scores = np.array([[-np.inf, -5.0, -7.0], [-np.inf, -9.0, -8.0], [0.0, -9.0, -np.inf]])
    assert align(scores, 0)[0].tolist() == [1, 2, 0]
    assert align(scores, 0, energy="slide")[0].tolist() == [2, 1, 1]
    assert align(scores, 100)[0].tolist() == [1, 1, 1]
    assert align(Tensor(scores), 100)[1] == pytest.approx(-23 + 200)


class Counted(np.ndarray):
    """An array that counts the numbers which NumPy's functions read or write through it."""

    numbers = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        plain = lambda x: x.view(np.ndarray) if isinstance(x, Counted) else x
        if out is not None:
            options["out"] = tuple(map(plain, out))
        result = getattr(ufunc, method)(*map(plain, inputs), **options)
        Counted.numbers += max(np.size(x) for x in (*inputs, result))
        return result.view(Counted) if isinstance(result, np.ndarray) and out is None else out[0] if out is not None else result

    def argmax(self, *args, **options):
        Counted.numbers += self.size
        return self.view(np.ndarray).argmax(*args, **options)

    def copy(self, order="C"):
        Counted.numbers += self.size
        return super().copy(order)


def test_the_cost_is_linear_in_words_and_in_regions():
    def numbers(n, m):
        Counted.numbers = 0
        _best_path(np.random.default_rng(5).standard_normal((n, m)).view(Counted), 0.5)
        return Counted.numbers

    few = numbers(50, 64)
    assert few > 5 * 50 * 64                                               # the counter sees the work
    assert numbers(100, 64) < 2.1 * few and numbers(50, 128) < 2.1 * few and numbers(50, 1024) < 16.1 * few


def test_segments():
    assert segments(np.array([2, 2, 0, 1, 1, 1])) == [(0, 2, 2), (2, 3, 0), (3, 6, 1)]
    assert segments([3]) == [(0, 1, 3)] and segments(np.zeros(0, np.int64)) == []


@pytest.mark.parametrize("call, message", [
    (lambda: align(np.zeros((0, 3)), 1), r"scores have shape \(0, 3\); there must be at least one word"),
    (lambda: align(np.zeros((3, 0)), 1), r"scores have shape \(3, 0\); .* and one region \(axis 1\)"),
    (lambda: align(np.zeros(3), 1), r"scores are float64 of shape \(3,\); they must be numbers \(N words, M regions\)"),
    (lambda: align([["a"]], 1), "scores are <U1"),
    (lambda: align([[0.0, np.nan]], 1), r"scores\[0, 1\] is nan"),
    (lambda: align([[0.0], [np.inf]], 1), r"scores\[1, 0\] is inf"),
    (lambda: align([[0.0, 1.0], [-np.inf, -np.inf]], 1), r"scores\[1\] are all -inf: every region is hidden from this word"),
    (lambda: align(np.zeros((2, 2)), -0.1), "beta=-0.1 must be at least 0 and finite"),
    (lambda: align(np.zeros((2, 2)), np.nan), "beta=nan"),
    (lambda: align(np.zeros((2, 2)), np.inf), "beta=inf"),
    (lambda: align(np.zeros((2, 2)), 1, "min"), "energy='min'; choose from max, slide"),
    (lambda: segments(np.zeros((2, 2), int)), r"a is int64 of shape \(2, 2\); it must be integers"),
    (lambda: segments([0.0]), "a is float64"),
])
def test_odd_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
