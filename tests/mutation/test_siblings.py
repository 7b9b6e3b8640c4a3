"""Siblings of the kinds in ``test_kinds``: the same mistakes in other functions and shapes, and kinds of several outputs,
several arguments and Tensors; and what must not be named.
"""

# ruff: noqa: E501 - a table, a mistake an entry
from __future__ import annotations

import re

import numpy as np
import pytest

import tinymm as tm
from tests.mutation.test_kinds import W, deviation, function_of, normal, put, sigmoid, softmax
from tinymm import Tensor, gradcheck
from tinymm.autograd.gradcheck.diagnose import extent

SIBLINGS: dict[str, tuple] = {}   # name -> (function, inputs of a generator, argument names, {wrong argument: words})


def sibling(name, forward, backward, inputs, **words):
    """``inputs`` is a list of shapes, or rng -> arrays."""
    names = list(forward.__code__.co_varnames[:forward.__code__.co_argcount])
    SIBLINGS[name] = function_of(forward, backward), inputs, names, words


def of_tensors(name, function, shape, words):
    SIBLINGS[name] = function, [shape], ["x"], {"x": words}


def distinct(*shape):
    """rng -> one array of values that lie apart."""
    return lambda rng: [(rng.permutation(int(np.prod(shape))).reshape(shape) - 7.3) / 8]


def positive(*shape):
    return lambda rng: [rng.uniform(0.5, 2, shape)]


def correlate(x, w):
    """Valid cross-correlation in as many dimensions as ``w`` has."""
    n = [a - b + 1 for a, b in zip(x.shape, w.shape)]
    return sum(w[at] * x[tuple(slice(i, i + m) for i, m in zip(at, n))] for at in np.ndindex(w.shape))


def full(g, w):
    return np.pad(g, [(k - 1, k - 1) for k in w.shape])


def decayed(x):
    h = x.copy()
    for t in range(1, len(x)):
        h[t] += 0.6 * h[t - 1]
    return h


# J g in place of J^T g
sibling("a recursion run forward in time", lambda x: decayed(x), lambda g, x: decayed(g), [(6, 2)], x="J g in place of J")
sibling("differences of neighbours", lambda x: x - np.roll(x, 1, -1), lambda g, x: g - np.roll(g, 1, -1), [(2, 5)], x="J g in place of J")
sibling("a permutation of columns", lambda x: x[:, [2, 0, 3, 1]], lambda g, x: g[:, [2, 0, 3, 1]], [(3, 4)], x="a permutation not inverted")

# parts of the Jacobian
sibling("log softmax, its diagonal", lambda x: np.log(softmax(x)), lambda g, x: g - g * softmax(x), [(3, 5)], x="only dy_i/dx_i arrived")
sibling("shares of a sum, their diagonal", lambda x: x / x.sum(1, keepdims=True),
        lambda g, x: g * (x.sum(1, keepdims=True) - x) / x.sum(1, keepdims=True) ** 2, positive(3, 4), x="only dy_i/dx_i arrived")
sibling("softmax without its diagonal", lambda x: softmax(x),
        lambda g, x: (lambda p: p * p * g - p * (g * p).sum(-1, keepdims=True))(softmax(x)), [(2, 4)], x="dy_i/dx_i is missing")
sibling("softmax over the wrong axis", lambda x: softmax(x),
        lambda g, x: softmax(x) * (g - (g * softmax(x)).sum(0, keepdims=True)), [(3, 4)], x="the wrong axis")
sibling("a bias summed over the wrong axis", lambda x, b: np.tanh(x + b), lambda g, x, b: (g * (1 - np.tanh(x + b) ** 2),
        (g * (1 - np.tanh(x + b) ** 2)).sum(1)), [(4, 4), (4,)], b="the wrong axis")

# the right values in other places
sibling("three gates, two exchanged", lambda z: np.concatenate([np.tanh(z[:2]), sigmoid(z[2:4]), z[4:] ** 2]),
        lambda g, z: np.concatenate([g[:2] * (1 - np.tanh(z[:2]) ** 2), 2 * g[4:] * z[4:],
                                     g[2:4] * sigmoid(z[2:4]) * (1 - sigmoid(z[2:4]))]), [(6, 3)], z="blocks 1 and 2 of axis 0")
sibling("three gates, each one place on", lambda z: z**2 * np.arange(1, 7), lambda g, z: np.roll(2 * g * z * np.arange(1, 7), 2, 1),
        [(2, 6)], z=r"stand in another order: \[2, 0, 1\]|too far")
sibling("reshape for transpose", lambda x: (x**2).T * np.arange(1, 4), lambda g, x: (2 * x.T * g * np.arange(1, 4)).reshape(x.shape),
        [(3, 4)], x="a reshape stands where axes must be transposed")
sibling("an image turned by 180 degrees", lambda x: np.sin(x), lambda g, x: (g * np.cos(x))[..., ::-1, ::-1], [(2, 3, 4)],
        x="reversed along axes")
sibling("a crop one row and one column off", lambda x: x[:, 1:4, 1:4] ** 3,
        lambda g, x: put(x.shape, (slice(None), slice(2, 5), slice(0, 3)), 3 * g * x[:, 1:4, 1:4] ** 2), [(2, 6, 6)],
        x="shifted: off by one along axis 1 .*axis 2")
sibling("the smallest put last in its window", lambda x: x.reshape(2, 4, 3).min(-1),
        lambda g, x: put((2, 4, 3), (..., -1), g).reshape(x.shape), distinct(2, 12), x="the right values in other places")
sibling("a maximum's gradient for all", lambda x: x.max(1), lambda g, x: np.repeat(g[:, None], 4, 1), distinct(3, 4), x="the weights are missing")
sibling("logsumexp shared out evenly", lambda x: np.log(np.exp(x).sum(0)), lambda g, x: np.repeat(g[None] / 5, 5, 0), [(5, 3)],
        x="an equal share")

# not zero where the truth is zero, wrong where the value says so
sibling("a triangular mask", lambda s: np.where(np.tri(4) > 0, 2 * s, -9), lambda g, s: 2 * g, [(2, 4, 4)], s="not zero where the truth is zero")
sibling("both bounds of a clip", lambda x: np.clip(x, -0.5, 0.5), lambda g, x: g, distinct(4, 4), x="not zero .* beyond about .*in size")
sibling("the slope below zero", lambda x: np.where(x > 0, x, 0.1 * x), lambda g, x: np.where(x > 0, 1, 0.01) * g, distinct(3, 5),
        x="1/10 times .*where the argument is negative")
sibling("a one-hot vector not subtracted", lambda x: -np.log(softmax(x))[np.arange(4), [0, 2, 1, 0]].sum(), lambda g, x: g * softmax(x),
        [(4, 3)], x="one element of every row")

# right to some digits
sibling("a constant rounded", lambda x: 5 * np.tanh(x / 5), lambda g, x: g * (1 - np.tanh(x / 4.999) ** 2), [(3, 4)], x=r"right to \d digits")
sibling("a series cut off", lambda x: np.sin(x / 3), lambda g, x: g * (1 - (x / 3) ** 2 / 2 + (x / 3) ** 4 / 24) / 3, [(3, 4)], x=r"right to \d digits")
sibling("an eps of a norm", lambda x: x / np.sqrt((x * x).sum(1, keepdims=True) + 1e-4),
        lambda g, x: (lambda r: (g - x * (g * x).sum(1, keepdims=True) / r**2) / r)(np.sqrt((x * x).sum(1, keepdims=True))), [(3, 4)],
        x=r"right to \d digits|depends on the index along axis 0")
sibling("rounded to float16 on the way", lambda x: np.exp(x), lambda g, x: g * np.exp(x).astype(np.float16), [(3, 4)], x=r"right to \d digits")

# contributions lost, of several outputs, steps and cases
sibling("the second output forgotten", lambda x: (np.sin(x), (x * x).sum(1)), lambda g, h, x: g * np.cos(x), [(3, 4)], x="output 1 is missing")
sibling("the first output forgotten", lambda x: (np.exp(x), x**3), lambda g, h, x: 3 * h * x * x, [(5,)], x="output 0 is missing")
sibling("two incoming gradients exchanged", lambda x: (np.exp(x), x**3), lambda g, h, x: h * np.exp(x) + 3 * g * x * x, [(5,)],
        x="outputs 0 and 1 are exchanged")
sibling("the last case of a loop", lambda x, w: np.tanh(x @ w),
        lambda g, x, w: ((g * (1 - np.tanh(x @ w) ** 2)) @ w.T, np.outer(x[-1], g[-1] * (1 - np.tanh(x[-1] @ w) ** 2))), [(5, 3), (3, 4)],
        w="only the contribution of index 4 of axis 0 of the output, the last")
sibling("a position's last sequence", lambda e, p: e * p, lambda g, e, p: (g * p, (g * e)[-1]), [(4, 3, 2), (3, 2)], p="only the contribution of index 3")
sibling("a case counted twice", lambda x, b: x * b, lambda g, x, b: (g * b, (g * x).sum(0) + g[1] * x[1]), [(4, 3), (3,)],
        b="index 1 of axis 0 of the output counts twice")
sibling("rows of a table, = for +=", lambda t: 3 * t[[1, 1, 0]], lambda g, t: put(t.shape, [1, 1, 0], 3 * g), [(3, 2)], t=r"`=` in place of `\+=`")
sibling("one of two uses of a matrix", lambda x: x @ x.T, lambda g, x: g @ x, [(3, 4)], x="")   # caught; no cause is named


def recurrent(x, w, u):
    h = np.zeros(len(w))
    for step in x:
        h = np.tanh(w @ h + u @ step)
    return h


def kept_last(g, x, w, u):
    states, dx, dw = [np.zeros(len(w))], np.zeros_like(x), np.zeros_like(w)
    for step in x:
        states.append(np.tanh(w @ states[-1] + u @ step))
    for t in reversed(range(len(x))):
        dz = g * (1 - states[t + 1] ** 2)
        dx[t], du, g = u.T @ dz, np.outer(dz, x[t]), w.T @ dz
        dw += np.outer(dz, states[t])
    return dx, dw, du


sibling("a loop over time that keeps one step", lambda x, w, u: recurrent(x, w, u), kept_last, [(4, 2), (3, 3), (3, 2)],
        u="only the contribution of index 0 .* of axis 0 of x arrived")

# the incoming gradient
sibling("its square", lambda x: np.exp(x), lambda g, x: g * g * np.exp(x), [(3, 3)], x="counts twice")
sibling("its size", lambda x: x**3, lambda g, x: 3 * x * x * np.abs(g), [(6,)], x="its sign|sign of the incoming gradient is lost")
sibling("something besides it", lambda x: x**3, lambda g, x: 3 * x * x * g + np.cos(x), [(6,)], x="does not depend on the incoming gradient")
sibling("its first row for all", lambda x: np.cosh(x), lambda g, x: g[:1] * np.sinh(x), [(3, 4)], x="axis 0 of the output")
sibling("weight decay", lambda x, w: x @ w, lambda g, x, w: (g @ w.T, x.T @ g + 0.1 * w), [(3, 4), (4, 2)], w="0.1 times the argument is too many")
sibling("a residual twice", lambda x: x + np.sin(x), lambda g, x: 2 * g + g * np.cos(x), [(3, 3)], x="once too often")

# several arguments
sibling("results of two shapes exchanged", lambda x, a, b: x @ a @ b, lambda g, x, a, b: (g @ b.T @ a.T, (x @ a).T @ g, x.T @ g @ b.T),
        [(3, 4), (4, 2), (2, 5)], a="it is the gradient of b")
sibling("dS of attention, for its queries", lambda q, k, v: softmax(q @ k.T) @ v,
        lambda g, q, k, v: (lambda p: (lambda ds: (ds.T @ k, ds.T @ q, p.T @ g))(p * (g @ v.T - (p * (g @ v.T)).sum(1, keepdims=True))))(
            softmax(q @ k.T)), [(3, 4), (3, 4), (3, 4)], q="dS and dS.T are confused")
sibling("dS of scores, for their keys", lambda q, k: np.tanh(q @ k.T), lambda g, q, k: (lambda ds: (ds @ k, ds @ q))(
    g * (1 - np.tanh(q @ k.T) ** 2)), [(5, 3), (5, 3)], k="dS and dS.T are confused")
sibling("a kernel of two dimensions", lambda x, w: correlate(x, w), lambda g, x, w: (correlate(full(g, w), w), correlate(x, g)),
        [(4, 5), (2, 3)], x="w stands reversed along axes")
sibling("a kernel that is no argument", lambda x: correlate(x, W[:2, :3]), lambda g, x: correlate(full(g, W[:2, :3]), W[:2, :3]), [(4, 5)],
        x="the kernel is not flipped")
sibling("a weight left out", lambda x, w: softmax(x * w), lambda g, x, w: (
    softmax(x * w) * (g - (g * softmax(x * w)).sum(-1, keepdims=True)),
    (x * softmax(x * w) * (g - (g * softmax(x * w)).sum(-1, keepdims=True))).sum(0)), [(3, 4), (4,)], x="axis 1|forgotten")
sibling("a matrix without its transpose", lambda x, w: np.sin(x @ w), lambda g, x, w: (
    (g * np.cos(x @ w)) @ w, x.T @ (g * np.cos(x @ w))), [(2, 4), (4, 4)], x="w stands transposed")

# normalisations
sibling("root mean square, constant", lambda x: x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6),
        lambda g, x: g / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6), [(3, 6)], x="mean square.* treated as constant")
sibling("batch norm of images, statistics constant", lambda x: normal(x, (0, 2, 3)), lambda g, x: g / deviation(x, (0, 2, 3)), [(3, 2, 2, 3)],
        x=r"mean and variance over axes \(0, 2, 3\) are treated as constant")
sibling("instance norm, its mean constant", lambda x: normal(x, (2, 3)), lambda g, x: (
    g - normal(x, (2, 3)) * (g * normal(x, (2, 3))).mean((2, 3), keepdims=True)) / deviation(x, (2, 3)), [(2, 2, 3, 3)],
        x=r"the mean over axes \(2, 3\) is treated as constant")
sibling("group norm, statistics constant", lambda x: normal(x.reshape(3, 2, 2, 3), (2, 3)).reshape(x.shape),
        lambda g, x: (g.reshape(3, 2, 2, 3) / deviation(x.reshape(3, 2, 2, 3), (2, 3))).reshape(x.shape), [(3, 4, 3)],
        x="mean and variance over groups of 2")

# not finite
sibling("a root at zero", lambda x: np.abs(x) ** 1.5, lambda g, x: g * 1.5 * x * np.abs(x) ** 1.5 / x**2,
        lambda rng: [np.array([1.0, 0.0, -2.0])], x="1 of 3 elements is NaN: those where the argument is 0")
sibling("the norm of nothing", lambda x: np.sqrt((x * x).sum(1)), lambda g, x: g[:, None] * x / np.sqrt((x * x).sum(1, keepdims=True)),
        lambda rng: [np.array([[1.0, 2], [0, 0], [3, 1]])], x=r"^(?!.*finite there).*2 of 6 elements are NaN")

# Tensors: a path cut off
of_tensors("a gate detached", lambda x: x * tm.sigmoid(2 * x).detach() + x, (3, 4), r"detach\(\) in line \d+ of test_siblings.py")
of_tensors("keys detached", lambda x: tm.softmax((x @ Tensor(W)) @ x.detach().transpose(0, 1), -1) @ x, (3, 4), r"detach\(\) in line")
of_tensors("one factor of two detached", lambda x: (x * tm.relu(x).detach()).sum(1), (3, 4), r"detach\(\) in line")


def without_gradient(x):
    with tm.no_grad():
        total = tm.exp(x).sum(1, keepdim=True)
    return tm.exp(x) / total


of_tensors("a sum under no_grad", without_gradient, (3, 4), "no_grad in line")
of_tensors("an array on the way", lambda x: x + Tensor(tm.tanh(x).detach().numpy()) * 1.5, (3, 4), "passed on as it is")


def report_of(name, seed):
    function, inputs, names, _ = SIBLINGS[name]
    rng = np.random.default_rng(seed)
    arrays = inputs(rng) if callable(inputs) else [rng.standard_normal(shape) for shape in inputs]
    return gradcheck(function, arrays, names=names, raise_exception=False, seed=seed, curve=False)


@pytest.mark.parametrize("name", SIBLINGS)
def test_a_sibling_is_caught_located_and_named(name):
    words = SIBLINGS[name][3]
    report = report_of(name, 3)
    assert {a.name for a in report.failures} == set(words), report
    for argument, text in words.items():
        assert re.search(text, report[argument].guess), report


def off_at_random(backward, size):
    """``backward`` with every element of every gradient wrong by a factor of its own: a mistake without a pattern."""
    def spoilt(*arrays):
        found = backward(*arrays)
        rng = np.random.default_rng(5)
        return [np.asarray(a) * (1 + size * rng.uniform(-1, 1, np.shape(a))) for a in (found if isinstance(found, tuple) else (found,))]
    return spoilt


RIGHT = {
    "softmax": (softmax, lambda g, x: softmax(x) * (g - (g * softmax(x)).sum(-1, keepdims=True)), [(3, 5)]),
    "tanh": (np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), [(3, 4)]),
    "layer norm": (lambda x: normal(x, 1), lambda g, x: (g - g.mean(1, keepdims=True) - normal(x, 1) * (g * normal(x, 1)).mean(
        1, keepdims=True)) / deviation(x, 1), [(4, 6)]),
    "product": (lambda a, b: a @ b, lambda g, a, b: (g @ b.T, a.T @ g), [(3, 4), (4, 4)]),
    "correlation": (correlate, lambda g, x, w: (correlate(full(g, w[::-1]), w[::-1]), correlate(x, g)), [(8,), (3,)]),
    "embedding": (lambda E: E[[0, 2, 2, 1, 2]], lambda g, E: put((4, 3), [0, 2, 2, 1, 2], g, add=True), [(4, 3)]),
    "cumsum": (lambda x: np.cumsum(x, 1), lambda g, x: np.cumsum(g[:, ::-1], 1)[:, ::-1], [(2, 6)]),
    "clip": (lambda x: np.clip(x, -0.5, 0.5), lambda g, x: g * (np.abs(x) < 0.5), [(4, 5)])}


@pytest.mark.parametrize("name", RIGHT)
def test_no_cause_is_made_up_for_an_error_without_a_pattern(name):
    forward, backward, shapes = RIGHT[name]
    arrays = [np.random.default_rng(1).standard_normal(shape) for shape in shapes]
    assert gradcheck(function_of(forward, backward), arrays, curve=False)
    report = gradcheck(function_of(forward, off_at_random(backward, 0.3)), arrays, raise_exception=False, curve=False)
    assert len(report.failures) == len(shapes)
    for found in report.failures:
        if found.guess.startswith("right when the incoming gradient is all ones"):   # true where that gives no gradient at all
            continue
        assert not found.guess or re.fullmatch(r"only indices [\d, -]+ of axis \d are wrong|.* wrong, those where the argument is .*",
                                               found.guess), found.guess   # where it is wrong may be said


@pytest.mark.parametrize("name", RIGHT)
def test_a_small_error_is_called_one_and_no_part_of_the_truth_its_cause(name):
    forward, backward, shapes = RIGHT[name]
    arrays = [np.random.default_rng(1).standard_normal(shape) for shape in shapes]
    report = gradcheck(function_of(forward, off_at_random(backward, 3e-5)), arrays, raise_exception=False, curve=False)
    assert len(report.failures) == len(shapes)
    for found in report.failures:
        assert re.match(r"right to [45] digits everywhere|only indices|\d+ of \d+ elements are wrong", found.guess), found.guess


@pytest.mark.parametrize("k", [2.0, -1.0, 1 + 1e-5])
def test_a_factor_is_named_though_the_jacobian_is_symmetric_or_diagonal(k):
    for name in ("softmax", "tanh", "layer norm"):
        forward, backward, shapes = RIGHT[name]
        arrays = [np.random.default_rng(2).standard_normal(shape) for shape in shapes]
        found = gradcheck(function_of(forward, lambda g, x: k * backward(g, x)), arrays, raise_exception=False, curve=False)
        text = found.failures[0].guess
        assert text.startswith("the sign" if k == -1 else "a constant factor: ") and ": 1 times" not in text


def test_how_much_of_a_gradient_is_wrong():
    numeric = np.array([1.0, 2, 0, 4, np.nan])
    assert extent(numeric, numeric) == "" == extent(np.ones(2), np.ones(3)) == extent(np.ones(1), np.full(1, np.nan))
    assert extent(np.array([1.5, 2, 0, 3, 9]), numeric) == "2 of 4 elements looked at are wrong, by 25 % to 50 %"
    assert extent(np.array([1.0, 2, 3, 4]), numeric[:4]) == "1 of 4 elements is wrong (it is not zero where the truth is)"
    assert extent(np.array([3.0, 2, 3, np.inf]), numeric[:4]) == \
        "3 of 4 elements are wrong, by 200 % (1 of them is not zero where the truth is; 1 of them is not finite)"
