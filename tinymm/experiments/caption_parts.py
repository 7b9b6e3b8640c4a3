"""The data of lecture 4: the digit scenes, or photographs with captions from a published dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from ..backend.random import Stream
from ..data import CaptionDataset
from ..data.digit_scenes import DigitScenes, Scene
from ..text import Vocabulary, tokenize
from .caption_datasets import open_captions

RARE = 5             # a word seen less often than this is <unk>, as in Show and Tell ...
MANY = 10_000        # ... in datasets of at least so many captions; in small ones every word counts
PHOTO_SIZE = 64      # pixels a side of a photograph


@dataclasses.dataclass(frozen=True)
class Part:
    """Training, validation or test pictures.

    Attributes:
        captions: for each picture its captions, as tokens.
        images: ``images(rows)`` gives pictures (B, C, H, W) float32 in [0, 1].
        scenes: the truth about each picture; None for photographs.
    """

    captions: Sequence[Sequence[Sequence[str]]]
    images: Callable[[Sequence[int]], np.ndarray]
    scenes: Sequence[Scene] | None = None

    def __len__(self) -> int:
        return len(self.captions)

    def tokens(self):
        """All captions, one after the other."""
        return (tokens for of_picture in self.captions for tokens in of_picture)


def scene_parts(counts: dict[str, int], seed: int) -> dict[str, Part]:
    """Digit scenes: part -> that many of them. No handwritten original is in two parts."""
    parts = {}
    for name, count in counts.items():
        scenes = DigitScenes(name, count, seed)
        pictures = scenes.images()
        parts[name] = Part([[c.words for c in scene.captions] for scene in scenes.scenes],
                           lambda rows, pictures=pictures: pictures[np.asarray(rows)], scenes.scenes)
    return parts


def photo_parts(name: str, root: str, seed: int) -> dict[str, Part]:
    """Photographs: "train", "validation" and "test", by the dataset's splits; what it lacks is taken at random from its
    training pictures, an eighth of them each.

    Raises:
        ValueError: fewer than three pictures.
    """
    dataset = open_captions(name, root, PHOTO_SIZE)
    if len(dataset) < 3:
        raise ValueError(f"lecture 4: {name} in {root} has {len(dataset)} captioned pictures; it takes at least 3, for training, "
                         "validation and test")
    whole = "train" not in dataset.splits   # a dataset that says nothing of training is one heap of pictures
    rest = list((dataset if whole else dataset.split("train")).records)
    order = Stream("photographs", seed).generator.permutation(len(rest))
    rest, held, parts = [rest[i] for i in order], max(1, len(rest) // 8), {}
    for ours, theirs in (("validation", "val"), ("test", "test")):
        if theirs in dataset.splits and not whole:
            parts[ours] = dataset.split(theirs)
        else:
            parts[ours] = CaptionDataset(rest[:held], image_size=PHOTO_SIZE)
            rest = rest[held:]
    parts["train"] = CaptionDataset(rest, image_size=PHOTO_SIZE)
    print(", ".join(f"{len(part)} pictures for {ours}" for ours, part in parts.items()))
    return {ours: _photos(part) for ours, part in parts.items()}


def _photos(dataset: CaptionDataset) -> Part:
    captions = [[tokenize(c) for c in record.captions] if record.tokens is None else record.tokens for record in dataset.records]
    return Part(captions, lambda rows: np.stack([dataset[int(i)][0] for i in rows]))


def vocabulary_of(train: Part) -> Vocabulary:
    """The words of the training captions."""
    sentences = list(train.tokens())
    return Vocabulary.build(sentences, min_count=RARE if len(sentences) >= MANY and train.scenes is None else 1)
