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
    """sum_i g_i and sum_i g_i (x_i - m), float64: what the gradient of a normalisation needs of a row."""
    if g.shape[0] <= SPAN:
        part_g, part_gx = _moments(g, x, m)
        return float(part_g), float(part_gx)
    total_g, total_gx = 0.0, 0.0
    for start in range(0, g.shape[0], SPAN):
        part_g, part_gx = _moments(g[start:start + SPAN], x[start:start + SPAN], m)
        total_g += part_g
        total_gx += part_gx
    return total_g, total_gx
