"""A trained captioner, taken from a run's folder to caption other pictures."""

from __future__ import annotations

import os
import pathlib

import numpy as np

from ...data import read_picture
from ...text import Vocabulary
from ...train import load_checkpoint
from .. import find
from ..running import CHECKPOINTS
from .captioner import Captioner
from .lecture import CaptioningExperiment
from .parts import alone

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
        if self.world and tuple(read_picture(path, channels=self.channels).shape[1:]) != self.size:
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
        ValueError: its checkpoint does not load.
    """
    folder = pathlib.Path(run)
    stage = folder / CHECKPOINTS / "captioner"
    if not stage.is_dir():
        raise FileNotFoundError(f"{folder} holds no trained captioner; python -m tinymm lecture 4 --out {folder} "
                                "(or lecture 2) trains one")
    model, _, state = load_checkpoint(stage)
    config = state.get("config") or {}
    missing = {"lecture", "variant", "vocabulary", "channels", "picture_size", "world"} - set(config)
    if missing:
        raise ValueError(f"the checkpoint in {stage} was not written by a captioning lecture of this version; it lacks "
                         f"{', '.join(sorted(missing))}")
    vocabulary = Vocabulary.from_state_dict(config["vocabulary"])
    lecture: type[CaptioningExperiment] = find(config["lecture"])
    captioner = lecture.restore(config, len(vocabulary))
    captioner.load_state_dict(model)
    captioner.eval()
    return Captioning(captioner, vocabulary, lecture, config)
