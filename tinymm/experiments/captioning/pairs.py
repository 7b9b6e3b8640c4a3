"""Captioned pictures as training pairs: a picture's number, the words before each step, and the words to predict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...autograd import Tensor
from ...data import Dataset
from ...text import Vocabulary


class CaptionPairs(Dataset):
    """Every caption of every picture is one item; a batch is (pictures (B,), y (T, B), targets (T, B)), time first.

    ``targets[t]`` is the word to predict at step t, the end included, ``y[t]`` the word before it, ``first`` at t = 0;
    both are padded with the vocabulary's pad.

    Args:
        captions: for each picture its captions, lists of tokens.
        vocabulary: of the words.
        first: the id of y[0]: ``vocabulary.pad`` for no word at all, ``vocabulary.start`` for a start word.

    Attributes:
        lengths: steps of each item, for DataLoader's ``bucket``.
        picture: the number of each item's picture.
    """

    def __init__(self, captions: Sequence[Sequence[Sequence[str]]], vocabulary: Vocabulary, first: int):
        ids = [(i, vocabulary.encode(tokens, end=True)) for i, of_picture in enumerate(captions) for tokens in of_picture]
        self.picture = np.array([i for i, _ in ids], dtype=np.int64)
        self.targets, self.lengths = vocabulary.batch([words for _, words in ids])   # (N, T), (N,)
        self.first, self.pad, self.end = first, vocabulary.pad, vocabulary.end

    def __len__(self) -> int:
        return len(self.picture)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Tensor, Tensor]:
        return self.batch([index])

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, Tensor, Tensor]:
        """Several pairs at once, no longer than their longest caption."""
        rows = np.asarray(indices, dtype=np.int64)
        targets = np.ascontiguousarray(self.targets[rows, :self.lengths[rows].max(initial=0)].T)   # (T, B)
        y = np.full_like(targets, self.first)
        y[1:] = np.where(targets[:-1] == self.end, self.pad, targets[:-1])
        return self.picture[rows], Tensor(y), Tensor(targets)
