"""The figures of the caption study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ... import plot
from ..captioning.parts import Part
from ..tables import BLEU, table

SHOWN = 4            # pictures of each kind


def described(test: Part, sentences: Mapping[str, Sequence[Sequence[str]]], row: str = "LRCN-2f"):
    """Pictures with what LRCN-2f says of them: first sentences that are references, then others."""
    said = sentences[row]
    right = [tuple(words) in set(map(tuple, references)) for words, references in zip(said, test.captions)]
    chosen = [i for kind in (True, False) for i in [i for i, r in enumerate(right) if r is kind][:SHOWN]]
    return plot.caption_grid(list(test.images(chosen)), [" ".join(said[i]) for i in chosen],
                             [" ".join(_nearest(said[i], test.captions[i])) for i in chosen], [right[i] for i in chosen],
                             title=f"{row}: sentences that are among the references, and others; in italics the closest reference")


def _nearest(words: Sequence[str], references: Sequence[Sequence[str]]) -> Sequence[str]:
    """The reference that shares most words with this sentence, for its length."""
    return max(references, key=lambda reference: len(set(words) & set(reference)) / len(set(words) | set(reference)))


def all_figures(test: Part, sentences: Mapping[str, Sequence[Sequence[str]]], metrics: Mapping) -> dict:
    """File name -> Figure."""
    rows = {row: scores for row, scores in metrics["bleu"].items() if row.startswith("1NN")}
    best = {f"{row}, best wording": scores for row, scores in metrics["bleu of the best wording"].items()}
    models = {row: scores for row, scores in metrics["bleu"].items() if row not in rows}
    return {"captions.png": described(test, sentences),
            "bleu.png": table({**rows, **best, **models}, BLEU, "BLEU in per cent, the same references in every row"),
            "bleu_4.png": plot.bars({row: scores[3] for row, scores in {**rows, **best, **models}.items()}, ylabel="BLEU-4 (%)",
                                    fmt="{:.1f}", colors=[plot.COLORS[5]] * 2 + [plot.COLORS[4]] * 2 + [plot.COLORS[0]] * 3)}
