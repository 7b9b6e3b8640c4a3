"""Scenes of two or three handwritten digits with sizes and relations, and what can be said of them.

The world of lecture 4. The digits are real handwriting (UCI); where they stand, how large they are and the sentences are
drawn from a seed. Everything that a model should discover is kept: which digit, its size, box and pixels, and which word
of a caption names it. The digits of a scene are mentioned in reading order (rows from the top, each from the left), so
that the words so far determine which digit comes next: the attention of Show, Attend and Tell looks before it has seen
the word of its own step.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ...backend.random import Stream
from ..dataset import Dataset
from .digits import split_digits
from .placing import fits, place, relations
from .scene_captions import Caption, sentence

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIZES = {"small": (10, 12), "large": (15, 18)}    # word -> least and greatest height and width in pixels
LAYOUTS = ((2,), (1, 1), (3,), (1, 1, 1), (2, 1), (1, 2))   # digits in each row, from the top
CANVAS = 48
INK = 0.25                                        # darkness from which a pixel belongs to a digit's mask


@dataclasses.dataclass(frozen=True)
class Digit:
    """One digit of a scene.

    Attributes:
        label: 0 to 9.
        size: "small" or "large".
        box: (top, left, bottom, right) in pixels, bottom and right excluded.
        original: index of the handwritten original in its part of the split.
        relation: how it stands to the next digit in reading order: "left of", "above", or "" for the last.
    """

    label: int
    size: str
    box: tuple[int, int, int, int]
    original: int
    relation: str = ""


@dataclasses.dataclass(frozen=True, eq=False)   # its arrays have no single truth of equality
class Scene:
    """A picture and the truth about it.

    Attributes:
        image: (48, 48) uint8, light ink on black.
        digits: in reading order.
        masks: (digits, 48, 48) booleans, the pixels with more than a quarter of full ink of each digit.
        captions: five sentences in different wordings.
    """

    image: np.ndarray
    digits: tuple[Digit, ...]
    masks: np.ndarray
    captions: tuple[Caption, ...]


def captions_of(digits: tuple[Digit, ...]) -> tuple[Caption, ...]:
    """Five ways to say what stands there; the digits come in reading order in all of them."""
    def chain(describe, between):
        """The digits described one by one, with ``between`` (of the relation) wherever another follows."""
        parts = []
        for i, d in enumerate(digits):
            parts += [*describe(d), (DIGITS[d.label], i), *([between(d.relation)] if d.relation else [])]
        return parts

    article = lambda d: "an" if d.label == 8 else "a"
    verb = iter(["is", *["which is"] * len(digits)])   # the small two is above the large five which is left of ...
    return (
        sentence(*chain(lambda d: ["a", d.size], lambda r: r)),
        sentence("there is", *chain(lambda d: [article(d)], lambda r: r)),
        sentence(*chain(lambda d: ["the", d.size], lambda r: f"{next(verb)} {r}")),
        sentence("we see", *chain(lambda d: [], lambda r: "and")),
        sentence("someone wrote", *chain(lambda d: [d.size], lambda r: r)),
    )


def enlarge(image: np.ndarray, size: int) -> np.ndarray:
    """A square picture with ``size`` pixels a side, by linear interpolation between pixel centres.

    Args:
        image: (n, n) floats.
    """
    n = image.shape[0]
    at = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(n)))   # (size, n), rows sum to 1
    return weights @ image @ weights.T


def draw_scene(rng: np.random.Generator, images: np.ndarray, labels: np.ndarray) -> Scene:
    """One scene.

    Args:
        rng: where its choices come from.
        images: (N, 8, 8) originals in [0, 1].
        labels: (N,) what they are.
    """
    while True:   # a layout of large digits may not fit; draw again
        rows = LAYOUTS[rng.integers(len(LAYOUTS))]
        names = [list(SIZES)[i] for i in rng.integers(len(SIZES), size=sum(rows))]
        sides = [int(rng.integers(SIZES[name][0], SIZES[name][1] + 1)) for name in names]
        lines = np.split(np.array(sides), np.cumsum(rows)[:-1])
        if fits(lines, CANVAS):
            break
    originals = rng.integers(len(labels), size=len(sides))
    canvas, masks, digits = np.zeros((CANVAS, CANVAS)), [], []
    for name, side, (top, left), original, relation in zip(names, sides, place(rng, lines, CANVAS), originals, relations(lines)):
        ink = enlarge(images[original], side)
        mask = np.zeros((CANVAS, CANVAS), bool)
        mask[top:top + side, left:left + side] = ink > INK
        canvas[top:top + side, left:left + side] += ink
        digits.append(Digit(int(labels[original]), name, (top, left, top + side, left + side), int(original), relation))
        masks.append(mask)
    return Scene(np.round(255 * canvas).astype(np.uint8), tuple(digits), np.stack(masks), captions_of(tuple(digits)))


class DigitScenes(Dataset):
    """Scenes drawn from one part of the handwritten digits.

    Args:
        part: "train", "validation" or "test"; no original is in two parts.
        count: how many scenes.
        seed: of the scenes and of the split.
    """

    def __init__(self, part: str, count: int, seed: int = 0):
        originals = split_digits(seed)
        if part not in originals:
            raise ValueError(f"DigitScenes: part={part!r}; choose from {', '.join(originals)}")
        if count < 1:
            raise ValueError(f"DigitScenes: count={count} must be at least 1")
        rng = Stream(f"digit scenes {part}", seed).generator
        self.part = part
        self.scenes = [draw_scene(rng, *originals[part]) for _ in range(count)]

    def __getitem__(self, index: int) -> Scene:
        return self.scenes[index]

    def __len__(self) -> int:
        return len(self.scenes)

    def images(self) -> np.ndarray:
        """All pictures, (N, 1, 48, 48) float32 in [0, 1]."""
        return np.stack([s.image for s in self.scenes])[:, None].astype(np.float32) / 255
