"""A trained captioner, taken from a run's folder to caption other pictures, or boxes of one."""

from __future__ import annotations

import os

import numpy as np

from ...data import read_boxes, read_picture
from ...data.readers.images import picture_size, read_within
from ...text import Vocabulary
from .. import find
from ..restoring import restore
from .captioner import Captioner
from .lecture import CaptionerExperiment
from .parts import Part, alone

LARGEST = 512   # pixels, of the pictures that a checkpoint may ask for
BRIGHT = 0.5   # mean of the border above which a picture is taken for dark ink on light paper


class TrainedCaptioner:
    """Pictures as a captioner takes them, and its sentences.

    Args:
        captioner: the model.
        vocabulary: its words.
        lecture: that trained it.
        config: of its training, from ``captioner_config``.
    """

    scaled = "scaled and cut to"

    def __init__(self, captioner: Captioner, vocabulary: Vocabulary, lecture: type[CaptionerExperiment], config: dict):
        self.captioner, self.vocabulary, self.lecture = captioner, vocabulary, lecture
        self.channels, self.size, self.world = config["channels"], tuple(config["picture_size"]), config["world"]

    def read(self, path: str | os.PathLike, invert: bool | None = None) -> tuple[np.ndarray, list[str]]:
        """A picture as the model takes it, (C, H, W), and remarks about what was done to it.

        Args:
            path: a picture file.
            invert: turn light into dark; None decides by the border, for a model of composed scenes, which are dark.

        Raises:
            FileNotFoundError, ValueError: no such file, or not a picture.
        """
        image = self._opened(path)
        notes = []
        if invert is None and self.world:
            border = np.concatenate([image[:, 0].ravel(), image[:, -1].ravel(), image[:, :, 0].ravel(), image[:, :, -1].ravel()])
            invert = bool(border.mean() > BRIGHT)
            if invert:
                notes.append("the border is light: taken for dark ink on paper, and inverted (--invert no leaves it)")
        if self.world and picture_size(path) != self.size:
            notes.append(f"the model knows {self.world}; the picture was {self.scaled} {self.size[0]} x {self.size[1]}")
        return (1 - image if invert else image), notes

    def _opened(self, path: str | os.PathLike) -> np.ndarray:
        return read_picture(path, self.size, self.channels)

    def _search(self, part: Part, beam_size: int, n_best: int) -> list[list[tuple[list[str], float]]]:
        """For each picture the best sentences, each with its log-probability."""
        found = self.captioner.search(self.captioner.annotate(part), beam_size, n_best)
        return [[(self.vocabulary.decode(h.tokens), h.log_prob) for h in best] for best in found]


class Captioning(TrainedCaptioner):
    """Captions for whole pictures, and what the lecture can show of how they came about."""

    def captions(self, image: np.ndarray, beam_size: int = 5, n_best: int = 1) -> list[tuple[list[str], float]]:
        """The best sentences for a picture (C, H, W), each with its log-probability."""
        return self._search(alone(image, []), beam_size, n_best)[0]

    def explain(self, image: np.ndarray, words: list[str]):
        """What the lecture draws of a sentence: (what it is, a Figure)."""
        return self.lecture.explain(self.captioner, self.vocabulary, image, words)


class BoxCaptioning(TrainedCaptioner):
    """Descriptions of boxes of a picture.

    The picture is scaled as a whole, and not cut, until it lies within the size that the model learned from: how large a thing
    is in the picture is part of what is said of it.
    """

    scaled = "scaled into"

    def _opened(self, path: str | os.PathLike) -> np.ndarray:
        return read_within(path, self.size, self.channels)

    def boxes(self, path: str | os.PathLike, picture: str | os.PathLike, image: np.ndarray) -> np.ndarray:
        """The boxes in a file, for a picture as ``read`` gives it.

        Args:
            path: the file, see ``read_boxes``.
            picture: the file of the picture, in whose pixels they are.
            image: the picture, (C, H, W).

        Returns:
            (M, 4) int64: top, left, bottom, right in pixels of ``image``, rounded, and at least one pixel wide and high.

        Raises:
            FileNotFoundError, ValueError: as ``read_boxes``.
        """
        height, width = picture_size(picture)
        sides = np.array([*image.shape[1:], *image.shape[1:]])             # (4,)
        boxes = read_boxes(path, (height, width))[:, [1, 0, 3, 2]] * sides / [height, width, height, width]
        first = np.minimum(np.floor(boxes[:, :2] + 0.5), sides[:2] - 1)
        return np.concatenate([first, np.maximum(np.floor(boxes[:, 2:] + 0.5), first + 1)], 1).astype(np.int64)

    def describe(self, image: np.ndarray, boxes: np.ndarray, beam_size: int = 5,
                 n_best: int = 1) -> list[list[tuple[list[str], float]]]:
        """For each box (M, 4) of a picture (C, H, W) the best sentences, each with its log-probability."""
        crops = self.lecture.crops(image, boxes)                           # (M, C, h, w)
        return self._search(Part([[]] * len(crops), lambda rows: crops[np.asarray(rows)]), beam_size, n_best)


def load_captioner(run: str | os.PathLike) -> Captioning | BoxCaptioning:
    """The captioner that a run trained.

    Args:
        run: the run's folder, e.g. "runs/lecture_04".

    Raises:
        FileNotFoundError: no captioner was trained there.
        ValueError: its checkpoint does not load, is of another lecture or version, or is damaged.
    """
    known: dict = {}

    def build(config) -> Captioner:
        lecture = _lecture_of(config)
        known.update(vocabulary=Vocabulary.from_state_dict(config["vocabulary"]), lecture=lecture, config=config)
        return lecture.restore(config, len(known["vocabulary"]))

    captioner = restore(run, "captioner", "captioner",
                        "python -m tinymm lecture 4 --out {} (or lecture 2, or 3 --variant generator)", build)
    kind = BoxCaptioning if known["lecture"].describes == "boxes" else Captioning
    return kind(captioner, **known)


def _lecture_of(config) -> type[CaptionerExperiment]:
    """The lecture that wrote a configuration.

    Raises:
        ValueError: it is of no lecture that trains one, or something in it has another type or range than lectures write.
    """
    if not isinstance(config, dict):
        raise ValueError(f"its configuration is a {type(config).__name__}, not an object")
    wanted = ("lecture", "variant", "vocabulary", "channels", "picture_size", "world")
    if missing := [name for name in wanted if name not in config]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    number, size = config["lecture"], config["picture_size"]
    lecture = find(number) if type(number) is int else None
    if lecture is None or not issubclass(lecture, CaptionerExperiment):
        raise ValueError(f"lecture {number!r} trains no captioner")
    if config["variant"] not in list(lecture.variants):
        raise ValueError(f"lecture {number} has no variant {config['variant']!r}; it has {', '.join(lecture.variants)}")
    if type(config["channels"]) is not int or config["channels"] not in (1, 3):
        raise ValueError(f"its pictures have {config['channels']!r} channels; 1 or 3 can be read")
    if not isinstance(size, list) or len(size) != 2 or not all(type(n) is int and 1 <= n <= LARGEST for n in size):
        raise ValueError(f"its pictures are of size {size!r}, not [height, width], both from 1 to {LARGEST}")
    if not isinstance(config["world"], (str, type(None))):
        raise ValueError(f"its world is {config['world']!r}, not a text or null")
    if not isinstance(config["vocabulary"], dict):
        raise ValueError(f"its vocabulary is a {type(config['vocabulary']).__name__}, not an object with its words")
    return lecture
