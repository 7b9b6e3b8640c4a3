"""Pictures of texts by a finished run, for ``python -m tinymm generate``: what the lectures that draw them have in common."""

from __future__ import annotations

import importlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..text.characters import unknown_characters
from ..text.tokens import plain_words
from .running import read_report, unfinished

LECTURES = (7, 9)        # whose ``restored.py`` has ``painter(folder, report)``
UNREAD = "\N{REPLACEMENT CHARACTER}"


class Painter:
    """Draws pictures of texts.

    Args:
        name: of the system, for messages.
        words: those of the texts that it learned from; None where that is not known.
    """

    def __init__(self, name: str, words: set[str] | None):
        self.name, self.words = name, words

    @staticmethod
    def shown(text: str) -> str:
        """A text for a figure: in lower case, with a mark for each character that no font need have."""
        return text.lower().translate(dict.fromkeys(map(ord, unknown_characters(text)), UNREAD))

    def remarks(self, texts: Sequence[str]) -> list[str]:
        """What of the texts was never read."""
        if self.words is not None and (strange := [w for w in dict.fromkeys(plain_words(" ".join(texts))) if w not in self.words]):
            return [f"in no text that it learned from: {', '.join(strange)}"]
        return []

    def drawn(self, texts: Sequence[str], count: int, seed: int = 0, candidates: int | None = None) -> np.ndarray:
        """``count`` pictures of each of K texts, (K, count, 3, S, S) in [0, 1]; the same random numbers serve all texts.

        Args:
            texts: what to draw.
            count: pictures of each.
            seed: of the random numbers.
            candidates: N, of which the run's CLIP keeps the ``count`` best; None for no choice.

        Raises:
            ValueError: a text that cannot be read; candidates where there is no CLIP.
        """
        raise NotImplementedError

    def strips(self, text: str, to: str, count: int, seed: int = 0, steps: int = 9) -> np.ndarray:
        """From one text to another in even steps, ``count`` times: (count, steps, 3, S, S) in [0, 1].

        Raises:
            ValueError: a text that cannot be read; texts between which there is nothing.
        """
        raise NotImplementedError


def load_painter(run: str | os.PathLike) -> Any:
    """The Painter that a run of lecture 7 or 9 trained.

    Args:
        run: the run's folder, e.g. "runs/lecture_09".

    Raises:
        FileNotFoundError: there is no such run, or it lacks a network.
        ValueError: the run is of another lecture, or not finished; a checkpoint does not load, or is damaged.
    """
    folder = pathlib.Path(run)
    trains = f"python -m tinymm lecture {LECTURES[0]} --out {{}} (or lecture {LECTURES[1]})"
    report = read_report(folder)
    if report is None:
        if folder.is_dir() and unfinished(folder):
            raise ValueError(f"{folder} holds a training that is not finished; continue it with python -m tinymm lecture ... "
                             "--resume")
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder} is a file; give the folder of a run, e.g. runs/lecture_07")
        raise FileNotFoundError(f"{folder} holds no finished run of lecture 7 or 9; {trains.format(folder)} trains one")
    if report["lecture"] not in LECTURES:
        raise ValueError(f"the run in {folder} is of lecture {report['lecture']!r}, which draws no pictures of texts; "
                         f"give one of lecture 7 or 9, as {trains.format('FOLDER')} trains it")
    restored = importlib.import_module(f".lecture_{report['lecture']:02d}.restored", __package__)
    return restored.painter(folder, report)
