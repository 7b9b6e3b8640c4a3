"""What a describer is taught by: boxes, each with some words about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ...data.worlds.region_scenes import RegionScene
from ...decode.chain import align, segments
from ..captioning.parts import Part as CaptionedPart
from ..captioning.parts import pictures_of
from .data import Part
from .regions import crops

SHORTEST = 2         # words; what is shorter is mostly a stray function word, and is left out


@dataclasses.dataclass(frozen=True)
class Snippets:
    """Pairs of a box and words.

    Attributes:
        picture, box: (P,) int64, the box of each pair.
        words: P tuples.
        dropped: how many were left out because they had one word only.
    """

    picture: np.ndarray
    box: np.ndarray
    words: list[tuple[str, ...]]
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def of(cls, pairs: Sequence[tuple[int, int, Sequence[str]]]) -> Snippets:
        """Those of the (picture, box, words) that have ``SHORTEST`` words or more."""
        kept = [(k, i, tuple(words)) for k, i, words in pairs if len(words) >= SHORTEST]
        picture, box = np.array([(k, i) for k, i, _ in kept], np.int64).reshape(-1, 2).T
        return cls(picture, box, [words for _, _, words in kept], len(pairs) - len(kept))


def inferred(scores: np.ndarray, captions: Sequence[Sequence[str]], beta: float) -> Snippets:
    """What the chain MRF cuts the sentences into. No truth about boxes or words goes in.

    Args:
        scores: v_i . s_t, (K, T, M), -inf where there is no region; padded words last.
        captions: K sentences.
        beta: of the chain.
    """
    return Snippets.of([(k, box, words[start:stop]) for k, words in enumerate(captions)
                        for start, stop, box in segments(align(scores[k, :len(words)], beta)[0])])


def true(scenes: Sequence[RegionScene]) -> Snippets:
    """Each thing's box with its phrase of the sentence, "a" before the words that are about it: the truth, for a bound only."""
    return Snippets.of([(k, int(np.flatnonzero(scene.owner == thing)[0]),
                         ("a", *(word for word, about in zip(scene.caption, scene.thing) if about == thing)))
                        for k, scene in enumerate(scenes) for thing in range(len(scene.things))])


def snippet_part(part: Part, snippets: Snippets) -> CaptionedPart:
    """Snippets as captioned pictures, which are the crops of their boxes."""
    return CaptionedPart([[words] for words in snippets.words], lambda rows: crops(
        [part.images[k] for k in snippets.picture[rows]],
        [part.boxes[k][i:i + 1] for k, i in zip(snippets.picture[rows], snippets.box[rows])]))


def whole_part(part: Part) -> CaptionedPart:
    """Full images with whole sentences; at their own size, since squeezed into a crop's they would show little."""
    return CaptionedPart([[words] for words in part.captions], lambda rows: pictures_of([part.scenes[k] for k in rows]))
