"""Mistakes by kind, each on a small function: caught, located in its argument, and the cause named in these words."""

# ruff: noqa: E501 - a table, a mistake an entry
from __future__ import annotations

import math
import re

import numpy as np
import pytest

from tinymm import Function, Tensor, gradcheck

W = np.random.default_rng(7).standard_normal((4, 4))
KERNEL = np.array([0.5, 2.0, -1.0])
KINDS: dict[str, tuple] = {}   # name -> (forward, backward, shapes, {wrong argument: words})


def kind(name, forward, backward, shapes, **words):
    KINDS[name] = forward, backward, shapes, words


def function_of(forward, backward):
    """A Function of ``forward(*arrays)`` and ``backward(*g, *arrays)``."""
    class Mine(Function):
        def forward(self, *arrays):
            self.arrays = arrays
            return forward(*arrays)

        def backward(self, *g):
            return backward(*g, *self.arrays)

    return Mine.apply


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def deviation(x, axis):
    return np.sqrt(x.var(axis, keepdims=True) + 1e-5)


def normal(x, axis):
    return (x - x.mean(axis, keepdims=True)) / deviation(x, axis)


def put(shape, index, values, add=False):
    """Zeros with values at an index, written or added."""
    out = np.zeros(shape)
    if add:
        np.add.at(out, index, values)
    else:
        out[index] = values
    return out


def causal(x):
    return np.stack([np.convolve(row, KERNEL)[:len(row)] for row in x])


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / 2**0.5))


def slope_of_its_approximation(x):
    """The derivative of x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
    t = np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * (2 / np.pi) ** 0.5 * (1 + 3 * 0.044715 * x**2)


# J g in place of J^T g
kind("linear", lambda x: x @ W, lambda g, x: g @ W, [(3, 4)], x="J g in place of J")
kind("cumsum", lambda x: np.cumsum(x, 1), lambda g, x: np.cumsum(g, 1), [(2, 6)], x="J g in place of J")
kind("causal convolution", causal, lambda g, x: causal(g), [(2, 7)], x="J g in place of J")
kind("matrix of a product", lambda A, x: A @ x, lambda g, A, x: (np.outer(g, x), A @ g), [(5, 5), (5,)], x="stands transposed")
kind("kernel not flipped", lambda x, k: np.convolve(x, k, "valid"),
     lambda g, x, k: (np.convolve(g, k, "full"), np.convolve(x, g[::-1], "valid")), [(8,), (3,)], x="not flipped|reversed", k="reversed")

# the right values in other places
kind("rows rolled the wrong way", lambda x: np.roll(x, 2, 0), lambda g, x: np.roll(g, 2, 0), [(7, 2)], x="a permutation not inverted")
kind("maximum put first in its window", lambda x: x.reshape(3, 2, 2).max(-1),
     lambda g, x: put((3, 2, 2), (..., 0), g).reshape(3, 4), [(3, 4)], x="the right values in other places")
kind("gates exchanged", lambda z: np.concatenate([sigmoid(z[:, :3]), np.tanh(z[:, 3:])], 1),
     lambda g, z: np.concatenate([g[:, 3:] * (1 - np.tanh(z[:, 3:]) ** 2),
                                  g[:, :3] * sigmoid(z[:, :3]) * (1 - sigmoid(z[:, :3]))], 1), [(2, 6)], z="blocks 0 and 1 of axis 1")
kind("two of four blocks exchanged", lambda z: np.tanh(z) * np.arange(1, 17),
     lambda g, z: (g * (1 - np.tanh(z) ** 2) * np.arange(1, 17))[:, [*range(4), *range(8, 12), *range(4, 8), *range(12, 16)]],
     [(2, 16)], z="blocks 1 and 2 of axis 1")
kind("shifted along two axes", lambda x: x[1:, 1:] ** 2, lambda g, x: put((5, 5), (slice(4), slice(4)), 2 * x[1:, 1:] * g),
     [(5, 5)], x="shifted: .*axis 0.*axis 1")

# not zero where the truth is zero
kind("a bound of clip", lambda x: np.clip(x, -0.5, 0.5), lambda g, x: g * (x < 0.5), [(4, 5)], x="not zero where the truth is zero")
kind("the upper bound of relu6", lambda x: np.clip(x * 4, 0, 2), lambda g, x: 4 * g * (x > 0), [(5, 5)],
     x="not zero where the truth is zero")
kind("a hinge without its mask", lambda x: np.maximum(0, 0.2 - x), lambda g, x: -g, [(4, 4)], x="not zero where the truth is zero")
kind("a dropout mask", lambda x: x * np.array([1.5, 0, 1.5]), lambda g, x: 1.5 * g, [(4, 3)], x="not zero where the truth is zero")

# right to some digits
kind("tanh for erf", lambda x: gelu(x**2), lambda g, x: 2 * x * g * slope_of_its_approximation(x**2), [(4, 4)],
     x="right to \\d digits")
kind("an eps of a logarithm", lambda x: np.log(x**2 + 1 + 1e-4), lambda g, x: 2 * x * g / (x**2 + 1), [(6,)], x="right to \\d digits")

# the diagonal of the Jacobian, or paths of it
kind("softmax, its diagonal", softmax, lambda g, x: g * softmax(x) * (1 - softmax(x)), [(3, 5)], x="only dy_i/dx_i arrived")
kind("a unit vector, its diagonal", lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
     lambda g, x: (lambda n: g * (1 / n - x * x / n**3))(np.linalg.norm(x, axis=1, keepdims=True)), [(3, 4)], x="only dy_i/dx_i")
kind("a gate as a constant", lambda x: x * np.tanh(x), lambda g, x: g * np.tanh(x), [(3, 3)], x="treated as a constant")
kind("a residual", lambda x: x + np.tanh(x @ W), lambda g, x: (g * (1 - np.tanh(x @ W) ** 2)) @ W.T, [(3, 4)], x="a residual")

# another cotangent than the one that came
kind("its mean over a row", lambda x: x**2, lambda g, x: 2 * x * g.mean(1, keepdims=True), [(3, 4)], x="axis 1 of the output")
kind("its mean over a column", np.sin, lambda g, x: np.cos(x) * g.mean(0, keepdims=True), [(3, 4)], x="axis 0 of the output")

# normalisations
kind("batch norm, statistics constant", lambda x: normal(x, 0), lambda g, x: g / deviation(x, 0), [(6, 3)],
     x="mean and variance over axis 0 are treated as constant")
kind("layer norm, mean constant", lambda x: normal(x, 1),
     lambda g, x: (g - normal(x, 1) * (g * normal(x, 1)).mean(1, keepdims=True)) / deviation(x, 1), [(4, 6)],
     x="the mean over axis 1 is treated as constant")
kind("layer norm, variance constant", lambda x: normal(x, 1), lambda g, x: (g - g.mean(1, keepdims=True)) / deviation(x, 1), [(4, 6)],
     x="the variance .* over axis 1 is treated as constant")

# exchanged
kind("two results", lambda A, B: A @ B, lambda g, A, B: (A.T @ g, g @ B.T), [(4, 4), (4, 4)], A="swapped", B="swapped")
kind("two vectors", lambda u, v: 2 * u + v * v, lambda g, u, v: (2 * v * g, 2 * g), [(5,), (5,)], u="swapped", v="swapped")
kind("dS for its transpose", lambda S: S @ np.arange(1.0, 5), lambda g, S: np.outer(np.arange(1.0, 5), g), [(4, 4)], S="transposed")
kind("two axes of three", lambda x: np.einsum("abc,c->ab", x**2, np.arange(1.0, 4)),
     lambda g, x: (2 * x * g[:, :, None] * np.arange(1.0, 4)).transpose(1, 0, 2), [(3, 3, 3)], x="axes 0 and 1 are exchanged")

# sums and factors
kind("an embedding, = for +=", lambda E: E[[0, 2, 2, 1, 2]], lambda g, E: put((4, 3), [0, 2, 2, 1, 2], g), [(4, 3)], E=r"`\+=`")
kind("one half", lambda x: x**2, lambda g, x: x * g, [(3,)], x="1/2 times")
kind("the sign", np.cos, lambda g, x: np.sin(x) * g, [(3, 2)], x="the sign is wrong")
kind("a mean without 1/N", lambda x: x.mean(0), lambda g, x: np.broadcast_to(g, x.shape).copy(), [(5, 2)], x="5 .the length of axis 0")
kind("a broadcast bias", lambda x, b: x + b, lambda g, x, b: (g, g), [(4, 3), (3,)], b="sum over the broadcast axis 0 is missing")
kind("a mean over what was broadcast", lambda x, b: x * b, lambda g, x, b: (g * b, (g * x).mean(0)), [(4, 3), (3,)], b="1/4 times")
kind("a slice", np.exp, lambda g, x: np.exp(x) * g * np.array([[1], [0], [1]]), [(3, 4)], x="only index 1 of axis 0 is zero")
kind("not a number", np.cosh, lambda g, x: np.sinh(x) * g * np.array([1, np.nan, 1]), [(3,)], x="is NaN")

# right: a hypothesis that fits nothing that is wrong is not named
RIGHT = {
    "softmax": (softmax, lambda g, x: softmax(x) * (g - (g * softmax(x)).sum(-1, keepdims=True)), [(3, 5)]),
    "layer norm": (lambda x: normal(x, 1), lambda g, x: (g - g.mean(1, keepdims=True) - normal(x, 1) * (g * normal(x, 1)).mean(
        1, keepdims=True)) / deviation(x, 1), [(4, 6)]),
    "cumsum": (lambda x: np.cumsum(x, 1), lambda g, x: np.cumsum(g[:, ::-1], 1)[:, ::-1], [(2, 6)]),
    "embedding": (lambda E: E[[0, 2, 2, 1, 2]], lambda g, E: put((4, 3), [0, 2, 2, 1, 2], g, add=True), [(4, 3)])}


def report_of(forward, backward, shapes, names, seed):
    rng = np.random.default_rng(seed)
    inputs = [Tensor(rng.standard_normal(shape), requires_grad=True) for shape in shapes]
    return gradcheck(function_of(forward, backward), inputs, names=names, raise_exception=False, seed=seed, curve=False)


def names_of(forward, shapes):
    return list(forward.__code__.co_varnames[:len(shapes)]) if hasattr(forward, "__code__") else ["x"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_mistake_is_caught_located_and_named(name, seed):
    forward, backward, shapes, words = KINDS[name]
    report = report_of(forward, backward, shapes, names_of(forward, shapes), seed)
    assert {a.name for a in report.failures} == set(words), report
    for argument, text in words.items():
        assert re.search(text, report[argument].guess), report


@pytest.mark.parametrize("name", RIGHT)
def test_right_code_is_not_accused(name):
    forward, backward, shapes = RIGHT[name]
    assert report_of(forward, backward, shapes, names_of(forward, shapes), 0).ok
