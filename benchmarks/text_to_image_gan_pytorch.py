"""GAN-CLS (Reed et al. 2016) in PyTorch eager: the twin of tinymm's networks of lecture 7, and of one step of each.

Written from the paper and the authors' scripts with PyTorch's own layers; ``load_state_dict`` takes tinymm's weights as they are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    """x + f(x), f a bottleneck: 1 x 1 to a quarter of the channels, 3 x 3, 3 x 3 back."""

    def __init__(self, channels, activation):
        super().__init__()
        inner = channels // 4
        self.f = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.BatchNorm2d(inner), activation,
                               nn.Conv2d(inner, inner, 3, padding=1), nn.BatchNorm2d(inner), activation,
                               nn.Conv2d(inner, channels, 3, padding=1), nn.BatchNorm2d(channels))

    def forward(self, x):
        return x + self.f(x)


def init_(module):
    """Weights ~ N(0, 0.02^2), gains ~ N(1, 0.02^2), biases 0."""
    for name, p in module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(p)
        else:
            nn.init.normal_(p, 1.0 if p.ndim == 1 else 0.0, 0.02)


class Generator(nn.Module):
    """z (N, Z) and phi(t) (N, text) -> pictures (N, 3, S, S)."""

    def __init__(self, text, widths=(1024, 512, 256, 128), noise=100, embedding=128, residual=2):
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(text, embedding), nn.LeakyReLU(0.2))
        layers, before = [], noise + embedding
        for level, width in enumerate(widths):
            layers += [nn.ConvTranspose2d(before, width, 4, 2, 1) if level else nn.ConvTranspose2d(before, width, 4),
                       nn.BatchNorm2d(width)]
            if level < residual:
                layers.append(Residual(width, nn.ReLU()))
            layers.append(nn.ReLU())
            before = width
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(before, 3, 4, 2, 1), nn.Tanh())
        init_(self)

    def forward(self, z, h):
        return self.layers(torch.cat([z, self.phi(h)], 1)[:, :, None, None])


class Discriminator(nn.Module):
    """Pictures (N, 3, S, S) and phi(t) (N, text) -> logits (N,)."""

    def __init__(self, text, widths=(64, 128, 256, 512), embedding=128):
        super().__init__()
        layers, before = [], 3
        for level, width in enumerate(widths):
            layers.append(nn.Conv2d(before, width, 4, 2, 1))
            if level:
                layers.append(nn.BatchNorm2d(width))
            if level < len(widths) - 1:
                layers.append(nn.LeakyReLU(0.2))
            before = width
        self.layers = nn.Sequential(*layers, Residual(before, nn.LeakyReLU(0.2)), nn.LeakyReLU(0.2))
        self.phi = nn.Sequential(nn.Linear(text, embedding), nn.LeakyReLU(0.2))
        self.joint = nn.Sequential(nn.Conv2d(before + embedding, before, 1), nn.BatchNorm2d(before), nn.LeakyReLU(0.2),
                                   nn.Conv2d(before, 1, 4))
        init_(self)

    def forward(self, x, h):
        maps = self.layers(x)
        return self.joint(torch.cat([maps, self.phi(h)[:, :, None, None].expand(-1, -1, 4, 4)], 1)).flatten()


def discriminator_loss(D, x, wrong, fake, h, w=0.5):
    """BCE(D(x, h), 1) + w BCE(D(x, wrong h), 0) + (1 - w) BCE(D(fake, h), 0)."""
    return F.softplus(-D(x, h)).mean() + w * F.softplus(D(x, wrong)).mean() + (1 - w) * F.softplus(D(fake, h)).mean()


def generator_loss(D, fake, h):
    """BCE(D(fake, h), 1)."""
    return F.softplus(-D(fake, h)).mean()
