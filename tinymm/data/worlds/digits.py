"""The embedded UCI handwritten digits."""

from __future__ import annotations

import pathlib
import sys

import numpy as np

from ...backend.random import Stream


def datasets_folder() -> pathlib.Path:
    """The folder of the embedded data: beside the package in a checkout, under ``share`` in an installation.

    Raises:
        FileNotFoundError: it is in neither place.
    """
    beside = pathlib.Path(__file__).resolve().parents[3] / "datasets"
    installed = pathlib.Path(sys.prefix) / "share" / "tinymm" / "datasets"
    for folder in (beside, installed):
        if (folder / "uci_digits.npz").is_file():
            return folder
    raise FileNotFoundError(f"the embedded datasets are neither in {beside} nor in {installed}; reinstall tinymm")


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images (1797, 8, 8) float32 in [0, 1] and labels (1797,) int64 of real handwritten digits (UCI, CC BY 4.0)."""
    with np.load(datasets_folder() / "uci_digits.npz") as file:
        return file["images"].astype(np.float32) / 16, file["labels"].astype(np.int64)


FOLDS = 3   # cuts of one order whose test parts share no image


def split_digits(seed: int = 0, sizes: tuple[int, int, int] = (1200, 297, 300),
                 fold: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The digits as "train", "validation" and "test", cut at random; no image is in two parts.

    Args:
        seed: of the order in which they are cut.
        sizes: images of each part, 1,797 in all.
        fold: 0, 1 or 2: the order is turned by so many thirds before the cut. Test parts of at most a third share no image.

    Raises:
        ValueError: other sizes, another fold.
    """
    images, labels = load_digits()
    if sum(sizes) != len(labels):
        raise ValueError(f"split_digits: sizes={sizes} add up to {sum(sizes)}, there are {len(labels)} digits")
    if fold not in range(FOLDS):
        raise ValueError(f"split_digits: fold={fold}; choose from 0 to {FOLDS - 1}")
    order = np.roll(Stream("digits", seed).generator.permutation(len(labels)), fold * len(labels) // FOLDS)
    ends = np.cumsum(sizes)
    parts = np.split(order, ends[:-1])
    return {name: (images[rows], labels[rows]) for name, rows in zip(("train", "validation", "test"), parts)}
