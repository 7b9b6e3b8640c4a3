"""Ancestral sampling: each word drawn from its distribution given the words before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..autograd.integers import integer
from ..backend.random import Stream, stream
from .hypothesis import Hypothesis
from .stepping import follow
from .top import pick, top_words


def sample(step: Callable, state, batch_size: int, *, start: int, end: int | None, max_length: int, temperature: float = 1.0,
           top_k: int | None = None, top_p: float | None = None, generator: Stream | str | None = None) -> list[Hypothesis]:
    """Draw one sentence an image, word by word, from q(w) proportional to p(w | words before)^(1/temperature).

    ``top_k`` and then ``top_p`` restrict the words that may be drawn; what is left of q is renormalised each time.
    Every image has its own random numbers, so its sentence does not depend on when the others end.

    Args:
        step: the model, ``step(tokens, state) -> (log_probs, state)``; see ``tinymm.decode``.
        state: the state before the first word, one row an image.
        batch_size: images. For several sentences of one image, repeat its row: ``take(state, rows)``.
        start: the id that the first step is given; not part of the sentences.
        end: the id of the word that ends a sentence; None for sentences of exactly ``max_length`` tokens.
        max_length: the most tokens in a sentence, ``end`` included and ``start`` not.
        temperature: above 0; below 1 sharpens, above 1 flattens.
        top_k: draw among the k likeliest words only; of equally likely ones the lower ids.
        top_p: draw from the nucleus only, the fewest likeliest words whose q adds up to at least ``top_p``
            (Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", eq. 2).
        generator: the random stream, or its name (default: the stream "sampling").

    Returns:
        One Hypothesis an image. Its ``log_prob`` and score are the model's own, at temperature 1 and unrestricted.

    Raises:
        ValueError, TypeError: bad arguments, temperature 0 among them; a step that returns wrong shapes, NaN, or
            numbers that are no log-probabilities; an image whose next word can be none.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"sample: temperature={temperature} must be above 0 and finite; for the likeliest word (the limit at 0) "
                         "use greedy_search")
    if top_k is not None:
        integer("sample", "top_k", top_k, 1)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"sample: top_p={top_p} must be above 0 and at most 1")
    draws = stream(generator, "sampling").generator

    def choose(log_probs: np.ndarray, images: np.ndarray) -> np.ndarray:
        weights = _tempered(log_probs, temperature)   # (N, K)
        if top_k is not None:
            weights = _only(weights, top_words(log_probs, top_k))
        if top_p is not None:
            weights = _nucleus(weights, top_p)
        return _draw(weights, draws.random(batch_size)[images])

    return follow("sample", choose, step, state, batch_size, start, end, max_length)


def _tempered(log_probs: np.ndarray, temperature: float) -> np.ndarray:
    """p^(1/temperature) in float64, scaled so that the largest is 1."""
    below = log_probs.astype(np.float64)
    below -= below.max(axis=1, keepdims=True)
    with np.errstate(over="ignore", under="ignore"):   # -inf and 0 are what a tiny temperature means
        below /= temperature
        return np.exp(below, out=below)


def _only(weights: np.ndarray, words: np.ndarray) -> np.ndarray:
    """The weights of ``words`` (N, k), and 0 elsewhere."""
    kept = np.zeros_like(weights)
    np.put_along_axis(kept, words, pick(weights, words), axis=1)
    return kept


def _nucleus(weights: np.ndarray, top_p: float) -> np.ndarray:
    """The weights of the fewest largest ones that reach the share ``top_p``, and 0 elsewhere."""
    order = np.argsort(-weights, axis=1, kind="stable")
    ranked = pick(weights, order)
    reached = np.cumsum(ranked, axis=1)                               # (N, K)
    before = np.zeros_like(reached)
    before[:, 1:] = reached[:, :-1]                                   # share of the words ahead of each
    ranked[before >= top_p * reached[:, -1:]] = 0
    kept = np.empty_like(weights)
    np.put_along_axis(kept, order, ranked, axis=1)
    return kept


def _draw(weights: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """For each row the first index whose cumulated weight exceeds ``uniform`` of the total; never one of weight 0."""
    reached = np.cumsum(weights, axis=1)                              # (N, K)
    return np.count_nonzero(reached <= uniform[:, None] * reached[:, -1:], axis=1)
