"""Labels in slots: a clip has one label for each of S slots, such as activity, object, tool and place.

Labels are integers (B, S). Probabilities of labels are (B, K_0 + K_1 + ...), the slots side by side; a certain label is a one-hot.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..autograd.host import to_numpy

SLACK = 1e-3   # by how much a slot's probabilities may miss the sum of 1: float16's, and what was rounded to four digits


def checked_labels(where: str, y, sizes: Sequence[int], count: int | None = None) -> np.ndarray:
    """Labels (B, S) as an int64 array.

    Args:
        where: opens the message of an error.
        y: array or Tensor.
        sizes: values of each slot.
        count: B, where it is known.

    Raises:
        ValueError: another shape, a label that its slot does not have.
        TypeError: labels that are no integers.
    """
    labels = to_numpy(y)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{where}: y has dtype {labels.dtype}; labels are integers, use .long()")
    if labels.ndim != 2 or labels.shape[1] != len(sizes) or count not in (None, len(labels)):
        raise ValueError(f"{where}: y has shape {labels.shape}; it must be ({'B' if count is None else count}, {len(sizes)}), a "
                         "label for each slot")
    wrong = np.argwhere((labels < 0) | (labels >= np.array(sizes)))
    if len(wrong):
        row, slot = wrong[0].tolist()
        raise ValueError(f"{where}: y[{row}, {slot}]={labels[row, slot]}, but slot {slot} has the labels 0 to {sizes[slot] - 1}")
    return labels.astype(np.int64)


def checked_probabilities(where: str, p, sizes: Sequence[int]) -> np.ndarray:
    """Probabilities (B, sum K_s) as the array that they are.

    Args:
        where: opens the message of an error.
        p: array or Tensor.
        sizes: values of each slot.

    Raises:
        ValueError: another shape, a negative or missing number, a slot that does not sum to 1.
    """
    array = to_numpy(p)
    if array.ndim != 2 or array.shape[1] != sum(sizes):
        raise ValueError(f"{where}: p has shape {array.shape}; it must be (B, {sum(sizes)}), the slots' "
                         f"{' + '.join(map(str, sizes))} probabilities side by side (of labels: label_one_hots)")
    wrong = np.argwhere(~(array >= 0))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise ValueError(f"{where}: p[{row}, {column}]={array[row, column]:.4g} is no probability; of scores take the softmax in "
                         "each slot first")
    sums = np.add.reduceat(array, slot_offsets(sizes), 1, dtype=np.float64)   # (B, S)
    wrong = np.argwhere(np.abs(sums - 1) > SLACK)
    if len(wrong):
        row, slot = wrong[0].tolist()
        raise ValueError(f"{where}: in p[{row}] the probabilities of slot {slot} sum to {sums[row, slot]:.4g}; each slot must sum "
                         "to 1: divide by the sum, or of scores take the softmax")
    return array


def slot_offsets(sizes: Sequence[int]) -> list[int]:
    """Where each slot begins when they stand side by side."""
    return np.cumsum([0, *sizes[:-1]]).tolist()


def label_one_hots(y, sizes: Sequence[int]) -> np.ndarray:
    """Labels (B, S) as probabilities (B, sum K_s) float32, the slots' one-hots side by side.

    Raises:
        ValueError, TypeError: as ``checked_labels``.
    """
    labels = checked_labels("label_one_hots", y, sizes)
    return np.concatenate([np.eye(size, dtype=np.float32)[column] for size, column in zip(sizes, labels.T)], 1)
