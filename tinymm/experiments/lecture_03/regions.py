"""Regions as vectors: what a frozen CNN, taught on windows of single sprites, says of the pixels in each box.

R-CNN, which the paper takes, warps the pixels of every box to one size and reads a CNN's penultimate layer; so does this.
The CNN was taught by other pictures, without sentences, and is never trained on a scene.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ... import functional as F
from ...autograd import Tensor
from ...models.conv_encoder import ConvEncoder
from ...nn import chunks

SIDE = 16        # pixels that a box is resized to: within the sizes of the sprites that the CNN learnt from
CHUNK = 512      # crops at a time


def crops(images: Sequence[np.ndarray], boxes: Sequence[np.ndarray], side: int = SIDE) -> np.ndarray:
    """The pixels in every box, resized bilinearly to one size, whatever shape the box has.

    Args:
        images: N pictures (C, H, W), floats in [0, 1] or uint8.
        boxes: for each picture (M, 4) integers (top, left, bottom, right), within it.
        side: pixels of the result.

    Returns:
        (all boxes of all pictures, C, side, side) float32 in [0, 1].

    Raises:
        ValueError: a box that is empty, or not within its picture.
    """
    cut: list[np.ndarray] = []
    kinds: dict[tuple[int, ...], list[int]] = {}                           # shape of a piece -> which have it
    for image, of_image in zip(images, boxes, strict=True):
        for top, left, bottom, right in np.asarray(of_image).tolist():
            if not (0 <= top < bottom <= image.shape[1] and 0 <= left < right <= image.shape[2]):
                raise ValueError(f"crops: the box (top={top}, left={left}, bottom={bottom}, right={right}) is empty or not within "
                                 f"its picture of {image.shape[1]} x {image.shape[2]} pixels")
            piece = np.asarray(image[:, top:bottom, left:right] / (255 if image.dtype == np.uint8 else 1), np.float32)
            kinds.setdefault(piece.shape, []).append(len(cut))
            cut.append(piece)
    found = np.empty((len(cut), len(images[0]), side, side), np.float32)
    for rows in kinds.values():                                            # boxes of one size at once
        pieces = Tensor(np.stack([cut[row] for row in rows]))
        found[rows] = F.interpolate(pieces, (side, side), mode="bilinear").numpy()
    return found


@dataclasses.dataclass(frozen=True)
class Regions:
    """The regions of N pictures.

    Attributes:
        phi: (N, M, F) float32, M the most regions of a picture; 0 where there is none.
        inside: (N, M) booleans: which regions are there.
        scaling: mean and deviation (F,) that ``standard`` took from each feature.
    """

    phi: np.ndarray
    inside: np.ndarray
    scaling: tuple[np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.phi)

    def of(self, owner: np.ndarray | None) -> Regions:
        """The regions of these pictures, which may come several times; None for all as they are."""
        return self if owner is None else dataclasses.replace(self, phi=self.phi[owner], inside=self.inside[owner])

    def standard(self, like: Regions) -> Regions:
        """Each feature with mean 0 and variance 1 over the regions of ``like``, which are those of the training pictures."""
        known = like.phi[like.inside]                                      # (regions, F)
        mean, deviation = known.mean(0), known.std(0) + 1e-6
        phi = (self.phi - mean) / deviation
        return Regions(np.where(self.inside[..., None], phi, 0).astype(np.float32), self.inside, (mean, deviation))


def regions_of(encoder: ConvEncoder, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray], device: str = "cpu") -> Regions:
    """What an encoder says of every box: its strongest features over the places of the crop.

    Args:
        encoder: taught.
        images, boxes: as for ``crops``.
    """
    encoder.eval()
    pixels = crops(images, boxes)
    f = chunks.array_in_chunks(encoder.strongest, lambda rows: pixels[rows.start:rows.stop], len(pixels), CHUNK, device)   # (n, F)
    return padded(np.split(f, np.cumsum([len(of_image) for of_image in boxes])[:-1]))


def padded(features: Sequence[np.ndarray]) -> Regions:
    """Regions of the features (M, F) of each picture."""
    counts = np.array([len(f) for f in features])
    inside = np.arange(counts.max()) < counts[:, None]                     # (N, M)
    phi = np.zeros((*inside.shape, features[0].shape[1]), np.float32)
    phi[inside] = np.concatenate(features)
    return Regions(phi, inside)
