"""Sums over a row that a kernel calls: ``SPAN`` numbers in vector lanes, their sums in float64 (see backend/sums.py)."""

from __future__ import annotations

from ..backend.jit import kernel
from ..backend.sums import SPAN


@kernel(reassociate=True)
def row_sum(row):
    """sum_i x_i, a float64."""
    total = 0.0
    for start in range(0, row.shape[0], SPAN):
        part, xs = row.dtype.type(0), row[start:start + SPAN]
        for i in range(xs.shape[0]):
            part += xs[i]
        total += part
    return total


@kernel(reassociate=True)
def row_square(row, m):
    """sum_i (x_i - m)^2, a float64: the second pass of a variance, since E[x^2] - E[x]^2 would cancel."""
    total = 0.0
    for start in range(0, row.shape[0], SPAN):
        part, xs = row.dtype.type(0), row[start:start + SPAN]
        for i in range(xs.shape[0]):
            centred = xs[i] - m
            part += centred * centred
        total += part
    return total


@kernel(reassociate=True)
def row_dot(a, b):
    """sum_i a_i b_i, a float64."""
    total = 0.0
    for start in range(0, a.shape[0], SPAN):
        part, xs, ys = a.dtype.type(0), a[start:start + SPAN], b[start:start + SPAN]
        for i in range(xs.shape[0]):
            part += xs[i] * ys[i]
        total += part
    return total


@kernel(reassociate=True)
def row_moments(g, x, m):
    """sum_i g_i and sum_i g_i (x_i - m), float64: what the gradient of a normalisation needs of a row."""
    total_g, total_gx = 0.0, 0.0
    for start in range(0, g.shape[0], SPAN):
        part_g, part_gx = x.dtype.type(0), x.dtype.type(0)
        gs, xs = g[start:start + SPAN], x[start:start + SPAN]
        for i in range(gs.shape[0]):
            part_g += gs[i]
            part_gx += gs[i] * (xs[i] - m)
        total_g += part_g
        total_gx += part_gx
    return total_g, total_gx
