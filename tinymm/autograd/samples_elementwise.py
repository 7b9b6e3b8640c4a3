"""Sample inputs of the element-wise operations, for the registry."""

from __future__ import annotations

import numpy as np

from . import activations, choice, special
from . import elementwise as e
from .registry import Draw, Fixed, Sample, register

SHAPES = ((3, 4), (), (2, 1, 3), (0, 2), (1,))
PAIRS = (((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 1, 3), (4, 1)), ((), (3,)), ((2, 3), ()), ((1,), (1, 1)),
         ((0, 2), (1, 2)), ((), ()))


def _normal(draw: Draw, *shape):
    return draw.normal(*shape)


def _positive(draw: Draw, *shape):
    return draw.uniform(*shape, low=0.3, high=3.0)


def _away(draw: Draw, *shape):
    return draw.away(*shape)


def _fractions(draw: Draw, *shape):
    """Numbers clear of the integers and the halves, where rounding jumps."""
    return np.asarray(draw.integers(-3, 4, *shape) + draw.uniform(*shape, low=0.1, high=0.4))


def _whole(draw: Draw, *shape):
    return draw.integers(1, 4, *shape).astype(np.float64)


def _unary(function, make, name: str | None = None, torch: str | None = None, **options) -> None:
    def samples(draw: Draw):
        for shape in SHAPES:
            yield Sample(make(draw, *shape))
    name = name or function.__name__
    register(name, function, samples, torch=torch or name, **options)


for _f in (e.neg, e.exp, e.expm1, e.sin, e.cos, e.arctan, e.tanh, e.sigmoid, e.square, special.erf):
    _unary(_f, _normal)
for _f in (e.log, e.log1p, e.log2, e.log10, e.sqrt, e.rsqrt, e.reciprocal):
    _unary(_f, _positive)
for _f in (e.abs, e.sign, e.relu):
    _unary(_f, _away)
for _f in (e.floor, e.ceil, e.round, e.trunc):
    _unary(_f, _fractions)
_unary(e.tan, lambda draw, *shape: draw.uniform(*shape, low=-1.2, high=1.2))
_unary(activations.logsigmoid, lambda draw, *shape: draw.normal(*shape, scale=5.0), torch="nn.functional.logsigmoid")


def _with_parameter(function, values: dict, make=_away) -> None:
    """An activation with one constant."""
    def samples(draw: Draw):
        for shape in SHAPES:
            yield Sample(make(draw, *shape))
        for name, constants in values.items():
            for c in constants:
                yield Sample(make(draw, 3, 4), **{name: c})
    register(function.__name__, function, samples, torch=f"nn.functional.{function.__name__}")


_with_parameter(activations.leaky_relu, {"negative_slope": (0.2, 0.0, 1.5, -0.3)})
_with_parameter(activations.elu, {"alpha": (0.5, 2.0, 0.0)})

# ---------------------------------------------------------------------- two arguments


def _binary(function, make_a, make_b, name: str | None = None, torch: str | None = None, scalars=(), **options) -> None:
    """Pairs of shapes that broadcast; then a tensor with a number on the right, and on the left."""
    def samples(draw: Draw):
        for a, b in PAIRS:
            yield Sample(make_a(draw, *a), make_b(draw, *b))
        for number in scalars:
            yield Sample(make_a(draw, 2, 3), number)
    name = name or function.__name__
    register(name, function, samples, torch=torch or name, **options)


_binary(e.add, _normal, _normal, scalars=(2.5, 2, True))
_binary(e.sub, _normal, _normal, scalars=(2.5, 2))
_binary(e.mul, _normal, _normal, scalars=(2.5, -2))
_binary(e.div, _normal, _away, scalars=(2.5, -2))
_binary(e.floor_divide, _fractions, _whole, torch="floor_divide", scalars=(2.0,), differentiable=False)
_binary(e.remainder, _fractions, _whole, scalars=(2.0, 3))
_binary(e.pow, _positive, _normal, scalars=(2, 3, 0.5, 0, 1, -1, -1.5))
_binary(e.maximum, _normal, _normal)
_binary(e.minimum, _normal, _normal)
_binary(e.logaddexp, _normal, _normal)


def _alpha_samples(draw: Draw):
    yield Sample(draw.normal(3, 4), draw.normal(4), alpha=2.5)
    yield Sample(draw.normal(3), 2.0, alpha=-1)


def _rounded_samples(draw: Draw):
    yield Sample(_fractions(draw, 3, 4), 2.0, rounding_mode="floor")
    yield Sample(_fractions(draw, 3, 4), 2.0, rounding_mode="trunc")
    yield Sample(_fractions(draw, 3, 4), Fixed(np.array([1.0, 2.0, -1.0, -2.0])), rounding_mode="trunc")


def _number_on_the_left(draw: Draw):
    for number in (2.5, 2, 1):
        yield Sample(number, draw.normal(2, 3))


register("add:alpha", e.add, _alpha_samples, torch="add")
register("sub:alpha", e.sub, _alpha_samples, torch="sub")
register("div:rounded", e.div, _rounded_samples, torch="div")
register("pow:base", e.pow, _number_on_the_left, torch="pow")


def _where_samples(draw: Draw):
    yield Sample(draw.mask(3, 4), draw.normal(3, 4), draw.normal(3, 4))
    yield Sample(draw.mask(4), draw.normal(2, 1, 4), draw.normal(3, 1))
    yield Sample(draw.mask(), draw.normal(2), draw.normal(2))
    yield Sample(draw.mask(3), draw.normal(), draw.normal(3))
    yield Sample(draw.mask(2, 3), draw.normal(2, 3), 0.5)
    yield Sample(draw.mask(2, 3), 2, draw.normal(3))
    yield Sample(draw.mask(0, 3), draw.normal(0, 3), draw.normal(3))


def _clamp_samples(draw: Draw):
    yield Sample(draw.normal(4, 5), -0.5, 0.8)
    yield Sample(draw.normal(4, 5), min=0.1)
    yield Sample(draw.normal(5), max=0)
    yield Sample(draw.normal(), -0.5, 0.5)
    yield Sample(draw.normal(0, 3), -0.5, 0.5)
    yield Sample(draw.normal(4, 5), draw.normal(5), draw.normal(4, 1))          # bounds that cross, too
    yield Sample(draw.normal(4, 1), min=draw.normal(5))
    yield Sample(draw.normal(2, 3), max=draw.normal())
    yield Sample(draw.normal(5), 0.5, -0.5)


def _masked_fill_samples(draw: Draw):
    yield Sample(draw.normal(3, 4), draw.mask(3, 4), 1.5)
    yield Sample(draw.normal(2, 3, 4), draw.mask(3, 1), -2)
    yield Sample(draw.normal(4), draw.mask(3, 4), 0.0)
    yield Sample(draw.normal(3, 4), draw.mask(4), draw.normal())
    yield Sample(draw.normal(), draw.mask(), 1.0)
    yield Sample(draw.normal(0, 2), draw.mask(2), 1.0)


def _lerp_samples(draw: Draw):
    yield Sample(draw.normal(3, 4), draw.normal(3, 4), 0.3)
    yield Sample(draw.normal(3, 1), draw.normal(4), draw.uniform(3, 4))
    yield Sample(draw.normal(), draw.normal(), 0.8)


register("where", choice.where, _where_samples, torch="where")
register("clamp", choice.clamp, _clamp_samples, torch="clamp")
register("masked_fill", choice.masked_fill, _masked_fill_samples, torch="masked_fill")
register("lerp", choice.lerp, _lerp_samples, torch="lerp")
