"""The Transformer of both towers: blocks that normalise before each part (Radford et al. 2019, section 2.3).

    x <- x + attention(LN(x))          x <- x + W_2 g(W_1 LN(x) + b_1) + b_2          g(x) = x sigma(1.702 x)

The published models have this g, a quick stand-in for GELU; those trained by others often have GELU itself.
"""

from __future__ import annotations

from ... import functional as F
from ... import nn
from ...autograd import Tensor


class QuickGELU(nn.Module):
    """``F.quick_gelu``, the sigmoid approximation of GELU (Hendrycks and Gimpel 2016, section 2)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.quick_gelu(input)


ACTIVATIONS = {"quick_gelu": QuickGELU, "gelu": nn.GELU}   # by the names that published configurations use


class ResidualAttentionBlock(nn.Module):
    """One block: self-attention, then two linear maps with an activation between; width D, hidden 4 D.

    Args:
        d_model: features D.
        n_head: heads of the attention.
        causal: position i sees no later position.
        hidden_act: "quick_gelu" or "gelu".
    """

    def __init__(self, d_model: int, n_head: int, causal: bool = False, hidden_act: str = "quick_gelu"):
        super().__init__()
        self.attn = nn.MultiheadAttention(d_model, n_head)
        self.ln_1 = nn.LayerNorm(d_model)
        self.mlp = nn.Sequential({"c_fc": nn.Linear(d_model, 4 * d_model), "gelu": ACTIVATIONS[hidden_act](),
                                  "c_proj": nn.Linear(4 * d_model, d_model)})
        self.ln_2 = nn.LayerNorm(d_model)
        self.causal = causal

    def forward(self, x: Tensor) -> Tensor:
        """(L, N, D) -> (L, N, D)."""
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, is_causal=self.causal)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """``layers`` blocks one after the other.

    Args:
        width: features D.
        layers: number of blocks.
        heads: heads of each attention.
        causal: position i sees no later position (the text tower).
        hidden_act: "quick_gelu" or "gelu".

    Raises:
        ValueError: another name for ``hidden_act``, or heads that do not divide the width.
    """

    def __init__(self, width: int, layers: int, heads: int, causal: bool = False, hidden_act: str = "quick_gelu"):
        super().__init__()
        if hidden_act not in ACTIVATIONS:
            raise ValueError(f"Transformer: hidden_act={hidden_act!r}; choose from {sorted(ACTIVATIONS)}")
        if heads < 1 or width % heads:
            raise ValueError(f"Transformer: width={width} cannot be split among heads={heads}; give the number of heads")
        self.width, self.layers = width, layers
        self.resblocks = nn.Sequential(*[ResidualAttentionBlock(width, heads, causal, hidden_act) for _ in range(layers)])

    def initialize_parameters(self) -> None:
        """The text tower's start: smaller where 2 ``layers`` residual branches add up (Radford et al. 2019, section 2.3)."""
        for block in self.resblocks:
            residual = self.width**-0.5 * (2 * self.layers)**-0.5
            nn.init.normal_(block.attn.in_proj_weight, std=self.width**-0.5)
            nn.init.normal_(block.attn.out_proj.weight, std=residual)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * self.width)**-0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=residual)

    def forward(self, x: Tensor) -> Tensor:
        """(L, N, D) -> (L, N, D)."""
        return self.resblocks(x)
