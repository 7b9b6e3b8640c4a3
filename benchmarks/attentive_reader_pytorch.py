"""The attentive reader (Hermann et al. 2015) in PyTorch eager: the twin of tinymm's model of lecture 5.

The plain reader packs its sequences for ``nn.LSTM``, as a PyTorch user would; the layer-normalised one loops over time.
``load_state_dict`` takes tinymm's weights as they are.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from layer_norm_pytorch import LayerNormLSTM


class PackedLSTM(nn.LSTM):
    """``nn.LSTM`` on sequences of several lengths."""

    def forward(self, x, lengths):
        out, (h, c) = super().forward(pack_padded_sequence(x, lengths, enforce_sorted=False))
        return pad_packed_sequence(out, total_length=len(x))[0], (h[0], c[0])


class AttentiveReader(nn.Module):
    """The reader; the arguments are those of tinymm's ``AttentiveReader``."""

    def __init__(self, vocabulary, entities, embedding=64, hidden=64, norm="none", pad=0):
        super().__init__()
        layer = {"none": PackedLSTM, "layer": LayerNormLSTM}[norm]
        self.E = nn.Embedding(vocabulary, embedding, padding_idx=pad)
        self.document, self.query = layer(embedding, hidden), layer(embedding, hidden)
        self.W_ym, self.W_um = nn.Linear(hidden, hidden, bias=False), nn.Linear(hidden, hidden)
        self.w_ms = nn.Linear(hidden, 1, bias=False)
        self.W_rg, self.W_ug = nn.Linear(hidden, hidden, bias=False), nn.Linear(hidden, hidden)
        self.W = nn.Linear(hidden, entities)

    def forward(self, d, q, d_lengths, q_lengths):
        """Words (T, B) and (Q, B), lengths (B,) -> logits (B, entities) and the attention (B, T)."""
        y_d, _ = self.document(self.E(d), d_lengths)                                # (T, B, H)
        _, (u, _) = self.query(self.E(q), q_lengths)                                # (B, H)
        y_d = y_d.transpose(0, 1)                                                   # (B, T, H)
        m = torch.tanh(self.W_ym(y_d) + self.W_um(u)[:, None])
        padded = torch.arange(len(d)) >= d_lengths[:, None]                         # (B, T)
        s = self.w_ms(m)[..., 0].masked_fill(padded, -torch.inf).softmax(-1)
        r = torch.bmm(s[:, None], y_d)[:, 0]                                        # (B, H)
        g = torch.tanh(self.W_rg(r) + self.W_ug(u))
        return self.W(g), s
