"""A trained captioner, taken from a run's folder to caption other pictures."""

from __future__ import annotations

import os
import pathlib

import numpy as np

from ..data import read_picture
from ..data.digit_scenes import CANVAS
from ..text import Vocabulary
from ..train import load_checkpoint
from .lecture_04 import OBJECTIVES, Captioner
from .lecture_04_data import Part
from .lecture_04_evaluation import look
from .lecture_04_figures import attention
from .running import CHECKPOINTS

BRIGHT = 0.5   # mean of the border above which a picture is taken for dark ink on light paper


class Captioning:
    """Captions and attention for pictures.

    Args:
        captioner: the model.
        config: of its training.
    """

    def __init__(self, captioner: Captioner, config: dict):
        self.captioner, self.vocabulary = captioner, Vocabulary.from_state_dict(config["vocabulary"])
        self.channels, self.size = config["channels"], tuple(config["picture_size"])
        self.scenes = config["data"] is None

    def read(self, path: str | os.PathLike, invert: bool | None = None) -> tuple[np.ndarray, list[str]]:
        """A picture as the model takes it, (C, H, W), and remarks about what was done to it.

        Args:
            path: a picture file.
            invert: turn light into dark; None decides by the border, for a model of digit scenes.

        Raises:
            FileNotFoundError, ValueError: no such file, or not a picture.
        """
        image = read_picture(path, self.size, self.channels)
        notes = []
        if invert is None and self.scenes:
            border = np.concatenate([image[:, 0].ravel(), image[:, -1].ravel(), image[:, :, 0].ravel(), image[:, :, -1].ravel()])
            invert = bool(border.mean() > BRIGHT)
            if invert:
                notes.append("the border is light: taken for dark ink on paper, and inverted (--invert no leaves it)")
        if self.scenes and tuple(read_picture(path, channels=self.channels).shape[1:]) != self.size:
            notes.append(f"the model knows scenes of {CANVAS} x {CANVAS} pixels with digits of 10 to 18 pixels; the picture was "
                         f"scaled and cut to {self.size[0]} x {self.size[1]}")
        return (1 - image if invert else image), notes

    def captions(self, image: np.ndarray, beam_size: int = 5, n_best: int = 1) -> list[tuple[list[str], float]]:
        """The best sentences for a picture (C, H, W), each with its log-probability."""
        found, = self.captioner.search(self.captioner.annotate(_alone(image, [])), beam_size, n_best)
        return [(self.vocabulary.decode(h.tokens), h.log_prob) for h in found]

    def attention(self, image: np.ndarray, words: list[str]):
        """A Figure of where the model looks at each word."""
        one, = look(self.captioner, self.vocabulary, _alone(image, words))
        return attention(image, one, self.captioner.encoder.grid(*image.shape[1:]))


def _alone(image: np.ndarray, words: list[str]) -> Part:
    """A part with one picture and one sentence."""
    return Part([[words]], lambda rows: image[None][np.asarray(rows)])


def load_captioner(run: str | os.PathLike) -> Captioning:
    """The captioner that a run of lecture 4 trained.

    Args:
        run: the run's folder, e.g. "runs/lecture_04".

    Raises:
        FileNotFoundError: no captioner was trained there.
        ValueError: its checkpoint does not load.
    """
    folder = pathlib.Path(run)
    stage = folder / CHECKPOINTS / "captioner"
    if not stage.is_dir():
        raise FileNotFoundError(f"{folder} holds no trained captioner; python -m tinymm lecture 4 --out {folder} trains one")
    model, _, state = load_checkpoint(stage)
    config = state.get("config") or {}
    missing = {"vocabulary", "channels", "picture_size", "variant", "data"} - set(config)
    if missing:
        raise ValueError(f"the checkpoint in {stage} was not written by lecture 4 of this version; it lacks "
                         f"{', '.join(sorted(missing))}")
    words = Vocabulary.from_state_dict(config["vocabulary"])
    captioner = Captioner(config["channels"], len(words), OBJECTIVES[config["variant"]].hard)
    captioner.load_state_dict(model)
    captioner.eval()
    return Captioning(captioner, config)
