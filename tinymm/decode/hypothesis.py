"""Hypothesis: a sentence that a search found, with its probability."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hypothesis:
    """A sentence and what the model thinks of it.

    Args:
        tokens: the words' ids, without start and end.
        log_prob: the sum of the words' natural log-probabilities, the end token's included where there is one.
        score: what sentences are ranked by; in beam search ``log_prob`` over a power of the length.
        finished: whether the end token was chosen, rather than the sentence cut at ``max_length``; always where sentences have a
            fixed number of tokens, and no end token.
    """

    tokens: tuple[int, ...]
    log_prob: float
    score: float
    finished: bool
