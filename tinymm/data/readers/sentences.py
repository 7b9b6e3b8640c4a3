"""Books as one sentence a line, as skip-thoughts read them (Kiros et al. 2015; Zhu et al. 2015, "Aligning Books and Movies")."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence

from ..dataset import Dataset
from .files import LineFile, ordinary_file

READER = "read_sentences"


def read_sentences(path: str | os.PathLike) -> Sentences:
    """The sentences of a UTF-8 text file, one a line, each read when it is asked for.

    Args:
        path: the file, such as books_large_p1.txt; of tens of millions of lines a few megabytes are kept in memory.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an empty file, or a line of more than 2**20 bytes; when a line is read, one that is not UTF-8.
    """
    return Sentences(path)


class Sentences(Dataset):
    """Item i is line i + 1 without blanks at its ends; an empty line, as between stories, is an empty sentence.

    See ``read_sentences``.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = ordinary_file(path, READER, "a text file with a sentence a line")
        self._lines = LineFile(self.path, READER)
        if not len(self._lines):
            raise ValueError(f"{READER}: {self.path} is empty; expected a sentence a line")

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> str:
        return self._lines.line(range(len(self))[operator.index(index)]).strip()

    def batch(self, indices: Sequence[int]) -> list[str]:
        """Several sentences."""
        return [self[i] for i in indices]

    def triple(self, index: int) -> tuple[str, str, str]:
        """The sentences before, at and after a place (s_{i-1}, s_i, s_{i+1}), of which skip-thoughts predicts the outer two.

        Raises:
            IndexError: the first or the last sentence, which has one neighbour, or a place that is none.
        """
        if not 1 <= (index := operator.index(index)) < len(self) - 1:
            raise IndexError(f"{READER}: sentence {index} of {self.path} does not stand between two; choose 1 to {len(self) - 2}")
        before, here, after = self._lines.lines(index - 1, 3)
        return before.strip(), here.strip(), after.strip()
