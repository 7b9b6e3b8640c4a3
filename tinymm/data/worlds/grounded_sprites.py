"""Small pictures of one large sprite on one of four coloured grounds, and a caption of each: the world of lecture 9.

A caption says colour, shape and ground in the words of the web (``web_texts``), with synonyms. Where the sprite is, its side, the
exact colours and the grain are in no caption. Ground and sprite have grain: on flat grounds the likelihood of a dVAE grows without
end as its scale b falls to 0. Six pairs of a colour and a shape are in no part but "unseen" and the judge's.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from ...backend.random import Stream
from ..dataset import Dataset
from .sprite_pairs import PAIRS, check_part, in_turn
from .sprites import COLOURS, SHAPES, grainy, paint, shade
from .web_texts import COLOUR_WORDS, FRAMES, SHAPE_WORDS, chances, framed, word_for

CANVAS = 16                    # pixels a side
SIDES = (11, 13)               # least and greatest height and width of a sprite
SPREAD, GRAIN = 0.03, 0.05     # standard deviations: of a colour's shade, and of the noise in every pixel
GROUNDS = {"black": (0.08, 0.08, 0.08), "grey": (0.50, 0.50, 0.50), "brown": (0.42, 0.24, 0.08), "turquoise": (0.15, 0.70, 0.75)}
GROUND_WORDS = {"black": ("black", "dark"), "grey": ("grey",), "brown": ("brown",), "turquoise": ("turquoise", "teal")}
NOUNS = ("ground", "background")   # as often the one as the other
ATTRIBUTES = {"colour": tuple(COLOURS), "shape": tuple(SHAPES), "ground": tuple(GROUNDS)}


@dataclasses.dataclass(frozen=True, eq=False)   # its arrays have no single truth of equality
class GroundedSprite:
    """A picture, its caption, and what is style.

    Attributes:
        image: (3, 16, 16) uint8.
        content: (3,) int64, the indices of colour, shape and ground in ``ATTRIBUTES``.
        caption: of all three.
        box: (top, left, bottom, right) of the sprite, in pixels.
    """

    image: np.ndarray
    content: np.ndarray
    caption: str
    box: tuple[int, int, int, int]


def phrase(colour: str, shape: str, ground: str, noun: str) -> str:
    """The words that a caption frames."""
    return f"a {colour} {shape} on a {ground} {noun}"


def draw(rng: np.random.Generator, content: tuple[int, int, int]) -> GroundedSprite:
    """One picture with its caption."""
    colour, shape, ground = (names[i] for names, i in zip(ATTRIBUTES.values(), content))
    picture = np.empty((3, CANVAS, CANVAS))
    picture[...] = shade(rng, GROUNDS[ground], SPREAD)[:, None, None]
    side = int(rng.integers(SIDES[0], SIDES[1] + 1))
    top, left = (int(k) for k in rng.integers(0, CANVAS - side + 1, 2))
    box = (top, left, top + side, left + side)
    paint(picture, shape, shade(rng, colour, SPREAD), box)
    words = word_for(rng, COLOUR_WORDS[colour]), word_for(rng, SHAPE_WORDS[shape]), word_for(rng, GROUND_WORDS[ground])
    caption = framed(rng, phrase(*words, NOUNS[rng.integers(len(NOUNS))]))
    return GroundedSprite(grainy(rng, picture, GRAIN), np.array(content), caption, box)


class GroundedSprites(Dataset):
    """Pictures of one part.

    Args:
        part: one of ``sprite_pairs.PARTS``; "unseen" has the pairs of colour and shape that the first three lack, "judge" has all.
        count: how many, the contents in turn.
        seed: of the pictures.
    """

    def __init__(self, part: str, count: int, seed: int = 0):
        check_part("GroundedSprites", part, count)
        rng = Stream(f"grounded sprites {part}", seed).generator
        self.pictures = [draw(rng, content) for content in in_turn(rng, part, len(GROUNDS), count)]

    def __getitem__(self, index: int) -> GroundedSprite:
        return self.pictures[index]

    def __len__(self) -> int:
        return len(self.pictures)

    def images(self) -> np.ndarray:
        """All pictures, (N, 3, 16, 16) uint8."""
        return np.stack([p.image for p in self.pictures])

    def contents(self) -> np.ndarray:
        """(N, 3) int64: colour, shape and ground."""
        return np.stack([p.content for p in self.pictures])

    def captions(self) -> list[str]:
        """One a picture."""
        return [p.caption for p in self.pictures]


def caption_chances(content: tuple[int, int, int]) -> dict[str, float]:
    """Every caption that a picture of a content may have, with its probability.

    Args:
        content: indices of colour, shape and ground.
    """
    colour, shape, ground = (names[i] for names, i in zip(ATTRIBUTES.values(), content))
    words = [chances(COLOUR_WORDS[colour]), chances(SHAPE_WORDS[shape]), chances(GROUND_WORDS[ground]),
             dict.fromkeys(NOUNS, 1 / len(NOUNS))]
    found: dict[str, float] = {}
    for said in itertools.product(*(kind.items() for kind in words)):
        p = float(np.prod([chance for _, chance in said])) / len(FRAMES)
        for frame in FRAMES:
            caption = frame.format(phrase(*(word for word, _ in said)))
            found[caption] = found.get(caption, 0.0) + p
    return found


def caption_entropy() -> float:
    """Entropy of the captions of seen pairs in nats, -sum p ln p over all that the grammar has; each content is as frequent."""
    contents = [(*pair, ground) for pair in PAIRS for ground in range(len(GROUNDS))]
    p: dict[str, float] = {}
    for content in contents:
        for caption, chance in caption_chances(content).items():
            p[caption] = p.get(caption, 0.0) + chance / len(contents)
    every = np.array(list(p.values()))
    return float(-(every * np.log(every)).sum())
