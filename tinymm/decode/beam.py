"""Beam search over whole batches: the likeliest sentences, as far as a few hypotheses at a time can tell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..autograd import no_grad
from ..autograd.integers import integer
from .hypothesis import Hypothesis
from .state import take
from .stepping import advance, check_arguments, no_sentence
from .top import best_first, pick, top_words

# A completed sentence: it ended at word ``step`` after the hypothesis ``row`` of the step before.
_COMPLETED = np.dtype([("score", "f8"), ("log_prob", "f8"), ("step", "i8"), ("row", "i8")])


def beam_search(step: Callable, state, batch_size: int, *, start: int, end: int | None, max_length: int,
                beam_size: int = 5, length_penalty: float = 0.0, n_best: int = 1) -> list[list[Hypothesis]]:
    """The best sentences of each image among those that a beam of ``beam_size`` hypotheses meets.

    The rule (Vinyals et al. 2015, "Show and Tell", section 3.3; finishing as in the authors' im2txt):

    1. At each step every live hypothesis proposes its ``beam_size`` likeliest words; the first step has one
       hypothesis, the start. Words of probability 0 are never proposed.
    2. Proposals of ``end`` leave the beam: they are completed sentences, of which the ``beam_size`` best are kept,
       ranked by score = log_prob / length**length_penalty, where the length counts ``end``.
    3. Of the other proposals, the ``beam_size`` of highest log-probability are the new live hypotheses.
    4. An image is done when no live hypothesis can still beat its ``n_best``-th best completed sentence.
       Log-probabilities are at most 0, so what grows out of a live hypothesis scores at most
       log_prob / max_length**length_penalty.
    5. At ``max_length``, if fewer than ``n_best`` are completed, live hypotheses follow, best first, as unfinished; where
       ``end`` is None, these are the completed sentences.

    Equal scores: the sentence completed earlier comes first, then the one whose hypothesis ranked higher, then the
    lower word id. With ``beam_size=1`` this is greedy search; a beam that holds all (K - 1)^(max_length - 1) partial
    sentences, and at least K, finds the exact best. In between, a larger beam may do worse. A positive
    ``length_penalty`` favours longer sentences (it divides a negative number by more).

    Args:
        step: the model, ``step(tokens, state) -> (log_probs, state)``; see ``tinymm.decode``.
        state: the state before the first word, one row an image.
        batch_size: images.
        start: the id that the first step is given; not part of the sentences.
        end: the id of the word that ends a sentence; None for sentences of exactly ``max_length`` tokens.
        max_length: the most tokens in a sentence, ``end`` included and ``start`` not (im2txt's
            ``max_caption_length`` counts both).
        beam_size: live hypotheses an image; more than the model has words is allowed.
        length_penalty: the power of the length; 0 ranks by log-probability.
        n_best: sentences to return an image, at most ``beam_size``.

    Returns:
        For each image up to ``n_best`` hypotheses, finished ones first, best first; fewer where the beam met fewer.

    Raises:
        ValueError, TypeError: bad arguments; a step that returns wrong shapes, NaN, or numbers that are no
            log-probabilities; an image with no sentence of positive probability.
    """
    trace, completed, numbers = explore("beam_search", step, state, batch_size, start, end, max_length, beam_size, length_penalty,
                                        n_best)
    found = [[Hypothesis(_words(trace[:c["step"] - 1], c["row"]), float(c["log_prob"]), float(c["score"]), True)
              for c in ranked[:n_best] if c["score"] > -np.inf] for ranked in completed]
    for row, number in enumerate(numbers):
        if len(found[number]) < n_best:
            log_prob = float(trace[-1][2][row])
            found[number].append(Hypothesis(_words(trace, row), log_prob, log_prob / max_length**length_penalty, end is None))
    return found


def explore(name: str, step: Callable, state, batch_size: int, start: int, end: int | None, max_length: int, beam_size: int,
            length_penalty: float, n_best: int) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], np.ndarray, np.ndarray]:
    """The search itself, as what it met; the arguments after ``name``, the caller for messages, are ``beam_search``'s.

    Returns:
        trace: for each step the live hypotheses after it, by image, best first: three arrays (N,) of their rows in the step
            before, their last words, and their log-probabilities.
        completed: (B, beam_size), of ``_COMPLETED``, the sentences kept, best first; places with score -inf are empty.
        numbers: (N,), the image of each hypothesis that is still live at ``max_length``.
    """
    last = check_arguments(name, step, state, batch_size, start, end, max_length)
    integer(name, "beam_size", beam_size, 1)
    integer(name, "n_best", n_best, 1)
    if n_best > beam_size:
        raise ValueError(f"{name}: n_best={n_best} must be at most beam_size={beam_size}, the number of sentences kept")
    if not 0 <= length_penalty < np.inf:
        raise ValueError(f"{name}: length_penalty={length_penalty} must be at least 0 and finite")

    images, count = np.arange(batch_size), np.ones(batch_size, dtype=np.int64)   # (B,), those that are not done; their hypotheses
    tokens = np.full(batch_size, start, dtype=np.int64)  # (N,), by image, best first
    log_prob = np.zeros(batch_size)                      # (N,)
    trace = []
    completed = np.zeros((batch_size, beam_size), dtype=_COMPLETED)   # best first
    completed["score"] = -np.inf

    with no_grad():
        for length in range(1, max_length + 1):
            log_probs, state = advance(name, step, tokens, state, last, np.repeat(images, count), length)
            words = top_words(log_probs, beam_size)                                              # (N, k)
            reached = log_prob[:, None] + pick(log_probs, words)                                 # (N, k), float64

            first = np.cumsum(count) - count                                                     # (B,), each image's first row
            ended = words == last
            if ended.any():
                row, choice = np.nonzero(ended)                                                  # (E,)
                place = np.repeat(np.arange(len(images)), count)[row]
                _complete(completed, images, (place, row - first[place]), reached[row, choice], length, row, length_penalty)
                reached[row, choice] = -np.inf

            if len(tokens) == len(images) * beam_size:
                grid = reached
            else:
                grid = np.full((len(images), beam_size, words.shape[1]), -np.inf)                # (B, beam, k)
                grid[np.arange(beam_size) < count[:, None]] = reached
            best, live = best_first(grid.reshape(len(images), -1), beam_size)                    # (B, beam), places and values

            scores = completed["score"][images]                                                  # (B, beam)
            lost = np.maximum(live[:, 0], scores[:, 0]) == -np.inf
            if lost.any():
                raise no_sentence(name, int(images[lost.argmax()]), length)
            going = live[:, 0] / max_length**length_penalty > scores[:, n_best - 1]              # (B,)

            kept = (live > -np.inf) & going[:, None]                                             # (B, beam)
            count = np.count_nonzero(kept, axis=1)
            rank, choice = np.divmod(best[kept], words.shape[1])                                 # (N,), the new hypotheses
            parents = np.repeat(first, count) + rank
            tokens, log_prob = words[parents, choice], live[kept]
            trace.append((parents, tokens, log_prob))
            images, count = images[going], count[going]
            if not len(images):
                break
            if length < max_length:
                state = take(state, parents)

    return trace, completed, np.repeat(images, count)


def _complete(completed: np.ndarray, images: np.ndarray, place: tuple, log_prob: np.ndarray, length: int, row: np.ndarray,
              length_penalty: float) -> None:
    """Rank newly completed sentences among the older ones, in place; of equal ones the older stay ahead.

    Args:
        completed: (images, beam) of all images, best first.
        images: (B,), those that are not done.
        place: two arrays (E,), for each new sentence its position in ``images`` and its hypothesis's rank.
        log_prob: (E,), of the new sentences; one of -inf ranks with the empty places.
        length: in words, the end token included.
        row: (E,), the hypotheses that ended.
    """
    new = np.zeros((len(images), completed.shape[1]), dtype=_COMPLETED)
    new["score"] = -np.inf
    new["log_prob"][place], new["score"][place] = log_prob, log_prob / length**length_penalty
    new["step"][place], new["row"][place] = length, row
    both = np.concatenate([completed[images], new], axis=1)                                      # (B, 2 beam)
    best = np.argsort(-both["score"], axis=1, kind="stable")[:, :completed.shape[1]]
    completed[images] = pick(both, best)


def _words(trace: list[tuple[np.ndarray, np.ndarray, np.ndarray]], row: int) -> tuple[int, ...]:
    """The words of hypothesis ``row`` after the last step of ``trace``, found by walking back along its parents."""
    words = []
    for parents, tokens, _ in reversed(trace):
        words.append(int(tokens[row]))
        row = parents[row]
    return tuple(reversed(words))
