"""The style encoder S of Reed et al. 2016, section 4.4: what of a picture is in no text, as the noise that would draw it.

    L_style = E_{t, z} || z - S(G(z, phi(t))) ||^2
    transfer:  s <- S(x),  x^ <- G(s, phi(t))
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..autograd import Tensor
from .text_to_image_gan import MAP, SLOPE


class StyleEncoder(nn.Module):
    """S: a picture -> the noise that would draw it.

    Args:
        noise: Z.
        widths: channels of the maps, each with half the rows of the one before; the last has 4.
    """

    def __init__(self, noise: int, widths: Sequence[int] = (48, 96)):
        super().__init__()
        self.size = MAP * 2 ** len(widths)
        layers: list[nn.Module] = []
        for before, width in zip([3, *widths], widths):
            layers += [nn.Conv2d(before, width, 4, 2, 1), nn.BatchNorm2d(width), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * MAP * MAP, noise))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) in [-1, 1] -> (N, Z)."""
        if x.shape[1:] != (3, self.size, self.size):
            raise ValueError(f"StyleEncoder: x has shape {x.shape}; it must be (N, 3, {self.size}, {self.size})")
        return self.layers(x)


def style_loss(z: Tensor, s: Tensor) -> Tensor:
    """E ||z - s||^2, the sum over Z and the mean over pictures: (N, Z) twice -> a number."""
    return ((z - s)**2).sum(1).mean()
