"""Greedy search word by word, and what all searches refuse."""

import numpy as np
import pytest

from tests.decode.models import START, TableModel
from tinymm import Tensor
from tinymm.decode import Hypothesis, beam_search, greedy_search, sample


def test_same_as_a_loop():
    model = TableModel.random(seed=1, images=50, K=5, depth=4, zeros=.2)
    for max_length in (1, 2, 4):
        found = greedy_search(model.step, model.state(), 50, start=START, end=0, max_length=max_length)
        for image, h in enumerate(found):
            words, total = (), 0.0
            while len(words) < max_length:
                scores = model.next(image, words)
                total, word = total + scores.max(), int(scores.argmax())
                if word == 0:
                    break
                words += (word,)
            assert h == Hypothesis(words, pytest.approx(total, abs=1e-12), pytest.approx(total, abs=1e-12), len(words) < max_length)
    assert found == [greedy_search(model.step, model.state([i]), 1, start=START, end=0, max_length=4)[0] for i in range(50)]


def test_of_equal_words_the_first():
    model = TableModel.ties(seed=2, images=60, depth=4)
    greedy = greedy_search(model.step, model.state(), 60, start=START, end=0, max_length=4)
    beam = beam_search(model.step, model.state(), 60, start=START, end=0, max_length=4, beam_size=1)
    assert [[h] for h in greedy] == beam


def test_cut_and_empty_sentences():
    never = lambda tokens, state: (np.tile(np.log([.3, .7]), (len(tokens), 1)), state)
    assert greedy_search(never, None, 2, start=0, end=0, max_length=3)[1] == \
        Hypothesis((1, 1, 1), pytest.approx(3 * np.log(.7)), pytest.approx(3 * np.log(.7)), False)
    assert greedy_search(never, None, 1, start=0, end=1, max_length=3)[0] == Hypothesis((), np.log(.7), np.log(.7), True)


def good(tokens, state):
    return np.full((len(tokens), 4), np.log(.25)), state


@pytest.mark.parametrize("find", [greedy_search, beam_search, sample])
@pytest.mark.parametrize("change, message", [
    (dict(batch_size=0), "batch_size=0 must be a positive integer"),
    (dict(batch_size=True), "batch_size=True must be an integer"),
    (dict(start=-1), "start=-1 must be an integer not less than 0"),
    (dict(start=None), "start=None must be an integer"),
    (dict(end=-1), "end=-1 must be an integer not less than 0"),
    (dict(end=4), "end=4 is no word of the model, which has K=4 words"),
    (dict(max_length=0), "max_length=0 must be a positive integer"),
    (dict(max_length=2.5), "max_length=2.5 must be an integer"),
    (dict(step="greedy"), "step='greedy' must be a function"),
    (dict(step=lambda t, s: good(t, s)[0]), r"step returned a ndarray; it must return the tuple \(log_probs, state\)"),
    (dict(step=lambda t, s: (good(t, s)[0][0], s)),
     r"step returned log_probs of shape \(4,\); for 2 hypotheses they must be \(2, K\)"),
    (dict(step=lambda t, s: (good(t, s)[0][:1], s)), r"step returned log_probs of shape \(1, 4\)"),
    (dict(step=lambda t, s: (np.zeros((len(t), 4), dtype=int), s)), "step returned log_probs of dtype int64"),
    (dict(step=lambda t, s: (Tensor(good(t, s)[0] + 2.0), s)), "step returned the log-probability 0.6137 for image 0 at word 1"),
    (dict(step=lambda t, s: (good(t, s)[0] - np.inf, s)), "image 0 has no sentence: every word 1 has probability 0"),
    (dict(state=7), "state is of type int"),
])
def test_bad_arguments(find, change, message):
    arguments = dict(step=good, state=None, batch_size=2, start=0, end=0, max_length=3) | change
    with pytest.raises((ValueError, TypeError), match=f"^{find.__name__}: {message}"):
        find(**arguments)


@pytest.mark.parametrize("find", [greedy_search, beam_search, sample])
def test_nan_is_reported_with_its_image(find):
    """Image 0 ends after one word, image 2 turns NaN at the second."""
    def step(tokens, image):
        scores = np.full((len(tokens), 3), -np.inf)
        scores[np.arange(len(tokens)), np.where(image == 0, 0, 1)] = 0
        if (tokens == 1).all():
            assert 0 not in image
            scores[image == 2, 2] = np.nan
        return scores, image

    with pytest.raises(ValueError, match="step returned NaN for image 2 at word 2"):
        find(step, np.arange(3), 3, start=2, end=0, max_length=5)
