"""ROUGE-L: how much of a caption and of a reference their longest common subsequence is.

Lin (2004), "ROUGE: a package for automatic evaluation of summaries"; in the form of the COCO caption evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence

from .ngrams import Score, Tokens, check_captions

BETA = 1.2   # recall counts a little more than precision


def rouge_l(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> Score:
    """ROUGE-L of candidate captions, a mean over images.

    For each image F = (1 + b^2) P R / (R + b^2 P), b = 1.2. P is the longest common subsequence with a reference over the
    candidate's length, R the same over the reference's; each is the best over the references, not both of one reference.

    Args:
        candidates: N token lists, one an image.
        references: N lists of token lists.

    Raises:
        TypeError: strings in place of token lists.
        ValueError: see ``check_captions``.
    """
    check_captions("rouge_l", candidates, references)
    return Score.of([_rouge_l(c, rs) for c, rs in zip(candidates, references)])


def _rouge_l(candidate: Tokens, references: Sequence[Tokens]) -> float:
    candidate = candidate or [""]   # the evaluation reads an empty caption as one empty word: two of them agree
    precision = recall = 0.0
    for reference in references:
        reference = reference or [""]
        common = longest_common_subsequence(candidate, reference)
        precision = max(precision, common / len(candidate))
        recall = max(recall, common / len(reference))
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision) if precision else 0.0


def longest_common_subsequence(a: Tokens, b: Tokens) -> int:
    """The most tokens that both have in the same order, with gaps allowed.

    The table's row for a prefix of ``a`` holds the answer for each prefix of ``b``; only one row is kept.
    """
    row = [0] * (len(b) + 1)
    for token in a:
        corner = 0   # the row before, one to the left
        for j, other in enumerate(b, 1):
            above = row[j]
            if token == other:
                row[j] = corner + 1
            elif row[j - 1] > above:
                row[j] = row[j - 1]
            corner = above
    return row[-1]
