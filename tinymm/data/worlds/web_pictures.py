"""Pictures with texts as one finds them on the web: sprites, handwritten digits, people who do something, written words.

The world of lecture 8. Nobody has sorted the pictures into classes: each has one text, in the words of whoever wrote it. The
first three kinds also exist as small labelled datasets, which a model of pictures and texts is tested on, as CLIP was on
aYahoo, ImageNet and SUN. Six pairs of a colour and a shape are in no training picture; their words are, in other pairs.
Some sprites have a label beside them, as goods in a shop have: blank, or with the word for the shape, which is then true.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ...backend.random import Stream
from ..dataset import Dataset
from .digit_scenes import DIGITS, enlarge
from .digits import split_digits
from .pixel_font import label_size, paste_label
from .sprite_scenes import NOVEL
from .sprites import COLOURS, SHAPES, dark_ground, grainy, paint, shade
from .stick_figures import POSES, figure_ink
from .web_texts import action_text, digit_text, sign_text, sprite_text

CANVAS = 32
PARTS = ("train", "validation", "test")
KINDS = {"sprite": 0.35, "digit": 0.2, "action": 0.2, "sign": 0.25}   # kind -> its share of the web
PAIRS = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
WORDS = (*SHAPES, *COLOURS, *DIGITS, *POSES, "sale", "open", "stop", "exit", "music", "coffee")   # that stand on signs
LABELLED = 0.3   # share of the sprites with a label, half of them with a word on it
CLASSES = {"sprites": tuple(" ".join(pair) for pair in PAIRS), "digits": tuple(DIGITS), "actions": tuple(POSES)}
SIZES = {"small": (10, 13), "large": (16, 20)}   # word -> least and greatest height and width in pixels
DIGIT_SIDE, TORSO = (18, 26), (7.5, 10.5)        # least and greatest, in pixels


@dataclasses.dataclass(frozen=True, eq=False)   # its arrays have no single truth of equality
class WebPicture:
    """A picture, its text, and what nobody told the model.

    Attributes:
        image: (3, 32, 32) uint8.
        text: as it stands below the picture.
        kind: one of ``KINDS``.
        truth: what is on it: "red circle", "seven", "running", or the written word.
    """

    image: np.ndarray
    text: str
    kind: str
    truth: str


# ---------------------------------------------------------------------- drawing

def put_sprite(rng: np.random.Generator, picture: np.ndarray, colour: str, shape: str, size: str, rows: tuple[int, int]) -> None:
    """Paint a sprite somewhere in these rows of a picture, in place."""
    side = int(rng.integers(SIZES[size][0], SIZES[size][1] + 1))
    top, left = int(rng.integers(rows[0], rows[1] - side + 1)), int(rng.integers(0, CANVAS - side + 1))
    paint(picture, shape, shade(rng, colour), (top, left, top + side, left + side))


def label_colours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of light paper and dark ink."""
    return rng.uniform(0.75, 1, 3), rng.uniform(0, 0.2, 3)


def draw_sprite(rng: np.random.Generator, colour: str, shape: str, size: str) -> np.ndarray:
    """One sprite without a label, (3, 32, 32) uint8."""
    picture = dark_ground(rng, CANVAS)
    put_sprite(rng, picture, colour, shape, size, (0, CANVAS))
    return grainy(rng, picture)


def draw_labelled_sprite(rng: np.random.Generator, colour: str, shape: str, size: str, words: Sequence[str | None],
                         hidden: str) -> list[np.ndarray]:
    """The same sprite once for each of some labels above or below it, which are the same but for their words.

    Args:
        words: on the labels; "" for a blank label as large as that of ``hidden``, None for no label.
        hidden: see ``words``; its label also decides how much room the sprite has.
    """
    clean, height = dark_ground(rng, CANVAS), label_size(hidden)[0]
    above = rng.random() < 0.5
    put_sprite(rng, clean, colour, shape, size, (height, CANVAS) if above else (0, CANVAS - height))
    (paper, ink), place, noise = label_colours(rng), rng.random(), rng.integers(2**31)
    pictures = []
    for word in words:
        picture = clean.copy()
        if word is not None:
            spare = CANVAS - label_size(word or hidden)[1]
            paste_label(picture, word or hidden, 0 if above else CANVAS - height, min(spare, 0) + int(place * (abs(spare) + 1)),
                        paper, ink, blank=not word)
        pictures.append(grainy(np.random.default_rng(noise), picture))
    return pictures


def draw_digit(rng: np.random.Generator, original: np.ndarray) -> np.ndarray:
    """One handwritten digit (8, 8), larger and somewhere, in light on dark or dark on light."""
    side = int(rng.integers(DIGIT_SIDE[0], DIGIT_SIDE[1] + 1))
    top, left = rng.integers(0, CANVAS - side + 1, 2)
    ink = np.zeros((CANVAS, CANVAS))
    ink[top:top + side, left:left + side] = enlarge(original, side)
    paper, pen = dark_ground(rng, CANVAS)[:, :1, :1], rng.uniform(0.7, 1) * np.ones((3, 1, 1))
    if rng.random() < 0.3:
        paper, pen = pen, paper
    return grainy(rng, paper + ink * (pen - paper))


def draw_action(rng: np.random.Generator, action: str) -> np.ndarray:
    """One person who does something, in any light colour."""
    picture = dark_ground(rng, CANVAS)
    picture += figure_ink(rng, action, CANVAS, TORSO) * (rng.uniform(0.45, 1, (3, 1, 1)) - picture)
    return grainy(rng, picture)


def draw_sign(rng: np.random.Generator, word: str) -> np.ndarray:
    """One label with a word."""
    picture = dark_ground(rng, CANVAS)
    height, width = label_size(word)
    top = int(rng.integers(0, CANVAS - height + 1))
    spare = CANVAS - width
    left = int(rng.integers(min(spare, 0), max(spare, 0) + 1))   # the longest words lose a column of paper
    paste_label(picture, word, top, left, *label_colours(rng))
    return grainy(rng, picture)


# ---------------------------------------------------------------------- the web

class WebPictures(Dataset):
    """Pictures of one part.

    Args:
        part: "train", "validation" or "test". They share no handwritten original; the rest is drawn anew in each. None has
            one of the novel pairs of colour and shape.
        count: how many.
        seed: of the pictures and of the split of the originals.
    """

    def __init__(self, part: str, count: int, seed: int = 0):
        _check("WebPictures", part, count)
        rng = Stream(f"web pictures {part}", seed).generator
        originals = split_digits(seed)[part]
        self.pictures = [_draw(rng, originals) for _ in range(count)]

    def __getitem__(self, index: int) -> WebPicture:
        return self.pictures[index]

    def __len__(self) -> int:
        return len(self.pictures)

    def images(self) -> np.ndarray:
        """All pictures, (N, 3, 32, 32) uint8."""
        return np.stack([p.image for p in self.pictures])

    def texts(self) -> list[str]:
        """All texts."""
        return [p.text for p in self.pictures]


def _draw(rng: np.random.Generator, originals: tuple[np.ndarray, np.ndarray]) -> WebPicture:
    kind = rng.choice(list(KINDS), p=list(KINDS.values()))
    if kind == "sprite":
        seen = [pair for pair in PAIRS if pair not in NOVEL]
        (colour, shape), size = seen[rng.integers(len(seen))], list(SIZES)[rng.integers(len(SIZES))]
        if rng.random() < LABELLED:
            image, = draw_labelled_sprite(rng, colour, shape, size, (shape if rng.random() < 0.5 else "",), shape)
        else:
            image = draw_sprite(rng, colour, shape, size)
        return WebPicture(image, sprite_text(rng, shape, colour, size), "sprite", f"{colour} {shape}")
    if kind == "digit":
        i = rng.integers(len(originals[1]))
        return WebPicture(draw_digit(rng, originals[0][i]), digit_text(rng, originals[1][i]), "digit", DIGITS[originals[1][i]])
    if kind == "action":
        action = list(POSES)[rng.integers(len(POSES))]
        return WebPicture(draw_action(rng, action), action_text(rng, action), "action", action)
    word = WORDS[rng.integers(len(WORDS))]
    return WebPicture(draw_sign(rng, word), sign_text(rng, word), "sign", word)


def _check(where: str, part: str, count: int) -> None:
    if part not in PARTS:
        raise ValueError(f"{where}: part={part!r}; choose from {', '.join(PARTS)}")
    if count < 1:
        raise ValueError(f"{where}: count={count} must be at least 1")


# ---------------------------------------------------------------------- labelled datasets

@dataclasses.dataclass(frozen=True, eq=False)
class Labelled:
    """A dataset as one has it for a classifier.

    Attributes:
        images: (N, 3, 32, 32) uint8.
        labels: (N,) int64.
        names: of the classes.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows) -> Labelled:
        """Some of it, by a mask or by indices."""
        return Labelled(self.images[rows], self.labels[rows], self.names)


def labelled(name: str, part: str, count: int, seed: int = 0) -> Labelled:
    """One of the datasets of the table, its classes in turn as far as the originals allow.

    Args:
        name: "sprites" (36 pairs of colour and shape, the novel ones too), "digits" (10) or "actions" (6).
        part: "train", "validation" or "test"; of the same originals as that part of ``WebPictures``.
        count: how many.
        seed: of the pictures and of the split of the originals.
    """
    _check("labelled", part, count)
    if name not in CLASSES:
        raise ValueError(f"labelled: name={name!r}; choose from {', '.join(CLASSES)}")
    rng = Stream(f"labelled {name} {part}", seed).generator
    labels = np.arange(count) % len(CLASSES[name])
    if name == "digits":
        originals, digits = split_digits(seed)[part]
        chosen = [rng.choice(np.flatnonzero(digits == label)) for label in labels]
        images = [draw_digit(rng, originals[i]) for i in chosen]
    elif name == "sprites":
        images = [draw_sprite(rng, *PAIRS[label], list(SIZES)[rng.integers(len(SIZES))]) for label in labels]
    else:
        images = [draw_action(rng, CLASSES[name][label]) for label in labels]
    return Labelled(np.stack(images), labels, CLASSES[name])


def is_novel() -> np.ndarray:
    """(36,) bool: which classes of "sprites" no training picture of ``WebPictures`` shows."""
    return np.array([pair in NOVEL for pair in PAIRS])


# ---------------------------------------------------------------------- the typographic attack

ATTACKS = ("nothing", "blank label", "right word", "wrong word")


@dataclasses.dataclass(frozen=True, eq=False)
class Attacked:
    """The same sprites four times: as they are, with a blank label above or below them, and with a word on it.

    Attributes:
        images: attack -> (N, 3, 32, 32) uint8.
        shapes: (N,) int64, what is there, in the order of ``SHAPES``.
        written: (N,) int64, the shape that the wrong word names.
    """

    images: dict[str, np.ndarray]
    shapes: np.ndarray
    written: np.ndarray


def attacked(count: int, seed: int = 0) -> Attacked:
    """Sprites of seen pairs under a typographic attack.

    The blank label is as large as that of the wrong word, so that what the word itself does is told from what is hidden.
    """
    _check("attacked", "test", count)
    rng = Stream("typographic attack", seed).generator
    names = list(SHAPES)
    seen = [pair for pair in PAIRS if pair not in NOVEL]
    images: dict[str, list] = {attack: [] for attack in ATTACKS}
    shapes, written = [], []
    for i in range(count):
        colour, shape = seen[i % len(seen)]
        wrong = names[rng.integers(len(names) - 1)]
        wrong = names[-1] if wrong == shape else wrong   # each other shape with the same probability
        size = list(SIZES)[rng.integers(len(SIZES))]
        for attack, picture in zip(ATTACKS, draw_labelled_sprite(rng, colour, shape, size, (None, "", shape, wrong), wrong)):
            images[attack].append(picture)
        shapes.append(names.index(shape))
        written.append(names.index(wrong))
    return Attacked({attack: np.stack(kind) for attack, kind in images.items()}, np.array(shapes), np.array(written))
