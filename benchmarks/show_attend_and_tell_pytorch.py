"""Show, Attend and Tell (Xu et al. 2015) in PyTorch eager: the twin of tinymm's models of lecture 4.

An independent model with the same parameter names, so that weights carry over by ``load_state_dict``. It is written as a
PyTorch user would write it: ``nn.LSTMCell`` step after step, the attention's score from ``tanh`` and a product, the words
of all steps in one ``cross_entropy``. ``python -m tinymm bench`` times it; the tests judge tinymm's gradients by it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Decoded(NamedTuple):
    """What the decoder computed; T steps, B images, L locations, K words."""

    logits: Tensor                        # (T, B, K)
    alpha: Tensor                         # (T, B, L)
    beta: Tensor                          # (T, B)
    log_alpha: Tensor | None = None       # (T, B, L); this and the next two only with hard attention
    locations: Tensor | None = None       # (T, B)
    sampled: Tensor | None = None         # (B,) booleans


class ShowAttendTell(nn.Module):
    """The decoder; the arguments are those of tinymm's ``ShowAttendTell``."""

    def __init__(self, features, vocabulary, embedding=64, hidden=128, attention=64, hard=False, gate=True, output_tanh=True,
                 dropout=0.0, pad=0):
        super().__init__()
        self.hard, self.gate, self.output_tanh, self.soft_share = hard, gate, output_tanh, 0.5
        self.E = nn.Embedding(vocabulary, embedding, padding_idx=pad)
        self.f_init_h = nn.Linear(features, hidden)
        self.f_init_c = nn.Linear(features, hidden)
        self.W_a = nn.Linear(features, attention)
        self.W_h = nn.Linear(hidden, attention, bias=False)
        self.u = nn.Parameter(torch.empty(attention).uniform_(-attention**-0.5, attention**-0.5))
        if gate:
            self.f_beta = nn.Linear(hidden, 1)
        self.lstm = nn.LSTMCell(embedding + features, hidden)
        self.L_h = nn.Linear(hidden, embedding)
        self.L_z = nn.Linear(features, embedding, bias=False)
        self.L_o = nn.Linear(embedding, vocabulary)
        self.dropout = nn.Dropout(dropout)
        nn.init.orthogonal_(self.lstm.weight_hh)

    def forward(self, a, y, locations=None, sampled=None):
        """Logits of each word of given captions.

        Args:
            a: (B, L, D) annotation vectors.
            y: (T, B) int64, the words before each step.
            locations: (T, B) int64, where hard attention looks; sampled if None.
            sampled: (B,) booleans, the images that look at one location, the others softly; drawn if None.
        """
        mean = a.mean(1)                                                            # (B, D)
        h, c = torch.tanh(self.f_init_h(mean)), torch.tanh(self.f_init_c(mean))     # (B, n)
        keys, Ey = self.W_a(a), self.E(y)                                           # (B, L, A), (T, B, m)
        if self.hard and sampled is None:
            sampled = torch.rand(len(a), device=a.device) >= self.soft_share
        hs, zs, alphas, betas, logs, chosen = [], [], [], [], [], []
        for t, word in enumerate(Ey.unbind(0)):
            e = torch.tanh(keys + self.W_h(h)[:, None]) @ self.u                    # (B, L)
            if self.hard:
                log_alpha = F.log_softmax(e, -1)
                alpha = log_alpha.exp()
                s = torch.multinomial(alpha.detach(), 1)[:, 0] if locations is None else locations[t]   # (B,)
                weights = torch.where(sampled[:, None], F.one_hot(s, e.shape[1]).to(alpha.dtype), alpha)
                logs.append(log_alpha), chosen.append(s)
            else:
                alpha = weights = F.softmax(e, -1)
            z = torch.bmm(weights[:, None], a)[:, 0]                                # (B, D)
            beta = torch.sigmoid(self.f_beta(h)) if self.gate else torch.ones_like(z[:, :1])
            z = beta * z
            h, c = self.lstm(torch.cat([word, z], 1), (h, c))
            hs.append(h), zs.append(z), alphas.append(alpha), betas.append(beta)
        n = Ey + self.L_h(torch.stack(hs)) + self.L_z(torch.stack(zs))              # (T, B, m)
        logits = self.L_o(self.dropout(torch.tanh(n) if self.output_tanh else n))   # (T, B, K)
        decoded = Decoded(logits, torch.stack(alphas), torch.stack(betas)[:, :, 0])
        if not self.hard:
            return decoded
        return decoded._replace(log_alpha=torch.stack(logs), locations=torch.stack(chosen), sampled=sampled)


class ConvEncoder(nn.Module):
    """Pictures (B, C, H, W) to annotation vectors (B, L, D), the place appended to each."""

    def __init__(self, in_channels=1, channels=(32, 64, 64), coordinates=True):
        super().__init__()
        self.coordinates = coordinates
        layers, before = [], in_channels
        for width in channels:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
            before = width
        self.layers = nn.Sequential(*layers)
        self.features = before + 2 * coordinates

    def feature_map(self, images):
        """(B, C, H, W) -> (B, channels, rows, columns)."""
        return self.layers(images)

    def forward(self, images):
        a = self.layers(images)
        B, _, rows, columns = a.shape
        a = a.flatten(2).transpose(1, 2)                                            # (B, L, D')
        if not self.coordinates:
            return a
        y, x = ((2 * torch.arange(n, dtype=a.dtype, device=a.device) + 1) / n - 1 for n in (rows, columns))
        place = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).flatten(0, 1)  # (L, 2)
        return torch.cat([a, place.expand(B, -1, -1)], -1)                          # (B, L, D)


# ---------------------------------------------------------------------- what is minimised

def caption_nll(logits, targets, pad=0):
    """-log p(y|a) of each caption (B,)."""
    T, B, K = logits.shape
    return F.cross_entropy(logits.view(T * B, K), targets.view(T * B), ignore_index=pad, reduction="none").view(T, B).sum(0)


def soft_objective(decoded, targets, mask, lam=1.0, tau=1.0, pad=0):
    """-log p(y|a) + lam sum_i (tau - sum_t alpha_ti)^2, averaged over the batch."""
    loss = F.cross_entropy(decoded.logits.flatten(0, 1), targets.flatten(), ignore_index=pad, reduction="sum") / mask.shape[1]
    if lam:
        total = (decoded.alpha * mask[:, :, None]).sum(0)                           # (B, L)
        loss = loss + lam * ((tau - total) ** 2).sum(1).mean()
    return loss


def hard_objective(decoded, targets, mask, baseline=0.0, lambda_r=1.0, lambda_e=0.0, pad=0):
    """A scalar whose gradient is minus REINFORCE's estimate with baseline and entropy bonus, and log p(y|s,a) (B,)."""
    log_p = -caption_nll(decoded.logits, targets, pad)
    reward = (log_p.detach() - baseline) * decoded.sampled
    path = (decoded.log_alpha.gather(2, decoded.locations[:, :, None])[:, :, 0] * mask).sum(0)
    estimate = log_p + lambda_r * reward * path
    if lambda_e:
        entropy = -(decoded.alpha * decoded.log_alpha).sum(2)                       # (T, B)
        estimate = estimate + lambda_e * (entropy * mask).sum(0)
    return -estimate.mean(), log_p.detach()
