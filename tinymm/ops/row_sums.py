"""Sums over a row that a kernel calls: ``SPAN`` numbers in vector lanes, their sums in float64 (see backend/sums.py).

Each has a loop over at most ``SPAN`` numbers; a longer row is cut. A short one is not, since a slice costs as much as the
sum of fifty numbers.
"""

from __future__ import annotations

from ..backend.jit import kernel
from ..backend.sums import SPAN


@kernel(reassociate=True)
def _sum(row):
    part = row.dtype.type(0)
    for i in range(row.shape[0]):
        part += row[i]
    return part


@kernel
def row_sum(row):
    """sum_i x_i, a float64."""
    if row.shape[0] <= SPAN:
        return float(_sum(row))
    total = 0.0
    for start in range(0, row.shape[0], SPAN):
        total += _sum(row[start:start + SPAN])
    return total


@kernel(reassociate=True)
def _square(row, m):
    part = row.dtype.type(0)
    for i in range(row.shape[0]):
        centred = row[i] - m
        part += centred * centred
    return part


@kernel
def row_square(row, m):
    """sum_i (x_i - m)^2, a float64: the second pass of a variance, since E[x^2] - E[x]^2 would cancel."""
    if row.shape[0] <= SPAN:
        return float(_square(row, m))
    total = 0.0
    for start in range(0, row.shape[0], SPAN):
        total += _square(row[start:start + SPAN], m)
    return total


@kernel(reassociate=True)
def _dot(a, b):
    part = a.dtype.type(0)
    for i in range(a.shape[0]):
        part += a[i] * b[i]
    return part


@kernel
def row_dot(a, b):
    """sum_i a_i b_i, a float64."""
    if a.shape[0] <= SPAN:
        return float(_dot(a, b))
    total = 0.0
    for start in range(0, a.shape[0], SPAN):
        total += _dot(a[start:start + SPAN], b[start:start + SPAN])
    return total


@kernel(reassociate=True)
def _moments(g, x, m):
    part_g, part_gx = x.dtype.type(0), x.dtype.type(0)
    for i in range(g.shape[0]):
        part_g += g[i]
        part_gx += g[i] * (x[i] - m)
    return part_g, part_gx


@kernel
def row_moments(g, x, m):
    """sum_i g_i and sum_i g_i (x_i - m), in the dtype of x: what the gradient of a normalisation needs of a row."""
    total_g, total_gx = 0.0, 0.0
    for start in range(0, g.shape[0], SPAN):
        part_g, part_gx = _moments(g[start:start + SPAN], x[start:start + SPAN], m)
        total_g += part_g
        total_gx += part_gx
    return x.dtype.type(total_g), x.dtype.type(total_gx)


# The same over a channel of images, x[:, c] of (N, C, S). Short planes are read in place, as many as ``SPAN`` numbers hold.

@kernel(reassociate=True)
def channel_sum(x, c):
    """sum_(n, i) x[n, c, i], a float64."""
    total, part, count, space = 0.0, x.dtype.type(0), 0, x.shape[2]
    for n in range(x.shape[0]):
        if space > SPAN:
            total += row_sum(x[n, c])
            continue
        if count + space > SPAN:
            total, part, count = total + part, x.dtype.type(0), 0
        for i in range(space):
            part += x[n, c, i]
        count += space
    return total + part


@kernel(reassociate=True)
def channel_square(x, c, m):
    """sum_(n, i) (x[n, c, i] - m)^2, a float64."""
    total, part, count, space = 0.0, x.dtype.type(0), 0, x.shape[2]
    for n in range(x.shape[0]):
        if space > SPAN:
            total += row_square(x[n, c], m)
            continue
        if count + space > SPAN:
            total, part, count = total + part, x.dtype.type(0), 0
        for i in range(space):
            part += (x[n, c, i] - m) * (x[n, c, i] - m)
        count += space
    return total + part


@kernel(reassociate=True)
def channel_moments(g, x, c, m):
    """sum_(n, i) g[n, c, i] and sum_(n, i) g[n, c, i] (x[n, c, i] - m), float64."""
    total_g, total_gx, count, space = 0.0, 0.0, 0, x.shape[2]
    part_g, part_gx = x.dtype.type(0), x.dtype.type(0)
    for n in range(x.shape[0]):
        if space > SPAN:
            sum_g, sum_gx = row_moments(g[n, c], x[n, c], m)
            total_g, total_gx = total_g + sum_g, total_gx + sum_gx
            continue
        if count + space > SPAN:
            total_g, total_gx, count = total_g + part_g, total_gx + part_gx, 0
            part_g, part_gx = x.dtype.type(0), x.dtype.type(0)
        for i in range(space):
            part_g += g[n, c, i]
            part_gx += g[n, c, i] * (x[n, c, i] - m)
        count += space
    return total_g + part_g, total_gx + part_gx
