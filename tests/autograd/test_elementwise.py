"""What the generic tests cannot see of the element-wise operations: dtypes, special values, messages, broadcasting."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import tinymm as tm
from tinymm import Tensor, grad
from tinymm.autograd.pointwise import unbroadcast
from tinymm.backend import large
from tinymm.backend.jit import use_kernels

nan, inf = math.nan, math.inf


def gradients(f, *values):
    """The values of f and the gradients of their sum, in float64."""
    inputs = [tm.tensor(np.array(v, dtype=np.float64), requires_grad=True) for v in values]
    y = f(*inputs)
    grads = grad(y, inputs, tm.ones_like(y), allow_unused=True)
    return y.detach().numpy(), [np.zeros(i.shape) if g is None else g.numpy() for g, i in zip(grads, inputs)]


# ---------------------------------------------------------------------- dtypes

def test_numbers_are_weak():
    x = tm.ones(3)
    for y in (x * np.sqrt(64), np.float64(2) * x, x + 2, 2.5 - x, x / np.int64(3), x ** 0.5, x ** np.float64(2), 2 ** x,
              np.float32(2) / x, tm.maximum(x, 1.5), tm.clamp(x, np.float64(0.1), 2), tm.where(x > 0, x, 0.5)):
        assert y.dtype == np.float32
    assert (tm.ones(3, dtype=np.float64) * np.float32(2)).dtype == np.float64


def test_a_0d_tensor_is_weak():
    x, s = tm.ones(3), tm.tensor(2.0, dtype=np.float64)
    assert (x * s).dtype == (s * x).dtype == np.float32
    assert (x * tm.tensor(2)).dtype == np.float32
    assert (tm.tensor([1, 2]) + s).dtype == np.float64
    assert (s + tm.tensor(1.0)).dtype == np.float64


def test_integers_meet_floats():
    i = tm.tensor([1, 2, 3])
    assert (i * 2.5).dtype == np.float32
    assert (i * tm.ones(3)).dtype == np.float32
    assert (i / 2).dtype == (i / i).dtype == np.float32
    assert (i // 2).dtype == (i + 1).dtype == (i ** 2).dtype == np.int64
    for f in (tm.exp, tm.log, tm.sqrt, tm.sigmoid, tm.erf, tm.tanh):
        assert f(i).dtype == np.float32
    for f in (tm.abs, tm.neg, tm.relu, tm.floor, tm.round, tm.trunc, tm.sign, tm.square):
        assert f(i).dtype == np.int64
    assert tm.clamp(i, min=1.5).dtype == np.float32
    assert tm.clamp(i, min=2).tolist() == [2, 2, 3]


def test_gradient_has_the_dtype_of_its_argument():
    i = tm.tensor([1, 2, 3])
    for other in (i, tm.tensor(2.0, dtype=np.float64), 2.5, 3):
        for f in (tm.add, tm.sub, tm.mul, tm.div, tm.pow, tm.remainder, tm.maximum, tm.logaddexp):
            x = tm.full((3,), 1.7, requires_grad=True)
            f(x, other).sum().backward()
            assert x.grad.dtype == np.float32, f
    x, y = tm.ones(3, requires_grad=True), tm.ones(3, dtype=np.float64, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype == np.float32 and y.grad.dtype == np.float64


def test_boolean_arithmetic():
    t = tm.tensor([True, False])
    assert (t + t).tolist() == (t * t).tolist() == [True, False]
    assert (t + 1).tolist() == [2, 1] and (t + 1).dtype == np.int64
    assert (t * 2.5).dtype == np.float32
    assert (~t).tolist() == [False, True] and (~tm.tensor([0, 5])).tolist() == [-1, -6]
    for f in (lambda: t - t, lambda: -t, lambda: ~tm.ones(2)):
        with pytest.raises(TypeError):
            f()


# ---------------------------------------------------------------------- special values

def test_powers_at_the_edges():
    values, (da, db) = gradients(tm.pow, [0.0, 0.0, 2.0, -2.0], [0.0, 2.0, 0.0, 2.0])
    np.testing.assert_array_equal(values, [1, 0, 1, 4])
    np.testing.assert_array_equal(da, [0, 0, 0, -4])
    np.testing.assert_allclose(db[:3], [0, 0, math.log(2)])
    for p, slope in ((0, 0.0), (1, 1.0), (2, 0.0), (3, 0.0)):
        assert gradients(lambda x: x ** p, 0.0)[1][0] == slope
    np.testing.assert_array_equal(gradients(lambda x: 0 ** x, [0.0, 1.0])[1][0], [0, 0])
    assert tm.pow(input=tm.tensor(3.0), exponent=2).item() == tm.tensor(3.0).pow(exponent=2).item() == 9


def test_second_derivatives_at_the_edges_of_pow():
    for p, want in ((2, 2.0), (3, 0.0), (1, 0.0)):
        x = tm.tensor(0.0, requires_grad=True)
        first, = grad(x ** p, x, create_graph=True)
        second = grad(first, x, allow_unused=True)[0] if first.requires_grad else None
        assert (0.0 if second is None else second.item()) == want


def test_ties_share_and_nan_passes():
    (_, (a, b)) = gradients(tm.maximum, [1.0, 2.0, 2.0], [2.0, 2.0, 1.0])
    np.testing.assert_array_equal(a, [0, 0.5, 1])
    np.testing.assert_array_equal(b, [1, 0.5, 0])
    for f in (tm.maximum, tm.minimum):
        assert np.isnan(f(tm.tensor([nan, 1.0]), tm.tensor([1.0, nan])).numpy()).all()
    assert np.isnan(tm.clamp(tm.tensor([nan]), 0, 1).numpy()).all()
    assert np.isnan(tm.relu(tm.tensor([nan])).numpy()).all()


def test_no_gradient_at_a_kink_or_outside_the_bounds():
    assert gradients(tm.relu, [0.0, -1.0, 1.0])[1][0].tolist() == [0, 0, 1]
    assert gradients(tm.abs, [0.0, -1.0])[1][0].tolist() == [0, -1]
    assert gradients(lambda x: tm.clamp(x, 0, 1), [-1.0, 0.0, 0.5, 1.0, 2.0])[1][0].tolist() == [0, 1, 1, 1, 0]


def test_where_does_not_let_a_nan_through():
    def safe_log(x):
        return tm.where(x > 0, tm.log(tm.where(x > 0, x, 1.0)), 0.0)

    values, (dx,) = gradients(safe_log, [-1.0, 0.0, 2.0])
    assert np.isfinite(values).all() and dx.tolist() == [0, 0, 0.5]
    x, broken = tm.tensor([1.0, 2.0], requires_grad=True), tm.tensor([nan, nan], requires_grad=True)
    tm.where(tm.tensor([True, True]), x, broken).sum().backward()
    assert x.grad.tolist() == [1, 1] and broken.grad.tolist() == [0, 0]


def test_infinities():
    values, (a, b) = gradients(tm.logaddexp, [-inf, inf, -inf, 0.0], [-inf, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(values, [-inf, inf, 0, math.log(2)])
    np.testing.assert_allclose(a, [0, 1, 0, 0.5])
    np.testing.assert_allclose(b, [0, 0, 1, 0.5])
    values, (dx,) = gradients(tm.sigmoid, [-inf, -800.0, 800.0, inf])
    assert values.tolist() == [0, 0, 1, 1] and dx.tolist() == [0, 0, 0, 0]
    values, (dx,) = gradients(tm.logsigmoid, [-inf, -800.0, 800.0, inf])
    assert values.tolist() == [-inf, -800, 0, 0] and dx.tolist() == [1, 1, 0, 0]
    values, (dx,) = gradients(tm.softplus, [-800.0, 0.0, 21.0, inf])
    np.testing.assert_allclose(values, [0, math.log(2), 21, inf])
    np.testing.assert_allclose(dx, [0, 0.5, 1, 1])
    assert gradients(tm.elu, [-800.0, 800.0])[0].tolist() == [-1, 800]
    assert gradients(tm.gelu, [-40.0, 40.0])[0].tolist() == [0, 40]
    values, (dx,) = gradients(tm.functional.quick_gelu, [-800.0, 0.0, 800.0])
    assert values.tolist() == [0, 0, 800] and dx.tolist() == [0, 0.5, 1]


def test_erf_to_float64_precision():
    from scipy.special import erf

    x = np.concatenate([np.linspace(-7, 7, 40001), np.logspace(-300, 0, 500), [0.0, -inf, inf, nan]])
    got, want = tm.erf(tm.tensor(x)).numpy(), erf(x)
    np.testing.assert_allclose(got, want, rtol=8 * np.finfo(float).eps, atol=0)
    narrow = x.astype(np.float32)
    np.testing.assert_allclose(tm.erf(tm.tensor(narrow)).numpy(), erf(narrow.astype(float)), rtol=2**-23, atol=1e-45)


def test_gelu_keeps_its_relative_precision_in_the_tail():
    from scipy.special import ndtr

    x = np.linspace(-8, 8, 4001).astype(np.float32)
    want = x * ndtr(x.astype(np.float64))
    with use_kernels("numba"):
        got = tm.gelu(tm.tensor(x)).numpy()
    np.testing.assert_allclose(got, want, rtol=4e-6, atol=0)


# ---------------------------------------------------------------------- large arrays

@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [large.LARGE - 1, large.LARGE + 3])
def test_large_arrays_give_what_small_ones_do(n, dtype):
    x = np.linspace(-9, 9, n).astype(dtype)
    x[:3] = nan, inf, -inf
    g = np.linspace(-2, 3, n).astype(dtype)
    tolerance = dict(rtol=8 * np.finfo(dtype).eps, atol=1e-30)
    with use_kernels("numpy"):
        y, s = large.relu(x), large.sigmoid(x)
        want = y, s, large.relu_backward(g, y)[3:], large.sigmoid_backward(g, s)
    with use_kernels("numba"):
        got = large.relu(x), large.sigmoid(x), large.relu_backward(g, y)[3:], large.sigmoid_backward(g, s)
    for a, b in zip(got, want):
        np.testing.assert_allclose(a, b, **tolerance)
    read_only = x.reshape(1, n)
    read_only.flags.writeable = False
    np.testing.assert_array_equal(large.relu(read_only), y.reshape(1, n))


def test_a_large_selection_gives_what_a_small_one_does():
    n = large.LARGE
    a, b, mask = np.linspace(0, 1, n), np.linspace(2, 3, n), np.arange(n) % 3 == 0
    a[1] = b[0] = nan   # in the branches not taken
    with use_kernels("numba"):
        np.testing.assert_array_equal(large.select(mask, a, b), np.where(mask, a, b))
        np.testing.assert_array_equal(large.keep(mask, a), np.where(mask, a, 0))
        x, y = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
        tm.where(Tensor(mask), x, y).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), mask)
    np.testing.assert_array_equal(y.grad.numpy(), ~mask)


# ---------------------------------------------------------------------- the others

def test_comparisons():
    x = tm.tensor([1.0, 2.0, nan], requires_grad=True)
    assert (x < 2).tolist() == [True, False, False]
    assert (2 >= x).tolist() == [True, True, False]
    assert (x == np.array([1.0, 0.0, nan])).tolist() == [True, False, False]
    assert not (x > 1).requires_grad
    a = tm.tensor([1.0, nan, inf, 1e-9])
    assert tm.isclose(a, tm.tensor([1.000001, nan, inf, 0.0])).tolist() == [True, False, True, True]
    assert tm.isclose(a, a, equal_nan=True).all().item()
    assert tm.allclose(tm.ones(2), tm.ones(2) + 1e-7) is True
    assert tm.allclose(tm.ones(2), 1.1, rtol=0.2) is True
    assert tm.allclose(tm.ones(2), 1.1) is False


def test_masked_fill():
    x = tm.tensor([1, 2])
    assert x.masked_fill(tm.tensor([True, False]), -5.0).tolist() == [-5, 2]
    assert tm.ones(2).masked_fill(tm.tensor([True, False]), -inf).tolist() == [-inf, 1]
    with pytest.raises(TypeError, match="masked_fill: value 2.5 does not fit.*int64"):
        x.masked_fill(tm.tensor([True, False]), 2.5)
    with pytest.raises(TypeError, match="masked_fill: mask is int64, not bool"):
        x.masked_fill(x, 0)
    with pytest.raises(ValueError, match=r"masked_fill: input of shape \(2,\) and mask of shape \(3,\)"):
        x.masked_fill(tm.tensor([True] * 3), 0)
    with pytest.raises(ValueError, match="masked_fill: value has shape"):
        x.masked_fill(x == 1, x)


def test_messages():
    x = tm.ones(2, 3)
    with pytest.raises(ValueError, match=r"add: shapes \(2, 3\) and \(2,\) do not broadcast"):
        x + tm.ones(2)
    with pytest.raises(ValueError, match="pow: .*negative integer powers"):
        tm.tensor([1, 2]) ** -1
    with pytest.raises(TypeError, match="mul: cannot compute with a str"):
        x * "2"
    with pytest.raises(TypeError, match="add: cannot compute with a list"):
        x + [1, 2, 3]
    with pytest.raises(ValueError, match="clamp: give min, max or both"):
        x.clamp()
    with pytest.raises(TypeError, match="clamp: min is a str"):
        x.clamp("a")
    with pytest.raises(ValueError, match=r"clamp: input of shape \(2, 3\) and bounds of shape \(2,\)"):
        x.clamp(min=tm.ones(2))
    with pytest.raises(ValueError, match="div: rounding_mode='up'"):
        tm.div(x, 2, rounding_mode="up")
    with pytest.raises(ValueError, match="gelu: approximate='erf'"):
        tm.gelu(x, approximate="erf")
    with pytest.raises(TypeError, match="gelu: input must be floating point, not int64"):
        tm.gelu(tm.tensor([1]))
    for f in (tm.silu, tm.elu, tm.leaky_relu, lambda x, inplace: tm.dropout(x, inplace=inplace)):
        with pytest.raises(ValueError, match="inplace=True is not supported"):
            f(x, inplace=True)


def test_sigmoid_of_an_output_changed_in_place_is_noticed():
    x = tm.ones(3, requires_grad=True)
    for f in (tm.sigmoid, tm.leaky_relu, tm.elu, tm.std):
        y = f(x * tm.tensor([1.0, 2.0, 3.0]))
        with tm.no_grad():
            y.mul_(2)
        with pytest.raises(RuntimeError, match="changed in place"):
            y.sum().backward()


# ---------------------------------------------------------------------- dropout

def test_dropout():
    tm.manual_seed(3)
    x = tm.ones(100, 100, requires_grad=True)
    y = tm.dropout(x, 0.25)
    kept = y.detach().numpy() != 0
    np.testing.assert_allclose(y.detach().numpy()[kept], 1 / 0.75, rtol=1e-6)
    assert abs(kept.mean() - 0.75) < 5 * math.sqrt(0.25 * 0.75 / kept.size)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    assert tm.dropout(x, 0.25, training=False) is x and tm.dropout(x, 0.0) is x
    assert not tm.dropout(x, 1.0).detach().numpy().any()
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match="dropout: p="):
            tm.dropout(x, p)


def test_dropout_draws_from_its_own_stream_alike_on_every_rung():
    x = tm.ones(333)
    drawn = []
    for mode in ("numpy", "numba"):
        tm.manual_seed(1)
        tm.randn(7)   # another stream does not shift this one
        with use_kernels(mode):
            drawn.append(tm.dropout(x, 0.4).numpy())
    np.testing.assert_array_equal(*drawn)
    a, b = (tm.dropout(x, generator=tm.stream("mine").manual_seed(5)).numpy() for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert (tm.dropout(x).numpy() != tm.dropout(x).numpy()).any()


def test_dropout_can_be_differentiated_twice():
    x = tm.tensor(np.arange(1.0, 9.0), requires_grad=True)
    y = tm.dropout(x, 0.5)
    first, = grad((y * y).sum(), x, create_graph=True)
    second, = grad(first.sum(), x)
    scale = y.detach().numpy() / x.detach().numpy()
    np.testing.assert_allclose(second.numpy(), 2 * scale * scale)


# ---------------------------------------------------------------------- broadcasting, at random

BINARY = {
    "add": (np.add, lambda a, b, y: (np.ones_like(y), np.ones_like(y))),
    "sub": (np.subtract, lambda a, b, y: (np.ones_like(y), -np.ones_like(y))),
    "mul": (np.multiply, lambda a, b, y: (b + 0 * y, a + 0 * y)),
    "div": (np.true_divide, lambda a, b, y: (1 / b + 0 * y, -y / b)),
    "pow": (np.power, lambda a, b, y: (b * np.power(a, b - 1), y * np.log(a))),
    "logaddexp": (np.logaddexp, lambda a, b, y: (np.exp(a - y), np.exp(b - y))),
    "maximum": (np.maximum, lambda a, b, y: ((a > b) + 0.5 * (a == b), (b > a) + 0.5 * (a == b))),
    "minimum": (np.minimum, lambda a, b, y: ((a < b) + 0.5 * (a == b), (b < a) + 0.5 * (a == b))),
}


@settings(max_examples=80, deadline=None)
@given(shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=4),
       name=st.sampled_from(sorted(BINARY)), seed=st.integers(0, 1000))
def test_broadcasting(shapes, name, seed):
    rng = np.random.default_rng(seed)
    a, b = (np.asarray(rng.uniform(0.5, 2.0, shape)) for shape in shapes.input_shapes)
    function, slopes = BINARY[name]
    want = np.asarray(function(a, b))
    x, y = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    got = getattr(tm, name)(x, y)
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-12)
    g = rng.normal(size=want.shape)
    for found, slope, argument in zip(grad(got, (x, y), Tensor(np.asarray(g))), slopes(a, b, want), (a, b)):
        assert found.shape == argument.shape
        np.testing.assert_allclose(found.numpy(), summed_to(g * slope, argument.shape), rtol=1e-9, atol=1e-12)


def summed_to(g, shape):
    """By definition: each element of an argument gets the sum over all places it was repeated to."""
    out = np.zeros(shape)
    index = np.broadcast_to(np.arange(out.size).reshape(shape), g.shape)
    np.add.at(out.reshape(-1), index.reshape(-1), np.asarray(g).reshape(-1))
    return out


@settings(max_examples=50, deadline=None)
@given(shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=4))
def test_unbroadcast_is_the_transpose_of_broadcasting(shapes):
    shape = shapes.input_shapes[0]
    g = np.random.default_rng(0).normal(size=shapes.result_shape)
    got = unbroadcast(np.asarray(g), shape)
    np.testing.assert_allclose(got, summed_to(np.asarray(g), shape), atol=1e-12)
