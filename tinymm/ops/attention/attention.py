"""Scaled dot-product attention (Vaswani et al. 2017, equation 1).

    weights = softmax(Q K^T / sqrt(d) + mask)        out = weights V

The definition holds the whole matrix of T queries by S keys; the other rungs hold a block of it at a time
(``kernels.py`` says how) and keep one number a query, the log-sum-exp of its row, for the backward pass.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...autograd.choice import where
from ...autograd.elementwise import exp
from ...autograd.join import repeat_interleave
from ...autograd.pointwise import unbroadcast
from ...autograd.linalg import matmul
from ...autograd.reduction import sum as total
from ...autograd.registry import Fixed, Sample, register
from ...autograd.shape import broadcast_to, transpose
from ...autograd.tensor import Tensor, wrap
from ...backend import products
from ...backend.arrays import xp_of
from ...backend.sums import total as sum_of
from .cuda import backward_on_gpu, fits_on_gpu, forward_on_gpu
from .kernels import attention_backward, attention_forward
from ..checks import floating, one_device, real, same_dtype
from ..dropout import draw_kept, scale_of
from ..fused import Fused

BLOCK_ELEMENTS = 1 << 20   # scores that the NumPy rung holds at a time


class Attention(Fused):
    """out = softmax(scale * q k^T + mask) v over (..., T, d), (..., S, d) and (..., S, e)."""

    name = "scaled_dot_product_attention"
    keep_output = True

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(q, k, v, mask, is_causal, scale, dropout_p=0.0, generator=None, kept=None):
        weights = attention_weights(q, k, mask, is_causal, scale)
        if dropout_p > 0:
            kept = draw_kept(weights._data, dropout_p, generator) if kept is None else kept
            weights = weights * wrap(kept.astype(weights.dtype)) * scale_of(dropout_p)
        return matmul(weights, v)

    # ------------------------------------------------------------------ rung 2: NumPy, a block of queries at a time

    def _remember(self, q, k, v, mask, is_causal, scale, dropout_p, generator):
        self.q, self.k, self.v, self.mask, self.is_causal, self.scale = q, k, v, mask, is_causal, scale
        self.factor, self.kept = scale_of(dropout_p), None
        if dropout_p > 0:
            weights = np.broadcast_to(q[..., :1], q.shape[:-1] + k.shape[-2:-1])   # only its shape and device count
            self.kept = draw_kept(weights, dropout_p, generator)
            self.replay = {"kept": self.kept}

    def _blocks(self):
        """(slice of queries, number of keys that they may see), so that the scores of a block stay small."""
        queries, keys = self.q.shape[-2], self.k.shape[-2]
        heads = max(int(np.prod(self.q.shape[:-2])), 1)
        rows = max(1, BLOCK_ELEMENTS // max(heads * keys, 1))
        for start in range(0, queries, rows):
            stop = min(start + rows, queries)
            yield slice(start, stop), min(keys, stop) if self.is_causal else keys

    def _scores(self, part, last):
        s = products.matmul(self.q[..., part, :] * self.q.dtype.type(self.scale), np.swapaxes(self.k[..., :last, :], -1, -2))
        if self.mask is not None:
            mask = mask_block(self.mask, part, last)
            s = np.where(mask, s, -np.inf) if mask.dtype.kind == "b" else s + mask
        if self.is_causal:
            xp = xp_of(s)
            s = np.where(xp.arange(part.start, part.stop)[:, None] >= xp.arange(last), s, -np.inf)
        return s.astype(self.q.dtype, copy=False)

    def forward_numpy(self, q, k, v, mask, is_causal, scale, dropout_p, generator):
        self._remember(q, k, v, mask, is_causal, scale, dropout_p, generator)
        xp = xp_of(q)
        self.out = xp.zeros(q.shape[:-1] + v.shape[-1:], q.dtype)
        self.lse = xp.zeros(q.shape[:-1] + (1,), q.dtype)
        if self.q.size == 0 or self.k.size == 0 or self.v.size == 0:
            return self.out
        for part, last in self._blocks():
            s = self._scores(part, last)
            top = s.max(-1, keepdims=True)
            top = np.where(top == -np.inf, 0, top).astype(q.dtype)      # a row that sees no key
            weights = np.exp(s - top)
            sums = sum_of(weights, -1, keepdims=True)
            self.lse[..., part, :] = np.where(sums == 0, np.inf, top + np.log(np.where(sums == 0, 1, sums)))
            if self.kept is not None:
                weights = weights * self.kept[..., part, :last] * q.dtype.type(self.factor)
            self.out[..., part, :] = products.matmul(weights, v[..., :last, :]) / np.where(sums == 0, 1, sums)
        return self.out

    def backward_numpy(self, g):
        q, k, v, xp = self.q, self.k, self.v, xp_of(g)
        dq, dk, dv = xp.zeros(q.shape, q.dtype), xp.zeros(k.shape, k.dtype), xp.zeros(v.shape, v.dtype)
        d_mask = xp.zeros(self.mask.shape, self.mask.dtype) if self.needs[3] else None
        if q.size == 0 or k.size == 0 or v.size == 0:
            return dq, dk, dv, d_mask
        delta = sum_of(g * self.out, -1, keepdims=True)      # sum over keys of weight times its gradient
        for part, last in self._blocks():
            weights = np.exp(self._scores(part, last) - self.lse[..., part, :])
            d_weights = products.matmul(g[..., part, :], np.swapaxes(v[..., :last, :], -1, -2))
            dropped = weights
            if self.kept is not None:
                noise = self.kept[..., part, :last] * q.dtype.type(self.factor)
                dropped, d_weights = weights * noise, d_weights * noise
            ds = weights * (d_weights - delta[..., part, :])
            if d_mask is not None:
                block = mask_block(d_mask, part, last)
                block += unbroadcast(ds, block.shape)
            ds = ds * q.dtype.type(self.scale)
            dv[..., :last, :] += products.matmul(np.swapaxes(dropped, -1, -2), g[..., part, :])
            dk[..., :last, :] += products.matmul(np.swapaxes(ds, -1, -2), q[..., part, :])
            dq[..., part, :] = products.matmul(ds, k[..., :last, :])
        return dq, dk, dv, d_mask

    # ------------------------------------------------------------------ rungs 3 and 4: blocks of queries and of keys

    def _as_heads(self):
        """Everything as (heads, rows, columns), and the mask as a bias that several heads share."""
        q, k, v, mask, xp = self.q, self.k, self.v, self.mask, xp_of(self.q)
        batch = q.shape[:-2]
        heads, queries, keys = math.prod(batch), q.shape[-2], k.shape[-2]
        flat = [xp.ascontiguousarray(a).reshape(heads, *a.shape[-2:]) for a in (q, k, v)]
        bias, which = xp.zeros((1, 1, 1), q.dtype), np.zeros(heads, np.int64)
        if mask is not None:
            if mask.dtype.kind == "b":
                mask = np.where(mask, 0, -np.inf).astype(q.dtype)
            lead = mask.shape[:-2]
            groups = math.prod(lead)
            which = np.broadcast_to(np.arange(groups).reshape(lead), batch).reshape(-1)
            if mask.shape[-1] != keys:   # a view is read-only even where it repeats nothing, and Numba compiles anew for those
                mask = np.broadcast_to(mask, mask.shape[:-1] + (keys,))
            bias = xp.ascontiguousarray(mask).reshape(groups, mask.shape[-2], keys)
        step = int(bias.shape[1] > 1)   # 0: one row of the mask serves every query
        kept = xp.zeros((heads, 1, 1), bool) if self.kept is None else self.kept.reshape(heads, queries, keys)
        number = q.dtype.type
        return (*flat, bias, xp.asarray(which.astype(np.int64)), mask is not None, step, kept, self.kept is not None,
                number(self.factor), number(self.scale), bool(self.is_causal))

    def _for_kernels(self) -> tuple[Any, ...]:
        """``_as_heads`` with the mask transposed, keys first, as the kernels go through it."""
        q, k, v, bias, *rest = self._as_heads()
        return q, k, v, np.ascontiguousarray(np.swapaxes(bias, 1, 2)), *rest

    def _like_forward(self, q, v):
        xp, heads = xp_of(q), math.prod(q.shape[:-2])
        return xp.empty((heads, q.shape[-2], v.shape[-1]), q.dtype), xp.empty((heads, q.shape[-2]), q.dtype)

    def _tile(self):
        """Queries in a block: long rows are faster, but under the causal mask small blocks skip more."""
        return 64 if self.is_causal else 128

    def forward_numba(self, q, k, v, mask, is_causal, scale, dropout_p, generator):
        if self.needs[3]:      # the gradient of a mask has T x S elements anyway
            self.rung = "numpy"
            return self.forward_numpy(q, k, v, mask, is_causal, scale, dropout_p, generator)
        self._remember(q, k, v, mask, is_causal, scale, dropout_p, generator)
        out, self.lse = self._like_forward(q, v)
        attention_forward(*self._for_kernels(), self._tile(), out, self.lse, work=out.shape[0] * q.shape[-2] * k.shape[-2])
        self.out = out.reshape(q.shape[:-1] + v.shape[-1:])
        return self.out

    def backward_numba(self, g):
        from ...backend.threads import get_num_threads

        q, k, v, *rest = self._for_kernels()
        heads, queries, keys = q.shape[0], q.shape[1], k.shape[1]
        work = heads * queries * keys
        parts = 1 if heads >= get_num_threads() else get_num_threads()      # few heads: share the queries of each
        dq = np.empty_like(q)
        dk, dv = np.empty((parts, *k.shape), k.dtype), np.empty((parts, *v.shape), v.dtype)
        out = self.out.reshape(heads, queries, -1)
        attention_backward(g.reshape(out.shape), q, k, v, *rest, self._tile(), out, self.lse, dq, dk, dv, work=work)
        dk, dv = (x[0] if parts == 1 else sum_of(x, 0) for x in (dk, dv))
        return dq.reshape(self.q.shape), dk.reshape(self.k.shape), dv.reshape(self.v.shape), None

    def forward_cuda(self, q, k, v, mask, is_causal, scale, dropout_p, generator):
        if self.needs[3] or q.size == 0 or k.size == 0 or v.size == 0 or not fits_on_gpu(q, v):
            self.rung = "numpy"
            return self.forward_numpy(q, k, v, mask, is_causal, scale, dropout_p, generator)
        self._remember(q, k, v, mask, is_causal, scale, dropout_p, generator)
        out, self.lse = self._like_forward(q, v)
        forward_on_gpu(*self._as_heads(), out, self.lse)
        self.out = out.reshape(q.shape[:-1] + v.shape[-1:])
        return self.out

    def backward_cuda(self, g):
        xp = xp_of(g)
        q, k, v, *rest = self._as_heads()
        out = self.out.reshape(q.shape[0], q.shape[1], -1)
        dq, dk, dv = xp.empty_like(q), xp.empty_like(k), xp.empty_like(v)
        backward_on_gpu(xp.ascontiguousarray(g).reshape(out.shape), q, k, v, *rest, out, self.lse, dq, dk, dv)
        return dq.reshape(self.q.shape), dk.reshape(self.k.shape), dv.reshape(self.v.shape), None


def attention_weights(q: Tensor, k: Tensor, mask: Tensor | None, is_causal: bool, scale: float) -> Tensor:
    """softmax(scale * q k^T + mask) over keys, by the formula; zeros for a query that sees no key.

    Args:
        q: (..., T, d).
        k: (..., S, d).
        mask: broadcastable to (..., T, S): True = attend, or numbers to add; or None.

    Returns:
        Tensor (..., T, S).
    """
    scores = matmul(q * scale, transpose(k, -1, -2))                        # (..., T, S)
    xp = xp_of(scores._data)
    if mask is not None:
        scores = where(mask, scores, -math.inf) if mask.dtype.kind == "b" else scores + mask
    if is_causal:
        visible = xp.arange(q.shape[-2])[:, None] >= xp.arange(k.shape[-2])
        scores = where(wrap(visible), scores, -math.inf)
    if k.shape[-2] == 0:
        return scores
    top = scores._data.max(-1, keepdims=True)
    weights = exp(scores - wrap(np.where(top == -np.inf, 0, top).astype(scores.dtype)))
    sums = total(weights, -1, keepdim=True)
    return weights / where(wrap(sums._data == 0), 1.0, sums)


def mask_block(mask, part: slice, last: int):
    """The rows ``part`` and the first ``last`` columns of a mask whose axes may have length 1."""
    rows = part if mask.shape[-2] > 1 else slice(None)
    return mask[..., rows, :last] if mask.shape[-1] > 1 else mask[..., rows, :]


def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
                                 dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
                                 enable_gqa: bool = False, *, generator=None) -> Tensor:
    """softmax(scale * query key^T + mask) value: every query takes a weighted mean of the values.

    A query that may see no key gives zeros, and no gradient (PyTorch's ``MultiheadAttention`` gives NaN there).

    Gradient: with the weights P = softmax(S): dL/dvalue = P^T g; dL/dS = P * (dP - the row sums of dP * P),
    dP = g value^T; dL/dquery = scale * dS key; dL/dkey = scale * dS^T query.

    Args:
        query: (..., T, d). Leading axes of the three broadcast.
        key: (..., S, d).
        value: (..., S, e).
        attn_mask: broadcastable to (..., T, S): boolean, True = attend (the opposite of ``MultiheadAttention``), or
            floating point, added to the scores.
        dropout_p: probability of dropping each weight; always applied, so pass 0.0 when evaluating.
        is_causal: query i sees keys 0 to i only.
        scale: factor of the scores; 1 / sqrt(d) by default.
        enable_gqa: heads of queries share keys and values in groups (Ainslie et al. 2023): axis -3 of ``key`` and ``value``
            is shorter, and each of its heads serves several neighbouring ones of ``query``.
        generator: the random stream of dropout (default: the stream "dropout").

    Returns:
        Tensor (..., T, e).

    Raises:
        ValueError: shapes that do not fit, a mask together with ``is_causal``, or dropout_p outside [0, 1].
        TypeError: arguments that are not floating point.
    """
    if is_causal and attn_mask is not None:
        raise ValueError("scaled_dot_product_attention: attn_mask and is_causal=True together; put the causal part "
                         "into the mask")
    if enable_gqa:
        key, value = (_for_each_head(query, name, t) for name, t in (("key", key), ("value", value)))
    return attend(query, key, value, attn_mask, dropout_p, is_causal, scale, generator)


def _for_each_head(query: Tensor, name: str, t: Tensor) -> Tensor:
    """Keys or values with as many heads as ``query`` has."""
    op = "scaled_dot_product_attention"
    if query.ndim < 3 or t.ndim < 3 or t.shape[-3] == 0 or query.shape[-3] % t.shape[-3]:
        raise ValueError(f"{op}: enable_gqa=True wants the heads (axis -3) of query {query.shape} to be a multiple of those "
                         f"of {name} {t.shape}")
    return repeat_interleave(t, query.shape[-3] // t.shape[-3], -3)


def attend(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, dropout_p: float, is_causal: bool,
           scale: float | None, generator) -> Tensor:
    """``scaled_dot_product_attention`` that also takes a mask together with ``is_causal``."""
    op = "scaled_dot_product_attention"
    q, k, v = (floating(op, n, t) for n, t in (("query", query), ("key", key), ("value", value)))
    one_device(op, query=q, key=k, value=v, attn_mask=attn_mask)
    for name, t in (("query", q), ("key", k), ("value", v)):
        if t.ndim < 2:
            raise ValueError(f"{op}: {name} has shape {t.shape}; it needs at least two axes (..., length, features)")
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"{op}: query {q.shape} has {q.shape[-1]} features but key {k.shape} has {k.shape[-1]}")
    if k.shape[-2] != v.shape[-2]:
        raise ValueError(f"{op}: key {k.shape} has length {k.shape[-2]} but value {v.shape} has {v.shape[-2]}")
    if not 0 <= real(op, "dropout_p", dropout_p) <= 1:
        raise ValueError(f"{op}: dropout_p={dropout_p} is not a probability")
    batch = q.shape[:-2]
    if not batch == k.shape[:-2] == v.shape[:-2]:
        try:
            batch = np.broadcast_shapes(batch, k.shape[:-2], v.shape[:-2])
        except ValueError:
            raise ValueError(f"{op}: the leading axes of query {q.shape}, key {k.shape} and value {v.shape} do not "
                             "broadcast") from None
        q, k, v = (t if t.shape[:-2] == batch else broadcast_to(t, batch + t.shape[-2:]) for t in (q, k, v))
    if attn_mask is not None:
        attn_mask = _checked_mask(op, attn_mask, batch + (q.shape[-2], k.shape[-2]))
    if attn_mask is not None and attn_mask.dtype.kind == "f":
        q, k, v, attn_mask = same_dtype(q, k, v, attn_mask)
    else:
        q, k, v = same_dtype(q, k, v)
    scale = 1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else real(op, "scale", scale)
    return Attention.apply(q, k, v, attn_mask, is_causal=bool(is_causal), scale=scale, dropout_p=dropout_p,
                           generator=generator)


def _checked_mask(op: str, mask, shape: tuple) -> Tensor:
    """The mask with at least two axes, if it fits the scores' shape."""
    if not isinstance(mask, Tensor) or mask.dtype.kind not in "bf":
        kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"{op}: attn_mask must be a boolean (True = attend) or floating-point Tensor, not {kind}")
    try:
        fits = np.broadcast_shapes(mask.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{op}: attn_mask {mask.shape} does not broadcast to the scores' shape {shape} (..., T, S)")
    return mask if mask.ndim >= 2 else mask.reshape((1,) * (2 - mask.ndim) + mask.shape)


def _samples(draw):
    yield Sample(draw.normal(2, 3, 5, 4), draw.normal(2, 3, 6, 4), draw.normal(2, 3, 6, 5))
    yield Sample(draw.normal(2, 7, 4), draw.normal(2, 7, 4), draw.normal(2, 7, 4), is_causal=True)
    yield Sample(draw.normal(3, 4), draw.normal(5, 4), draw.normal(5, 2), scale=0.3)
    mask = draw.mask(2, 1, 5, 6, p=0.5)
    mask[0, 0, 2] = False    # a query that sees nothing
    yield Sample(draw.normal(2, 2, 5, 4), draw.normal(2, 2, 6, 4), draw.normal(2, 2, 6, 4), mask)
    yield Sample(draw.normal(2, 2, 5, 4), draw.normal(2, 2, 6, 4), draw.normal(2, 2, 6, 4), draw.normal(5, 6))
    padding = Fixed(draw.normal(2, 1, 1, 6))
    yield Sample(draw.normal(2, 2, 5, 4), draw.normal(2, 2, 6, 4), draw.normal(2, 2, 6, 4), padding)
    yield Sample(draw.normal(1, 70, 3), draw.normal(1, 131, 3), draw.normal(1, 131, 2), draw.mask(70, 131))
    yield Sample(draw.normal(3, 130, 3), draw.normal(3, 70, 3), draw.normal(3, 70, 5), is_causal=True)
    yield Sample(draw.normal(2, 4, 3), draw.normal(1, 5, 3), draw.normal(5, 3))
    yield Sample(draw.normal(2, 0, 3), draw.normal(2, 5, 3), draw.normal(2, 5, 3))
    yield Sample(draw.normal(2, 1, 1), draw.normal(2, 1, 1), draw.normal(2, 1, 1))


register("scaled_dot_product_attention", scaled_dot_product_attention, _samples,
         torch="nn.functional.scaled_dot_product_attention", fused=Attention)
