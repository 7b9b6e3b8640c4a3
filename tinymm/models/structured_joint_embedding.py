"""Structured joint embedding of pictures and texts (Akata et al. 2015; Reed, Akata, Schiele and Lee 2016), and its classifiers.

    f_v(v) = argmax over y of the mean over texts t of class y of theta(v) . phi(t)
    f_t(t) = argmax over y of the mean over pictures v of class y of theta(v) . phi(t)
    0-1 loss = 1/N sum_n [Delta(y_n, f_v(v_n)) + Delta(y_n, f_t(t_n))]
    hinge = 1/B^2 sum_i sum_{j != i} ([1 + S_ij - S_ii]_+ + [1 + S_ji - S_ii]_+),      S_ij = theta_i . phi_j

The slide calls the encoder of pictures phi(v); here it is theta(v), and phi(t) that of texts. The 0-1 loss has no gradient: the
hinge, which the slide leaves out, is learned in its place, from B pairs of B classes. All that violate the margin are summed.
"""

from __future__ import annotations

import numpy as np

from ..autograd import Tensor
from ..autograd.host import to_numpy
from ..metrics.classification import accuracy
from ..ops.checks import as_tensor
from .order_embedding import ranking_loss


def joint_embedding_loss(S: Tensor, labels=None) -> Tensor:
    """The symmetric hinge of B pairs, 1/B^2 sum_i sum_{j != i} ([1 + S_ij - S_ii]_+ + [1 + S_ji - S_ii]_+).

    Args:
        S: (B, B), S_ij = theta_i . phi_j of picture i and text j; the right pairs on the diagonal.
        labels: (B,) the pairs' classes, to be checked: with a class twice, a pair that counts as wrong would be right.

    Returns:
        A scalar.

    Raises:
        ValueError: S is no square; there is no wrong pair; a class that stands in the batch twice.
    """
    if as_tensor("joint_embedding_loss", "S", S).ndim != 2 or S.shape[0] != S.shape[1]:
        raise ValueError(f"joint_embedding_loss: S has shape {S.shape}; it must be (B, B), pictures by texts, the right pairs on "
                         "the diagonal")
    B = S.shape[0]
    if labels is not None:
        classes, counts = np.unique(to_numpy(labels), return_counts=True)
        if counts.sum() != B:
            raise ValueError(f"joint_embedding_loss: S has shape {S.shape} and labels {to_numpy(labels).shape}; they must be (B,)")
        if B > 1 and len(classes) < B:
            raise ValueError(f"joint_embedding_loss: {B} pairs of {len(classes)} class{'es' * (len(classes) > 1)}, class "
                             f"{classes[counts.argmax()]} {counts.max()} times; pairs of one class are not wrong: draw B different "
                             "classes, and one pair of each")
    if B < 2:
        raise ValueError(f"joint_embedding_loss: S has shape {S.shape}; of fewer than two classes there is no wrong pair")
    return ranking_loss(S, 1.0) / B ** 2


def class_means(vectors, labels, classes: int) -> np.ndarray:
    """The mean vector of each class.

    Args:
        vectors: (N, d) theta(v) or phi(t).
        labels: (N,) integers from 0 to classes - 1.
        classes: C.

    Returns:
        (C, d).

    Raises:
        ValueError: shapes that do not fit, a label that is no class, a class without vectors.
    """
    vectors, labels = to_numpy(vectors), to_numpy(labels)
    if vectors.ndim != 2 or labels.shape != vectors.shape[:1]:
        raise ValueError(f"class_means: vectors have shape {vectors.shape} and labels {labels.shape}; they must be (N, d) and (N,)")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"class_means: labels run from {labels.min()} to {labels.max()}; with {classes} classes they are 0 to "
                         f"{classes - 1}")
    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        raise ValueError(f"class_means: class {counts.argmin()} has no vector; give at least one of each of {classes}")
    return np.stack([vectors[labels == y].mean(0) for y in range(classes)])


def class_scores(theta, phi) -> np.ndarray:
    """theta . phi of every row of one with every row of the other; with class means it is the mean of the scores.

    Args:
        theta: (N, d).
        phi: (C, d).

    Returns:
        (N, C).

    Raises:
        ValueError: shapes that do not fit.
    """
    theta, phi = to_numpy(theta), to_numpy(phi)
    if theta.ndim != 2 or phi.ndim != 2 or theta.shape[1] != phi.shape[1]:
        raise ValueError(f"class_scores: shapes {theta.shape} and {phi.shape}; they must be (N, d) and (C, d)")
    return theta @ phi.T


def classify_images(theta, texts) -> np.ndarray:
    """f_v: the class whose texts fit a picture best, on average.

    Args:
        theta: (N, d) of pictures.
        texts: (C, d), ``class_means`` of phi(t).

    Returns:
        (N,) integers.

    Raises:
        ValueError: shapes that do not fit.
    """
    return class_scores(theta, texts).argmax(1)


def classify_texts(phi, images) -> np.ndarray:
    """f_t: the class whose pictures fit a text best, on average.

    Args:
        phi: (N, d) of texts.
        images: (C, d), ``class_means`` of theta(v).

    Returns:
        (N,) integers.

    Raises:
        ValueError: shapes that do not fit.
    """
    return class_scores(phi, images).argmax(1)


def zero_one_loss(labels, found_v, found_t) -> float:
    """1/N sum_n [Delta(y_n, f_v(v_n)) + Delta(y_n, f_t(t_n))]: two shares of mistakes, from 0 to 2.

    Args:
        labels: (N,) classes y_n.
        found_v, found_t: (N,) what f_v says of the pictures, and f_t of the texts.

    Returns:
        A number.

    Raises:
        ValueError: shapes that differ, or no pair.
    """
    return (1 - accuracy(found_v, labels)) + (1 - accuracy(found_t, labels))
