"""What lecture 3 learns from: pictures with boxes and one sentence each, and the same as arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ...autograd import Tensor
from ...backend.random import Stream
from ...data.worlds.region_scenes import RegionScene, RegionScenes
from ...models.conv_encoder import ConvEncoder
from ...text import Vocabulary
from .regions import Regions, padded, regions_of


@dataclasses.dataclass(frozen=True)
class Part:
    """Training, validation or test pictures.

    Attributes:
        images: N pictures (3, H, W), uint8 or floats in [0, 1].
        boxes: for each picture (M, 4) integers (top, left, bottom, right), the whole picture among them.
        captions: sentences as tokens, one for each picture, or several.
        scenes: the truth about each picture; none of photographs.
        features: for each picture those of its boxes (M, F), where another program has computed them.
        owner: the picture of each sentence, where pictures have several; None where sentence k is of picture k.
    """

    images: Sequence[np.ndarray]
    boxes: Sequence[np.ndarray]
    captions: Sequence[Sequence[str]]
    scenes: Sequence[RegionScene] = ()
    features: Sequence[np.ndarray] = ()
    owner: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.captions)


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a study of this lecture is given.

    Attributes:
        variant: of the lecture.
        parts: "train", "validation" and "test".
        vocabulary: the words of the training sentences.
        epochs: rounds of the alignment.
        steps: of each describer, in the variant that trains some.
        seed: of weights and order.
        device: where to train.
    """

    variant: str
    parts: Mapping[str, Part]
    vocabulary: Vocabulary
    epochs: int
    steps: int
    seed: int
    device: str


def scene_parts(counts: dict[str, int], seed: int) -> dict[str, Part]:
    """Parts of ``RegionScenes``, with so many scenes each."""
    worlds = {part: RegionScenes(part, count, seed).scenes for part, count in counts.items()}
    return {part: Part([s.image for s in scenes], [s.boxes for s in scenes], [s.caption for s in scenes], scenes)
            for part, scenes in worlds.items()}


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pictures as regions, and a sentence for each.

    Attributes:
        regions: of N pictures.
        ids: the words, (N, L) int64, padded at the end.
    """

    regions: Regions
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, rows: Sequence[int] | np.ndarray | slice, device: str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
        """Some pairs as the model takes them: phi (B, M, F), inside (B, M), S (T, B), T the longest sentence among them."""
        ids = self.ids[rows]
        ids = ids[:, :np.flatnonzero((ids != Vocabulary.pad).any(0)).max(initial=0) + 1]
        phi, inside, S = self.regions.phi[rows], self.regions.inside[rows], np.ascontiguousarray(ids.T)
        return Tensor(phi).to(device), Tensor(inside).to(device), Tensor(S).to(device)

    def shuffled(self, seed: int) -> Pairs:
        """The same sentences, each with the regions of another pair: of another picture, but for a few where pictures have several
        sentences."""
        order = Stream("shuffled captions", seed).generator.permutation(len(self))
        other = np.empty_like(order)
        other[order] = np.roll(order, 1)                                   # one round through all pictures: none keeps its own
        return Pairs(self.regions, self.ids[other])


def read(encoder: ConvEncoder | None, parts: Mapping[str, Part], vocabulary: Vocabulary, device: str = "cpu") -> dict[str, Pairs]:
    """All parts as a taught encoder sees their boxes, each feature scaled by the training regions.

    Args:
        encoder: frozen; None where all parts have features.
        parts: "train" among them.
        vocabulary: of the words.
        device: where the encoder is.
    """
    seen = {name: padded(part.features) if encoder is None else regions_of(encoder, part.images, part.boxes, device)
            for name, part in parts.items()}
    ids = {name: vocabulary.batch([vocabulary.encode(words) for words in part.captions])[0] for name, part in parts.items()}
    return {name: Pairs(of_part.standard(seen["train"]).of(parts[name].owner), ids[name]) for name, of_part in seen.items()}
