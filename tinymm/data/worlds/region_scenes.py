"""Scenes of two to four sprites, boxes on them and beside them, and a sentence whose every word has its thing.

The world of lecture 3. The boxes stand in for those of a detector: the things', three that hold ground or a part of a thing,
and the whole picture, in an order that says nothing. Which word is about which thing is the truth that a model is held
against; nothing that trains reads it. As in ``SpriteScenes``, every content belongs to one part only, and no thing is in a
pair of colour and shape that the windows of single sprites never have. Two things of a scene differ in shape or in colour,
so that words can tell them apart.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from ...backend.random import Stream
from ..dataset import Dataset
from .placing import fits, place, relations
from .scene_captions import Caption, sentence
from .sprite_scenes import NOVEL, PARTS, SIZES, Sprite, tenth_of
from .sprites import COLOURS, SHAPES, dark_ground, grainy, paint, shade

CANVAS = 56
LAYOUTS = {2: ((2,), (1, 1)), 3: ((3,), (2, 1), (1, 2), (1, 1, 1)), 4: ((2, 2), (3, 1), (1, 3), (1, 2, 1))}   # things -> rows
DISTRACTORS = 3
APART = 0.3                    # IoU of a distractor with every thing, less than
SAY_SIZE, SAY_COLOUR, OPEN, REVERSE = 0.5, 0.8, 0.3, 0.5   # probabilities, of a phrase and of a sentence
KINDS = {"shape": tuple(SHAPES), "colour": tuple(COLOURS), "size": tuple(SIZES)}
KIND_OF = {word: kind for kind, words in KINDS.items() for word in words}
THINGS = [(shape, colour) for shape in SHAPES for colour in COLOURS if (colour, shape) not in NOVEL]


@dataclasses.dataclass(frozen=True, eq=False)   # its arrays have no single truth of equality
class RegionScene:
    """A picture, its boxes, its sentence, and the truth about both.

    Attributes:
        image: (3, 56, 56) uint8.
        things: in reading order.
        boxes: (M, 4) int64, (top, left, bottom, right) in pixels, bottom and right excluded; M is 6 to 8.
        owner: (M,) int64, the index of the thing that a box holds; -1 a distractor, -2 the whole picture.
        caption: the words of the sentence.
        thing: for each word the index of the thing that it is about, -1 a function word.
        kind: for each word "shape", "colour", "size", or "" for a function word.
        shared: for each word whether it is a shape or a colour that the sentence says of two things.
    """

    image: np.ndarray
    things: tuple[Sprite, ...]
    boxes: np.ndarray
    owner: np.ndarray
    caption: tuple[str, ...]
    thing: tuple[int, ...]
    kind: tuple[str, ...]
    shared: tuple[bool, ...]


def iou(a, b) -> float:
    """Intersection over union of two boxes (top, left, bottom, right)."""
    common = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def phrases(sprite: Sprite) -> list[tuple[str, ...]]:
    """The four honest phrases about a thing: with and without its size and its colour."""
    return [("a", *[sprite.size] * size, *[sprite.colour] * colour, sprite.shape)
            for size, colour in itertools.product((False, True), repeat=2)]


def _things(rng: np.random.Generator, part: str, seed: int) -> tuple[list[np.ndarray], tuple[Sprite, ...]]:
    """What a scene of a part shows: the sides row by row, and the things, without places."""
    layouts = LAYOUTS[int(rng.integers(2, 5))]
    rows = layouts[rng.integers(len(layouts))]   # before anything is refused: every part has as many scenes of each layout
    sizes = list(SIZES)
    while True:
        chosen = [THINGS[i] for i in rng.integers(len(THINGS), size=sum(rows))]
        said = [sizes[i] for i in rng.integers(len(sizes), size=sum(rows))]
        sides = [int(rng.integers(SIZES[size][0], SIZES[size][1] + 1)) for size in said]
        lines = np.split(np.array(sides), np.cumsum(rows)[:-1])
        things = tuple(Sprite(shape, colour, size, relation)
                       for (shape, colour), size, relation in zip(chosen, said, relations(lines)))
        if fits(lines, CANVAS) and len(set(chosen)) == len(chosen) and tenth_of(things, seed) in PARTS[part]:
            return lines, things


def _distractor(rng: np.random.Generator, things: tuple[Sprite, ...]) -> tuple[int, int, int, int]:
    """A square of a thing's size at a random place that is no thing's."""
    low, high = SIZES["small"][0], SIZES["large"][1]
    while True:
        side = int(rng.integers(low, high + 1))
        top, left = (int(at) for at in rng.integers(0, CANVAS - side + 1, size=2))
        box = top, left, top + side, left + side
        if all(iou(box, s.box) < APART for s in things):
            return box


def _say(rng: np.random.Generator, things: tuple[Sprite, ...]) -> Caption:
    """A sentence that names all things, each with its size half the time and its colour most of the time."""
    opened, reverse = rng.random() < OPEN, rng.random() < REVERSE
    said: list[str | tuple[str, int]] = []
    for i, s in list(enumerate(things))[::-1 if reverse else 1]:
        size, colour = rng.random() < SAY_SIZE, rng.random() < SAY_COLOUR
        said += [*["and"] * bool(said), "a", *[(s.size, i)] * size, *[(s.colour, i)] * colour, (s.shape, i)]
    return sentence(*["there is"] * opened, *said)


def draw_scene(rng: np.random.Generator, part: str, seed: int) -> RegionScene:
    """One scene of a part; see ``RegionScenes``."""
    lines, things = _things(rng, part, seed)
    sides = [int(side) for line in lines for side in line]
    things = tuple(dataclasses.replace(s, box=(top, left, top + side, left + side))
                   for s, side, (top, left) in zip(things, sides, place(rng, lines, CANVAS)))
    picture = dark_ground(rng, CANVAS)
    for s in things:
        paint(picture, s.shape, shade(rng, s.colour), s.box)
    image = grainy(rng, picture)
    boxes = [*(s.box for s in things), *(_distractor(rng, things) for _ in range(DISTRACTORS)), (0, 0, CANVAS, CANVAS)]
    order = rng.permutation(len(boxes))
    owner = np.array([*range(len(things)), *[-1] * DISTRACTORS, -2])
    caption = _say(rng, things)
    about = dict(caption.mentions)
    thing = tuple(about.get(t, -1) for t in range(len(caption.words)))
    kind = tuple(KIND_OF.get(word, "") for word in caption.words)
    shared = tuple(k in ("shape", "colour") and caption.words.count(word) > 1 for word, k in zip(caption.words, kind))
    return RegionScene(image, things, np.array(boxes)[order], owner[order], caption.words, thing, kind, shared)


class RegionScenes(Dataset):
    """Scenes of one part.

    Args:
        part: "train", "validation" or "test".
        count: how many scenes.
        seed: of the scenes and of the split of the contents.
    """

    def __init__(self, part: str, count: int, seed: int = 0):
        if part not in PARTS:
            raise ValueError(f"RegionScenes: part={part!r}; choose from {', '.join(PARTS)}")
        if count < 1:
            raise ValueError(f"RegionScenes: count={count} must be at least 1")
        rng = Stream(f"region scenes {part}", seed).generator
        self.part = part
        self.scenes = [draw_scene(rng, part, seed) for _ in range(count)]

    def __getitem__(self, index: int) -> RegionScene:
        return self.scenes[index]

    def __len__(self) -> int:
        return len(self.scenes)
