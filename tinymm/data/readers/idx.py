"""MNIST in its IDX files (LeCun, Cortes & Burges): handwritten digits of 28 x 28 pixels, and their labels.

An IDX file begins with a magic number, 2051 for pictures and 2049 for labels, and how many there are (and of what height and
width), integers of 32 bits, the big end first; then a byte for each pixel or label. EMNIST, KMNIST and Fashion-MNIST are the same.
"""

from __future__ import annotations

import functools
import math
import operator
import os
import pathlib
import struct
from collections.abc import Sequence

import numpy as np

from ...autograd import Tensor
from ..dataset import Dataset
from .captions import find_file
from .files import BEST_PACKED, GZIP, MOST_BYTES, ordinary_file, unpacked

READER = "read_mnist"
MAGIC = {2051: ("pictures", 3), 2049: ("labels", 1)}   # -> what they are, and how many axes
PREFIX = {"train": "train", "test": "t10k"}
KINDS = {2051: "images{}idx3-ubyte", 2049: "labels{}idx1-ubyte"}


def read_mnist(folder: str | os.PathLike, part: str = "train") -> MNISTDigits:
    """The digits of MNIST; pixels are read when the first digit is asked for.

    Args:
        folder: holds ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, or ``t10k-...`` of the test part, as they are
            or packed (``.gz``); some copies have a dot before ``idx``. They may lie in ``MNIST/raw``, or one folder deeper.
        part: "train" or "test".

    Raises:
        FileNotFoundError: no such files.
        ValueError: an unknown part, a file of another format, damaged or truncated, not as many labels as pictures.
    """
    if part not in PREFIX:
        raise ValueError(f"{READER}: part={part!r}; choose from {', '.join(PREFIX)}")
    files = []
    for magic in KINDS:
        names = [f"{PREFIX[part]}-{KINDS[magic].format(dot)}{end}" for dot in "-." for end in ("", ".gz")]
        names += [f"MNIST/raw/{name}" for name in names]
        if (path := find_file(pathlib.Path(folder), names)) is None:
            raise FileNotFoundError(f"{READER}: {folder} holds no {names[0]}, packed (.gz) or not; give the folder of the dataset")
        files.append(IdxFile(path, magic))
    return MNISTDigits(*files)


class MNISTDigits(Dataset):
    """Pictures of an IDX file with the labels of another; item i is (H, W) float32 in [0, 1], and the label.

    Raises:
        ValueError: not as many labels as pictures.
    """

    def __init__(self, pictures: IdxFile, labels: IdxFile):
        if len(pictures) != len(labels):
            raise ValueError(f"{READER}: {pictures.path} has {len(pictures)} pictures and {labels.path} {len(labels)} labels; "
                             f"expected one label for each picture")
        self.pictures, self.labels = pictures, labels

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        index = operator.index(index)
        return self.pictures.values[index].astype(np.float32) / 255, int(self.labels.values[index])

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Several digits at once: (B, H, W) float32, and their labels (B,) int64."""
        rows = np.asarray(indices, dtype=np.int64)
        return Tensor(self.pictures.values[rows].astype(np.float32) / 255), Tensor(self.labels.values[rows].astype(np.int64))


class IdxFile:
    """An IDX file of bytes, packed with gzip or not; only its head is read until ``values`` are asked for.

    Args:
        path: the file.
        magic: 2051, pictures (N, H, W), or 2049, labels (N,).

    Raises:
        FileNotFoundError: no such file.
        ValueError: another magic number, or more or fewer bytes than the head says.
    """

    def __init__(self, path: str | os.PathLike, magic: int):
        kind, axes = MAGIC[magic]
        self.path = ordinary_file(path, READER, f"an IDX file of {kind}")
        self.head = 4 + 4 * axes
        head = unpacked(self.path, READER, self.head)
        if len(head) < self.head:
            raise ValueError(f"{READER}: {self.path} has {len(head)} bytes; expected {self.head} of its head, then {kind}")
        found, *shape = struct.unpack(f">{1 + axes}I", head)
        if found != magic:
            is_ = f"{found}, {MAGIC[found][0]}" if found in MAGIC else f"{found}, no IDX file of bytes"
            raise ValueError(f"{READER}: {self.path} begins with the number {is_}; expected {magic}, {kind}")
        self.shape, self.bytes = tuple(shape), math.prod(shape)
        if self.bytes > MOST_BYTES:
            raise ValueError(f"{READER}: {self.path} has {self._told()}, more than {MOST_BYTES:,} bytes")
        size = self.path.stat().st_size
        with open(self.path, "rb") as file:
            packed = file.read(2) == GZIP
        if self.bytes + self.head > size * BEST_PACKED if packed else self.bytes + self.head != size:
            raise ValueError(f"{READER}: {self.path} has {size:,} bytes{' packed' * packed}; expected {self.head} of its head and "
                             f"{self._told()}, the file is {'not whole' if self.bytes + self.head > size else 'damaged'}")

    def __len__(self) -> int:
        return self.shape[0]

    def _told(self) -> str:
        return f"{self.bytes:,} of {' x '.join(map(str, self.shape))}"

    @functools.cached_property
    def values(self) -> np.ndarray:
        """All of them, uint8.

        Raises:
            ValueError: the gzip data are damaged, or hold more or fewer bytes than the head says.
        """
        content = unpacked(self.path, READER, self.head + self.bytes + 1)   # one more, to see that there is none
        if len(content) != self.head + self.bytes:
            more = "more than that" if len(content) > self.head + self.bytes else f"{len(content) - self.head:,}"
            raise ValueError(f"{READER}: {self.path}: expected {self._told()} bytes after its head, got {more}; the file is "
                             f"damaged")
        return np.frombuffer(content, np.uint8, offset=self.head).reshape(self.shape)
