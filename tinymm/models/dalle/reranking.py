"""Re-ranking of samples (Ramesh et al. 2021, section 2.6): of N pictures that were drawn for a caption, those that fit it best.

    score of candidate j = cosine of I_e(picture j) and T_e(caption)        order = candidates by descending score

The judge is CLIP, which never saw how likely the second stage finds a picture.
"""

from __future__ import annotations

import numpy as np

from ... import functional as F
from ...autograd import Tensor, no_grad
from ...autograd.host import to_numpy
from ...autograd.integers import integer
from ...ops.checks import as_tensor
from ..clip import CLIP


def clip_scores(model: CLIP, image: Tensor, text: Tensor) -> Tensor:
    """How well each candidate fits its own caption: the cosine of both embeddings, without the temperature.

    Args:
        model: CLIP, in evaluation.
        image: (M, N, 3, R, R), N candidates for each of M captions, as CLIP takes pictures (``normalize_picture``).
        text: (M, L) integers, the captions as CLIP's tokenizer gives them.

    Returns:
        Tensor (M, N) from -1 to 1, without a graph.

    Raises:
        ValueError: other axes, another number of captions than of rows of candidates, or no candidate.
        TypeError: no Tensors, or captions that are no integers.
    """
    shape = as_tensor("clip_scores", "image", image).shape
    if image.ndim != 5 or as_tensor("clip_scores", "text", text).ndim != 2 or len(text) != len(image):
        raise ValueError(f"clip_scores: image {shape} and text {text.shape}; they must be (M, N, 3, R, R) and (M, L), N candidates "
                         "for each of M captions")
    _some_candidates("clip_scores", "image", shape)
    with no_grad():
        I_e = F.normalize(model.encode_image(image.reshape(-1, *shape[2:])), dim=1).reshape(*shape[:2], -1)   # (M, N, E)
        T_e = F.normalize(model.encode_text(text), dim=1)                                                     # (M, E)
        return (I_e @ T_e.unsqueeze(-1)).squeeze(-1)                                                          # (M, N)


def rerank(scores, count: int | None = None) -> np.ndarray:
    """The candidates of each caption, best first; of equal ones that which was drawn earlier.

    Args:
        scores: (M, N) of N candidates for each of M captions.
        count: k, how many to keep of each (the paper keeps 1 of 512); all by default.

    Returns:
        (M, k) int64, indices of candidates.

    Raises:
        ValueError: no candidate (N = 0), a score that is NaN, scores of other axes, or a count outside 1 to N.
        TypeError: a count that is no integer.
    """
    scores = to_numpy(scores)
    if scores.ndim != 2 or scores.dtype.kind not in "iuf":
        raise ValueError(f"rerank: scores are {scores.dtype} of shape {scores.shape}; they must be numbers (M captions, "
                         "N candidates)")
    _some_candidates("rerank", "scores", scores.shape)
    N = scores.shape[1]
    count = N if count is None else integer("rerank", "count", count, 1)
    if count > N:
        raise ValueError(f"rerank: count={count} is more than the N={N} candidates of each caption; draw more")
    if (wrong := np.argwhere(np.isnan(scores))).size:
        raise ValueError(f"rerank: the score of candidate {wrong[0, 1]} of caption {wrong[0, 0]} is NaN")
    return np.argsort(-scores.astype(np.float64), axis=1, kind="stable")[:, :count]


def _some_candidates(name: str, argument: str, shape: tuple) -> None:
    """Refuse N = 0."""
    if shape[1] < 1:
        raise ValueError(f"{name}: {argument} of shape {shape} has N=0 candidates (axis 1); draw at least one for each caption")
