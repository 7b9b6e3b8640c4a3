"""The ResNet of CLIP: He et al. 2016 with three changes (Radford et al. 2021, section 2.4).

*   The stem is three 3 x 3 convolutions and an average pool (He et al. 2019, "ResNet-D").
*   Where a block halves the picture, an average pool does, in the branch and in the shortcut; every
    convolution of a block has stride 1 (Zhang 2019: a convolution with a stride takes samples of what it has
    not blurred).
*   Attention pools the last feature map, with its mean as the query, instead of the mean itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import functional as F
from ... import nn
from ...autograd import Tensor
from ...nn.linear import empty


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut: (N, inplanes, H, W) -> (N, 4 planes, H / stride, W / stride)."""

    expansion = 4

    def __init__(self, inplanes: int, planes: int, stride: int = 1):
        super().__init__()
        wide = planes * self.expansion
        self.conv1, self.bn1 = nn.Conv2d(inplanes, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3, self.bn3 = nn.Conv2d(planes, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.downsample = None
        if stride > 1 or inplanes != wide:   # the pool has no parameters; its name leaves 0 and 1 to those that have
            self.downsample = nn.Sequential({"-1": nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                                             "0": nn.Conv2d(inplanes, wide, 1, bias=False), "1": nn.BatchNorm2d(wide)})

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.avgpool(F.relu(self.bn2(self.conv2(out))))
        out = self.bn3(self.conv3(out))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class AttentionPool2d(nn.Module):
    """The feature map (N, C, H, W) as (N, output_dim): attention with the mean of all places as its only query.

    Args:
        spacial_dim: H = W.
        embed_dim: C.
        num_heads: heads.
        output_dim: features of the result.

    Attributes:
        positional_embedding: (1 + H W, C), learned: the network takes pictures of one size only.
    """

    def __init__(self, spacial_dim: int, embed_dim: int, num_heads: int, output_dim: int):
        super().__init__()
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"AttentionPool2d: embed_dim={embed_dim} cannot be split among num_heads={num_heads}")
        self.positional_embedding = empty(spacial_dim**2 + 1, embed_dim)
        self.k_proj, self.q_proj = nn.Linear(embed_dim, embed_dim), nn.Linear(embed_dim, embed_dim)
        self.v_proj, self.c_proj = nn.Linear(embed_dim, embed_dim), nn.Linear(embed_dim, output_dim)
        self.num_heads = num_heads
        nn.init.normal_(self.positional_embedding, std=embed_dim**-0.5)

    def initialize_parameters(self) -> None:
        """Normal weights with variance 1 / C."""
        for layer in (self.q_proj, self.k_proj, self.v_proj, self.c_proj):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)

    def features(self, x: Tensor) -> Tensor:
        """What the heads found (N, C), before the last linear map."""
        x = x.flatten(2).transpose(1, 2)                                     # (N, H W, C)
        x = F.cat([x.mean(1, keepdim=True), x], 1) + self.positional_embedding
        q, k, v = (self._heads(t) for t in (self.q_proj(x[:, :1]), self.k_proj(x), self.v_proj(x)))
        return F.scaled_dot_product_attention(q, k, v).flatten(1)            # (N, h, 1, C / h) -> (N, C)

    def _heads(self, x: Tensor) -> Tensor:
        """(N, L, C) -> (N, h, L, C / h)."""
        return x.reshape(*x.shape[:2], self.num_heads, -1).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(self.features(x))


class ModifiedResNet(nn.Module):
    """Pictures (N, 3, R, R) -> features (N, E).

    Args:
        layers: blocks of each of the four stages, (3, 4, 6, 3) for RN50.
        output_dim: E.
        heads: of the attention pool.
        input_resolution: R, pixels a side, a multiple of 32.
        width: w, channels after the stem; the last stage has 32 w.

    Raises:
        ValueError: another number of stages, or a resolution that 32 does not divide.
    """

    def __init__(self, layers: Sequence[int], output_dim: int, heads: int, input_resolution: int = 224, width: int = 64):
        super().__init__()
        if len(layers) != 4 or min(layers) < 1:
            raise ValueError(f"ModifiedResNet: layers={tuple(layers)} must be four numbers of blocks, each at least 1")
        if input_resolution < 32 or input_resolution % 32:
            raise ValueError(f"ModifiedResNet: input_resolution={input_resolution} must be a multiple of 32, by which the network "
                             "makes pictures smaller")
        self.output_dim, self.input_resolution = output_dim, input_resolution
        half = width // 2
        self.conv1, self.bn1 = nn.Conv2d(3, half, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(half)
        self.conv2, self.bn2 = nn.Conv2d(half, half, 3, padding=1, bias=False), nn.BatchNorm2d(half)
        self.conv3, self.bn3 = nn.Conv2d(half, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.avgpool = nn.AvgPool2d(2)
        inplanes = width
        for i, blocks in enumerate(layers):
            planes = width * 2**i
            stage = [Bottleneck(inplanes if j == 0 else 4 * planes, planes, 2 if i and j == 0 else 1) for j in range(blocks)]
            self.add_module(f"layer{i + 1}", nn.Sequential(*stage))
            inplanes = 4 * planes
        self.attnpool = AttentionPool2d(input_resolution // 32, inplanes, heads, output_dim)

    def initialize_parameters(self) -> None:
        """The attention pool's weights; and every residual branch starts as zero (Goyal et al. 2017, section 5.1)."""
        self.attnpool.initialize_parameters()
        for module in self.modules():
            if isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)

    def feature_map(self, image: Tensor) -> Tensor:
        """(N, 3, R, R) -> (N, 32 w, R / 32, R / 32)."""
        x = F.relu(self.bn1(self.conv1(image)))                              # (N, w / 2, R / 2, R / 2)
        x = F.relu(self.bn2(self.conv2(x)))
        x = self.avgpool(F.relu(self.bn3(self.conv3(x))))                    # (N, w, R / 4, R / 4)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def features(self, image: Tensor) -> Tensor:
        """I_f (N, 32 w), before the projection into the common space: what a linear probe takes."""
        return self.attnpool.features(self.feature_map(image))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, R, R) -> (N, E)."""
        return self.attnpool(self.feature_map(image))
