"""Multi-head attention."""

from __future__ import annotations

from functools import partial

from .. import functional as F
from ..autograd import Tensor
from ..autograd.integers import integer
from . import init
from .linear import Linear, empty
from .module import Module


class MultiheadAttention(Module):
    """Attention in several heads (Vaswani et al. 2017, section 3.2.2).

    Args:
        embed_dim: features E of queries and outputs; each head has E / num_heads.
        num_heads: heads h.
        dropout: probability of dropping an attention weight, in training.
        bias: whether the projections have biases.
        add_bias_kv, add_zero_attn: append a learned, or a zero, position to keys and values.
        kdim, vdim: features of keys and values, E by default.
        batch_first: tensors are (N, T, E) instead of (T, N, E).

    Attributes:
        in_proj_weight: (3E, E), or q_proj_weight, k_proj_weight, v_proj_weight where kdim or vdim differ.
        in_proj_bias: (3E,); out_proj: Linear(E, E).
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False,
                 add_zero_attn: bool = False, kdim: int | None = None, vdim: int | None = None, batch_first: bool = False,
                 device: str | None = None, dtype=None):
        super().__init__()
        new = partial(empty, device=device, dtype=dtype)
        name = "MultiheadAttention"
        embed_dim, num_heads = integer(name, "embed_dim", embed_dim, 1), integer(name, "num_heads", num_heads, 1)
        kdim = embed_dim if kdim is None else integer(name, "kdim", kdim, 1)
        vdim = embed_dim if vdim is None else integer(name, "vdim", vdim, 1)
        if embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: embed_dim={embed_dim} cannot be split among num_heads={num_heads}")
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.add_zero_attn = add_zero_attn
        packed = kdim == vdim == embed_dim
        self.register_parameter("in_proj_weight", new(3 * embed_dim, embed_dim) if packed else None)
        for name, features in (("q", embed_dim), ("k", kdim), ("v", vdim)):
            self.register_parameter(f"{name}_proj_weight", None if packed else new(embed_dim, features))
        self.register_parameter("in_proj_bias", new(3 * embed_dim) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias, device, dtype)
        self.register_parameter("bias_k", new(1, 1, embed_dim) if add_bias_kv else None)
        self.register_parameter("bias_v", new(1, 1, embed_dim) if add_bias_kv else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights: projections by Xavier's rule, their biases zero."""
        for p in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if p is not None:
                init.xavier_uniform_(p)
        for p in (self.in_proj_bias, self.out_proj.bias):
            if p is not None:
                init.zeros_(p)
        for p in (self.bias_k, self.bias_v):
            if p is not None:
                init.xavier_normal_(p)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
                need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
                is_causal: bool = False) -> tuple[Tensor, Tensor | None]:
        """Attend from ``query`` to ``key`` and ``value``.

        Args:
            query, key, value: (T, N, E), (S, N, kdim), (S, N, vdim); batch first if so asked.
            key_padding_mask: (N, S), True = ignore.
            need_weights: return the attention weights, too.
            attn_mask: (T, S) or (N h, T, S), True = ignore; or numbers to add.
            average_attn_weights: their mean over the heads.
            is_causal: position i sees no later position.

        Returns:
            output (T, N, E), and weights (N, T, S), (N, h, T, S) or None.
        """
        swap = self.batch_first and query.ndim == 3
        if swap:
            same_key, same_value = key is query, value is key
            query = query.transpose(0, 1)
            key = query if same_key else key.transpose(0, 1)
            value = key if same_value else value.transpose(0, 1)
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias, self.training,
            key_padding_mask, need_weights, attn_mask, self.in_proj_weight is None, self.q_proj_weight,
            self.k_proj_weight, self.v_proj_weight, average_attn_weights=average_attn_weights, is_causal=is_causal)
        return (out.transpose(0, 1) if swap else out), weights

    def extra_repr(self) -> str:
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}, batch_first={self.batch_first}"
