"""BLEU: the share of a caption's n-grams that a reference has, too, and a penalty for being short.

Papineni et al. (2002), "BLEU: a method for automatic evaluation of machine translation"; in the form of the COCO caption
evaluation, which adds small constants and so has no zero counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..autograd.integers import integer
from .ngrams import Tokens, check_captions, ngrams

TINY, SMALL = 1e-15, 1e-9   # the evaluation's, in numerators and denominators
LONGEST = 1000              # n-grams, so that a slip does not count for hours


class BleuScore(NamedTuple):
    """BLEU-1 to BLEU-n.

    Attributes:
        corpus: n floats: of all captions together (matches and lengths are added up, then divided). What papers report.
        sentences: (N, n) float64: of each caption by itself. Their mean is not the corpus's BLEU.
    """

    corpus: tuple[float, ...]
    sentences: np.ndarray


def bleu(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]], n: int = 4) -> BleuScore:
    """BLEU of candidate captions.

    BLEU-k = BP (p_1 p_2 ... p_k)^(1/k). p_j is the share of the candidate's n-grams of length j that are matched; a
    reference can match an n-gram as often as it has it. BP = exp(1 - r/c) for candidates of c tokens that are shorter than
    their references' r, 1 for others; r takes, for each image, the reference closest in length, the shorter one of two
    equally close.

    Args:
        candidates: N token lists, one an image.
        references: N lists of token lists.
        n: the longest n-grams.

    Raises:
        TypeError: see ``check_captions``; n is no integer.
        ValueError: see ``check_captions``; n below 1, or above 1,000.
    """
    check_captions("bleu", candidates, references)
    n = integer("bleu", "n", n, 1)
    if n > LONGEST:
        raise ValueError(f"bleu: n={n}; n-grams of at most {LONGEST} tokens are counted, 4 is usual")
    counts = np.array([_matches(c, rs, n) for c, rs in zip(candidates, references)])   # (N, 2n + 2)
    return BleuScore(tuple(_bleu(counts.sum(0).tolist(), n)), np.array([_bleu(row, n) for row in counts.tolist()]))


def _matches(candidate: Tokens, references: Sequence[Tokens], n: int) -> list[int]:
    """[matched, possible n-grams of length 1, 2, ..., n, c, r] of one caption."""
    most: Counter[tuple] = Counter()
    for reference in references:
        most |= ngrams(reference, n)   # the larger of both counts
    matched = [0] * n
    for gram, count in ngrams(candidate, n).items():
        matched[len(gram) - 1] += min(count, most[gram])
    c = len(candidate)
    r = min((abs(len(reference) - c), len(reference)) for reference in references)[1]
    return [*matched, *(max(0, c - k) for k in range(n)), c, r]


def _bleu(counts: list[int], n: int) -> list[float]:
    """BLEU-1 to BLEU-n of counts as in ``_matches``, of one caption or added up over many."""
    matched, possible, (c, r) = counts[:n], counts[n:2 * n], counts[2 * n:]
    ratio = (c + TINY) / (r + SMALL)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    scores, product = [], 1.0
    for k in range(n):
        product *= (matched[k] + TINY) / (possible[k] + SMALL)
        scores.append(product ** (1 / (k + 1)) * penalty)
    return scores
