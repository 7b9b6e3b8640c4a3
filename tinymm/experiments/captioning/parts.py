"""Captioned pictures of one part of the data: scenes of an embedded world, or photographs of a published dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from ...backend.random import Stream
from ...data import CaptionDataset
from ...text import Vocabulary, tokenize
from .datasets import open_captions

RARE = 5             # a word seen less often than this is <unk>, as in Show and Tell ...
MANY = 10_000        # ... in datasets of at least so many captions; in small ones every word counts
PHOTO_SIZE = 64      # pixels a side of a photograph


@dataclasses.dataclass(frozen=True)
class Part:
    """Training, validation or test pictures.

    Attributes:
        captions: for each picture its captions, as tokens.
        images: ``images(rows)`` gives pictures (B, C, H, W) float32 in [0, 1].
        scenes: the truth about each picture; none of photographs.
    """

    captions: Sequence[Sequence[Sequence[str]]]
    images: Callable[[Sequence[int]], np.ndarray]
    scenes: Sequence = ()

    def __len__(self) -> int:
        return len(self.captions)

    def tokens(self):
        """All captions, one after the other."""
        return (tokens for of_picture in self.captions for tokens in of_picture)


def scene_part(scenes: Sequence) -> Part:
    """The pictures and captions of scenes of a world, such as those of DigitScenes; floats are made of pictures asked for."""
    captions = [[c.words for c in scene.captions] for scene in scenes]
    return Part(captions, lambda rows: pictures_of([scenes[i] for i in rows]), scenes)


def pictures_of(scenes: Sequence) -> np.ndarray:
    """Their pictures, (B, C, H, W) float32 in [0, 1]."""
    pictures = np.stack([scene.image for scene in scenes])
    return (pictures if pictures.ndim == 4 else pictures[:, None]).astype(np.float32) / 255


def alone(image: np.ndarray, words: Sequence[str]) -> Part:
    """A part with one picture (C, H, W) and one sentence."""
    return Part([[words]], lambda rows: image[None][np.asarray(rows)])


def shuffled(texts: Sequence[str], seed: int, what: str = "texts") -> list[str]:
    """The texts in another order: each picture with that of some other. ``what`` they are names the stream of the order."""
    order = Stream(f"shuffled {what}", seed).generator.permutation(len(texts))
    return [texts[int(i)] for i in order]


def captions_of(part: Part) -> list[str]:
    """The first caption of each picture."""
    return [" ".join(of_picture[0]) for of_picture in part.captions]


def photo_parts(lecture: int, name: str, root: str, seed: int, size: int = PHOTO_SIZE) -> dict[str, Part]:
    """Photographs of ``size`` pixels a side: "train", "validation" and "test", by the dataset's splits; what it lacks is taken at
    random from its training pictures, an eighth of them each.

    Raises:
        ValueError: fewer than three pictures, or too few for training.
    """
    dataset = open_captions(name, root, size)
    return {ours: _photos(part) for ours, part in divided(lecture, name, root, dataset, seed).items()}


def divided(lecture: int, name: str, root: str, dataset, seed: int) -> dict:
    """A dataset as "train", "validation" and "test", with the errors of ``photo_parts``."""
    if len(dataset) < 3:
        raise ValueError(f"lecture {lecture}: {name} in {root} has {len(dataset)} captioned pictures; it takes at least 3, "
                         "for training, validation and test")
    whole = "train" not in dataset.splits   # a dataset that says nothing of training is one heap of pictures
    rest = list((dataset if whole else dataset.split("train")).records)
    order = Stream("photographs", seed).generator.permutation(len(rest))
    rest, held, parts = [rest[i] for i in order], max(1, len(rest) // 8), {}
    for ours, theirs in (("validation", "val"), ("test", "test")):
        if theirs in dataset.splits and not whole:
            parts[ours] = dataset.split(theirs)
        else:
            parts[ours] = dataset.of(rest[:held])
            rest = rest[held:]
    parts["train"] = dataset.of(rest)
    for ours, part in parts.items():
        if not len(part):
            raise ValueError(f"lecture {lecture}: {name} in {root} has no picture left for {ours}; it takes more training "
                             f"pictures")
    print(", ".join(f"{len(part)} pictures for {ours}" for ours, part in parts.items()))
    return parts


def _photos(dataset: CaptionDataset) -> Part:
    captions = [[tokenize(c) for c in record.captions] if record.tokens is None else record.tokens for record in dataset.records]
    return Part(captions, lambda rows: np.stack([dataset[int(i)][0] for i in rows]))


def vocabulary_of(train: Part) -> Vocabulary:
    """The words of the training captions."""
    sentences = list(train.tokens())
    return Vocabulary.build(sentences) if train.scenes else frequent_words(sentences)


def frequent_words(sentences: Sequence[Sequence[str]]) -> Vocabulary:
    """The words of captions of photographs; of many captions the frequent ones."""
    return Vocabulary.build(sentences, min_count=RARE if len(sentences) >= MANY else 1)
