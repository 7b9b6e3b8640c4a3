"""The Vision Transformer of CLIP (Dosovitskiy et al. 2021, with one more normalisation, ``ln_pre``).

    x_0 = class token, x_1.. = patches of p x p pixels, each by one linear map without bias
    x <- LN_pre(x + position)        x <- Transformer(x)        I_f = LN_post(x_0)        features = I_f W_i
"""

from __future__ import annotations

from ... import functional as F
from ... import nn
from ...autograd import Tensor
from ...nn.linear import empty
from .transformer import Transformer


class VisionTransformer(nn.Module):
    """Pictures (N, 3, R, R) -> features (N, E).

    Args:
        input_resolution: R, pixels a side.
        patch_size: p, pixels a side of a patch.
        width: features D of a token.
        layers, heads: of the Transformer.
        output_dim: E.
        hidden_act: "quick_gelu" or "gelu".

    Attributes:
        conv1: the linear map of patches, weight (D, 3, p, p).
        class_embedding: (D,); positional_embedding: (1 + (R/p)^2, D), learned.
        proj: W_i (D, E).
    """

    def __init__(self, input_resolution: int, patch_size: int, width: int, layers: int, heads: int, output_dim: int,
                 hidden_act: str = "quick_gelu"):
        super().__init__()
        self.input_resolution, self.output_dim = input_resolution, output_dim
        self.conv1 = nn.Conv2d(3, width, kernel_size=patch_size, stride=patch_size, bias=False)
        self.class_embedding = empty(width)
        self.positional_embedding = empty((input_resolution // patch_size)**2 + 1, width)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, layers, heads, hidden_act=hidden_act)
        self.ln_post = nn.LayerNorm(width)
        self.proj = empty(width, output_dim)
        for p in (self.class_embedding, self.positional_embedding, self.proj):
            nn.init.normal_(p, std=width**-0.5)

    def features(self, image: Tensor) -> Tensor:
        """I_f (N, D), before the projection into the common space: what a linear probe takes."""
        patches = self.conv1(image).flatten(2).permute(2, 0, 1)              # (L - 1, N, D)
        first = self.class_embedding.expand(1, *patches.shape[1:])           # (1, N, D)
        x = F.cat([first, patches]) + self.positional_embedding[:, None]     # (L, N, D)
        x = self.transformer(self.ln_pre(x))
        return self.ln_post(x[0])

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, R, R) -> (N, E)."""
        return self.features(image) @ self.proj
