"""An encoder that says what a whole picture shows in one vector, CNN(I), for models that see the picture
once."""

from __future__ import annotations

from collections.abc import Sequence

from .. import functional as F
from .. import nn
from ..autograd import Tensor
from .conv_encoder import ConvEncoder


class PictureEncoder(nn.Module):
    """Pictures to vectors: (B, C, H, W) -> (B, features).

    The strongest response of each feature in the whole picture, in each row and in each column of the last
    grid (a pooling in regions, as He et al. 2014, "Spatial Pyramid Pooling", whose regions are squares), then
    fully connected layers with batch normalisation, the last without a ReLU. Rows and columns keep what is
    above and what is left of what.

    Args:
        in_channels: C.
        picture_size: (H, W).
        channels: features of each convolutional stage.
        layers: units of each fully connected layer; none gives the pooled responses.

    Attributes:
        conv: the convolutional part.
        features: length of the vector.
    """

    def __init__(self, in_channels: int, picture_size: tuple[int, int], channels: Sequence[int] = (32, 64, 64),
                 layers: Sequence[int] = (512, 256)):
        super().__init__()
        self.conv = ConvEncoder(in_channels, channels, coordinates=False)
        self.grid = self.conv.grid(*picture_size)
        self.features = self.conv.features * (1 + sum(self.grid))
        connected: list[nn.Module] = []
        for i, units in enumerate(layers):
            connected += [nn.Linear(self.features, units), nn.BatchNorm1d(units), *[nn.ReLU()] * (i + 1 < len(layers))]
            self.features = units
        self.connected = nn.Sequential(*connected)

    def strips(self, images: Tensor) -> Tensor:
        """The pooled responses, (B, D (1 + rows + columns)).

        Raises:
            ValueError: pictures of another size.
        """
        a = self.conv.feature_map(images)                  # (B, D, rows, columns)
        if a.shape[2:] != self.grid:
            raise ValueError(f"PictureEncoder: pictures of {images.shape[2]} x {images.shape[3]} pixels have a grid of "
                             f"{a.shape[2:]}; this encoder was made for {self.grid}")
        rows, columns = a.amax(3), a.amax(2)               # (B, D, rows), (B, D, columns)
        return F.cat([rows.amax(2, keepdim=True), rows, columns], 2).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, features)."""
        return self.connected(self.strips(images))
