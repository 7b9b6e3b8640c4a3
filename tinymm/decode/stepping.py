"""One step of a model, checked; and the loop that follows one sentence an image, word by word."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..autograd import no_grad
from ..autograd.host import to_numpy
from ..autograd.integers import integer
from .hypothesis import Hypothesis
from .state import check_rows, take

SLACK = 1e-3   # a log-softmax may round to slightly more than 0; logits are far above this


def check_arguments(name: str, step, state, batch_size, start, end, max_length) -> int:
    """The arguments that all searches have; returns ``end``, or for None -1, the id of no word."""
    if not callable(step):
        raise TypeError(f"{name}: step={step!r} must be a function step(tokens, state) -> (log_probs, state)")
    integer(name, "batch_size", batch_size, 1)
    integer(name, "start", start, 0)
    if end is not None:
        integer(name, "end", end, 0)
    integer(name, "max_length", max_length, 1)
    check_rows(name, state, batch_size)
    return -1 if end is None else end


def advance(name: str, step: Callable, tokens: np.ndarray, state, end: int, images: np.ndarray, length: int):
    """Call the model once and check what it returns.

    Args:
        name: the search, for messages.
        tokens: int64 (N,), the last word of each hypothesis.
        images: (N,), the image of each hypothesis, for messages.
        length: how many words the hypotheses will have after this step, for messages.

    Returns:
        (log_probs, state): a float array (N, K), and the new state.

    Raises:
        TypeError: ``step`` returned something else than a pair, or log-probabilities that are not real numbers.
        ValueError: wrong shapes, NaN, log-probabilities above 0.
    """
    result = step(tokens, state)
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"{name}: step returned a {type(result).__name__}; it must return the tuple (log_probs, state)")
    log_probs, state = result
    log_probs = to_numpy(log_probs)
    if log_probs.dtype.kind != "f":
        raise TypeError(f"{name}: step returned log_probs of dtype {log_probs.dtype}; they must be floating-point")
    if log_probs.ndim != 2 or len(log_probs) != len(tokens):
        raise ValueError(f"{name}: step returned log_probs of shape {log_probs.shape}; for {len(tokens)} hypotheses they must be "
                         f"({len(tokens)}, K)")
    if end >= log_probs.shape[1]:
        raise ValueError(f"{name}: end={end} is no word of the model, which has K={log_probs.shape[1]} words")
    check_rows(name, state, len(tokens))
    with np.errstate(invalid="ignore"):
        if not log_probs.max() <= SLACK:   # NaN where there is one
            best = log_probs.max(axis=1)
            row = int((~(best <= SLACK)).argmax())
            what = "NaN" if np.isnan(best[row]) else f"the log-probability {best[row]:.4g}"
            raise ValueError(f"{name}: step returned {what} for image {images[row]} at word {length}; it must return "
                             "log-probabilities, at most 0: F.log_softmax(logits, dim=-1)")
    return log_probs, state


def no_sentence(name: str, image: int | np.integer, length: int) -> ValueError:
    """The error of an image all of whose sentences have probability 0."""
    return ValueError(f"{name}: image {image} has no sentence: every word {length} has probability 0 (log_probs are all -inf)")


def follow(name: str, choose: Callable, step: Callable, state, batch_size: int, start: int, end: int | None,
           max_length: int) -> list[Hypothesis]:
    """One sentence an image: let ``choose(log_probs, images)`` pick the next word until it is ``end``, or, for None, always.

    Args:
        choose: (N, K) log-probabilities and the (N,) images that they belong to -> int64 (N,), the words.

    Returns:
        One Hypothesis an image, whose score is its ``log_prob``.
    """
    last = check_arguments(name, step, state, batch_size, start, end, max_length)
    images = np.arange(batch_size)   # (N,), those whose sentence goes on
    tokens = np.full(batch_size, start, dtype=np.int64)
    words = np.zeros((batch_size, max_length), dtype=np.int64)
    lengths = np.full(batch_size, max_length)   # in words, end not counted
    log_prob = np.zeros(batch_size)
    with no_grad():
        for length in range(1, max_length + 1):
            log_probs, state = advance(name, step, tokens, state, last, images, length)
            best = log_probs.max(axis=1)   # (N,)
            if best.min() == -np.inf:
                raise no_sentence(name, int(images[best.argmin()]), length)
            tokens = choose(log_probs, images)   # (N,)
            log_prob[images] += log_probs[np.arange(len(images)), tokens]
            words[images, length - 1] = tokens
            going = np.flatnonzero(tokens != last)
            lengths[images[tokens == last]] = length - 1
            if len(going) < len(images):
                images, tokens = images[going], tokens[going]
                if not len(images):
                    break
                state = take(state, going)
    unfinished = set(images.tolist()) if end is not None else set()
    return [Hypothesis(tuple(words[i, :lengths[i]].tolist()), float(log_prob[i]), float(log_prob[i]), i not in unfinished)
            for i in range(batch_size)]
