"""Classification: how often an answer is the right class, or among the first k; and what is taken for what.

All take Tensors of any device, arrays or lists, and give Python floats or NumPy arrays. A share of nothing is an error, not
NaN: an empty part of a dataset is a mistake that a mean would carry into the report.
"""

from __future__ import annotations

import numpy as np

from ..autograd.integers import integer
from .numbers import numbers


def accuracy(said, labels) -> float:
    """The share of right answers.

    Args:
        said: answers, of any shape.
        labels: the right ones, of the same shape.

    Raises:
        ValueError: shapes that differ, or no answer.
        TypeError: what are neither numbers nor words.
    """
    said, labels = numbers("accuracy", "answers", said, words=True), numbers("accuracy", "labels", labels, words=True)
    if said.shape != labels.shape or not said.size:
        raise ValueError(f"accuracy: answers of shape {said.shape} and labels of shape {labels.shape}; they must have the same "
                         "shape and at least one element (of scores (N, C), the answers are scores.argmax(1))")
    return float((said == labels).mean())


def top_k_accuracy(scores, labels, k: int = 5) -> float:
    """The share of rows whose class is among the k with the largest scores (top-1 and top-5 in papers' tables).

    Args:
        scores: (N, C) logits, probabilities or cosines; of equal ones the first counts as larger, as for ``argmax``.
        labels: (N,) integers, the right classes.
        k: from 1 to C.

    Raises:
        ValueError: shapes that do not fit, no row, another k, a label that is no class, NaN among the scores.
        TypeError: labels that are not integers, or k.
    """
    scores, labels = numbers("top_k_accuracy", "scores", scores), numbers("top_k_accuracy", "labels", labels)
    k = integer("top_k_accuracy", "k", k)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels) or not 1 <= k <= scores.shape[1]:
        raise ValueError(f"top_k_accuracy: scores {scores.shape}, labels {labels.shape}, k={k}; they must be (N, C) with N at "
                         "least 1, (N,), and from 1 to C")
    _check_classes("top_k_accuracy", "labels", labels, scores.shape[1])
    if np.isnan(scores).any():
        raise ValueError(f"top_k_accuracy: the scores of row {np.isnan(scores).any(1).argmax()} have NaN, which has no place in "
                         "an order")
    labels = labels[:, None]                                                                      # (N, 1)
    right = np.take_along_axis(scores, labels, 1)                                                 # (N, 1)
    before = (scores > right) | (scores == right) & (np.arange(scores.shape[1]) < labels)         # (N, C)
    return float((before.sum(1) < k).mean())


def confusion(labels, said, classes: int) -> np.ndarray:
    """What is taken for what: for each class (row) the shares of the answers (columns); zeros for a class without rows.

    Args:
        labels: (N,) integers, the right classes.
        said: (N,) integers, the answers.
        classes: C.

    Returns:
        (C, C) float64.

    Raises:
        ValueError: shapes that do not fit, no row, no class, a label or an answer that is no class.
        TypeError: labels, answers or ``classes`` that are not integers.
    """
    labels, said = numbers("confusion", "labels", labels), numbers("confusion", "answers", said)
    classes = integer("confusion", "classes", classes, 1)
    if labels.ndim != 1 or labels.shape != said.shape or not len(labels):
        raise ValueError(f"confusion: labels of shape {labels.shape} and answers of shape {said.shape}; both must be (N,) with N "
                         "at least 1")
    _check_classes("confusion", "labels", labels, classes)
    _check_classes("confusion", "answers", said, classes)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, said), 1)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def _check_classes(name: str, what: str, values: np.ndarray, classes: int) -> None:
    if values.dtype.kind not in "iu":
        raise TypeError(f"{name}: {what} of dtype {values.dtype}; they must be integers, the numbers of classes")
    if values.min() < 0 or values.max() >= classes:
        wrong = values[(values < 0) | (values >= classes)][0]
        raise ValueError(f"{name}: {wrong} among the {what} is no class; there are C={classes}, from 0 to {classes - 1}")
