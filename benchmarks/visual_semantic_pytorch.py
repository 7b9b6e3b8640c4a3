"""Deep visual-semantic alignments (Karpathy and Fei-Fei 2015) in PyTorch eager: the twin of tinymm's model of lecture 3.

Both directions of the recurrent network take their steps together, in one batched product. The input is added as it
is, and this is faster than ``nn.RNN``, whose weights of the input would have to be the identity. All scores of
regions and words are one product. ``load_state_dict`` takes tinymm's weights as they are.
"""

from __future__ import annotations

import torch
from torch import nn


class BidirectionalEncoder(nn.Module):
    """The words of sentences -> vectors that know the words before and behind them."""

    def __init__(self, vocabulary, words=64, size=64):
        super().__init__()
        self.W_w = nn.Embedding(vocabulary, words, padding_idx=0)
        self.W_e = nn.Linear(words, size)
        self.W_f, self.W_b = nn.Linear(size, size), nn.Linear(size, size)
        for W in (self.W_f, self.W_b):
            W.weight.data = torch.eye(size) / 2
            W.bias.data.zero_()
        self.W_d = nn.Linear(size, size)

    def forward(self, S):
        """S (T, L) -> s (T, L, D), and which words there are (T, L)."""
        inside = S != 0
        e = self.W_e(self.W_w(S)).relu()                                                        # (T, L, D)
        x = torch.stack([e + self.W_f.bias, (e + self.W_b.bias).flip(0)], 1)                    # (T, 2, L, D)
        W = torch.stack([self.W_f.weight.T, self.W_b.weight.T])                                 # (2, D, D)
        there = torch.stack([torch.ones_like(inside), inside.flip(0)], 1)[..., None].to(e.dtype)
        h, read = torch.zeros_like(x[0]), []
        for t in range(len(x)):
            h = torch.baddbmm(x[t], h, W).relu() * there[t]                                     # nothing before the last word
            read.append(h)
        h = torch.stack(read)
        return self.W_d(h[:, 0] + h[:, 1].flip(0)).relu(), inside


class VisualSemanticAlignment(nn.Module):
    """Scores of images and sentences by the best region of each word."""

    def __init__(self, features, vocabulary, size=64, words=64, margin=1.0):
        super().__init__()
        self.margin = margin
        self.W_m = nn.Linear(features, size)
        self.encoder = BidirectionalEncoder(vocabulary, words, size)

    def forward(self, phi, inside, S):
        """phi (K, M, F), inside (K, M), S (T, L) -> S_kl (K, L)."""
        v = self.W_m(phi)                                                                       # (K, M, D)
        s, words = self.encoder(S)                                                              # (T, L, D)
        scores = (v.flatten(0, 1) @ s.flatten(0, 1).T).view(*v.shape[:2], *s.shape[:2])         # (K, M, T, L)
        best = scores.masked_fill(~inside[:, :, None, None], -torch.inf).max(1).values          # (K, T, L)
        return (best * words).sum(1)

    def loss(self, phi, inside, S):
        """The margins that are missed, of B pairs, both ways, a pair."""
        scores = self(phi, inside, S)
        right = scores.diagonal()
        missed = (self.margin - right[:, None] + scores).clamp(min=0) + (self.margin - right + scores).clamp(min=0)
        return missed.masked_fill(torch.eye(len(scores), dtype=torch.bool), 0.0).sum() / len(scores)
