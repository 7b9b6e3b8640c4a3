"""DALL-E on photographs with captions: the published caption datasets take the path of the world, at 32 x 32 pixels.

A dVAE makes 8 x 8 tokens of each photograph, the Transformer learns them with the first of its captions, and CLIP learns which
caption belongs to which photograph. There is no truth about photographs, and so no judge and no claim: what is measured is what
the tokens keep, and how much a photograph's own caption tells of its tokens, beside the caption of another.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..captioning.parts import Part as Photos
from ..captioning.parts import captions_of, photo_parts
from .data import Part, Setting, Sizes, train_tokenizer
from .evaluation import SHOWN, Measured, cost, draw, of_dvaes, ranked
from .systems import MAIN, Trained, predictions

COMMON: dict[str, Any] = {"pixels": 32, "text_length": 32}
SIZES = {"lecture": Sizes(**COMMON, codes=512, d_model=128), "smoke": Sizes(
    **COMMON, codes=64, n_hid=8, n_init=16, dvae_rounds=2, d_model=32, rounds=2, clip_width=8, clip_rounds=1, candidates=3)}
MOST = {"lecture": {"train": 4000, "validation": 240, "test": 240}, "smoke": {"train": 128, "validation": 16, "test": 16}}
CHUNK = 64           # photographs that are read at a time


def photo_setting(data: str, root: str, variant: str, scale: str, sizes: Sizes, seed: int, device: str) -> Setting:
    """Read a dataset; photographs are read now and kept in a byte a number, captions that are too long are cut, and said so.

    Args:
        data: one of ``captioning.datasets.NAMES``.
        root: its folder, see ``open_captions``.
        variant: of the lecture.
        scale: how many photographs are kept, see ``MOST``.
        sizes: of models and trainings.
        seed, device: as of an Experiment.

    Raises:
        FileNotFoundError, ValueError: missing or damaged files, or fewer than three photographs.
    """
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


def evaluate(setting: Setting, trained: Trained) -> Measured:
    """What the tokens keep of test photographs, and how well the Transformer predicts them from their own captions and from others.

    A photograph's "image CE, another's caption" is with the caption of the next one: the difference is what captions tell.
    """
    test, sizes = setting.parts["test"], setting.sizes
    metrics: dict[str, Any] = {"photographs": {name: len(part) for name, part in setting.parts.items()}}
    shown = test.pixels(slice(SHOWN))
    found = Measured(metrics, shown, {}, {}, test.captions[:SHOWN], [False] * len(shown), shown)
    tokens = of_dvaes(setting, trained, found)
    if trained.transformer is None:
        return found
    text = setting.text(test.captions)
    own, other = (predictions(trained.transformer, y, tokens[MAIN], setting.device) for y in (text, np.roll(text, -1, 0)))
    metrics["transformer"] = {**own, "image CE, another's caption": other["image CE"], "tokens": len(setting.tokenizer),
                              "codes": sizes.codes}
    metrics["cost"] = cost(setting, trained)
    images = draw(setting, trained, found.captions, sizes.candidates)
    found.ours = images[:, 0]
    if trained.clip is not None:
        found.candidates, found.order = images, ranked(setting, trained, found.captions, images)
    return found
