"""DeFrag (Karpathy, Joulin and Fei-Fei 2014): parts of pictures find parts of sentences, and their sum is the score.

    v_i = W_m phi_i + b_m                       a part of the picture
    s_j = relu(W_R [W_e w_1; W_e w_2] + b_R)    a part of the sentence: word w_2 hangs on w_1 by the relation R
    S_kl = 1 / (|g_k| (|g_l| + n)) sum over i in g_k, j in g_l of max(0, v_i^T s_j)
    loss = sum over wrong pairs of max(0, margin - S_kk + S_kl) + max(0, margin - S_kk + S_lk)

g_k are the parts of picture k, g_l those of sentence l, and n makes up for short sentences, which would score high by one
part that fits. Nobody says which part belongs to which: S is learnt from whole pictures and whole sentences. The paper adds
a second objective, which aligns parts as bags of instances; its global ranking, this loss, is what retrieval is about.
"""

from __future__ import annotations

from .. import functional as F
from .. import nn
from ..autograd import Tensor
from .order_embedding import ranking_loss


def fragment_scores(v: Tensor, s: Tensor, inside: Tensor, n: float = 5.0) -> Tensor:
    """S of every picture with every sentence.

    Args:
        v: (I, L, D), L parts of each picture.
        s: (T, C, D), up to T parts of each sentence.
        inside: (T, C), 1 where there is a part, and 0.
        n: added to the number of a sentence's parts.

    Returns:
        (I, C), at least 0.

    Raises:
        ValueError: shapes that do not fit.
    """
    if v.ndim != 3 or s.ndim != 3 or v.shape[2] != s.shape[2] or inside.shape != s.shape[:2] or not v.shape[1]:
        raise ValueError(f"fragment_scores: v has shape {v.shape}, s {s.shape}, inside {inside.shape}; they must be (I, L, D), "
                         "(T, C, D) and (T, C), L at least 1")
    (I, L, D), (T, C) = v.shape, inside.shape
    found = F.relu(v.reshape(I * L, D) @ s.reshape(T * C, D).T).reshape(I, L, T, C).sum(1)       # (I, T, C)
    return (found * inside).sum(1) / (L * (inside.sum(0) + n))


class Fragments(nn.Module):
    """Parts of pictures and of sentences in one space.

    Args:
        features: length of phi_i.
        vocabulary: |V|.
        relations: R.
        words: length of a word's vector.
        size: D, of the space.
        n: of the score, 5 in the paper.
        margin: by how much a right pair shall score better; 40 in the paper, whose space has 1000 dimensions.
        pad: the id after the end of a sentence.
    """

    def __init__(self, features: int, vocabulary: int, relations: int, words: int = 64, size: int = 128, n: float = 5.0,
                 margin: float = 1.0, pad: int = 0):
        super().__init__()
        self.features, self.relations, self.size, self.n, self.margin, self.pad = features, relations, size, n, margin, pad
        self.W_e = nn.Embedding(vocabulary, words, padding_idx=pad)
        self.W_m = nn.Linear(features, size)
        self.W_R = nn.Linear(2 * words, relations * size)                  # all W_R, one below the other

    def pictures(self, parts: Tensor) -> Tensor:
        """phi_i (I, L, features) -> v (I, L, D)."""
        if parts.ndim != 3 or parts.shape[2] != self.features:
            raise ValueError(f"Fragments: the pictures' parts have shape {parts.shape}; they must be (I, L, features="
                             f"{self.features})")
        return self.W_m(parts)

    def sentences(self, words: Tensor, heads: Tensor, relations: Tensor) -> tuple[Tensor, Tensor]:
        """s (T, C, D), and where there is a part (T, C).

        W_R [W_e w_1; W_e w_2] is a sum of two vectors, computed once for each word and relation, and looked up.

        Args:
            words: w_2, (T, C) integers, padded at the end.
            heads: w_1, the word that each of them hangs on, (T, C); ``pad`` where it hangs on none, which is no part then.
            relations: (T, C) integers from 0 to R - 1.

        Raises:
            ValueError: shapes that do not fit.
        """
        if words.ndim != 2 or heads.shape != words.shape or relations.shape != words.shape:
            raise ValueError(f"Fragments: words have shape {words.shape}, heads {heads.shape}, relations {relations.shape}; they "
                             "must be alike, (T, C), time first")
        E, R, D = self.W_e.embedding_dim, self.relations, self.size
        first, second = ((self.W_e.weight @ W.T).reshape(-1, D) for W in (self.W_R.weight[:, :E], self.W_R.weight[:, E:]))
        s = F.embedding(heads * R + relations, first) + F.embedding(words * R + relations, second)   # (T, C, D)
        return F.relu(s + F.embedding(relations, self.W_R.bias.reshape(R, D))), (heads != self.pad).to(dtype=s.dtype)

    def forward(self, parts: Tensor, *sentence: Tensor) -> Tensor:
        """S (I, C) of pictures' parts (I, L, features) with what ``sentences`` takes of C sentences."""
        return fragment_scores(self.pictures(parts), *self.sentences(*sentence), self.n)

    def loss(self, parts: Tensor, *sentence: Tensor) -> Tensor:
        """Of B pairs, the i-th picture with the i-th sentence: ``ranking_loss`` a pair, a scalar."""
        return ranking_loss(self(parts, *sentence), self.margin) / max(1, parts.shape[0])
