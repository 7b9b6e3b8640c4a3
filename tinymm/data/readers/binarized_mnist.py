"""Binarized MNIST, the fixed zeros and ones on which densities are compared (Salakhutdinov & Murray 2008; Larochelle 2011).

50,000, 10,000 and 10,000 digits of 28 x 28 pixels: as text (``.amat``), a digit a line, its 784 pixels 0 or 1 with spaces
between, row after row; or as an array ``X`` of a digit a row in a MAT-file.
"""

from __future__ import annotations

import functools
import operator
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from ...autograd import Tensor
from ..dataset import Dataset
from .captions import find_file
from .files import LineFile, ordinary_file
from .mat import read_mat

READER = "read_binarized_mnist"
PARTS = {"train": "train", "validation": "valid", "test": "test"}
SIDE = 28


def read_binarized_mnist(folder: str | os.PathLike, part: str = "train") -> BinaryPictures:
    """One part of binarized MNIST.

    Args:
        folder: holds ``binarized_mnist_{train,valid,test}.amat`` or ``.mat``, or has a folder that does.
        part: "train", "validation" or "test".

    Raises:
        FileNotFoundError: no such file.
        ValueError: an unknown part; for what the files are refused, see the two kinds of pictures.
    """
    if part not in PARTS:
        raise ValueError(f"{READER}: part={part!r}; choose from {', '.join(PARTS)}")
    names = [f"binarized_mnist_{PARTS[part]}{end}" for end in (".amat", ".mat")]
    path = find_file(pathlib.Path(folder), names)
    if path is None:
        raise FileNotFoundError(f"{READER}: {folder} holds neither {names[0]} nor {names[1]}; give the folder of the dataset")
    return AmatPictures(path) if path.suffix == ".amat" else MatPictures(path)


class BinaryPictures(Dataset):
    """Pictures of zeros and ones; item i is (side, side) float32."""

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """(len(indices), side, side) float32; each kind of file has its own."""
        raise NotImplementedError(f"{type(self).__name__}: rows is not written")

    def __getitem__(self, index: int) -> np.ndarray:
        return self.rows(np.array([range(len(self))[operator.index(index)]]))[0]

    def batch(self, indices: Sequence[int]) -> Tensor:
        """Several at once, (B, side, side)."""
        return Tensor(self.rows(np.asarray(indices, dtype=np.int64)))


class AmatPictures(BinaryPictures):
    """Pictures of a text file, a picture a line; a line is read when its picture is asked for.

    Args:
        path: the file.
        side: pixels of a picture's height and width.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an empty file; when a picture is read, a line without side * side values, or with one that is not 0 or 1.
    """

    def __init__(self, path: str | os.PathLike, side: int = SIDE):
        self.path = ordinary_file(path, READER, "a text file of zeros and ones such as binarized_mnist_train.amat")
        self.side = side
        self._lines = LineFile(self.path, READER)
        self._count = len(self._lines)
        while self._count and not self._lines.line(self._count - 1).strip():
            self._count -= 1   # empty lines at the end
        if not self._count:
            raise ValueError(f"{READER}: {self.path} is empty; expected {side * side} values 0 or 1 a line")

    def __len__(self) -> int:
        return self._count

    def rows(self, indices: np.ndarray) -> np.ndarray:
        return np.stack([self._row(int(i)) for i in indices]) if len(indices) else np.zeros((0, self.side, self.side), np.float32)

    def _row(self, index: int) -> np.ndarray:
        values, where = self._lines.line(index).split(), f"{READER}: {self.path} line {index + 1}"
        if len(values) != self.side ** 2:
            raise ValueError(f"{where}: {len(values)} values; expected {self.side ** 2}, a picture of {self.side} x {self.side}")
        wrong = next((i for i, value in enumerate(values) if value not in ("0", "1")), None)
        if wrong is not None:
            raise ValueError(f"{where}: value {wrong + 1} is {values[wrong][:20]!r}; expected 0 or 1")
        return np.array(values).astype(np.float32).reshape(self.side, self.side)


class MatPictures(BinaryPictures):
    """Pictures of the array ``X`` in a MAT-file, a picture a row; the file is read when the first is asked for.

    Args:
        path: the file.
        side: pixels of a picture's height and width.

    Raises:
        FileNotFoundError: no such file.
        ValueError: when it is read, what ``read_mat`` refuses, rows of another length, or a value that is not 0 or 1.
    """

    def __init__(self, path: str | os.PathLike, side: int = SIDE):
        self.path, self.side = ordinary_file(path, READER, "a MAT-file such as binarized_mnist_train.mat"), side

    def __len__(self) -> int:
        return len(self._pictures)

    def rows(self, indices: np.ndarray) -> np.ndarray:
        return self._pictures[indices].astype(np.float32)

    @functools.cached_property
    def _pictures(self) -> np.ndarray:
        X = read_mat(self.path, "X")
        if X.ndim != 2 or X.shape[1] != self.side ** 2:
            raise ValueError(f"{READER}: {self.path}: X has the shape {X.shape}; expected (pictures, {self.side ** 2}), of "
                             f"{self.side} x {self.side} pixels")
        if (wrong := np.argwhere((X != 0) & (X != 1))).size:
            row, column = wrong[0]
            raise ValueError(f"{READER}: {self.path}: X({row + 1}, {column + 1}) is {X[row, column]}; expected 0 or 1")
        return np.ascontiguousarray(X, dtype=np.uint8).reshape(-1, self.side, self.side)
