"""Show and Tell (Vinyals et al. 2015) in PyTorch eager: the twin of tinymm's model of lecture 2.

An independent model as a PyTorch user would write it: the picture and the words as one sequence through ``nn.LSTM``, the words
of all steps in one ``cross_entropy``. The slide's cell, which PyTorch does not have, is a loop. ``load_state_dict`` takes
tinymm's weights as they are. ``python -m tinymm bench`` times it; the tests judge tinymm's gradients by it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class ShowTell(nn.Module):
    """The sentence generator; the arguments are those of tinymm's ``ShowTell``."""

    def __init__(self, features, vocabulary, embedding=128, hidden=128, output_tanh=True, projection=True, bias=True, image="once",
                 normalize=False, dropout=0.0, pad=0):
        super().__init__()
        self.image = image
        self.norm = nn.BatchNorm1d(features, affine=False) if normalize else nn.Identity()
        self.W_I = nn.Linear(features, embedding)
        self.W_e = nn.Embedding(vocabulary, embedding, padding_idx=pad)
        self.lstm = (nn.LSTM if output_tanh else LinearOutputLSTM)(embedding, hidden, bias=bias)
        self.W_d = nn.Linear(hidden, vocabulary) if projection else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.register_load_state_dict_pre_hook(_name_the_layer)

    def forward(self, f, S):
        """Logits (T, B, vocabulary) of the word after each of S.

        Args:
            f: (B, features), the pictures.
            S: (T, B) int64, the words, the start word first.
        """
        picture, words = self.W_I(self.norm(f)), self.W_e(S)                        # (B, D), (T, B, D)
        if self.image == "every":
            words = words + picture
        m, _ = self.lstm(self.dropout(torch.cat([picture[None], words])))           # (T + 1, B, hidden)
        return self.W_d(self.dropout(m[1:]))


class LinearOutputLSTM(nn.LSTM):
    """The slide's cell: m_t = o_t c_t."""

    def forward(self, x):
        c = m = x.new_zeros(x.shape[1], self.hidden_size)
        biases = (self.bias_ih_l0, self.bias_hh_l0) if self.bias else (None, None)
        outputs = []
        for a in F.linear(x, self.weight_ih_l0, biases[0]):
            i, f, g, o = (a + F.linear(m, self.weight_hh_l0, biases[1])).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            m = torch.sigmoid(o) * c
            outputs.append(m)
        return torch.stack(outputs), (m, c)


def _name_the_layer(module, state_dict, prefix, *_):
    """A cell's weights under the names of a layer's: ``lstm.weight_ih`` is ``lstm.weight_ih_l0``."""
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        if f"{prefix}lstm.{name}" in state_dict:
            state_dict[f"{prefix}lstm.{name}_l0"] = state_dict.pop(f"{prefix}lstm.{name}")


def caption_loss(logits, targets, pad=0):
    """-log p(S|I), averaged over the batch."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad, reduction="sum") / targets.shape[1]
