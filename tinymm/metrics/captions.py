"""All caption metrics at once, and how well people do in them."""

from __future__ import annotations

from collections.abc import Sequence

from .bleu import bleu
from .cider import cider, cider_d
from .ngrams import Tokens, check_captions, check_references
from .rouge import rouge_l


def caption_scores(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> dict[str, float]:
    """BLEU-1 to BLEU-4, ROUGE-L, CIDEr and CIDEr-D of captions.

    The numbers of the COCO caption evaluation, whose "CIDEr" is CIDEr-D here. They go up to 1, those of CIDEr up to 10;
    papers print them times 100.

    Args:
        candidates: N token lists, one an image.
        references: N lists of token lists.

    Raises:
        TypeError: strings in place of token lists.
        ValueError: no images, unequal numbers of them, or an image without references.
    """
    check_captions("caption_scores", candidates, references)
    scores = {f"BLEU-{k}": score for k, score in enumerate(bleu(candidates, references).corpus, 1)}
    return scores | {"ROUGE-L": rouge_l(candidates, references).mean, "CIDEr": cider(candidates, references).mean,
                     "CIDEr-D": cider_d(candidates, references).mean}


def leave_one_out(references: Sequence[Sequence[Tokens]]) -> dict[str, float]:
    """What people score: each reference in turn is a candidate for the others of its image, and the scores are averaged.

    One reference fewer is left to compare with than a model's captions have, which makes these numbers a little lower.
    Where images have different numbers of references, those with fewer take theirs in turn again.

    Args:
        references: N lists of two or more token lists.

    Returns:
        The keys of ``caption_scores``.

    Raises:
        TypeError: strings in place of token lists.
        ValueError: an image with fewer than two references.
    """
    check_references("leave_one_out", references)
    for i, of_image in enumerate(references):
        if len(of_image) < 2:
            raise ValueError(f"leave_one_out: references[{i}] is a single caption; to score one against the others takes two")
    rounds = []
    for k in range(max(map(len, references))):
        left_out = [k % len(of_image) for of_image in references]
        rounds.append(caption_scores([of_image[i] for i, of_image in zip(left_out, references)],
                                     [[*of_image[:i], *of_image[i + 1:]] for i, of_image in zip(left_out, references)]))
    return {key: sum(scores[key] for scores in rounds) / len(rounds) for key in rounds[0]}
