"""Searches without an end token: exactly ``max_length`` tokens, against loops, enumeration and transformers' ``generate``."""

import collections
import itertools

import numpy as np
import pytest
from scipy import stats

from tests.decode.models import START, TableModel, naive_beam, same
from tinymm.backend.random import Stream
from tinymm.decode import beam_search, beam_tree, greedy_search, sample

T = 4
ENDLESS = dict(start=START, end=None, max_length=T)


def table(seed, images=30, K=4, **options):
    """A model none of whose words ends a sentence."""
    model = TableModel.random(seed, images, K, depth=T, **options)
    model.end = -1
    return model


def follow(model, image, choose):
    """One sentence of T words by a loop: (words, log-probability)."""
    words, total = (), 0.0
    for _ in range(T):
        scores = model.next(image, words)
        word = choose(scores)
        words, total = (*words, word), total + scores[word]
    return words, total


def test_greedy_is_a_loop_of_maxima():
    model = table(1, zeros=.3)
    found = greedy_search(model.step, model.state(), 30, **ENDLESS)
    for image, h in enumerate(found):
        words, total = follow(model, image, lambda scores: int(scores.argmax()))
        same([h], [(words, total, total, True)])
    assert any(0 in h.tokens[:-1] for h in found)   # word 0 ends nothing


def test_sampling_is_a_loop_of_draws():
    model, uniform = table(2, zeros=.2), Stream("test", 3).generator.random((T, 30))
    found = sample(model.step, model.state(), 30, generator=Stream("test", 3), **ENDLESS)
    for image, h in enumerate(found):
        u = iter(uniform[:, image])
        words, total = follow(model, image, lambda scores: int(np.searchsorted(np.cumsum(np.exp(scores)), next(u), "right")))
        same([h], [(words, total, total, True)])


def test_sampling_has_the_frequencies_of_the_joint_distribution():
    n, model = 20000, table(4, images=1, K=3, concentration=3.0)
    model.distinct = False
    found = sample(model.step, model.state([0] * n), n, generator=Stream("test", 0), **ENDLESS)
    seen = collections.Counter(h.tokens for h in found)
    p = {words: np.exp(sum(model.next(0, words[:t])[w] for t, w in enumerate(words)))
         for words in itertools.product(range(3), repeat=T)}
    assert set(seen) <= set(p)
    assert n * min(p.values()) > 5   # enough of each for the test
    assert stats.chisquare([seen[words] for words in p], [n * p[words] for words in p]).pvalue > 1e-3


def test_a_full_beam_ranks_all_sentences():
    model = table(5, images=10, K=3, zeros=.2)
    for length_penalty in (0.0, 0.7):
        found = beam_search(model.step, model.state(), 10, **ENDLESS, beam_size=3**T, n_best=3**T, length_penalty=length_penalty)
        for image, ranked in enumerate(found):
            all_of_them = [(words, sum(model.next(image, words[:t])[w] for t, w in enumerate(words)))
                           for words in itertools.product(range(3), repeat=T)
                           if all(model.next(image, words[:t])[w] > -np.inf for t, w in enumerate(words))]
            expected = sorted(all_of_them, key=lambda s: -s[1])
            same(ranked, [(words, total, total / T**length_penalty, True) for words, total in expected])


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_a_beam_is_the_beam_one_hypothesis_at_a_time(beam_size):
    model = table(6, K=5, zeros=.1)
    found = beam_search(model.step, model.state(), 30, **ENDLESS, beam_size=beam_size, n_best=beam_size)
    for image, ranked in enumerate(found):
        same(ranked, [(*h[:3], True) for h in naive_beam(model, image, T, beam_size, n_best=beam_size)])
    if beam_size == 1:
        assert found == [[h] for h in greedy_search(model.step, model.state(), 30, **ENDLESS)]


def test_the_trees_last_hypotheses_are_the_sentences():
    model = table(7, images=1)
    nodes = beam_tree(model.step, model.state(), **ENDLESS, beam_size=3)
    found = beam_search(model.step, model.state(), 1, **ENDLESS, beam_size=3, n_best=3)[0]
    assert [(n.log_prob, n.word) for n in nodes if n.finished] == [(h.log_prob, h.tokens[-1]) for h in found]
    assert all(n.step == T for n in nodes if n.finished) and sum(n.finished for n in nodes) == 3


def test_one_call_a_token_with_one_token_a_sentence():
    """The cost is linear: no call sees an earlier token again, and no row of the state is copied on the way."""
    states = []

    def step(tokens, state):
        assert tokens.shape == (6,)
        states.append(state["cache"])
        return np.full((6, 3), np.log(1 / 3)), state

    for find in (greedy_search, sample):
        states.clear()
        cache = np.zeros((6, 2))
        find(step, {"cache": cache}, 6, start=0, end=None, max_length=50)
        assert len(states) == 50 and all(seen is cache for seen in states)


@pytest.mark.parametrize("find", [greedy_search, sample, beam_search])
def test_a_dead_end_is_an_error(find):
    """Words of probability 0 alone, at the third token of image 1."""
    model = table(8, images=2, K=2)
    model.tables[2][1] = -np.inf
    with pytest.raises(ValueError, match=f"^{find.__name__}: image 1 has no sentence: every word 3 has probability 0"):
        find(model.step, model.state(), 2, **ENDLESS)


@pytest.mark.parametrize("find", [greedy_search, sample, beam_search])
def test_the_number_of_tokens_is_required(find):
    with pytest.raises(TypeError, match="max_length=None must be an integer"):
        find(lambda tokens, state: (np.zeros((1, 1)), state), None, 1, start=0, end=None, max_length=None)


@pytest.mark.oracle
def test_greedy_search_and_beams_are_transformers_generate():
    """GPT-2 in float64 without an end token: our state is the whole prefix, transformers' ``generate`` keeps keys and values."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=17, n_positions=16, n_embd=16, n_layer=2, n_head=2, bos_token_id=None, eos_token_id=None,
        initializer_range=.5)).double().eval()
    prompt = torch.randint(17, (5, 3))

    def step(tokens, state):
        ids = state if tokens[0] == start else np.concatenate([state, tokens[:, None]], axis=1)   # start follows the prompt
        with torch.no_grad():
            return torch.log_softmax(model(torch.from_numpy(ids)).logits[:, -1], -1).numpy(), ids

    def theirs(beams):
        found = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=6, do_sample=False, pad_token_id=0,
                               num_beams=beams, num_return_sequences=beams, output_scores=True, return_dict_in_generate=True)
        return found.sequences[:, 3:].tolist(), None if beams == 1 else found.sequences_scores.numpy()

    start = 17   # no token of the model
    greedy = greedy_search(step, prompt.numpy(), 5, start=start, end=None, max_length=6)
    assert [list(h.tokens) for h in greedy] == theirs(1)[0]
    beams = beam_search(step, prompt.numpy(), 5, start=start, end=None, max_length=6, beam_size=3, n_best=3, length_penalty=1.0)
    sentences, scores = theirs(3)
    assert [list(h.tokens) for ranked in beams for h in ranked] == sentences
    np.testing.assert_allclose([h.score for ranked in beams for h in ranked], scores, rtol=0, atol=1e-6)   # float32
    assert sentences[::3] != theirs(1)[0]   # the beam finds others than greedy search
