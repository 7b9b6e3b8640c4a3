"""A trained captioner, taken from a run's folder to caption other pictures."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

from ...autograd.host import to_numpy
from ...data import read_picture
from ...data.readers.images import picture_size
from ...text import Vocabulary
from ...train import load_checkpoint
from .. import find
from ..running import CHECKPOINTS
from .captioner import Captioner
from .lecture import CaptioningExperiment
from .parts import alone

LARGEST = 512   # pixels, of the pictures that a checkpoint may ask for
MESSAGE = 300    # characters of an error's message that are shown
BRIGHT = 0.5   # mean of the border above which a picture is taken for dark ink on light paper


class Captioning:
    """Captions for pictures, and what the lecture can show of how they came about.

    Args:
        captioner: the model.
        vocabulary: its words.
        lecture: that trained it.
        config: of its training, from ``captioner_config``.
    """

    def __init__(self, captioner: Captioner, vocabulary: Vocabulary, lecture: type[CaptioningExperiment], config: dict):
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
        image = read_picture(path, self.size, self.channels)
        notes = []
        if invert is None and self.world:
            border = np.concatenate([image[:, 0].ravel(), image[:, -1].ravel(), image[:, :, 0].ravel(), image[:, :, -1].ravel()])
            invert = bool(border.mean() > BRIGHT)
            if invert:
                notes.append("the border is light: taken for dark ink on paper, and inverted (--invert no leaves it)")
        if self.world and picture_size(path) != self.size:
            notes.append(f"the model knows {self.world}; the picture was scaled and cut to {self.size[0]} x {self.size[1]}")
        return (1 - image if invert else image), notes

    def captions(self, image: np.ndarray, beam_size: int = 5, n_best: int = 1) -> list[tuple[list[str], float]]:
        """The best sentences for a picture (C, H, W), each with its log-probability."""
        found, = self.captioner.search(self.captioner.annotate(alone(image, [])), beam_size, n_best)
        return [(self.vocabulary.decode(h.tokens), h.log_prob) for h in found]

    def explain(self, image: np.ndarray, words: list[str]):
        """What the lecture draws of a sentence: (what it is, a Figure)."""
        return self.lecture.explain(self.captioner, self.vocabulary, image, words)


def load_captioner(run: str | os.PathLike) -> Captioning:
    """The captioner that a run of a captioning lecture trained.

    Args:
        run: the run's folder, e.g. "runs/lecture_04".

    Raises:
        FileNotFoundError: no captioner was trained there.
        ValueError: its checkpoint does not load, is of another lecture or version, or is damaged.
    """
    folder = pathlib.Path(run)
    stage = folder / CHECKPOINTS / "captioner"
    if not stage.is_dir():
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder} is a file; give the folder of a run, e.g. runs/lecture_04")
        raise FileNotFoundError(f"{folder} holds no trained captioner; python -m tinymm lecture 4 --out {folder} "
                                "(or lecture 2) trains one")
    try:
        model, _, state = load_checkpoint(stage)
    except RecursionError:   # of the JSON reader
        raise ValueError(f"the checkpoint in {stage} does not load: its state.json has brackets within brackets without "
                         "end") from None
    config: Any = state.get("config") if isinstance(state, dict) else None
    try:
        lecture = _lecture_of(config)
        vocabulary = Vocabulary.from_state_dict(config["vocabulary"])
        captioner = lecture.restore(config, len(vocabulary))
        captioner.load_state_dict(model)
        _check_finite(captioner)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        said = " ".join(str(error).split())   # a list of keys has many lines
        raise ValueError(f"the checkpoint in {stage} holds no captioner of this version: "
                         f"{said if len(said) <= MESSAGE else said[:MESSAGE] + ' ...'}; train it again, or give the folder of "
                         "another run") from None
    captioner.eval()
    return Captioning(captioner, vocabulary, lecture, config)


def _lecture_of(config) -> type[CaptioningExperiment]:
    """The lecture that wrote a configuration.

    Raises:
        ValueError: it is none of a captioning lecture's, or something in it has another type or range than lectures write.
    """
    if not isinstance(config, dict):
        raise ValueError(f"its configuration is a {type(config).__name__}, not an object")
    wanted = ("lecture", "variant", "vocabulary", "channels", "picture_size", "world")
    if missing := [name for name in wanted if name not in config]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    number, size = config["lecture"], config["picture_size"]
    lecture = find(number) if type(number) is int else None
    if lecture is None or not issubclass(lecture, CaptioningExperiment):
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


def _check_finite(captioner: Captioner) -> None:
    for name, tensor in captioner.state_dict().items():
        array = to_numpy(tensor)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} has NaN or infinity in it")
