"""Multi-head attention (Vaswani et al. 2017, section 3.2.2).

    head_i = attention(Q W_i^Q, K W_i^K, V W_i^V)        out = concat(head_1, ..., head_h) W^O

A composition of ``linear`` and ``scaled_dot_product_attention``, with the masks of PyTorch's function of the same name:
here True = *ignore*.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...autograd.integers import integer
from ...autograd.join import cat, split
from ...autograd.linalg import matmul
from ...autograd.reduction import mean
from ...autograd.registry import Fixed, Sample, register
from ...autograd.shape import permute, reshape, squeeze, unsqueeze
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import xp_of
from .attention import attend, attention_weights
from ..checks import floating, one_device, optional
from ..dropout import dropout
from ..linear import linear


def multi_head_attention_forward(
        query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int,
        in_proj_weight: Tensor | None, in_proj_bias: Tensor | None, bias_k: Tensor | None, bias_v: Tensor | None,
        add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor, out_proj_bias: Tensor | None,
        training: bool = True, key_padding_mask: Tensor | None = None, need_weights: bool = True,
        attn_mask: Tensor | None = None, use_separate_proj_weight: bool = False, q_proj_weight: Tensor | None = None,
        k_proj_weight: Tensor | None = None, v_proj_weight: Tensor | None = None, *, average_attn_weights: bool = True,
        is_causal: bool = False, generator=None) -> tuple[Tensor, Tensor | None]:
    """Project to queries, keys and values, attend in every head, join the heads and project again.

    A query all of whose keys are ignored gives zeros before the output projection, where PyTorch may give NaN.

    Gradient: that of ``linear`` and ``scaled_dot_product_attention``, of which it is composed.

    Args:
        query: (T, N, E), or (T, E) without a batch.
        key: (S, N, kdim).
        value: (S, N, vdim).
        embed_dim_to_check: E.
        num_heads: h; each head has E / h features.
        in_proj_weight: (3E, E), the weights of queries, keys and values one below the other.
        in_proj_bias: (3E,), or None.
        bias_k, bias_v: (1, 1, E), appended to the projected keys and values as one more position; or None.
        add_zero_attn: append a position of zeros to keys and values.
        dropout_p: probability of dropping an attention weight while ``training``.
        out_proj_weight: (E, E).
        out_proj_bias: (E,), or None.
        training: whether dropout is applied.
        key_padding_mask: (N, S), or (S,): True = ignore this key; floating point is added to the scores.
        need_weights: return the weights, too (they are then all in memory).
        attn_mask: (T, S) or (N h, T, S): True = this query ignores this key; floating point is added.
        use_separate_proj_weight: take the next three instead of ``in_proj_weight``.
        q_proj_weight, k_proj_weight, v_proj_weight: (E, E), (E, kdim), (E, vdim).
        average_attn_weights: return the mean of the heads' weights instead of each.
        is_causal: query i sees keys 0 to i only; an ``attn_mask`` given with it must say the same, and is not read.
        generator: the random stream of dropout (default: the stream "dropout").

    Returns:
        out (T, N, E), and the weights (N, T, S), or (N, h, T, S) if not averaged, or None.

    Raises:
        ValueError: shapes that do not fit; the message names the argument.
    """
    op = "multi_head_attention_forward"
    for name, t in (("query", query), ("key", key), ("value", value)):
        floating(op, name, t)
        if t.ndim not in (2, 3) or t.ndim != query.ndim:
            raise ValueError(f"{op}: {name} has shape {t.shape}; give all three as (length, N, features), or all three "
                             "without the batch axis N")
    optional(op, in_proj_weight=in_proj_weight, in_proj_bias=in_proj_bias, bias_k=bias_k, bias_v=bias_v,
             q_proj_weight=q_proj_weight, k_proj_weight=k_proj_weight, v_proj_weight=v_proj_weight)
    one_device(op, query=query, attn_mask=attn_mask, key_padding_mask=key_padding_mask)
    batched = query.ndim == 3
    if not batched:
        same = key is query, value is key
        query = unsqueeze(query, 1)
        key = query if same[0] else unsqueeze(key, 1)
        value = key if same[1] else unsqueeze(value, 1)
        key_padding_mask = None if key_padding_mask is None else unsqueeze(key_padding_mask, 0)
    length, batch, embed = query.shape
    if embed != embed_dim_to_check:
        raise ValueError(f"{op}: query (T={length}, N={batch}, E={embed}) but embed_dim is {embed_dim_to_check}")
    num_heads = integer(op, "num_heads", num_heads, 1)
    if embed % num_heads:
        raise ValueError(f"{op}: embed_dim={embed} cannot be split among num_heads={num_heads}")
    if key.shape[:2] != value.shape[:2] or key.shape[1] != batch:
        raise ValueError(f"{op}: query {query.shape}, key {key.shape} and value {value.shape} must agree in N "
                         "(axis 1), and key and value in length (axis 0)")
    if use_separate_proj_weight:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        q, k, v = _project_apart(op, (query, key, value), weights, in_proj_bias)
    else:
        q, k, v = _project_packed(op, query, key, value, in_proj_weight, in_proj_bias)
    given = key.shape[0]
    if (bias_k is None) != (bias_v is None):
        raise ValueError(f"{op}: bias_k and bias_v go together; only one of them was given")
    if bias_k is not None and bias_v is not None:
        k, v = (cat([t, b.expand(1, batch, embed)]) for t, b in ((k, bias_k), (v, bias_v)))
    q, k, v = (permute(reshape(t, t.shape[0], batch, num_heads, embed // num_heads), 1, 2, 0, 3)
               for t in (q, k, v))                                             # (N, h, length, E / h)
    if add_zero_attn:
        k, v = (cat([t, wrap(xp_of(t._data).zeros((batch, num_heads, 1, t.shape[-1]), t.dtype))], 2) for t in (k, v))
    mask = joint_mask(op, None if is_causal else attn_mask, key_padding_mask, batch, num_heads, length, given,
                      k.shape[2] - given, q)
    dropout_p = dropout_p if training else 0.0
    scale = 1 / math.sqrt(embed // num_heads)
    heads = None
    if need_weights:
        heads = attention_weights(q, k, mask, is_causal, scale)                # (N, h, T, S)
        heads = dropout(heads, dropout_p, generator=generator) if dropout_p > 0 else heads
        out = matmul(heads, v)
    else:
        out = attend(q, k, v, mask, dropout_p, is_causal, scale, generator)
    out = linear(reshape(permute(out, 2, 0, 1, 3), length, batch, embed), out_proj_weight, out_proj_bias)
    if heads is not None and average_attn_weights:
        heads = mean(heads, 1)
    if not batched:
        return squeeze(out, 1), None if heads is None else squeeze(heads, 0)
    return out, heads


def _project_packed(op, query, key, value, weight, bias):
    """Queries, keys and values (length, N, E) by the packed weights; one product where the arguments are the same."""
    embed = query.shape[-1]
    if weight is None or weight.shape != (3 * embed, embed):
        raise ValueError(f"{op}: in_proj_weight has shape {None if weight is None else weight.shape}, but E={embed} "
                         f"wants {(3 * embed, embed)}; for other kdim or vdim use use_separate_proj_weight=True")
    if query is key and key is value:
        return split(linear(query, weight, bias), embed, -1)
    if key is value:
        w_q, w_kv = split(weight, [embed, 2 * embed])
        b_q, b_kv = (None, None) if bias is None else split(bias, [embed, 2 * embed])
        return (linear(query, w_q, b_q), *split(linear(key, w_kv, b_kv), embed, -1))
    return _project_apart(op, (query, key, value), split(weight, embed), bias)


def _project_apart(op, inputs, weights, bias):
    """Queries, keys and values (length, N, E), each by its own weight."""
    embed = inputs[0].shape[-1]
    biases = (None,) * 3 if bias is None else split(bias, embed)
    for name, x, w in zip("qkv", inputs, weights):
        if w is None or w.shape != (embed, x.shape[-1]):
            raise ValueError(f"{op}: {name}_proj_weight has shape {None if w is None else w.shape} but wants "
                             f"(E={embed}, features={x.shape[-1]})")
    return tuple(linear(x, w, b) for x, w, b in zip(inputs, weights, biases))


def joint_mask(op: str, attn_mask, key_padding_mask, batch: int, num_heads: int, length: int, keys: int, appended: int,
               like: Tensor) -> Tensor | None:
    """The two masks as the one of ``scaled_dot_product_attention``, broadcastable to (N, h, T, S + appended).

    Args:
        attn_mask: (T, S) or (N h, T, S), True = ignore, or numbers to add; or None.
        key_padding_mask: (N, S), likewise; or None.
        appended: positions at the end of the keys that no mask speaks of.
        like: a Tensor of the scores' dtype and device.

    Returns:
        Booleans (True = attend) if both masks are boolean, otherwise numbers to add.
    """
    masks = []
    if attn_mask is not None:
        if attn_mask.shape not in ((length, keys), (batch * num_heads, length, keys)):
            raise ValueError(f"{op}: attn_mask has shape {attn_mask.shape} but wants (T, S) = {(length, keys)} or "
                             f"(N h, T, S) = {(batch * num_heads, length, keys)}")
        masks.append(attn_mask if attn_mask.ndim == 2 else reshape(attn_mask, batch, num_heads, length, keys))
    if key_padding_mask is not None:
        if key_padding_mask.shape != (batch, keys):
            raise ValueError(f"{op}: key_padding_mask has shape {key_padding_mask.shape} but wants (N, S) = "
                             f"{(batch, keys)}")
        masks.append(reshape(key_padding_mask, batch, 1, 1, keys))
    for mask in masks:
        if mask.dtype.kind not in "bf":
            raise TypeError(f"{op}: a mask of {mask.dtype}; it must be boolean (True = ignore) or floating point")
    if not masks:
        return None
    xp = xp_of(like._data)
    if all(mask.dtype.kind == "b" for mask in masks):
        ignored = masks[0]._data if len(masks) == 1 else masks[0]._data | masks[1]._data
        padded = xp.zeros(ignored.shape[:-1] + (appended,), bool)
        return wrap(~np.concatenate([ignored, padded], -1))
    total: Any = 0
    for mask in masks:
        if mask.dtype.kind == "b":
            mask = wrap(np.where(mask._data, -np.inf, 0.0).astype(like.dtype))
        total = mask + total
    if not appended:
        return total
    return cat([total, wrap(xp.zeros(total.shape[:-1] + (appended,), total.dtype))], -1)


def _samples(draw):
    def weights(embed, bias=True):
        return (draw.normal(3 * embed, embed, scale=0.3), draw.normal(3 * embed) if bias else None)

    def out(embed):
        return draw.normal(embed, embed, scale=0.3), draw.normal(embed)

    x = draw.normal(5, 2, 4)
    yield Sample(x, draw.normal(6, 2, 4), draw.normal(6, 2, 4), 4, 2, *weights(4), None, None, False, 0.0, *out(4))
    padding = np.array([[False] * 6, [False] * 3 + [True] * 3])
    yield Sample(x, draw.normal(6, 2, 4), draw.normal(6, 2, 4), 4, 2, *weights(4), None, None, False, 0.0, *out(4),
                 key_padding_mask=padding, need_weights=False, attn_mask=~draw.mask(5, 6) & (np.arange(6) > 0))
    yield Sample(x, draw.normal(6, 2, 3), draw.normal(6, 2, 5), 4, 2, None, draw.normal(12), None, None, False, 0.0,
                 *out(4), use_separate_proj_weight=True, q_proj_weight=draw.normal(4, 4),
                 k_proj_weight=draw.normal(4, 3), v_proj_weight=draw.normal(4, 5), average_attn_weights=False)
    yield Sample(x, draw.normal(6, 2, 4), draw.normal(6, 2, 4), 4, 2, *weights(4, bias=False), draw.normal(1, 1, 4),
                 draw.normal(1, 1, 4), True, 0.0, draw.normal(4, 4), None, attn_mask=draw.normal(4, 5, 6))
    causal = np.triu(np.ones((5, 5), bool), 1)
    yield Sample(x, draw.normal(5, 2, 4), draw.normal(5, 2, 4), 4, 1, *weights(4), None, None, False, 0.0, *out(4),
                 need_weights=False, attn_mask=causal, is_causal=True)
    yield Sample(draw.normal(5, 4), draw.normal(3, 4), draw.normal(3, 4), 4, 4, *weights(4), None, None, False, 0.0,
                 *out(4), key_padding_mask=Fixed(draw.normal(3)))


register("multi_head_attention_forward", multi_head_attention_forward, _samples,
         torch="nn.functional.multi_head_attention_forward")
