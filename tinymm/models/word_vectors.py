"""The start of word vectors in the captioning papers' code."""

from __future__ import annotations

from .. import nn
from ..autograd import no_grad
from ..nn import init


def small_embedding(vocabulary: int, size: int, pad: int) -> nn.Embedding:
    """Word vectors within +-0.08, as the authors start them, and a zero one for ``pad``.

    Args:
        vocabulary: |V|.
        size: length of a vector.
        pad: the id after the end of a sentence.
    """
    table = nn.Embedding(vocabulary, size, padding_idx=pad)
    with no_grad():
        init.uniform_(table.weight, -0.08, 0.08)
        table.weight[pad] = 0
    return table
