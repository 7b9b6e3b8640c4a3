"""Scenes of one or two coloured sprites, and what people say of them.

The world of lecture 2. What a picture shows (which shapes, colours, sizes, and how they stand) is its *content*, and every
content of two sprites belongs to one part only: no two that stand together in a test scene ever stood so in training, though
each of the words about them was said there. Six pairs of a colour and a shape are in no part but "novel". There are two styles
of pictures with two groups of people: the sketches stand in for a dataset that the model was not trained on.
"""

from __future__ import annotations

import dataclasses
import zlib

import numpy as np

from ...backend.random import Stream
from ..dataset import Dataset
from .placing import fits, place, relations
from .scene_captions import Caption, sentence
from .sprites import COLOURS, SHAPES, dark_ground, grainy, paint, shade

SIZES = {"small": (9, 11), "large": (14, 17)}    # word -> least and greatest height and width in pixels
LAYOUTS = ((1,), (2,), (1, 1))                   # sprites in each row, from the top
CANVAS = 40
PARTS = {"train": range(0, 8), "validation": range(8, 9), "test": range(9, 10)}   # tenths of the contents
STYLES = ("filled", "sketch")
NOVEL = frozenset(zip(COLOURS, [list(SHAPES)[(5 * i + 1) % 6] for i in range(6)]))   # each colour and each shape once
BACK = {"left of": "right of", "above": "below"}

LITTLE = {"small": "little", "large": "big"}     # the same things in other people's words
OTHER = {"circle": "disc", "square": "box", "triangle": "triangle", "star": "star", "cross": "plus", "heart": "heart"}
NOISE = ("my favourite picture of last summer", "found this on the way home", "what a day that was", "another one from the series",
         "this is for you", "look what i made")   # what people write below pictures that is not about them


@dataclasses.dataclass(frozen=True)
class Sprite:
    """One thing in a scene.

    Attributes:
        shape, colour, size: words.
        relation: how it stands to the next in reading order: "left of", "above", or "" for the last.
        box: (top, left, bottom, right) in pixels, bottom and right excluded.
    """

    shape: str
    colour: str
    size: str
    relation: str = ""
    box: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclasses.dataclass(frozen=True, eq=False)   # its arrays have no single truth of equality
class SpriteScene:
    """A picture and the truth about it.

    Attributes:
        image: (3, 40, 40) uint8.
        sprites: in reading order.
        captions: five sentences in different wordings.
    """

    image: np.ndarray
    sprites: tuple[Sprite, ...]
    captions: tuple[Caption, ...]


def captions_of(sprites: tuple[Sprite, ...], style: str = "filled") -> tuple[Caption, ...]:
    """Five ways to say what there is; for sketches, two of the five are other ways, which no filled scene has."""
    things = list(enumerate(sprites))
    listed = lambda describe, order=things, between=lambda s: "and": sentence(
        *(part for n, (i, s) in enumerate(order) for part in [*describe(i, s), *([between(s)] if n + 1 < len(order) else [])]))
    full = listed(lambda i, s: [f"a {s.size} {s.colour}", (s.shape, i)], between=lambda s: s.relation)
    there = listed(lambda i, s: [*["there is"] * (i == 0), f"a {s.colour}", (s.shape, i)])
    back = listed(lambda i, s: [f"a {s.colour}", (OTHER[s.shape], i)], things[::-1],
                  lambda s: BACK[sprites[0].relation])
    if len(sprites) == 1:
        (_, s), = things
        stands = sentence("the", (OTHER[s.shape], 0), f"is {LITTLE[s.size]} and {s.colour}")
    else:
        stands = listed(lambda i, s: [f"the {LITTLE[s.size]}", (OTHER[s.shape], i)],
                        between=lambda s: {"left of": "is to the left of", "above": "is over"}[s.relation])
    if style == "sketch":
        drew = listed(lambda i, s: [*["a drawing of"] * (i == 0), f"a {s.size}", (s.shape, i)])
        coloured = listed(lambda i, s: ["the", (OTHER[s.shape], i), f"is {s.colour}"])
        return full, there, back, drew, coloured
    we_see = listed(lambda i, s: [*["we see"] * (i == 0), f"a {s.size}", (s.shape, i)])
    return full, there, back, stands, we_see


def content_of(sprites: tuple[Sprite, ...]) -> tuple:
    """What a scene shows, without the places in pixels."""
    return tuple((s.shape, s.colour, s.size, s.relation) for s in sprites)


def tenth_of(sprites: tuple[Sprite, ...], seed: int) -> int:
    """Which tenth of the contents a scene belongs to."""
    return zlib.crc32(repr((seed, content_of(sprites))).encode()) % 10


def has_novel(sprites: tuple[Sprite, ...]) -> bool:
    """Whether one of the sprites is in a colour that its shape never has in training."""
    return any((s.colour, s.shape) in NOVEL for s in sprites)


def draw_scene(rng: np.random.Generator, part: str, style: str, seed: int) -> SpriteScene:
    """One scene of a part; see ``SpriteScenes``."""
    words = [list(choices) for choices in (SHAPES, COLOURS, SIZES)]
    rows = LAYOUTS[rng.integers(len(LAYOUTS))]   # before anything is refused: every part has as many scenes of each layout
    while True:
        chosen = [tuple(kind[i] for kind, i in zip(words, rng.integers([len(kind) for kind in words]))) for _ in range(sum(rows))]
        sides = [int(rng.integers(SIZES[size][0], SIZES[size][1] + 1)) for _, _, size in chosen]
        lines = np.split(np.array(sides), np.cumsum(rows)[:-1])
        sprites = tuple(Sprite(shape, colour, size, relation) for (shape, colour, size), relation in zip(chosen, relations(lines)))
        if fits(lines, CANVAS) and (has_novel(sprites) if part == "novel" else
                                    not has_novel(sprites) and (len(sprites) == 1 or tenth_of(sprites, seed) in PARTS[part])):
            break
    sprites = tuple(dataclasses.replace(s, box=(top, left, top + side, left + side))
                    for s, side, (top, left) in zip(sprites, sides, place(rng, lines, CANVAS)))
    if style == "filled":
        picture = dark_ground(rng, CANVAS)
        for s in sprites:
            paint(picture, s.shape, shade(rng, s.colour), s.box)
        return SpriteScene(grainy(rng, picture), sprites, captions_of(sprites, style))
    picture = np.empty((3, CANVAS, CANVAS))
    picture[...] = rng.uniform(0.1, 0.3) + rng.uniform(0, 0.05, (3, 1, 1))
    for s in sprites:
        paint(picture, s.shape, shade(rng, s.colour, 0.08), s.box, True, int(rng.integers(-4, 5)) * 5)
    return SpriteScene(grainy(rng, picture, 0.03), sprites, captions_of(sprites, style))


class SpriteScenes(Dataset):
    """Scenes of one part.

    Args:
        part: "train", "validation", "test", or "novel": scenes with a pair of colour and shape that no other part has.
        count: how many scenes.
        seed: of the scenes and of the split of the contents.
        style: "filled" or "sketch": outlines on a lighter ground, turned by up to 20 degrees, with less steady colours.
    """

    def __init__(self, part: str, count: int, seed: int = 0, style: str = "filled"):
        if part not in (*PARTS, "novel"):
            raise ValueError(f"SpriteScenes: part={part!r}; choose from {', '.join(PARTS)}, novel")
        if count < 1:
            raise ValueError(f"SpriteScenes: count={count} must be at least 1")
        if style not in STYLES:
            raise ValueError(f"SpriteScenes: style={style!r}; choose from {', '.join(STYLES)}")
        rng = Stream(f"sprite scenes {part} {style}", seed).generator
        self.part, self.style = part, style
        self.scenes = [draw_scene(rng, part, style, seed) for _ in range(count)]

    def __getitem__(self, index: int) -> SpriteScene:
        return self.scenes[index]

    def __len__(self) -> int:
        return len(self.scenes)

    def images(self) -> np.ndarray:
        """All pictures, (N, 3, 40, 40) float32 in [0, 1]."""
        return np.stack([s.image for s in self.scenes]).astype(np.float32) / 255


def noisy_captions(scenes: SpriteScenes, share: float = 0.5, seed: int = 0) -> list[list[tuple[str, ...]]]:
    """One sentence a scene, as photographers write below their pictures: a share of them is about something else.

    Args:
        scenes: N scenes.
        share: probability that a sentence has nothing to do with its picture.
        seed: of the choices.

    Returns:
        For each scene a list of one sentence, as tokens.
    """
    rng = Stream(f"noisy captions {scenes.part}", seed).generator
    off, which = rng.random(len(scenes)) < share, rng.integers(0, 2**31, len(scenes))
    return [[tuple(NOISE[w % len(NOISE)].split()) if o else scene.captions[w % len(scene.captions)].words]
            for scene, o, w in zip(scenes.scenes, off, which)]
