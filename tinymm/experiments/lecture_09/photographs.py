"""DALL-E on photographs with captions: the published caption datasets take the path of the world, at 32 x 32 pixels.

A dVAE makes 8 x 8 tokens of each photograph, the Transformer learns them with the first of its captions, and CLIP learns which
caption belongs to which photograph. There is no truth about photographs, and so no judge and no claim: what is measured is what
the tokens keep, and how much a photograph's own caption tells of its tokens, beside the caption of another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...autograd import Tensor
from ...backend.random import Stream
from ...models.dalle import clip_scores, rerank, sample_images
from ..captioning.datasets import NAMES
from ..captioning.parts import Part as Photos
from ..captioning.parts import captions_of, photo_parts
from ..claims import Claim
from ..clip_stage import pictures
from ..experiment import Measured
from .data import Part, Setting, Sizes, enlarged, train_tokenizer
from .systems import MAIN, Trained, decoded, predictions, reconstruction, stages

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
    said = ", ".join(f"{len(part)} for {name}" for name, part in parts.items())
    print(f"{data}: photographs of {sizes.pixels} pixels a side, each with its first caption: {said}")
    if cut := sum(length > sizes.text_length for length in lengths):
        print(f"{data}: {cut} captions have more than {sizes.text_length} tokens, start and end included, and are cut; the longest "
              f"has {max(lengths)}")
    return Setting(variant, parts, tokenizer, sizes, seed, device, cut=True)


def kept(part: Photos, most: int) -> Part:
    """The first photographs of a part, with the first caption of each."""
    n = min(most, len(part))
    pixels = [np.round(255 * part.images(range(i, min(i + CHUNK, n)))).astype(np.uint8) for i in range(0, n, CHUNK)]
    return Part(np.concatenate(pixels), captions_of(part)[:n])


# ---------------------------------------------------------------------- what came of it

def evaluate(setting: Setting, trained: Trained) -> Found:
    """What the tokens keep of test photographs, and how well the Transformer predicts them from their own captions and from others.

    A photograph's "image CE, another's caption" is with the caption of the next one: the difference is what captions tell.
    """
    parts, sizes, device = setting.parts, setting.sizes, setting.device
    test, mean = parts["test"], parts["train"].pixels().mean(0)
    metrics: dict[str, Any] = {"photographs": {name: len(part) for name, part in parts.items()}, "tokens": len(setting.tokenizer)}
    tokens = {}
    for name, dvae in trained.dvaes.items():
        found, tokens[name] = reconstruction(dvae, test, sizes.tau, setting.seed, device)
        found["mean picture's MSE"] = float(((test.pixels() - mean)**2).mean())
        metrics["dvae" if name == MAIN else f"dvae, {name}"] = found
    n = min(SHOWN, len(test))
    measured = Found(metrics, test.images[:n], {name: decoded(trained.dvaes[name], z[:n], device) for name, z in tokens.items()},
                     {name: np.bincount(z.reshape(-1), minlength=sizes.codes) for name, z in tokens.items()},
                     test.captions[:n], [False] * n)
    if trained.transformer is not None:
        text, z = setting.text(test.captions), tokens[MAIN]
        own, other = (predictions(trained.transformer, y, z, device) for y in (text, np.roll(text, -1, 0)))
        metrics["transformer"] = {**own, "image CE, another's caption": other["image CE"], "ln K": float(np.log(sizes.codes))}
        measured.candidates = draw(setting, trained, measured.captions)
        measured.ours = measured.candidates[:, 0]
    if trained.clip is not None and measured.candidates is not None:
        measured.order = ordered(setting, trained, measured.captions, measured.candidates)
    return measured


def draw(setting: Setting, trained: Trained, captions: Sequence[str]) -> np.ndarray:
    """N pictures for each of P captions, (P, N, 3, S, S) in [0, 1]."""
    text = Tensor(setting.text(captions)).to(setting.device)
    tokens = sample_images(trained.transformer, text, setting.sizes.candidates, generator=Stream("samples", setting.seed))
    images = decoded(trained.dvae, tokens.reshape(-1, *setting.sizes.grid).cpu().numpy(), setting.device)
    return images.reshape(len(captions), -1, *images.shape[1:])


def ordered(setting: Setting, trained: Trained, captions: Sequence[str], candidates: np.ndarray) -> np.ndarray:
    """The candidates (P, N, 3, S, S) of each caption by CLIP, best first: (P, N)."""
    images = pictures(enlarged(candidates.reshape(-1, *candidates.shape[2:]), setting.sizes.clip_pixels))
    image = images.reshape(*candidates.shape[:2], *images.shape[1:]).to(setting.device)
    return rerank(clip_scores(trained.clip, image, Tensor(setting.ids(captions)).to(setting.device)))


def claims_of(variant: str, metrics: dict) -> list[Claim]:
    """None: the thresholds are those of the world."""
    return []


def all_figures(setting: Setting, trained: Trained, measured: Found) -> dict:
    """File name -> Figure: the first test photographs over their reconstructions, and over what is drawn for their captions; the
    samples in CLIP's order; the codes that are used; relaxed and hard tokens."""
    from . import figures

    found = {"reconstructions.png": figures.reconstructions(measured), "gap.png": figures.gap(trained.histories),
             "usage.png": figures.usage(trained.trainers["dvae"].history, measured.usage)}
    if measured.ours is not None:
        found["validation.png"] = figures.validation(measured)
    if measured.order is not None:
        found["reranked.png"] = figures.reranked(measured)
    return found
