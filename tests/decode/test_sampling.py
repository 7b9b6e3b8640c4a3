"""Sampling: frequencies against exact probabilities, supports, seeds."""

import collections

import numpy as np
import pytest
from scipy import stats

import tinymm
from tests.decode.models import START, TableModel
from tinymm.backend.random import Stream
from tinymm.decode import Hypothesis, sample

N = 20000


def draw(model, seed=0, n=N, **options):
    """n sentences of image 0."""
    model.distinct = False
    return sample(model.step, model.state(np.zeros(n, dtype=np.int64)), n, start=START, end=0, generator=Stream("test", seed),
                  **options)


def restricted(p, temperature, top_k, top_p):
    """q of one word, by the definition and with loops."""
    q = np.array([x**(1 / temperature) for x in p])
    q /= q.sum()
    ranked = sorted(range(len(q)), key=lambda w: (-q[w], w))
    if top_k is not None:
        for word in ranked[top_k:]:
            q[word] = 0
        q /= q.sum()
    if top_p is not None:
        kept, share = [], 0.0
        for word in ranked:
            if share >= top_p:
                break
            kept.append(word)
            share += q[word]
        q[[w for w in ranked if w not in kept]] = 0
        q /= q.sum()
    return q


def exact(model, max_length, temperature=1.0, top_k=None, top_p=None):
    """The probability of every sentence (words, finished)."""
    found = {}
    for words, _, finished in model.sentences(0, max_length):
        p = 1.0
        for t, word in enumerate(words + (0,) * finished):
            p *= restricted(np.exp(model.next(0, words[:t])), temperature, top_k, top_p)[word]
        found[words, finished] = p
    return {s: p for s, p in found.items() if p > 0}


def p_value(hypotheses, distribution):
    """Of the chi-square test; sentences expected fewer than 5 times count together."""
    seen = collections.Counter((h.tokens, h.finished) for h in hypotheses)
    assert set(seen) <= set(distribution)
    n = len(hypotheses)
    common = [s for s, p in distribution.items() if n * p >= 5]
    observed, expected = [seen[s] for s in common], [n * distribution[s] for s in common]
    rest = n - sum(expected)
    if rest > 5:
        observed, expected = observed + [n - sum(observed)], expected + [rest]
    else:   # too few to test: compare within the common ones
        expected = np.array(expected) * sum(observed) / sum(expected)
    assert len(observed) > 5
    return stats.chisquare(observed, expected).pvalue


CASES = [dict(), dict(temperature=.5), dict(temperature=2.5), dict(top_k=2), dict(top_p=.7),
         dict(temperature=1.7, top_k=3, top_p=.8)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_frequencies(case):
    model = TableModel.random(seed=8, K=4, depth=3, zeros=.1)
    distribution = exact(model, 3, **case)
    assert sum(distribution.values()) == pytest.approx(1, abs=1e-10)
    found = draw(model, max_length=3, **case)
    assert p_value(found, distribution) > 1e-3
    for h in set(found):   # the model's own probability, whatever was drawn from
        assert h.log_prob == pytest.approx(model.log_prob(0, h), abs=1e-12) and h.score == h.log_prob


def test_the_chi_square_test_notices_another_temperature():
    model = TableModel.random(seed=8, K=4, depth=3)
    assert p_value(draw(model, max_length=3, temperature=1.1), exact(model, 3)) < 1e-6


P = np.array([.05, .4, .3, .05, .2])   # of words 0...4; word 0 ends


def words(**options):
    """The words that 3000 draws of a single word meet."""
    step = lambda tokens, state: (np.log(np.tile(P, (len(tokens), 1))), state)
    found = sample(step, None, 3000, start=1, end=0, max_length=1, generator=Stream("test", 1), **options)
    return {h.tokens[0] if h.tokens else 0 for h in found}


@pytest.mark.parametrize("options, support", [
    (dict(), {0, 1, 2, 3, 4}), (dict(top_k=1), {1}), (dict(top_k=3), {1, 2, 4}), (dict(top_k=4), {0, 1, 2, 4}),   # 0 ties with 3
    (dict(top_k=5), {0, 1, 2, 3, 4}), (dict(top_k=99), {0, 1, 2, 3, 4}),
    (dict(top_p=1e-9), {1}), (dict(top_p=.39), {1}), (dict(top_p=.41), {1, 2}), (dict(top_p=.69), {1, 2}),
    (dict(top_p=.71), {1, 2, 4}), (dict(top_p=.91), {0, 1, 2, 4}), (dict(top_p=1.0), {0, 1, 2, 3, 4}),
    (dict(top_k=2, top_p=.56), {1}), (dict(top_k=2, top_p=.58), {1, 2}),   # of the two, word 1 has .4 / .7 = .571
    (dict(temperature=1e-6), {1}), (dict(temperature=1e-320), {1}),
    (dict(temperature=3.0, top_p=.3), {1, 2}),   # the cube roots: .256 of 1 for word 1
])
def test_supports(options, support):
    assert words(**options) == support


def test_the_nucleus_ends_when_its_share_is_reached():
    step = lambda tokens, state: (np.full((len(tokens), 4), np.log(.25)), state)
    for top_p, support in ((.25, {0}), (.5, {0, 1}), (.51, {0, 1, 2})):
        found = sample(step, None, 500, start=0, end=3, max_length=1, top_p=top_p, generator=Stream("test", 1))
        assert {h.tokens[0] for h in found} == support


def test_a_word_of_probability_0_is_never_drawn():
    class Extremes:   # the smallest and the largest number that a generator gives
        class generator:
            random = staticmethod(lambda n: np.resize([0.0, 1 - 2**-53], n))

    for p in ([0, .3, 0, .7, 0], [0, .1, .2, .7, 0], [0, 1, 0, 0, 0]):
        with np.errstate(divide="ignore"):
            log_p = np.log(p)
        stream = Stream("test")
        stream.generator = Extremes.generator
        found = sample(lambda tokens, state: (np.tile(log_p, (len(tokens), 1)), state), None, 2, start=0, end=0, max_length=3,
                       generator=stream)
        assert all(p[word] > 0 for h in found for word in h.tokens) and found[0].tokens == (1, 1, 1)


def test_reproducible_by_seed():
    model = TableModel.random(seed=9, depth=4)
    one, again, other = (draw(model, seed=s, n=50, max_length=4) for s in (3, 3, 4))
    assert one == again != other

    def named(name):
        tinymm.manual_seed(11)
        return sample(model.step, model.state([0] * 50), 50, start=START, end=0, max_length=4, generator=name)

    assert named(None) == named("sampling") != named("other")


def test_an_image_does_not_depend_on_when_the_others_end():
    model = TableModel.random(seed=10, images=30, depth=4)
    swapped = [t.copy() for t in model.tables]
    swapped[0][1::2] = np.log([.97, .01, .01, .01])   # odd images end at once, as a rule
    results = [sample(m.step, m.state(), 30, start=START, end=0, max_length=4, generator=Stream("test", 2))
               for m in (model, TableModel(swapped))]
    assert results[0][::2] == results[1][::2] and results[0][1::2] != results[1][1::2]
    assert results[1].count(Hypothesis((), np.log(.97), np.log(.97), True)) > 10


def test_float32_log_probabilities():
    step = lambda tokens, state: (np.tile(np.log(P).astype(np.float32), (len(tokens), 1)), state)
    found = sample(step, None, 40, start=1, end=0, max_length=30, generator=Stream("test", 5))
    for h in found:
        words = h.tokens + (0,) * h.finished
        assert h.log_prob == pytest.approx(sum(float(np.float32(np.log(P[w]))) for w in words), rel=1e-12)


@pytest.mark.parametrize("options, message", [
    (dict(temperature=0), "sample: temperature=0 must be above 0 and finite; .* use greedy_search"),
    (dict(temperature=-1.0), "sample: temperature=-1.0 must be above 0"),
    (dict(temperature=float("nan")), "sample: temperature=nan must be above 0"),
    (dict(temperature=float("inf")), "sample: temperature=inf must be above 0 and finite"),
    (dict(top_k=0), "sample: top_k=0 must be a positive integer"),
    (dict(top_k=1.5), "sample: top_k=1.5 must be an integer"),
    (dict(top_p=0.0), "sample: top_p=0.0 must be above 0 and at most 1"),
    (dict(top_p=1.2), "sample: top_p=1.2 must be above 0 and at most 1"),
    (dict(top_p=float("nan")), "sample: top_p=nan must be above 0"),
])
def test_bad_arguments(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        words(**options)
