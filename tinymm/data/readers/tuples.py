"""Tuples of labels with a sentence, as descriptions of videos in the manner of TACoS have them (Rohrbach et al. 2013, 2014).

    cut,cucumber,knife,counter<tab>The person cut the cucumber on the counter.
"""

from __future__ import annotations

import dataclasses
import operator
import os
from collections.abc import Sequence

from ...autograd.integers import integer
from ..dataset import Dataset
from .files import LineFile, ordinary_file

READER = "read_tuples"
EXPECTED = "labels with commas or blanks between, a tab, and a sentence"


@dataclasses.dataclass(frozen=True)
class DescribedTuple:
    """What is done in a video, with what and where, and a sentence about it.

    Attributes:
        labels: as in the file, such as ("cut", "cucumber", "knife", "counter").
        sentence: without blanks at its ends.
    """

    labels: tuple[str, ...]
    sentence: str


class DescribedTuples(Dataset):
    """Item i is the ``DescribedTuple`` of line i + 1, read when it is asked for; see ``read_tuples``."""

    def __init__(self, path: str | os.PathLike, slots: int | None = None):
        self.path = ordinary_file(path, READER, f"a text file with {EXPECTED} on each line")
        self._lines = LineFile(self.path, READER)
        self._count = len(self._lines)
        while self._count and not self._lines.line(self._count - 1).strip():
            self._count -= 1   # empty lines at the end
        if not self._count:
            raise ValueError(f"{READER}: {self.path} is empty; expected {EXPECTED} on each line")
        self.slots = None if slots is None else integer(READER, "slots", slots, 1)
        if slots is None:
            self.slots = len(self[0].labels)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> DescribedTuple:
        index = range(len(self))[operator.index(index)]
        text, where = self._lines.line(index), f"{READER}: {self.path} line {index + 1}"
        fields = text.split("\t")
        if len(fields) != 2:
            raise ValueError(f"{where}: {len(fields)} fields in {text[:60]!r}; expected 2: {EXPECTED}")
        described, sentence = (field.strip() for field in fields)
        labels = tuple(label.strip() for label in (described.split(",") if "," in described else described.split()))
        if not labels or not all(labels):
            raise ValueError(f"{where}: an empty label in {described[:60]!r}; expected {EXPECTED}")
        if self.slots is not None and len(labels) != self.slots:
            raise ValueError(f"{where}: {len(labels)} labels in {described[:60]!r}; expected {self.slots} on every line")
        if not sentence:
            raise ValueError(f"{where}: no sentence after the tab; expected {EXPECTED}")
        return DescribedTuple(labels, sentence)

    def batch(self, indices: Sequence[int]) -> list[DescribedTuple]:
        """Several lines."""
        return [self[i] for i in indices]


def read_tuples(path: str | os.PathLike, slots: int | None = None) -> DescribedTuples:
    """Pairs of a tuple and a sentence, a line each, of a UTF-8 text file.

    Args:
        path: the file.
        slots: labels of a tuple; None takes as many as the first line has.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an empty file; when a line is read, one with another number of fields or labels, an empty one, or bytes
            that are not UTF-8. The message has file and line.
    """
    return DescribedTuples(path, slots)
