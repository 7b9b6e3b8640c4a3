"""A small convolutional encoder whose annotation vectors know what they see.

Stages of a 3 x 3 convolution, batch normalisation, ReLU and a 2 x 2 max pooling, after the VGG network that
the captioning papers take their features from (which has no batch normalisation). Each location of the last
grid is one annotation vector a_i; its receptive field follows from the layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import nn
from ..autograd import Tensor
from ..autograd.join import cat
from ..backend.arrays import to_device


class ConvEncoder(nn.Module):
    """Pictures to annotation vectors: (B, C, H, W) -> (B, L, D), in rows from the top.

    VGG's features say where they are, because its receptive fields span the picture and meet its padded
    border. Ours are small, so that the attention can be held against the truth; their place is therefore told
    by two coordinates in [-1, 1], appended to each vector.

    Args:
        in_channels: C, 1 for grey pictures and 3 for colour.
        channels: features of each stage; the grid has 1 / 2^stages of the picture's height and width.
        coordinates: append the place (vertical, horizontal), so that D is two more than the last stage's
            features.

    Attributes:
        stride: pixels between two neighbouring annotation vectors.
        receptive_field: pixels a side that an annotation vector depends on, in evaluation (in training, batch
            normalisation mixes places and pictures).
    """

    def __init__(self, in_channels: int = 1, channels: Sequence[int] = (32, 64, 64), coordinates: bool = True):
        super().__init__()
        self.in_channels, self.channels, self.coordinates = in_channels, tuple(channels), coordinates
        layers, before = [], in_channels
        self.stride, self.receptive_field = 1, 1
        for width in channels:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
            self.receptive_field += 2 * self.stride + self.stride   # two more steps for the convolution, one for the pooling
            self.stride *= 2
            before = width
        self.layers = nn.Sequential(*layers)
        self.features = before + 2 * coordinates   # D

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of annotation vectors for a picture of that size."""
        return height // self.stride, width // self.stride

    def feature_map(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, features, rows, columns), without coordinates.

        Raises:
            ValueError: pictures of another number of channels, or smaller than one cell of the grid.
        """
        if images.ndim != 4 or images.shape[1] != self.in_channels:
            raise ValueError(f"ConvEncoder: pictures of shape {images.shape}; it takes (B, C={self.in_channels}, H, W)")
        if 0 in self.grid(*images.shape[2:]):
            raise ValueError(f"ConvEncoder: pictures of {images.shape[2]} x {images.shape[3]} pixels give no annotation vector; "
                             f"they must have at least {self.stride} pixels a side")
        return self.layers(images)

    def strongest(self, images: Tensor) -> Tensor:
        """Each feature where it is greatest in the picture, (B, C, H, W) -> (B, features), without coordinates.

        Args:
            images: (B, C, H, W).

        Returns:
            (B, ``channels[-1]``).

        Raises:
            ValueError: as ``feature_map``.
        """
        return self.feature_map(images).amax((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, L, D)."""
        a = self.feature_map(images)                       # (B, D', rows, columns)
        B, _, rows, columns = a.shape
        a = a.flatten(2).transpose(1, 2)                   # (B, L, D')
        if not self.coordinates:
            return a
        y, x = np.meshgrid(_centres(rows), _centres(columns), indexing="ij")
        place = np.stack([y.ravel(), x.ravel()], -1).astype(a.dtype)   # (L, 2)
        place = to_device(np.broadcast_to(place, (B, *place.shape)), a.device)
        return cat([a, Tensor(place)], -1)                 # (B, L, D)

    def field(self, location: int, height: int, width: int) -> tuple[int, int, int, int]:
        """The receptive field of annotation vector ``location`` in a picture: (top, left, bottom, right), cut at its border."""
        rows, columns = self.grid(height, width)
        if not 0 <= location < rows * columns:
            raise ValueError(f"ConvEncoder.field: location {location} is not among the {rows * columns} of a {height} x {width} "
                             "picture")
        r, c = divmod(location, columns)
        margin = (self.receptive_field - self.stride) // 2   # odd by convolutions, even by pooling: the same on both sides
        top, left = r * self.stride - margin, c * self.stride - margin
        return (max(top, 0), max(left, 0), min(top + self.receptive_field, height), min(left + self.receptive_field, width))


def _centres(n: int) -> np.ndarray:
    """The centres of n cells on a line from -1 to 1."""
    return (2 * np.arange(n) + 1) / n - 1
