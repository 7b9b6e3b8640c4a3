"""The bag-of-words text encoder ("CBOW") of the lecture's pseudo-code.

    T_f = LN(mean of the embeddings of the text's words)        T_e = T_f W_t

The paper names it in its pseudo-code and its study of efficiency only, and no code was published; this is our
reading of it. The order of words is lost: "red on blue" is "blue on red".
"""

from __future__ import annotations

import numpy as np

from ...autograd import Tensor
from ...backend.arrays import to_device


def mean_of_words(x: Tensor, end: np.ndarray) -> Tensor:
    """The mean of the vectors of words: neither of the start (place 0) nor of the end nor of what comes after it.

    Args:
        x: (N, L, D), token embeddings.
        end: (N,) integers, the place of each text's end-of-text token.

    Returns:
        (N, D); zeros for a text without words.
    """
    place = np.arange(x.shape[1])
    words = ((0 < place) & (place < end[:, None])).astype(x.dtype)           # (N, L)
    weights = words / np.maximum(words.sum(1, keepdims=True), 1)
    return (Tensor(to_device(weights[:, None], x.device)) @ x)[:, 0]         # (N, 1, L) @ (N, L, D)
