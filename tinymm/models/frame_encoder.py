"""The CNN phi_V that LRCN reads frames with: convolutions, then two fully connected layers, fc6 and fc7.

As CaffeNet's, in small. Single-frame classification trains it with a softmax on fc7, and LRCN starts from what that taught
it; its recurrent network reads fc6 or fc7.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..autograd import Tensor
from .conv_encoder import ConvEncoder

LAYERS = ("fc6", "fc7")


class FrameEncoder(nn.Module):
    """Frames to vectors: (B, C, H, W) -> (B, features).

    Args:
        in_channels: C, 1 for grey pictures, 3 for colour and for flow pictures.
        picture_size: (H, W).
        channels: of the convolutional stages.
        sizes: lengths of fc6 and of fc7.
        dropout: probability of dropping a coordinate of either, in training.

    Attributes:
        features: "fc6" or "fc7" -> its length.

    Raises:
        ValueError: a size that is no pair, or of less than one cell of the last grid.
    """

    def __init__(self, in_channels: int, picture_size: tuple[int, int], channels: Sequence[int] = (16, 32),
                 sizes: tuple[int, int] = (128, 64), dropout: float = 0.0):
        super().__init__()
        self.conv = ConvEncoder(in_channels, channels, coordinates=False)
        if not isinstance(picture_size, (tuple, list)) or len(picture_size) != 2 or 0 in self.conv.grid(*picture_size):
            raise ValueError(f"FrameEncoder: picture_size={picture_size!r}; it must be (H, W), at least {self.conv.stride} "
                             "pixels each")
        rows, columns = self.conv.grid(*picture_size)
        self.picture_size = picture_size
        self.features: dict[str, int] = dict(zip(LAYERS, sizes))
        self.W_6 = nn.Linear(self.conv.features * rows * columns, sizes[0])
        self.W_7 = nn.Linear(sizes[0], sizes[1])
        self.dropout = nn.Dropout(dropout)

    def fc6(self, frames: Tensor) -> Tensor:
        """relu(W_6 conv(x) + b_6), (B, features["fc6"]).

        Raises:
            ValueError: frames of another shape.
        """
        if frames.ndim != 4 or tuple(frames.shape[2:]) != tuple(self.picture_size):
            raise ValueError(f"FrameEncoder: frames have shape {frames.shape}; they must be (B, C={self.conv.in_channels}, "
                             f"H={self.picture_size[0]}, W={self.picture_size[1]})")
        return self.dropout(self.W_6(self.conv.feature_map(frames).flatten(1)).relu())

    def fc7(self, frames: Tensor) -> Tensor:
        """relu(W_7 fc6 + b_7), (B, features["fc7"])."""
        return self.dropout(self.W_7(self.fc6(frames)).relu())

    def forward(self, frames: Tensor) -> Tensor:
        """(B, C, H, W) -> fc7."""
        return self.fc7(frames)

    def of_clips(self, x: Tensor, layer: str = "fc7") -> Tensor:
        """phi_V of every frame of clips, the same weights at all times: (T, B, C, H, W) -> (T, B, features).

        Args:
            x: clips, time first.
            layer: "fc6" or "fc7".

        Raises:
            ValueError: another layer, clips of another shape.
        """
        if layer not in LAYERS:
            raise ValueError(f"FrameEncoder: layer={layer!r}; choose from {', '.join(LAYERS)}")
        if x.ndim != 5:
            raise ValueError(f"FrameEncoder: clips have shape {x.shape}; they must be (T, B, C, H, W), time first")
        encode = self.fc6 if layer == "fc6" else self.fc7
        return encode(x.flatten(0, 1)).reshape(x.shape[0], x.shape[1], self.features[layer])   # (T, B, features)
