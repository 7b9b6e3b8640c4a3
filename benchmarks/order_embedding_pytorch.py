"""Order embeddings (Vendrov et al. 2016) in PyTorch eager: the twin of tinymm's model of lecture 5.

The plain model packs its sentences for ``nn.GRU``, as a PyTorch user would; the layer-normalised one loops over time.
``load_state_dict`` takes tinymm's weights as they are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from layer_norm_pytorch import LayerNormGRU


class PackedGRU(nn.GRU):
    """``nn.GRU`` on sequences of several lengths."""

    def forward(self, x, lengths):
        out, h = super().forward(pack_padded_sequence(x, lengths, enforce_sorted=False))
        return out, (h[0],)


class OrderEmbedding(nn.Module):
    """Sentences and pictures in one space; the arguments are those of tinymm's ``OrderEmbedding``."""

    def __init__(self, vocabulary, features, words=48, size=96, norm="none", score="order"):
        super().__init__()
        self.score, self.margin = score, {"order": 0.05, "cosine": 0.2}[score]
        self.embedding = nn.Embedding(vocabulary, words)
        self.gru = {"none": PackedGRU, "layer": LayerNormGRU}[norm](words, size)
        self.picture = nn.Linear(features, size)

    def place(self, x):
        x = F.normalize(x, dim=1)
        return x.abs() if self.score == "order" else x

    def loss(self, words, lengths, features):
        """Words (T, B), lengths (B,) and features (B, F) of pairs -> the margins that are missed, summed both ways."""
        _, (h,) = self.gru(self.embedding(words), lengths)
        s, im = self.place(h), self.place(self.picture(features))                   # (B, D)
        scores = -((s[:, None] - im).clamp(min=0) ** 2).sum(2) if self.score == "order" else s @ im.T   # (B, B)
        right = scores.diagonal()
        missed = (self.margin - right[:, None] + scores).clamp(min=0) + (self.margin - right + scores).clamp(min=0)
        return missed.masked_fill(torch.eye(len(scores), dtype=torch.bool), 0.0).sum()
