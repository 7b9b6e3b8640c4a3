"""Beam search against a published table, enumeration, and a search written one hypothesis at a time."""

import functools

import numpy as np
import pytest

import tinymm
from tests.decode.models import START, TableModel, naive_beam, same
from tests.device_double import StrictArray
from tinymm import Tensor, nn
from tinymm import functional as F
from tinymm.decode import Hypothesis, beam_search, greedy_search

# ---------------------------------------------------------------- L2-C1: a table with published answers (im2txt's test)

TRANSITIONS = {0: {1: .1, 2: .2, 3: .3, 4: .4}, 2: {5: .1, 6: .9}, 3: {1: .1, 7: .4, 8: .5}, 4: {1: .3, 9: .3, 10: .4},
               9: {1: .5, 11: .5}, **{word: {1: 1.} for word in (1, 5, 6, 7, 8, 10, 11)}}


def markov(tokens, state):
    p = np.zeros((len(tokens), 12))
    for row, token in enumerate(tokens):
        for word, value in TRANSITIONS[int(token)].items():
            p[row, word] = value
    with np.errstate(divide="ignore"):
        return np.log(p), state


def published(max_length=20, **options):
    found = beam_search(markov, None, 1, start=0, end=1, max_length=max_length, **options)[0]
    return [([*h.tokens, 1] if h.finished else [*h.tokens], round(float(np.exp(h.log_prob)), 12)) for h in found]


def test_published_beam_sizes():
    assert published(beam_size=1) == [([4, 10, 1], .16)]
    assert published(beam_size=2, n_best=2) == [([4, 10, 1], .16), ([3, 8, 1], .15)]
    assert published(beam_size=3, n_best=3) == [([2, 6, 1], .18), ([4, 10, 1], .16), ([3, 8, 1], .15)]
    # what tells the finishing rules apart: a beam that shrinks with each completed sentence ends with [1], .10
    assert published(beam_size=4, n_best=4) == [([2, 6, 1], .18), ([4, 10, 1], .16), ([3, 8, 1], .15), ([4, 1], .12)]


def test_published_maximum_lengths():
    """Published for lengths 2, 3 and 4 that count the start token, too."""
    assert published(1, beam_size=3, n_best=3) == [([4], .4), ([3], .3), ([2], .2)]
    assert published(2, beam_size=3, n_best=2) == [([4, 1], .12), ([3, 1], .03)]
    assert published(2, beam_size=3, n_best=3)[2] == ([2, 6], .18)   # unfinished ones only fill up
    assert published(3, beam_size=3, n_best=3) == [([2, 6, 1], .18), ([4, 10, 1], .16), ([3, 8, 1], .15)]


def test_published_length_normalisation():
    assert published(beam_size=4, n_best=4, length_penalty=3.0) == [([4, 9, 11, 1], .06), ([2, 6, 1], .18), ([4, 10, 1], .16),
                                                                    ([3, 8, 1], .15)]
    h = beam_search(markov, None, 1, start=0, end=1, max_length=20, beam_size=4, length_penalty=3.0)[0][0]
    assert h.score == pytest.approx(np.log(.06) / 4**3, abs=1e-15)   # the length counts the end token


# ---------------------------------------------------------------- L2-C2, L2-C4: enumeration

def search(model, **options):
    model.rows.clear()
    return beam_search(model.step, model.state(), model.images, start=START, end=model.end, **options)


@pytest.mark.parametrize("T", [2, 3, 4])
def test_200_random_models_against_enumeration(T):
    """A beam of |V|^(T-1) finds the exact best; a beam of 1 is greedy."""
    model = TableModel.random(seed=T, images=200, depth=T)
    exact = [model.best(image, T)[:1] for image in range(200)]
    for image, found in enumerate(search(model, max_length=T, beam_size=4**(T - 1))):
        same(found, exact[image])
    greedy = greedy_search(model.step, model.state(), 200, start=START, end=0, max_length=T)
    assert [[h] for h in greedy] == search(model, max_length=T, beam_size=1)
    assert len({h.finished for h in greedy}) == 2 and sum([h.tokens] != [e[0][0]] for h, e in zip(greedy, exact)) > 20


@pytest.mark.parametrize("K, depth", [(4, 4), (6, 5)])
def test_larger_beams_are_rarely_worse(K, depth, record_property):
    """Not a theorem, see the next test: of the steps to a beam one larger, at most 1 % may lose the best sentence."""
    model = TableModel.random(seed=7, images=200, K=K, depth=depth)
    best = np.array([[found[0].score if found[0].finished else -np.inf for found in search(model, max_length=depth, beam_size=k)]
                     for k in range(1, 17)])                               # (beam sizes, images)
    worse = best[1:] < best[:-1]
    record_property("steps to a worse sentence", f"{worse.sum()} of {worse.size}")
    assert worse.mean() <= .01


def test_a_larger_beam_may_be_worse():
    """Words 3 and 4 after word 2 push the best sentence, 1 5, out of a beam of 2; a beam of 3 has room for it."""
    p = np.zeros((10, 10))
    p[9, [1, 2]] = .55, .45
    p[1, [5, 6, 7, 8]] = .3, .25, .25, .2
    p[2, [3, 4]] = .5                # .225 each; word 5 after word 1 has .165
    p[[3, 4], 0] = p[[3, 4], 8] = .5
    p[5:9, 0] = 1
    with np.errstate(divide="ignore"):
        log_p = np.log(p)
    best = [beam_search(lambda tokens, state: (log_p[tokens], state), None, 1, start=9, end=0, max_length=5, beam_size=k)[0][0]
            for k in (1, 2, 3)]
    assert [h.tokens for h in best] == [(1, 5), (2, 3), (1, 5)]
    np.testing.assert_allclose([np.exp(h.log_prob) for h in best], [.165, .1125, .165], rtol=1e-12)


@pytest.mark.parametrize("zeros", [0.0, 0.4])
@pytest.mark.parametrize("length_penalty", [0.0, 0.5, 1.0, 3.0])
def test_exhaustive_beams_rank_all_sentences(length_penalty, zeros):
    model = TableModel.random(seed=11, images=12, K=4, depth=4, zeros=zeros)
    for n_best in (1, 7, 128):
        found = search(model, max_length=4, beam_size=128, n_best=n_best, length_penalty=length_penalty)
        for image in range(12):
            same(found[image], model.best(image, 4, length_penalty)[:n_best])
            if n_best == 128:   # L2-C4: what ended and what did not are everything
                assert abs(sum(np.exp(h.log_prob) for h in found[image]) - 1) < 1e-10
                assert abs(sum(np.exp(total) for _, total, _ in model.sentences(image, 4)) - 1) < 1e-10


# ---------------------------------------------------------------- an independent search

KINDS = {"random": TableModel.random, "ties": TableModel.ties, "zeros": functools.partial(TableModel.random, zeros=.5)}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("K", [2, 3, 5])
def test_same_as_one_hypothesis_at_a_time(make, K):
    model = make(seed=20 + K, images=15, K=K, depth=5)
    for beam_size in (1, 2, 3, 4, 7, 30):
        for length_penalty, n_best in ((0.0, 1), (0.0, beam_size), (0.7, 1), (1.0, min(3, beam_size)), (2.5, beam_size)):
            for max_length in (1, 3, 5):
                found = search(model, max_length=max_length, beam_size=beam_size, length_penalty=length_penalty, n_best=n_best)
                for image in range(model.images):
                    same(found[image], naive_beam(model, image, max_length, beam_size, length_penalty, n_best))


@pytest.mark.parametrize("size", [100, 700])
def test_large_vocabularies_take_the_pruned_selection(size):
    rng = np.random.default_rng(size)
    table = np.log(rng.dirichlet(np.full(size, .05), size=(3, size)) + 1e-30).astype(np.float32)   # (image, last word, next)
    table[:, :, 0] += 1.0

    class Bigram:
        K, end = size, 0

        @staticmethod
        def next(image, words):
            return table[image, words[-1] if words else 5].astype(np.float64)

    found = beam_search(lambda tokens, image: (np.minimum(table, 0)[image, tokens], image), np.arange(3), 3, start=5, end=0,
                        max_length=6, beam_size=8, n_best=8, length_penalty=1.0)
    np.minimum(table, 0, out=table)
    for image in range(3):
        same(found[image], naive_beam(Bigram, image, 6, 8, 1.0, 8))


# ---------------------------------------------------------------- batches

def test_a_batch_is_its_images_one_by_one():
    model = TableModel.random(seed=3, images=40, depth=5, zeros=.2)
    options = dict(start=START, end=0, max_length=5, beam_size=4, n_best=3, length_penalty=.8)
    together = beam_search(model.step, model.state(), 40, **options)
    assert together == [beam_search(model.step, model.state([image]), 1, **options)[0] for image in range(40)]
    order = np.random.default_rng(0).permutation(40)
    assert [together[i] for i in order] == beam_search(model.step, model.state(order), 40, **options)
    for image, ranked in enumerate(together):
        for h in ranked:
            assert h.log_prob == pytest.approx(model.log_prob(image, h), abs=1e-12)


def test_one_call_a_word_and_none_for_finished_images():
    """Image i writes i words and then ends, for certain."""
    def step(tokens, state):
        rows.append(state["image"].tolist())
        p = np.full((len(tokens), 6), -np.inf)
        p[np.arange(len(tokens)), np.where(state["written"] < state["image"], 4, 2)] = 0
        return p, {"image": state["image"], "written": state["written"] + 1}

    for find in (beam_search, greedy_search):
        rows = []
        found = find(step, {"image": np.arange(4), "written": np.zeros(4)}, 4, start=0, end=2, max_length=10)
        expected = [Hypothesis((4,) * i, 0.0, 0.0, True) for i in range(4)]
        assert found == ([[h] for h in expected] if find is beam_search else expected)
        assert rows == [[0, 1, 2, 3], [1, 2, 3], [2, 3], [3]]


def test_stops_as_soon_as_nothing_can_win():
    """Ending has probability .6 at first, so that no longer sentence can be likelier; with a penalty one may be."""
    calls, probabilities = [], []

    def step(tokens, state):
        calls.append(len(tokens))
        return np.log(np.tile(probabilities, (len(tokens), 1))), state

    def count(p=(.6, .25, .15), **options):
        calls[:], probabilities[:] = [], [p]
        beam_search(step, None, 2, start=0, end=0, max_length=8, beam_size=3, **options)
        return calls

    assert count() == [2]                                # .6 > .25
    assert count(p=(.5, .5)) == [2]                      # a later sentence of equal score comes second
    assert count(n_best=2) == [2, 4]                     # .25 * .6 = .15 > .25 * .25
    # live after t words: .25^t, bound t log(.25) / 8 > log(.6) up to t = 2: -.347 > -.511 > -.520 at t = 3
    assert count(length_penalty=1.0) == [2, 4, 6]


@pytest.mark.parametrize("rarity, finished", [(0.0, True), (2.0, False)])
def test_the_state_of_a_recurrent_network_follows(rarity, finished):
    """Tensors in a nested state; each sentence's probability is what the network gives it word by word."""
    tinymm.manual_seed(4)
    embed, cell, head = nn.Embedding(7, 5), nn.LSTMCell(5, 6), nn.Linear(6, 7)
    rare = Tensor(np.array([0, 0, -rarity, 0, 0, 0, 0], dtype=np.float32))   # how much less likely the end is

    def step(tokens, state):
        h, c = cell(embed(Tensor(tokens)), (state["h"], state["rest"][0]))
        return F.log_softmax(head(h) * 4.0 + rare, dim=-1), {"h": h, "rest": [c]}

    rng = np.random.default_rng(1)
    first = {"h": Tensor(rng.normal(size=(3, 6)).astype(np.float32)), "rest": [Tensor(rng.normal(size=(3, 6)).astype(np.float32))]}
    found = beam_search(step, first, 3, start=1, end=2, max_length=4, beam_size=4, n_best=4)
    assert tinymm.is_grad_enabled() and {h.finished for ranked in found for h in ranked} == {finished}
    for image, ranked in enumerate(found):
        assert len(ranked) == 4 and len(set(ranked)) == 4
        for h in ranked:
            state = {"h": first["h"][image:image + 1], "rest": [first["rest"][0][image:image + 1]]}
            total, last = 0.0, 1
            for word in h.tokens + (2,) * h.finished:
                log_probs, state = step(np.array([last]), state)
                total, last = total + float(log_probs[0, word].item()), word
            assert h.log_prob == pytest.approx(total, abs=1e-5)


def test_scores_on_a_device_come_to_the_host():
    model = TableModel.random(seed=5, images=4, depth=3)

    def step(tokens, state):
        scores, host = model.step(tokens, state["host"])
        assert type(state["device"]._data) is StrictArray
        np.testing.assert_array_equal(state["device"]._data.get(), host["image"])
        return Tensor(StrictArray(scores)), {"host": host, "device": state["device"]}

    state = {"host": model.state(), "device": Tensor(StrictArray(np.arange(4)))}
    found = beam_search(step, state, 4, start=START, end=0, max_length=3, beam_size=3, n_best=2)
    assert found == search(model, max_length=3, beam_size=3, n_best=2)


# ---------------------------------------------------------------- edges

def constant(*p):
    with np.errstate(divide="ignore"):
        log_p = np.log(np.array(p, dtype=np.float64))
    return lambda tokens, state: (np.tile(log_p, (len(tokens), 1)), state)


def test_an_end_that_never_comes():
    found = beam_search(constant(0, .7, .3), None, 2, start=1, end=0, max_length=4, beam_size=3, n_best=3, length_penalty=1.0)
    assert found[0] == found[1] and not any(h.finished for h in found[0])
    assert [h.tokens for h in found[0]] == [(1, 1, 1, 1), (1, 1, 1, 2), (1, 1, 2, 1)]   # equal ones: lower ids first
    assert found[0][0].log_prob == pytest.approx(4 * np.log(.7)) and found[0][0].score == pytest.approx(np.log(.7))


def test_an_end_at_once():
    assert beam_search(constant(1, 0, 0), None, 2, start=1, end=0, max_length=4, n_best=5) == [[Hypothesis((), 0.0, 0.0, True)]] * 2


def test_a_sentence_of_probability_0_is_never_kept():
    """Only one word is possible each time, so there is one sentence, whatever the beam."""
    def chain(tokens, state):
        p = np.full((len(tokens), 5), -np.inf)
        p[np.arange(len(tokens)), np.array([1, 2, 3, 0, 0])[tokens]] = 0
        return p, state

    for beam_size in (1, 3, 9):
        assert beam_search(chain, None, 1, start=0, end=3, max_length=9, beam_size=beam_size,
                           n_best=beam_size) == [[Hypothesis((1, 2), 0.0, 0.0, True)]]


def test_dead_ends():
    def step(tokens, state):   # word 1 leads nowhere, word 2 can only end
        p = np.full((len(tokens), 3), -np.inf)
        p[tokens == 0, 1:] = np.log([.9, .1])
        p[tokens == 2, 0] = 0
        return p, state

    found = beam_search(step, None, 1, start=0, end=0, max_length=5, beam_size=2, n_best=2)
    assert found == [[Hypothesis((2,), np.log(.1), np.log(.1), True)]]
    with pytest.raises(ValueError, match="beam_search: image 0 has no sentence: every word 2 has probability 0"):
        beam_search(step, None, 1, start=0, end=0, max_length=5, beam_size=1)


def test_accumulates_in_float64():
    """A long sentence of float32 log-probabilities: no rounding to float32 on the way."""
    step = lambda tokens, state: (np.tile(np.array([[-50, -1e-4]], dtype=np.float32), (len(tokens), 1)), state)
    for h in (beam_search(step, None, 1, start=1, end=0, max_length=3000, beam_size=1)[0][0],
              greedy_search(step, None, 1, start=1, end=0, max_length=3000)[0]):
        assert len(h.tokens) == 3000 and h.log_prob == pytest.approx(3000 * float(np.float32(-1e-4)), rel=1e-12)


@pytest.mark.parametrize("options, message", [
    (dict(beam_size=0), "beam_search: beam_size=0 must be a positive integer"),
    (dict(beam_size=2.0), "beam_search: beam_size=2.0 must be an integer"),
    (dict(n_best=0), "beam_search: n_best=0 must be a positive integer"),
    (dict(beam_size=3, n_best=4), "beam_search: n_best=4 must be at most beam_size=3"),
    (dict(length_penalty=-.5), "beam_search: length_penalty=-0.5 must be at least 0"),
    (dict(length_penalty=float("nan")), "beam_search: length_penalty=nan must be at least 0"),
    (dict(length_penalty=float("inf")), "beam_search: length_penalty=inf must be at least 0 and finite"),
])
def test_bad_arguments(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        beam_search(constant(.5, .5), None, 1, start=0, end=1, max_length=3, **options)
