"""Sample inputs of reductions, sorting and running sums, for the registry."""

from __future__ import annotations

import numpy as np

from . import ordering, reduction, scan
from .registry import Draw, Sample, register


def _over_axes(make, several: bool = True, empty: bool = True, dims=True):
    """Samples over all axes, one, several; 0-d, axes of length 1, empty."""
    def samples(draw: Draw):
        yield Sample(make(draw, 3, 4))
        yield Sample(make(draw))
        yield Sample(make(draw, 1))
        yield Sample(make(draw, 3, 4), 1)
        yield Sample(make(draw, 3, 4), dim=0, keepdim=True)
        yield Sample(make(draw, 2, 1, 3), -2)
        yield Sample(make(draw), -1)
        if several:
            yield Sample(make(draw, 2, 3, 4), (0, 2))
            yield Sample(make(draw, 2, 3, 4), dim=(-1, 1), keepdim=True)
            yield Sample(make(draw, 2, 3), dim=())
        if empty:
            yield Sample(make(draw, 0, 3), 1)
            yield Sample(make(draw, 0, 3), 0)
            yield Sample(make(draw, 0))
    return samples


def _normal(draw: Draw, *shape):
    return draw.normal(*shape)


def _distinct(draw: Draw, *shape):
    return draw.distinct(*shape)


def _register(function, samples, **options) -> None:
    register(function.__name__, function, samples, torch=function.__name__, **options)


def _spread_samples(draw: Draw):
    yield Sample(draw.normal(3, 4))
    yield Sample(draw.normal(3, 4), 1)
    yield Sample(draw.normal(3, 4), dim=0, keepdim=True, correction=0)
    yield Sample(draw.normal(2, 3, 4), (0, 2), correction=2)
    yield Sample(draw.normal(2, 3, 4), dim=(-1, 1), keepdim=True)
    yield Sample(draw.normal(4), unbiased=False)
    yield Sample(draw.normal(0, 3), 1)


_register(reduction.sum, _over_axes(_normal))
_register(reduction.mean, _over_axes(_normal))
_register(reduction.var, _spread_samples)
_register(reduction.std, _spread_samples)
_register(reduction.amax, _over_axes(_distinct, empty=False))
_register(reduction.amin, _over_axes(_distinct, empty=False))


def _logsumexp_samples(draw: Draw):
    yield Sample(draw.normal(3, 4), 1)
    yield Sample(draw.normal(3, 4, scale=300.0), dim=0, keepdim=True)
    yield Sample(draw.normal(2, 3, 4), (0, 2))
    yield Sample(draw.normal(2, 3, 4), (-1, 1), keepdim=True)
    yield Sample(draw.normal(), 0)
    yield Sample(draw.normal(2, 1), -1)
    yield Sample(draw.normal(3, 0), 0)
    yield Sample(draw.normal(3, 0), 1)


register("logsumexp", reduction.logsumexp, _logsumexp_samples, torch="logsumexp")


def _norm_samples(draw: Draw):
    for p in ("fro", 1, 2, 3, 1.5, 0.5, float("inf"), float("-inf"), 0):
        yield Sample(draw.distinct(3, 4), p)
        yield Sample(draw.distinct(2, 3, 4), p, dim=(0, 2))
        yield Sample(draw.distinct(2, 3), p, dim=-1, keepdim=True)
    yield Sample(draw.away(), 2)
    yield Sample(draw.normal(3, 1), dim=1)
    yield Sample(draw.normal(0, 3), dim=0)
    yield Sample(np.zeros((2, 3)), 1)


register("norm", reduction.norm, _norm_samples, torch="norm")

# ---------------------------------------------------------------------- choosing by size

_register(ordering.max, _over_axes(_distinct, several=False, empty=False))
_register(ordering.min, _over_axes(_distinct, several=False, empty=False))
_register(ordering.median, _over_axes(_distinct, several=False, empty=False))


def _two_tensors(draw: Draw):
    yield Sample(draw.normal(3, 1), draw.normal(4))


register("max:other", ordering.max, _two_tensors, torch="max")
register("min:other", ordering.min, _two_tensors, torch="min")


def _sort_samples(draw: Draw):
    yield Sample(draw.distinct(3, 5))
    yield Sample(draw.distinct(5, 3), 0)
    yield Sample(draw.distinct(2, 3, 4), dim=1, descending=True)
    yield Sample(draw.distinct(6), stable=True)
    yield Sample(draw.distinct())
    yield Sample(draw.distinct(3, 1), -1)
    yield Sample(draw.distinct(0, 3), 0)


def _topk_samples(draw: Draw):
    yield Sample(draw.distinct(3, 6), 2)
    yield Sample(draw.distinct(6, 3), 4, 0)
    yield Sample(draw.distinct(2, 5, 3), 3, dim=1, largest=False)
    yield Sample(draw.distinct(4), 4)
    yield Sample(draw.distinct(4), 0)
    yield Sample(draw.distinct(), 1)
    yield Sample(draw.distinct(0, 3), 2)


_register(ordering.sort, _sort_samples)
_register(ordering.topk, _topk_samples)
for _f in (ordering.argmax, ordering.argmin):
    _register(_f, _over_axes(_distinct, several=False, empty=False), differentiable=False)
_register(ordering.argsort, _sort_samples, differentiable=False)

# ---------------------------------------------------------------------- products and running sums


def _prod_samples(draw: Draw):
    yield from _over_axes(_normal, several=False)(draw)
    yield Sample(np.array([2.0, 0.0, 3.0, -1.0]))                        # the product of the others is not y / x
    yield Sample(np.array([[0.0, 2.0, 0.0], [1.0, 2.0, 3.0]]), 1)        # two zeros in a row: all products vanish


def _running_samples(draw: Draw):
    yield Sample(draw.normal(4), 0)
    yield Sample(draw.normal(3, 4), 1)
    yield Sample(draw.normal(2, 3, 4), dim=-2)
    yield Sample(draw.normal(), 0)
    yield Sample(draw.normal(3, 1), 1)
    yield Sample(draw.normal(0, 3), 1)
    yield Sample(np.array([[2.0, 0.0, 3.0, 0.0, -1.0]]), 1)


_register(scan.prod, _prod_samples)
_register(scan.cumsum, _running_samples)
_register(scan.cumprod, _running_samples)
