"""The Numba kernels of attention: keys come in blocks, and each query keeps only its running maximum and sum.

Online softmax (Milakov and Gimelshein 2018; FlashAttention, Dao et al. 2022, algorithm 1): when a block of keys raises
the maximum of a row from m to m', what was summed so far is multiplied by e^(m - m'). The backward pass computes each
block of weights again from the row's log-sum-exp, so no matrix of queries by keys is ever in memory.

Inside a block everything is transposed, keys down and queries across: maxima, sums and factors are then vectors over
queries, and four of the five matrix products of the backward pass run along long rows.
"""

from __future__ import annotations

import numpy as np

from ...backend.jit import kernel, prange
from ...backend.small_product import add_product
from ...backend.vmath import exp, log

KEYS = 128   # keys in a block; a block of weights and its gradient stay in the second-level cache


@kernel
def transposed_rows(x, start, count, factor):
    """Rows start .. start+count of x (T, d), times ``factor``, as (d, count)."""
    y = np.empty((x.shape[1], count), x.dtype)
    for t in range(count):
        for c in range(x.shape[1]):
            y[c, t] = x[start + t, c] * factor
    return y


@kernel
def score_block(keys, qt, bias, s0, t0, has_bias, bias_step, causal, p):
    """p (keys, queries) = keys qt + bias, -inf where query t0+t may not see key s0+r."""
    rows, n = p.shape
    p[:] = 0
    add_product(keys, qt, p)
    if has_bias:
        for r in range(rows):
            for t in range(n):
                p[r, t] += bias[(t0 + t) * bias_step, s0 + r]
    if causal and s0 + rows - 1 > t0:
        for r in range(rows):
            for t in range(min(n, max(0, s0 + r - t0))):
                p[r, t] = -np.inf


@kernel
def apply_dropout(keep, keep_scale, t0, s0, p):
    """p *= keep / (1 - p_drop), the mask being (queries, keys)."""
    rows, n = p.shape
    for r in range(rows):
        for t in range(n):
            p[r, t] *= keep_scale if keep[t0 + t, s0 + r] else p.dtype.type(0)


@kernel(parallel=True)
def attention_forward(q, k, v, bias, which, has_bias, bias_step, keep, has_keep, keep_scale, scale, causal, tile,
                      out, lse):
    """Fills out (N, T, e) and lse (N, T) from q (N, T, d), k (N, S, d), v (N, S, e), ``tile`` queries at a time.

    The mask is bias[which[head]] of bias (G, T or 1, S); a step of 0 gives its one row to every query.
    """
    heads, queries, _ = q.shape
    keys, width = v.shape[1:]
    blocks = (queries + tile - 1) // tile
    for job in prange(heads * blocks):
        h, t0 = job // blocks, job % blocks * tile
        n = min(tile, queries - t0)
        qt = transposed_rows(q[h], t0, n, scale)
        acc = np.zeros((width, n), q.dtype)
        top, total = np.full(n, -np.inf, q.dtype), np.zeros(n, q.dtype)
        raised, shrunk, part = np.empty(n, q.dtype), np.empty(n, q.dtype), np.empty(n, q.dtype)
        block = np.empty((KEYS, n), q.dtype)
        last = min(keys, t0 + n) if causal else keys   # no query of this block sees a later key
        for s0 in range(0, last, KEYS):
            rows = min(KEYS, last - s0)
            p = block[:rows]
            score_block(k[h, s0:s0 + rows], qt, bias[which[h]], s0, t0, has_bias, bias_step, causal, p)
            raised[:] = top
            for r in range(rows):
                for t in range(n):
                    raised[t] = p[r, t] if p[r, t] > raised[t] else raised[t]
            for t in range(n):
                base = raised[t] if raised[t] > -np.inf else q.dtype.type(0)   # a row without a key so far
                shrink = exp(top[t] - base)
                top[t] = raised[t]
                raised[t] = base
                total[t] *= shrink
                shrunk[t] = shrink
            for c in range(width * (s0 > 0)):
                for t in range(n):
                    acc[c, t] *= shrunk[t]
            part[:] = 0
            for r in range(rows):
                for t in range(n):
                    x = exp(p[r, t] - raised[t])
                    part[t] += x
                    p[r, t] = x
            for t in range(n):
                total[t] += part[t]
            if has_keep:
                apply_dropout(keep[h], keep_scale, t0, s0, p)
            add_product(v[h, s0:s0 + rows].T, p, acc)
        for t in range(n):
            share = q.dtype.type(1) / total[t] if total[t] != 0 else q.dtype.type(0)   # no key at all: zeros
            lse[h, t0 + t] = top[t] + log(total[t]) if total[t] != 0 else np.inf       # and e^(s - inf) = 0 later
            for c in range(width):
                out[h, t0 + t, c] = acc[c, t] * share


@kernel(parallel=True, reassociate=True)
def attention_backward(g, q, k, v, bias, which, has_bias, bias_step, keep, has_keep, keep_scale, scale, causal, tile,
                       out, lse, dq, dk, dv):
    """Fills dq (N, T, d), dk (parts, N, S, d) and dv (parts, N, S, e); a part takes every parts-th block of queries."""
    heads, queries, depth = q.shape
    keys, width = v.shape[1:]
    parts = dk.shape[0]
    for job in prange(heads * parts):
        h, part = job // parts, job % parts
        dk[part, h] = 0
        dv[part, h] = 0
        first, second = np.empty((KEYS, tile), q.dtype), np.empty((KEYS, tile), q.dtype)
        for t0 in range(part * tile, queries, parts * tile):
            n = min(tile, queries - t0)
            qt = transposed_rows(q[h], t0, n, scale)
            gt = transposed_rows(g[h], t0, n, q.dtype.type(1))
            dqt = np.zeros((depth, n), q.dtype)
            shift, delta = lse[h, t0:t0 + n], np.zeros(n, q.dtype)
            for t in range(n):
                for c in range(width):
                    delta[t] += g[h, t0 + t, c] * out[h, t0 + t, c]   # = sum over keys of weight * its gradient
            last = min(keys, t0 + n) if causal else keys
            for s0 in range(0, last, KEYS):
                rows = min(KEYS, last - s0)
                p = first.ravel()[:rows * n].reshape((rows, n))
                dp = second.ravel()[:rows * n].reshape((rows, n))
                score_block(k[h, s0:s0 + rows], qt, bias[which[h]], s0, t0, has_bias, bias_step, causal, p)
                dp[:] = 0
                add_product(v[h, s0:s0 + rows], gt, dp)
                if has_keep:
                    apply_dropout(keep[h], keep_scale, t0, s0, dp)
                for r in range(rows):
                    for t in range(n):
                        p[r, t] = exp(p[r, t] - shift[t])
                        dp[r, t] = p[r, t] * (dp[r, t] - delta[t]) * scale
                if has_keep:
                    apply_dropout(keep[h], keep_scale, t0, s0, p)
                add_product(p, g[h, t0:t0 + n], dv[part, h, s0:s0 + rows])
                add_product(dp, q[h, t0:t0 + n], dk[part, h, s0:s0 + rows])
                add_product(k[h, s0:s0 + rows].T, dp, dqt)
            for t in range(n):
                for c in range(depth):
                    dq[h, t0 + t, c] = dqt[c, t]
