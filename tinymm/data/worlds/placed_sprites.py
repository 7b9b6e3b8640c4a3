"""Pictures of one sprite in one of four places, and four texts about each: the world of lecture 7.

A text says colour, shape and place, in the words of the web (``web_texts``), and now and then leaves one out. The exact offset
within the place, the size and the tint of the ground are in no text: they are the style, which noise has to draw. Six pairs of
a colour and a shape are in no part but "unseen".
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ...backend.random import Stream, one_of_each
from ..dataset import Dataset
from .sprite_pairs import check_part, in_turn
from .sprites import COLOURS, SHAPES, dark_ground, grainy, paint, shade
from .web_texts import COLOUR_WORDS, PARTIAL, SHAPE_WORDS, framed, word_for

CANVAS = 32                    # pixels a side; the small picture has half of them
SIDES = (18, 20)               # height and width of a sprite; even, like its place, so that edges are sharp in the small picture
ROOM = 22                      # pixels a side of a place, a corner of the canvas
TINT, GRAIN = 0.3, 0.03        # the ground's brightest, and the noise in every pixel
PLACES = ("top left", "top right", "bottom left", "bottom right")
PLACELESS = 0.1                # share of the texts that do not say where
TEXTS = 4                      # about each picture
LONGEST = 64                   # characters, and room to spare
ATTRIBUTES = {"colour": tuple(COLOURS), "shape": tuple(SHAPES), "place": PLACES}
UNSAID = -1


@dataclasses.dataclass(frozen=True, eq=False)   # its arrays have no single truth of equality
class PlacedSprite:
    """A picture, texts about it, and what is style.

    Attributes:
        image: (3, 32, 32) uint8.
        content: (3,) int64, the indices of colour, shape and place in ``ATTRIBUTES``.
        texts: four.
        mentions: (4, 3) int64, what each text says of colour, shape and place; -1 where it says nothing.
        offset: (2,) how far down and right in its place, 0 to 1.
        side: pixels.
        tint: (3,) of the ground, in [0, 1].
    """

    image: np.ndarray
    content: np.ndarray
    texts: tuple[str, ...]
    mentions: np.ndarray
    offset: np.ndarray
    side: int
    tint: np.ndarray


def describe(rng: np.random.Generator, colour: str, shape: str, place: str) -> tuple[str, tuple[bool, bool, bool]]:
    """A text about a sprite, and whether it says colour, shape and place."""
    said = [True, True, bool(rng.random() >= PLACELESS)]
    words = f"a {word_for(rng, COLOUR_WORDS[colour])} {word_for(rng, SHAPE_WORDS[shape])}"
    if rng.random() < PARTIAL:
        said[int(rng.integers(2))] = False
        words = f"something {word_for(rng, COLOUR_WORDS[colour])}" if said[0] else f"a {word_for(rng, SHAPE_WORDS[shape])}"
    text = framed(rng, words)
    if said[2]:
        text = f"{text} at the {place}" if rng.random() < 0.5 else f"at the {place} {text}"
    return text, (said[0], said[1], said[2])


def draw(rng: np.random.Generator, content: tuple[int, int, int]) -> PlacedSprite:
    """One picture with its texts."""
    colour, shape, place = (names[i] for names, i in zip(ATTRIBUTES.values(), content))
    picture, side = dark_ground(rng, CANVAS, TINT), int(rng.choice(SIDES))
    tint = picture[:, 0, 0].copy()
    offset = 2 * rng.integers(0, (ROOM - side) // 2 + 1, 2)
    top, left = (CANVAS - ROOM) * np.array([place.startswith("bottom"), place.endswith("right")]) + offset
    paint(picture, shape, shade(rng, colour), (int(top), int(left), int(top) + side, int(left) + side))
    texts, said = zip(*(describe(rng, colour, shape, place) for _ in range(TEXTS)))
    return PlacedSprite(grainy(rng, picture, GRAIN), np.array(content), texts, np.where(said, content, UNSAID),
                        offset / (ROOM - side), side, tint)


class PlacedSprites(Dataset):
    """Pictures of one part.

    Args:
        part: one of ``sprite_pairs.PARTS``; "unseen" has the pairs of colour and shape that the first three lack, "judge" has all.
        count: how many, the contents in turn.
        seed: of the pictures.
    """

    def __init__(self, part: str, count: int, seed: int = 0):
        check_part("PlacedSprites", part, count)
        rng = Stream(f"placed sprites {part}", seed).generator
        self.pictures = [draw(rng, content) for content in in_turn(rng, part, len(PLACES), count)]

    def __getitem__(self, index: int) -> PlacedSprite:
        return self.pictures[index]

    def __len__(self) -> int:
        return len(self.pictures)

    def images(self, size: int = 16) -> np.ndarray:
        """All pictures, (N, 3, size, size) uint8; those of 16 pixels are means of 2 x 2.

        Raises:
            ValueError: another size than 16 and 32.
        """
        if size not in (CANVAS // 2, CANVAS):
            raise ValueError(f"PlacedSprites.images: size={size}; the pictures have {CANVAS // 2} or {CANVAS} pixels a side")
        images = np.stack([p.image for p in self.pictures])
        return images if size == CANVAS else halved(images)

    def contents(self) -> np.ndarray:
        """(N, 3) int64."""
        return np.stack([p.content for p in self.pictures])

    def classes(self) -> np.ndarray:
        """(N,) int64, one number for each content, below 6 * 6 * 4."""
        return class_of(self.contents())

    def texts(self) -> list[str]:
        """All texts, the four of each picture together."""
        return [text for p in self.pictures for text in p.texts]

    def mentions(self) -> np.ndarray:
        """(N, 4, 3) int64."""
        return np.stack([p.mentions for p in self.pictures])


def halves(images: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels, (N, 3, 2S, 2S) -> (N, 3, S, S) of floats."""
    n, c, rows, columns = images.shape
    return images.reshape(n, c, rows // 2, 2, columns // 2, 2).mean((3, 5))


def halved(images: np.ndarray) -> np.ndarray:
    """``halves`` of pictures in a byte a number, rounded: uint8 -> uint8."""
    return np.round(halves(images)).astype(np.uint8)


def class_of(contents: np.ndarray) -> np.ndarray:
    """(..., 3) -> (...) one number for each colour, shape and place."""
    colour, shape, place = np.moveaxis(contents, -1, 0)
    return (colour * len(SHAPES) + shape) * len(PLACES) + place


def contradicts(mentions: np.ndarray, contents: np.ndarray) -> np.ndarray:
    """Whether a text says something that is not so: (..., 3), (..., 3) -> (...) bool. What it leaves out cannot be wrong."""
    return ((mentions != UNSAID) & (mentions != contents)).any(-1)


def wrong_texts(rng: np.random.Generator, mentions: np.ndarray, contents: np.ndarray) -> np.ndarray:
    """For each picture of a batch a text of the batch that is wrong about it, at random.

    A text of another class need not be wrong: "something red" fits every red sprite. Only texts that contradict the picture are
    taken.

    Args:
        rng: where the choices come from.
        mentions: (B, 3), what the text of each picture says.
        contents: (B, 3), what the pictures show.

    Returns:
        (B,) int64, indices of texts.

    Raises:
        ValueError: a picture that no text of the batch contradicts, as where a batch is of one class.
    """
    wrong = contradicts(mentions[None], contents[:, None])                       # (pictures, texts)
    if not wrong.any(1).all():
        raise ValueError(f"wrong_texts: no text of this batch of {len(contents)} is wrong about picture "
                         f"{int(wrong.any(1).argmin())}; a batch must have more than one class")
    return one_of_each(rng, wrong)
