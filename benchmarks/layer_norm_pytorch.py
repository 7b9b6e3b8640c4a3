"""Layer-normalised recurrent layers (Ba, Kiros and Hinton 2016, supplement) in PyTorch eager, for the twins of lecture 5.

PyTorch has no such layers: a user writes the step with ``F.layer_norm`` and loops over time. Parameter names and the order of
the gates are tinymm's, so that weights carry over by ``load_state_dict``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class _LayerNormRecurrent(nn.Module):
    """The weights of both: one normalisation of W_ih x and one of W_hh h."""

    gates = 4

    def __init__(self, input_size, hidden_size, eps=1e-5):
        super().__init__()
        self.hidden_size, self.eps, rows, bound = hidden_size, eps, self.gates * hidden_size, hidden_size**-0.5
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        self.bias_ih, self.bias_hh = nn.Parameter(torch.zeros(rows)), nn.Parameter(torch.zeros(rows))
        self.gain_ih, self.gain_hh = nn.Parameter(torch.ones(rows)), nn.Parameter(torch.ones(rows))

    def norm(self, x, gain, bias):
        return F.layer_norm(x, x.shape[-1:], gain, bias, self.eps)

    def forward(self, x, lengths=None):
        """x (T, B, D) -> the outputs (T, B, H), 0 after a sequence's end, and the last states, each (B, H).

        Args:
            lengths: (B,) integers; None for sequences of T steps.
        """
        inputs, states, outputs = self.inputs(x @ self.weight_ih.T), self.start(x), []
        for t, a in enumerate(inputs):
            new = self.step(a, states)
            if lengths is not None:
                there = (t < lengths)[:, None]                                      # (B, 1)
                outputs.append(torch.where(there, new[0], 0.0))
                new = tuple(torch.where(there, n, s) for n, s in zip(new, states))
            else:
                outputs.append(new[0])
            states = new
        return torch.stack(outputs), states


class LayerNormLSTM(_LayerNormRecurrent):
    """f, i, o, g = LN(W_hh h) + LN(W_ih x), each over all 4H units; the cell is normalised inside the output's tanh."""

    def __init__(self, input_size, hidden_size, eps=1e-5):
        super().__init__(input_size, hidden_size, eps)
        self.gain_c, self.bias_c = nn.Parameter(torch.ones(hidden_size)), nn.Parameter(torch.zeros(hidden_size))

    def start(self, x):
        return x.new_zeros(x.shape[1], self.hidden_size), x.new_zeros(x.shape[1], self.hidden_size)

    def inputs(self, a):
        return self.norm(a, self.gain_ih, self.bias_ih)

    def step(self, a, states):
        h, c = states
        f, i, o, g = (a + self.norm(h @ self.weight_hh.T, self.gain_hh, self.bias_hh)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(self.norm(c, self.gain_c, self.bias_c)), c


class LayerNormGRU(_LayerNormRecurrent):
    """z, r = LN(W_hh h) + LN(W_ih x) over 2H units, and each part of n over its H."""

    gates = 3

    def start(self, x):
        return (x.new_zeros(x.shape[1], self.hidden_size),)

    def _norms(self, a, gain, bias):
        split = [2 * self.hidden_size, self.hidden_size]
        return [self.norm(part, g, b) for part, g, b in zip(a.split(split, -1), gain.split(split), bias.split(split))]

    def inputs(self, a):
        return list(zip(*self._norms(a, self.gain_ih, self.bias_ih)))

    def step(self, a, states):
        (a_zr, a_n), (h,) = a, states
        h_zr, h_n = self._norms(h @ self.weight_hh.T, self.gain_hh, self.bias_hh)
        z, r = torch.sigmoid(a_zr + h_zr).chunk(2, 1)
        n = torch.tanh(a_n + r * h_n)
        return ((1 - z) * h + z * n,)
