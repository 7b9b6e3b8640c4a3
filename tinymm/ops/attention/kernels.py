"""The Numba kernels of attention: keys come in blocks, and each query keeps only its running maximum and sum.

Online softmax (Milakov and Gimelshein 2018; FlashAttention, Dao et al. 2022, algorithm 1): when a block of keys raises
the maximum of a row from m to m', what was summed so far is multiplied by e^(m - m'). The backward pass computes each
block of weights again from the row's log-sum-exp, so no matrix of queries by keys is ever in memory.

Inside a block everything is transposed, keys down and queries across: maxima, sums and factors are then vectors over
queries. Queries are filled up to whole vectors with zeros, so that no loop over them has a ragged end; what comes of these is
finite and is dropped. A few queries beyond the last whole vector, or a single one, go one by one instead (``single.py``).
"""

from __future__ import annotations

import numpy as np

from ...backend.jit import kernel, prange
from ...backend.small_product import multiply, spare_tile, wide
from ...backend.vmath import exp, log
from .single import backward_of_one, forward_of_one

KEYS = 128   # keys in a block; a block of weights and its gradient stay in the second-level cache


@kernel
def transposed_rows(x, start, count, factor, y):
    """Rows start .. start+count of x (T, d), times ``factor``, as y (d, m >= count), zero beyond."""
    for c in range(x.shape[1]):
        row = y[c]
        for t in range(count):
            row[t] = x[start + t, c] * factor
        for t in range(count, row.shape[0]):
            row[t] = 0


@kernel
def copied_rows(x, start, count, y):
    """Rows start .. start+count of x (T, d) into y (count, m >= d), zero beyond."""
    for t in range(count):
        source, row = x[start + t], y[t]
        for c in range(source.shape[0]):
            row[c] = source[c]
        for c in range(source.shape[0], row.shape[0]):
            row[c] = 0


@kernel
def add_rows(block, y):
    """y (S, d) += the first d columns of block (S, m >= d)."""
    for s in range(y.shape[0]):
        source, row = block[s], y[s]
        for c in range(row.shape[0]):
            row[c] += source[c]


@kernel
def mask_scores(bias, s0, t0, n, has_bias, bias_step, causal, p):
    """p (keys, queries) += bias (S, T or 1), -inf where query t0+t may not see key s0+r; for the first n queries."""
    rows = p.shape[0]
    if has_bias:
        for r in range(rows):
            if bias_step:
                row, extra = p[r], bias[s0 + r, t0:t0 + n]
                for t in range(n):
                    row[t] += extra[t]
            else:
                for t in range(n):
                    p[r, t] += bias[s0 + r, 0]
    if causal and s0 + rows - 1 > t0:
        for r in range(rows):
            for t in range(min(n, max(0, s0 + r - t0))):
                p[r, t] = -np.inf


@kernel
def apply_dropout(keep, keep_scale, t0, s0, n, p):
    """p *= keep / (1 - p_drop) for the first n queries, the mask being (queries, keys)."""
    for r in range(p.shape[0]):
        for t in range(n):
            p[r, t] *= keep_scale if keep[t0 + t, s0 + r] else p.dtype.type(0)


@kernel
def in_vectors(n, like):
    """How many of n queries go in vectors, filled up where more than half of the last one is used; the others go one by one."""
    lanes = wide(1, like)
    return n if 2 * (n % lanes) > lanes else n - n % lanes


@kernel
def _forward_block(q, k, v, h, t0, n, bias, has_bias, bias_step, keep, has_keep, keep_scale, scale, causal, out, lse):
    """out and lse (N, T) of head h and its n queries from t0 on."""
    keys, width, depth, m = v.shape[1], v.shape[2], q.shape[2], wide(n, q)
    flat_k, flat_v = k.reshape(-1), v.reshape(-1)
    qt, spare = np.empty((depth, m), q.dtype), np.empty(spare_tile(q), q.dtype)
    transposed_rows(q[h], t0, n, scale, qt)
    acc = np.zeros((width, m), q.dtype)
    top, total = np.full(m, -np.inf, q.dtype), np.zeros(m, q.dtype)
    raised, shrunk, part = np.empty(m, q.dtype), np.empty(m, q.dtype), np.empty(m, q.dtype)
    block = np.empty((min(KEYS, keys), m), q.dtype)
    last = min(keys, t0 + n) if causal else keys   # no query of this block sees a later key
    for s0 in range(0, last, KEYS):
        rows = min(KEYS, last - s0)
        p = block[:rows]
        multiply(flat_k, (h * keys + s0) * depth, depth, 1, rows, depth, qt.reshape(-1), p.reshape(-1), m, False, spare)
        mask_scores(bias, s0, t0, n, has_bias, bias_step, causal, p)
        raised[:] = top
        for r in range(rows):
            for t in range(m):
                raised[t] = p[r, t] if p[r, t] > raised[t] else raised[t]
        for t in range(m):
            base = raised[t] if raised[t] > -np.inf else q.dtype.type(0)   # a row without a key so far
            shrink = exp(top[t] - base)
            top[t] = raised[t]
            raised[t] = base
            total[t] *= shrink
            shrunk[t] = shrink
        for c in range(width * (s0 > 0)):
            for t in range(m):
                acc[c, t] *= shrunk[t]
        part[:] = 0
        for r in range(rows):
            for t in range(m):
                x = exp(p[r, t] - raised[t])
                part[t] += x
                p[r, t] = x
        for t in range(m):
            total[t] += part[t]
        if has_keep:
            apply_dropout(keep, keep_scale, t0, s0, n, p)
        multiply(flat_v, (h * keys + s0) * width, 1, width, width, rows, p.reshape(-1), acc.reshape(-1), m, True, spare)
    for t in range(n):
        share = q.dtype.type(1) / total[t] if total[t] != 0 else q.dtype.type(0)   # no key at all: zeros
        lse[h, t0 + t] = top[t] + log(total[t]) if total[t] != 0 else np.inf       # and e^(s - inf) = 0 later
        for c in range(width):
            out[h, t0 + t, c] = acc[c, t] * share


@kernel(parallel=True)
def attention_forward(q, k, v, bias, which, has_bias, bias_step, keep, has_keep, keep_scale, scale, causal, tile,
                      out, lse):
    """Fills out (N, T, e) and lse (N, T) from q (N, T, d), k (N, S, d), v (N, S, e), ``tile`` queries at a time.

    The mask is bias[which[head]] of bias (G, S, T or 1); a step of 0 gives its one column to every query.
    """
    heads, queries = lse.shape
    blocks = (queries + tile - 1) // tile
    for job in prange(heads * blocks):
        h, t0 = job // blocks, job % blocks * tile
        n = min(tile, queries - t0)
        some = in_vectors(n, q)
        if some:
            _forward_block(q, k, v, h, t0, some, bias[which[h]], has_bias, bias_step, keep[h], has_keep, keep_scale, scale,
                           causal, out, lse)
        for t in range(t0 + some, t0 + n):
            lse[h, t] = forward_of_one(q[h, t], k[h], v[h], bias[which[h]], t * bias_step, has_bias, keep[h], t, has_keep,
                                       keep_scale, scale, causal, out[h, t])


@kernel(parallel=True, reassociate=True)
def attention_backward(g, q, k, v, bias, which, has_bias, bias_step, keep, has_keep, keep_scale, scale, causal, tile,
                       out, lse, dq, dk, dv):
    """Fills dq (N, T, d), dk (parts, N, S, d) and dv (parts, N, S, e); a part takes every parts-th block of queries."""
    heads, queries, depth = q.shape
    keys, width = v.shape[1:]
    parts = dk.shape[0]
    flat_k, flat_v = k.reshape(-1), v.reshape(-1)
    most, high = wide(min(tile, queries), q), min(KEYS, keys)
    wide_d, wide_e = wide(depth, q), wide(width, q)
    for job in prange(heads * parts):
        h, part = job // parts, job % parts
        dk[part, h] = 0
        dv[part, h] = 0
        first, second, spare = np.empty(high * most, q.dtype), np.empty(high * most, q.dtype), np.empty(spare_tile(q), q.dtype)
        sums, turned = np.empty(high * max(wide_d, wide_e), q.dtype), np.empty((depth + width) * most, q.dtype)
        whole, dqt = np.empty(most * (wide_d + wide_e), q.dtype), np.empty(depth * most, q.dtype)
        shift, delta = np.empty(most, q.dtype), np.empty(most, q.dtype)
        for t0 in range(part * tile, queries, parts * tile):
            end = min(t0 + tile, queries)
            n = in_vectors(end - t0, q)
            for t in range(t0 + n, end):
                backward_of_one(g[h, t], q[h, t], k[h], v[h], bias[which[h]], t * bias_step, has_bias, keep[h], t, has_keep,
                                keep_scale, scale, causal, out[h, t], lse[h, t], dq[h, t], dk[part, h], dv[part, h])
            if n == 0:
                continue
            m = wide(n, q)
            qt, gt = turned[:depth * m], turned[depth * m:(depth + width) * m]
            transposed_rows(q[h], t0, n, scale, qt.reshape((depth, m)))
            transposed_rows(g[h], t0, n, q.dtype.type(1), gt.reshape((width, m)))
            q_rows, g_rows = whole[:n * wide_d], whole[n * wide_d:n * (wide_d + wide_e)]
            copied_rows(q[h], t0, n, q_rows.reshape((n, wide_d)))
            copied_rows(g[h], t0, n, g_rows.reshape((n, wide_e)))
            dqt[:] = 0
            delta[:], shift[:] = 0, 0
            for t in range(n):
                dot = q.dtype.type(0)
                for c in range(width):
                    dot += g[h, t0 + t, c] * out[h, t0 + t, c]   # = sum over keys of weight * its gradient
                delta[t], shift[t] = dot, lse[h, t0 + t]
            last = min(keys, t0 + n) if causal else keys
            for s0 in range(0, last, KEYS):
                rows = min(KEYS, last - s0)
                p, dp = first[:rows * m].reshape((rows, m)), second[:rows * m].reshape((rows, m))
                at_k, at_v = (h * keys + s0) * depth, (h * keys + s0) * width
                multiply(flat_k, at_k, depth, 1, rows, depth, qt, p.reshape(-1), m, False, spare)
                mask_scores(bias[which[h]], s0, t0, n, has_bias, bias_step, causal, p)
                multiply(flat_v, at_v, width, 1, rows, width, gt, dp.reshape(-1), m, False, spare)
                if has_keep:
                    apply_dropout(keep[h], keep_scale, t0, s0, n, dp)
                for r in range(rows):
                    for t in range(m):
                        p[r, t] = exp(p[r, t] - shift[t])
                        dp[r, t] = p[r, t] * (dp[r, t] - delta[t]) * scale
                if has_keep:
                    apply_dropout(keep[h], keep_scale, t0, s0, n, p)
                multiply(p.reshape(-1), 0, m, 1, rows, n, g_rows, sums, wide_e, False, spare)
                add_rows(sums[:rows * wide_e].reshape((rows, wide_e)), dv[part, h, s0:s0 + rows])
                multiply(dp.reshape(-1), 0, m, 1, rows, n, q_rows, sums, wide_d, False, spare)
                add_rows(sums[:rows * wide_d].reshape((rows, wide_d)), dk[part, h, s0:s0 + rows])
                multiply(flat_k, at_k, 1, depth, depth, rows, dp.reshape(-1), dqt, m, True, spare)
            for t in range(n):
                for c in range(depth):
                    dq[h, t0 + t, c] = dqt[c * m + t]
