"""DRAW (Gregor et al. 2015) in PyTorch eager: the twin of tinymm's model of lecture 5.

The plain cells are ``nn.LSTMCell``-like by hand, since the layer-normalised ones, with LN inside the output's tanh, have to be.
Parameter names are tinymm's, so that weights carry over by ``load_state_dict``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class OutputNormLSTMCell(nn.Module):
    """h = sigma(o) tanh(LN(c)), or tanh(c) with norm "none"; gates f, i, o, g with one bias."""

    def __init__(self, input_size, hidden_size, norm):
        super().__init__()
        bound = hidden_size**-0.5
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat_interleave(hidden_size))
        self.register_parameter("gain_c", nn.Parameter(torch.ones(hidden_size)) if norm == "layer" else None)

    def forward(self, x, states):
        h, c = states
        f, i, o, g = torch.addmm(F.linear(x, self.weight_ih, self.bias), h, self.weight_hh.T).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        out = c if self.gain_c is None else F.layer_norm(c, c.shape[-1:], self.gain_c)
        return torch.sigmoid(o) * torch.tanh(out), c


class Draw(nn.Module):
    """The picture writer; the arguments are those of tinymm's ``Draw``."""

    def __init__(self, side=8, glimpses=6, hidden=64, latent=8, read=2, write=3, norm="none"):
        super().__init__()
        self.side, self.glimpses, self.hidden, self.latent, self.N_read, self.N_write = side, glimpses, hidden, latent, read, write
        self.c_0 = nn.Parameter(torch.zeros(side, side))
        self.h_enc, self.h_dec = nn.Parameter(torch.zeros(hidden)), nn.Parameter(torch.zeros(hidden))
        self.encoder = OutputNormLSTMCell(2 * read**2 + hidden, hidden, norm)
        self.decoder = OutputNormLSTMCell(latent, hidden, norm)
        self.look_read, self.look_write = nn.Linear(hidden, 5), nn.Linear(hidden, 5)
        self.code = nn.Linear(hidden, 2 * latent)
        self.patch = nn.Linear(hidden, write**2)

    def window(self, numbers, N):
        """(B, 5) -> F_Y, F_X, each (B, N, A), and gamma (B, 1)."""
        A = self.side
        gx, gy, variance, delta, gamma = numbers.split(1, 1)                        # (B, 1) each
        delta, steps = (A - 1) / max(N - 1, 1) * delta.exp(), torch.arange(N, dtype=numbers.dtype) - (N - 1) / 2
        pixels = torch.arange(1, A + 1, dtype=numbers.dtype)

        def filters(g):
            mu = (A + 1) / 2 * (g + 1) + steps * delta                              # (B, N)
            w = torch.exp(-(pixels - mu[:, :, None])**2 / (2 * variance.exp()[:, :, None]))
            return w / (w.sum(-1, keepdim=True) + 1e-4)

        return filters(gy), filters(gx), gamma.exp()

    def forward(self, x, eps):
        """Pictures (B, A, A) and noise (T, B, latent) -> the last canvas (B, A, A), logits, and the KL (B,) of all glimpses."""
        B = len(x)
        canvas, zeros = self.c_0.expand(B, -1, -1), x.new_zeros(B, self.hidden)
        enc, dec, kl = (self.h_enc.expand(B, -1), zeros), (self.h_dec.expand(B, -1), zeros), 0.0
        for noise in eps:
            F_Y, F_X, gamma = self.window(self.look_read(dec[0]), self.N_read)
            both = torch.stack([x, x - torch.sigmoid(canvas)], 1)                   # (B, 2, A, A)
            r = gamma * (F_Y[:, None] @ both @ F_X[:, None].mT).flatten(1)          # (B, 2 N N)
            enc = self.encoder(torch.cat([r, dec[0]], 1), enc)
            mu, log_sigma = self.code(enc[0]).chunk(2, 1)                           # (B, latent)
            kl = kl + 0.5 * (mu**2 + (2 * log_sigma).exp() - 2 * log_sigma - 1).sum(1)
            dec = self.decoder(mu + log_sigma.exp() * noise, dec)
            F_Y, F_X, gamma = self.window(self.look_write(dec[0]), self.N_write)
            w = self.patch(dec[0]).unflatten(1, (self.N_write, self.N_write))       # (B, N, N)
            canvas = canvas + F_Y.mT @ w @ F_X / gamma[:, :, None]
        return canvas, kl


def draw_loss(canvas, kl, x):
    """The bound in nats, averaged over the batch."""
    return F.binary_cross_entropy_with_logits(canvas, x, reduction="sum") / len(x) + kl.mean()
