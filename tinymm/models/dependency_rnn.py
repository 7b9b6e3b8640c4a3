"""SDT-RNN (Socher et al. 2014): a recursive network over the dependency tree of a sentence, one matrix for each relation.

    h_i = f( ( W_v x_i + sum over children j of l(j) W_{r(j)} h_j ) / l(i) )        f = tanh
    s = h_root                                  y in the paper
    v = W_I phi_V(x)
    score = v^T s                               not a cosine
    loss = sum over wrong pairs of max(0, margin - score + wrong score), in both directions

l(i) is the number of words of the part of the tree below i, i among them; r(j) the relation by which j hangs on i. What is
far below the root counts little: the words closest to it decide. With one matrix for all relations it is the DT-RNN.
"""

from __future__ import annotations

import numpy as np

from .. import functional as F
from .. import nn
from ..autograd import Tensor
from ..backend.arrays import to_device
from .joint_embedding import JointEmbedding


class DependencyRNN(JointEmbedding):
    """Trees of words to vectors, from the leaves to the root.

    Args:
        features: length of phi_V(x).
        vocabulary: |V|.
        relations: R.
        words: length of a word's vector.
        size: D, of the space.
        margin: by how much a right pair shall score better.
        pad: the id after the end of a sentence.
    """

    def __init__(self, features: int, vocabulary: int, relations: int, words: int = 64, size: int = 64, margin: float = 1.0,
                 pad: int = 0):
        super().__init__(features, vocabulary, words, size, margin, unit=False, pad=pad)
        self.size, self.relations = size, relations
        self.W_e = nn.Embedding(vocabulary, words, padding_idx=pad)        # N(0, 1): no cosine takes out that small ones are small
        self.W_v = nn.Linear(words, size, bias=False)
        self.W_r = nn.Linear(size, relations * size, bias=False)           # all W_r, one below the other

    def sentences(self, words: Tensor, heads: Tensor, relations: Tensor) -> Tensor:
        """The vector of each root.

        Args:
            words: (T, C) integers, padded at the end.
            heads: (T, C) integers: for each word the step of its head, -1 for the root of each sentence.
            relations: (T, C) integers from 0 to R - 1: how it hangs on its head.

        Returns:
            (C, D).

        Raises:
            ValueError: shapes that do not fit, no sentence, heads that are no trees, a relation that is none.
            TypeError: heads or relations that are no integers.
        """
        inside = self.inside(words).cpu().numpy() > 0                      # (T, C)
        head, relation = heads.cpu().numpy(), relations.cpu().numpy()
        if head.shape != words.shape or relation.shape != words.shape:
            raise ValueError(f"DependencyRNN: words have shape {words.shape}, heads {head.shape}, relations {relation.shape}; they "
                             "must be alike, (T, C)")
        for name, array in (("heads", head), ("relations", relation)):
            if array.dtype.kind not in "iu":
                raise TypeError(f"DependencyRNN: {name} have dtype {array.dtype}; they are integers, use .long()")
        if not words.shape[1]:
            raise ValueError(f"DependencyRNN: words have shape {words.shape}; give at least one sentence")
        if relation[inside].min() < 0 or relation[inside].max() >= self.relations:
            raise ValueError(f"DependencyRNN: relations must be 0 to {self.relations - 1}")
        depth = _depths(head, inside)
        length = _lengths(head, depth)                                     # l, (T, C)
        x = self.W_v(self.W_e(words))                                      # (T, C, D)
        place = np.zeros(words.shape, np.int64)                            # a word's row among those of its depth
        message = parents = None
        for d in range(depth.max(), -1, -1):
            sentence, step = np.nonzero(depth.T == d)                      # (n,), sentence by sentence
            a = x[_index(step, x), _index(sentence, x)]                    # (n, D)
            if message is not None:
                place[step, sentence] = np.arange(len(step))
                a = F.index_add(a, 0, _index(place[parents], x), message)
            l = Tensor(length[step, sentence][:, None].astype(x.dtype)).to(x.device)   # (n, 1)
            h = (a / l).tanh()
            if d:
                W_h = self.W_r(h).reshape(len(step), self.relations, self.size)
                message = l * W_h[_index(np.arange(len(step)), x), _index(relation[step, sentence], x)]
                parents = head[step, sentence], sentence
        return h                                                           # (C, D): the roots, one a sentence


def _index(rows: np.ndarray, x: Tensor) -> Tensor:
    return Tensor(to_device(rows, x.device))


def _depths(heads: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """How far each word is from its root, -1 for padding.

    Raises:
        ValueError: a head outside its sentence; words that reach no root, or two of them.
    """
    T, C = heads.shape
    within = (heads == -1) | ((heads >= 0) & (heads < T))
    within &= (heads == -1) | np.take_along_axis(inside, np.where(within, np.maximum(heads, 0), 0), 0)   # not one that is padding
    if not within[inside].all() or not ((heads == -1) & inside).sum(0).tolist() == [1] * C:
        raise ValueError("DependencyRNN: each word's head must be a step of its sentence, and just one word's, the root's, -1")
    depth, above = np.where(inside, 0, -1), np.where(inside, heads, -1)
    for _ in range(T):
        depth += above >= 0
        above = np.where(above >= 0, np.take_along_axis(heads, np.maximum(above, 0), 0), -1)
    if (above >= 0).any():
        raise ValueError("DependencyRNN: heads that go round in a circle are no tree")
    return depth


def _lengths(heads: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """How many words hang on each word, directly or not, itself among them."""
    length = np.ones(heads.shape)
    for d in range(depth.max(), 0, -1):
        step, sentence = np.nonzero(depth == d)
        np.add.at(length, (heads[step, sentence], sentence), length[step, sentence])
    return length
