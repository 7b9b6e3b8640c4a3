"""Sample inputs of the primitives, for the registry."""

from __future__ import annotations

from . import elementwise as e
from .registry import Draw, Sample, register


def _unary(name: str, function, make, torch: str | None = None, **options) -> None:
    def samples(draw: Draw):
        for shape in ((3, 4), (), (2, 1, 3), (0, 2)):
            yield Sample(make(draw, *shape))
    register(name, function, samples, torch=torch or name, **options)


def _normal(draw, *shape):
    return draw.normal(*shape)


def _positive(draw, *shape):
    return draw.uniform(*shape, low=0.3, high=3.0)


for _name in "neg exp expm1 sin cos tanh sigmoid square".split():
    _unary(_name, getattr(e, _name), _normal)
for _name in "log log1p log2 log10 sqrt rsqrt reciprocal".split():
    _unary(_name, getattr(e, _name), _positive)
