"""Greedy search: the likeliest word, every time."""

from __future__ import annotations

from collections.abc import Callable

from .hypothesis import Hypothesis
from .stepping import follow


def greedy_search(step: Callable, state, batch_size: int, *, start: int, end: int | None, max_length: int) -> list[Hypothesis]:
    """Sentences by taking the likeliest next word until it is ``end``: w_t = argmax p(w | w_1...w_{t-1}).

    Of equally likely words the one with the lowest id is taken. The same as ``beam_search`` with ``beam_size=1``.

    Args:
        step: the model, ``step(tokens, state) -> (log_probs, state)``; see ``tinymm.decode``.
        state: the state before the first word, one row an image.
        batch_size: images.
        start: the id that the first step is given; not part of the sentences.
        end: the id of the word that ends a sentence; None for sentences of exactly ``max_length`` tokens.
        max_length: the most tokens in a sentence, ``end`` included and ``start`` not.

    Returns:
        One Hypothesis an image; its score is its ``log_prob``.

    Raises:
        ValueError, TypeError: bad arguments; a step that returns wrong shapes, NaN, or numbers that are no
            log-probabilities; an image whose next word can be none.
    """
    return follow("greedy_search", lambda log_probs, images: log_probs.argmax(axis=1), step, state, batch_size, start, end,
                  max_length)
