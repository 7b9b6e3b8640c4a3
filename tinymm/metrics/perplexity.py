"""Perplexity: how many equally likely words a language model is as unsure about as if it had to choose among them.

Vinyals et al. (2015), "Show and Tell", section 4.1: the geometric mean of the inverse probability of each word,

    perplexity = 2^H,    H = -1/N sum over the N words of log_2 p(word | the picture, the words before it)

H is in bits a word. It is also exp of the mean cross-entropy in nats, as losses are reported.
"""

from __future__ import annotations

import math

import numpy as np

from .. import functional as F
from ..autograd import Tensor, no_grad
from ..autograd.host import to_numpy
from ..backend.arrays import is_array
from .numbers import numbers


def perplexity(logits, targets, ignore_index: int = -100) -> float:
    """2^H over the words of a batch.

    Args:
        logits: floats (..., K), Tensor or array; log-probabilities are logits, too.
        targets: integers (...), the word at each place.
        ignore_index: places with this target do not count, like those after the end of a caption.

    Returns:
        From 1, every word foreseen for certain, to infinity, a word of probability 0. K if all words were alike.

    Raises:
        ValueError: shapes that do not fit; no word to count.
        IndexError: a target that is no word.
    """
    logits, targets = (x if isinstance(x, Tensor) else Tensor(x if is_array(x) else numbers("perplexity", what, x))
                       for what, x in (("logits", logits), ("targets", targets)))
    if logits.ndim < 1 or logits.shape[:-1] != targets.shape:
        raise ValueError(f"perplexity: targets of shape {targets.shape} do not fit logits of shape {logits.shape}; logits are "
                         "(..., K) and targets (...)")
    with no_grad():
        rows, words = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)
        nll = F.cross_entropy(rows, words, ignore_index=ignore_index, reduction="none")          # (N,), 0 where ignored
        count = int((words != ignore_index).sum())
    return perplexity_of_corpus(-float(to_numpy(nll).sum(dtype=np.float64)), count)


def perplexity_of_corpus(log_prob: float, words: int) -> float:
    """2^H of a corpus that was read in many batches.

    Args:
        log_prob: the sum of the natural log-probabilities of all its words.
        words: how many there are, ends of sentences included.

    Raises:
        ValueError: no words.
    """
    if words < 1:
        raise ValueError(f"perplexity: words={words}: there must be at least one word that counts (is every target "
                         "ignore_index?)")
    bits = -log_prob / (words * math.log(2))   # H
    return math.inf if bits >= 1024 else 2.0**bits   # 2^1024 is more than float64 can hold
