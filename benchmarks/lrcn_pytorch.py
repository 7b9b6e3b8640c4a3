"""LRCN for clips (Donahue et al. 2015) in PyTorch eager: the twin of tinymm's frame encoder and recurrent network of lecture 1.

An independent model as a PyTorch user would write it: all frames through the CNN at once, then the sequence through ``nn.LSTM``
or ``nn.RNN``. ``load_state_dict`` takes tinymm's weights as they are. ``python -m tinymm bench`` times it; the tests judge
tinymm's gradients by it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from show_attend_and_tell_pytorch import ConvEncoder


class FrameEncoder(nn.Module):
    """The CNN phi_V with fc6 and fc7; the arguments are those of tinymm's ``FrameEncoder``."""

    def __init__(self, in_channels, picture_size, channels=(16, 32), sizes=(128, 64), dropout=0.0):
        super().__init__()
        self.conv = ConvEncoder(in_channels, channels, coordinates=False)
        rows, columns = (n // 2 ** len(channels) for n in picture_size)
        self.features = dict(fc6=sizes[0], fc7=sizes[1])
        self.W_6 = nn.Linear(channels[-1] * rows * columns, sizes[0])
        self.W_7 = nn.Linear(sizes[0], sizes[1])
        self.dropout = nn.Dropout(dropout)

    def of_clips(self, x, layer="fc7"):
        """(T, B, C, H, W) -> (T, B, features) of "fc6" or "fc7"."""
        y = self.dropout(F.relu(self.W_6(self.conv.feature_map(x.flatten(0, 1)).flatten(1))))
        if layer == "fc7":
            y = self.dropout(F.relu(self.W_7(y)))
        return y.view(x.shape[0], x.shape[1], -1)


class Recurrent(nn.Module):
    """(T, B, D) -> z (T, B, H): of an LSTM its h, of the slide's RNN tanh(W_hz h + b_z)."""

    def __init__(self, input_size, hidden, unit="lstm"):
        super().__init__()
        self.cell = (nn.LSTM if unit == "lstm" else nn.RNN)(input_size, hidden)
        self.W_hz = None if unit == "lstm" else nn.Linear(hidden, hidden)
        self.register_load_state_dict_pre_hook(_name_the_layer)

    def forward(self, x):
        h, _ = self.cell(x)
        return h if self.W_hz is None else torch.tanh(self.W_hz(h))


class ActivityLRCN(nn.Module):
    """(T, B, features) -> logits (T, B, classes) of every step; the arguments are those of tinymm's ``ActivityLRCN``."""

    def __init__(self, features, classes, hidden=64, unit="lstm", dropout=0.5):
        super().__init__()
        self.f_W = Recurrent(features, hidden, unit)
        self.dropout = nn.Dropout(dropout)
        self.W_zc = nn.Linear(hidden, classes)

    def forward(self, x):
        return self.W_zc(self.dropout(self.f_W(x)))


def _name_the_layer(module, state_dict, prefix, *_):
    """A cell's weights under the names of a layer's: ``cell.weight_ih`` is ``cell.weight_ih_l0``."""
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        if f"{prefix}cell.{name}" in state_dict:
            state_dict[f"{prefix}cell.{name}_l0"] = state_dict.pop(f"{prefix}cell.{name}")
