"""Scores of every test picture with every test caption, and the table that comes of them."""

from __future__ import annotations

import numpy as np

from ...autograd import Tensor
from ...metrics import retrieval_scores
from ...text import Vocabulary
from ..captioning.captioner import Captioner
from ..captioning.parts import Part

WAYS = ("image to caption", "caption to image")   # pictures are the rows of the scores


def owners(part: Part) -> np.ndarray:
    """For each caption of a part, in the order of ``part.tokens()``, its picture."""
    return np.repeat(np.arange(len(part)), [len(of_picture) for of_picture in part.captions])


def log_likelihoods(captioner: Captioner, vocabulary: Vocabulary, phi: np.ndarray, captions: list) -> tuple:
    """log p(c|i) of every picture with every caption, (I, C), without the end of the sentence and with it.

    Without the end, the beginning of a caption is never less likely than all of it.

    Args:
        phi: (I, F).
        captions: C lists of words.
    """
    targets, lengths = vocabulary.batch([vocabulary.encode(words, end=True) for words in captions])    # (C, T), (C,)
    S = np.concatenate([np.full((1, len(captions)), captioner.first), targets.T])                      # (T + 1, C)
    step, device = np.arange(targets.shape[1])[:, None], next(captioner.parameters()).device
    captioner.eval()
    return tuple(captioner.decoder.log_likelihoods(Tensor(phi).to(device), Tensor(S).to(device),
                                                   np.stack([step < lengths - 1, step < lengths])))


def tables(scores: dict[str, np.ndarray], own: np.ndarray) -> dict[str, dict[str, dict[str, float]]]:
    """Direction -> row -> {"R@1", "R@5", "R@10", "Medr"}, from (I, C) scores and each caption's picture."""
    found: dict[str, dict[str, dict[str, float]]] = {way: {} for way in reversed(WAYS)}
    for row, of_row in scores.items():
        for way, entry in retrieval_scores(of_row, own, ways=WAYS).items():
            found[way][row] = {"Medr" if name == "median rank" else name: value for name, value in entry.items()}
    return found
