"""DALL-E on photographs with captions: the published caption datasets take the path of the world, at 32 x 32 pixels.

A dVAE makes 8 x 8 tokens of each photograph, the Transformer learns them with the first of its captions, and CLIP learns which
caption belongs to which photograph. There is no truth about photographs, and so no judge and no claim: what is measured is what
the tokens keep, and how much a photograph's own caption tells of its tokens, beside the caption of another.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..captioning.datasets import NAMES
from ..captioning.parts import Part as Photos
from ..captioning.parts import captions_of, photo_parts
from ..claims import Claim
from ..experiment import Measured
from .data import Part, Setting, Sizes, train_tokenizer
from .systems import Trained, decoded, encoded, predictions, reconstruction, stages

DATASETS = NAMES
COMMON: dict[str, Any] = {"pixels": 32, "text_length": 32}
SIZES = {"lecture": Sizes(**COMMON, codes=512, n_hid=32, dvae_rounds=20, rounds=20, clip_rounds=20, d_model=128),
         "smoke": Sizes(**COMMON, codes=64, n_hid=8, n_init=16, dvae_rounds=2, rounds=2, clip_rounds=2, d_model=32, clip_width=8,
                        candidates=3)}
MOST = {"lecture": {"train": 4000, "validation": 256, "test": 256}, "smoke": {"train": 128, "validation": 16, "test": 16}}
CHUNK = 64           # photographs that are read at a time
SHOWN = 8            # of the test part

__all__ = ["DATASETS", "Found", "all_figures", "claims_of", "evaluate", "photo_setting", "stages"]


@dataclasses.dataclass
class Found(Measured):
    """The measurements, and what the figures show: the first photographs of the test part.

    Attributes:
        originals, validation: (P, 3, S, S) uint8, those photographs.
        reconstructed: name of a dVAE -> what it draws of their tokens, (P, 3, S, S) in [0, 1].
        usage: name of a dVAE -> (K,) how often each code stands in the test part.
        captions: theirs.
        unseen: False for each: nobody knows whether the like was among the training photographs.
        ours: (P, 3, S, S), the first sample of each caption; None where there is no Transformer.
        candidates: (P, N, 3, S, S), all samples; order: (P, N), CLIP's, best first; None where there is no CLIP.
    """

    originals: np.ndarray
    reconstructed: dict[str, np.ndarray]
    usage: dict[str, np.ndarray]
    captions: list[str]
    unseen: list[bool]
    ours: np.ndarray | None = None
    candidates: np.ndarray | None = None
    order: np.ndarray | None = None

    @property
    def validation(self) -> np.ndarray:
        """The photographs that the captions belong to."""
        return self.originals


# ---------------------------------------------------------------------- the data

def photo_setting(data: str, root: str, variant: str, scale: str, epochs: int | None, seed: int, device: str) -> Setting:
    """Read a dataset; photographs are read now and kept in a byte a number.

    Args:
        data: one of ``DATASETS``.
        root: its folder, see ``open_captions``.
        variant: of the lecture.
        scale: one of ``SIZES``.
        epochs: rounds of each training; None for the scale's.
        seed, device: as of an Experiment.

    Raises:
        FileNotFoundError, ValueError: missing or damaged files, or fewer than three photographs.
    """
    sizes = SIZES[scale]
    if epochs is not None:
        sizes = dataclasses.replace(sizes, dvae_rounds=epochs, rounds=epochs, clip_rounds=epochs)
    parts = {name: kept(part, MOST[scale][name]) for name, part in photo_parts(9, data, root, seed, sizes.pixels).items()}
    tokenizer = train_tokenizer(parts["train"].captions, sizes.text_length)
    lengths = [len(tokenizer.encode(caption)) + 2 for part in parts.values() for caption in part.captions]
    print(f"{data}: " + ", ".join(f"{len(part)} photographs for {name}" for name, part in parts.items()) + f", {sizes.pixels} pixels "
          "a side, each with its first caption")
    if cut := sum(length > sizes.text_length for length in lengths):
        print(f"{data}: {cut} captions have more than {sizes.text_length} tokens, start and end included, up to {max(lengths)}; they "
              "are cut")
    return Setting(variant, parts, tokenizer, sizes, seed, device, cut=True)


def kept(part: Photos, most: int) -> Part:
    """The first photographs of a part, with the first caption of each."""
    n = min(most, len(part))
    pixels = [np.round(255 * part.images(range(i, min(i + CHUNK, n)))).astype(np.uint8) for i in range(0, n, CHUNK)]
    return Part(np.concatenate(pixels), captions_of(part)[:n])
