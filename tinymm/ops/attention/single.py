"""Attention of a single query, for use inside kernels: its scores are one row, and vectors run along features.

That is a query that is decoded, which meets the kept keys of all positions before it, and the few that are left over when the
queries of a block are taken in whole vectors (``kernels.py``).
"""

from __future__ import annotations

import numpy as np

from ...backend.jit import kernel
from ...backend.vmath import exp, log


@kernel(reassociate=True)
def _dots(x, rows, factor, y):
    """y[s] = factor * (x . rows[s])"""
    for s in range(y.shape[0]):
        row, dot = rows[s], x.dtype.type(0)
        for c in range(x.shape[0]):
            dot += x[c] * row[c]
        y[s] = dot * factor


@kernel
def _scores(q, k, bias, column, has_bias, scale, y):
    """y[s] = scale * (q . k[s]) + bias[s, column]"""
    _dots(q, k, scale, y)
    if has_bias:
        for s in range(y.shape[0]):
            y[s] += bias[s, column]


@kernel(reassociate=True)
def _exponentials(x, top):
    """x = e^(x - top); returns their sum."""
    total = x.dtype.type(0)
    for s in range(x.shape[0]):
        x[s] = exp(x[s] - top)
        total += x[s]
    return total


@kernel
def _keep(keep, factor, x):
    """x *= keep / (1 - p_drop)"""
    for s in range(x.shape[0]):
        x[s] *= factor if keep[s] else x.dtype.type(0)


@kernel
def _add_sum(x, rows, y):
    """y += the sum over s of x[s] * rows[s]"""
    for s in range(x.shape[0]):
        row, factor = rows[s], x[s]
        for c in range(y.shape[0]):
            y[c] += factor * row[c]


@kernel
def _add_products(x, y, rows):
    """rows[s] += x[s] * y"""
    for s in range(x.shape[0]):
        row, factor = rows[s], x[s]
        for c in range(y.shape[0]):
            row[c] += factor * y[c]


@kernel
def forward_of_one(q, k, v, bias, column, has_bias, keep, t, has_keep, keep_scale, scale, causal, out):
    """Fills out (e,) from q (d,), k (S, d) and v (S, e), and returns the log-sum-exp of the scores.

    Args:
        bias: (S, T or 1), of which ``column`` is the query's.
        keep: (T, S), of which t is the query's.
        causal: only keys 0 to t are seen.
    """
    keys = min(k.shape[0], t + 1) if causal else k.shape[0]
    p = np.empty(keys, q.dtype)
    _scores(q, k, bias, column, has_bias, scale, p)
    top = p.dtype.type(-np.inf)
    for s in range(keys):
        top = p[s] if p[s] > top else top
    top = top if top > -np.inf else p.dtype.type(0)   # no key at all
    total = _exponentials(p, top)
    if has_keep:
        _keep(keep[t], keep_scale, p)
    out[:] = 0
    _add_sum(p, v, out)
    share = q.dtype.type(1) / total if total != 0 else q.dtype.type(0)
    for c in range(out.shape[0]):
        out[c] *= share
    return top + log(total) if total != 0 else p.dtype.type(np.inf)


@kernel
def backward_of_one(g, q, k, v, bias, column, has_bias, keep, t, has_keep, keep_scale, scale, causal, out, lse, dq, dk, dv):
    """Fills dq (d,), and adds to dk (S, d) and dv (S, e); the other arguments as for ``forward_of_one``."""
    keys = min(k.shape[0], t + 1) if causal else k.shape[0]
    p, dp = np.empty(keys, q.dtype), np.empty(keys, q.dtype)
    _scores(q, k, bias, column, has_bias, scale, p)
    _exponentials(p, lse)
    _dots(g, v, q.dtype.type(1), dp)
    if has_keep:
        _keep(keep[t], keep_scale, dp)
    delta = q.dtype.type(0)
    for c in range(out.shape[0]):
        delta += g[c] * out[c]
    for s in range(keys):
        dp[s] = p[s] * (dp[s] - delta) * scale
    if has_keep:
        _keep(keep[t], keep_scale, p)
    _add_products(p, g, dv)
    _add_products(dp, q, dk)
    dq[:] = 0
    _add_sum(dp, k, dq)
