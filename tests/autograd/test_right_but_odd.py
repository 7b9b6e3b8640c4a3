"""Right code that looks odd: gradcheck passes it, with "ok" or with the honest word, and never calls it wrong."""

import numpy as np
import pytest

from tinymm import Function, Tensor, gradcheck
from tinymm import functional as F
from tinymm.autograd import elementwise as e

X = np.linspace(-1.3, 1.7, 12).reshape(3, 4)
RNG = np.random.default_rng(3)


class Tanh32(Function):
    """Computes in float32 and returns float64."""

    def forward(self, x):
        self.y = np.tanh(x.astype(np.float32))
        return self.y.astype(np.float64)

    def backward(self, g):
        return g * (1.0 - self.y.astype(np.float64) ** 2)


class Norm32(Function):
    """A sum of many squares in float32."""

    def forward(self, x):
        self.x = x
        return np.asarray((x.astype(np.float32) ** 2).sum(), dtype=np.float64)

    def backward(self, g):
        return 2 * self.x * g


class Rounded(Function):
    """Six digits after the point."""

    def forward(self, x):
        self.x = x
        return np.round(np.exp(x), 6)

    def backward(self, g):
        return g * np.exp(self.x)


class Clip(Function):
    """Bounds that are hit exactly; the slope at a bound is 1, as PyTorch has it."""

    def forward(self, x, low, high):
        self.inside = (x >= low) & (x <= high)
        return np.clip(x, low, high)

    def backward(self, g, *_):
        return g * self.inside, None, None


class Flipped(Function):
    """Non-contiguous output and gradient."""

    def forward(self, x):
        return (2 * x)[::-1].T

    def backward(self, g):
        return (2 * g).T[::-1]


class Pair(Function):
    """Two outputs, one of them of integers."""

    def forward(self, x):
        self.at = x.argmax(-1)
        self.shape = x.shape
        return x.max(-1), self.at

    def backward(self, g, _):
        dx = np.zeros(self.shape)
        np.put_along_axis(dx, self.at[..., None], g[..., None], -1)
        return dx


class Lazy(Function):
    """None for arguments that need nothing; a Python number out."""

    def forward(self, x, n, flag):
        self.x, self.n = x, n
        return float((x**n).sum())

    def backward(self, g):
        return (self.n * self.x ** (self.n - 1) * g if self.needs[0] else None), None, None


def by_keyword(x, *, scale, flag=True):
    return x * scale if flag else x


def loop(x):
    h = x[0]
    for row in range(1, x.shape[0]):
        h = e.tanh(h * x[row])
    return h


OK = {
    "repeated argument": (lambda a, b: a * b, [Tensor(X), Tensor(X)]),
    "same tensor twice": (lambda a, b: a * b + a, [T := Tensor(X, requires_grad=True), T]),
    "same array twice": (lambda a, b: a * b * b, [X, X]),
    "keyword only, fixed by a lambda": (lambda x: by_keyword(x, scale=3.0), [X]),
    "keyword only with a default": (lambda x, *, scale=2.0: x * scale, [X]),
    "dictionary": (lambda x: {"a": x * x, "b": {"c": e.exp(x)}}, [X]),
    "tuple in a tuple": (lambda x: (x * x, (e.exp(x), [e.sin(x)])), [X]),
    "list of tensors": (lambda x: [x[0] * 2, x[1] * x[2]], [X]),
    "view of the input": (lambda x: x.T, [X]),
    "the input itself": (lambda x: x, [X]),
    "overlapping views": (lambda x: x[:2] * x[1:], [X]),
    "non-contiguous input": (lambda x: e.exp(x), [np.asfortranarray(X)[:, ::2]]),
    "reversed input": (lambda x: x * x, [X[::-1, ::-1]]),
    "broadcast input": (lambda x: x * x, [np.broadcast_to(np.array([1.0, 2.0, 3.0]), (2, 3))]),
    "non-contiguous output": (Flipped.apply, [X]),
    "output and an integer output": (Pair.apply, [X]),
    "integer and boolean arguments": (lambda x, i, m: x.index_select(0, i) * m, [X, np.array([0, 0, 2]),
                                                                                np.array([[True], [False], [True]])]),
    "Python numbers among the arguments": (Lazy.apply, [X, 3, True]),
    "constant": (lambda x: Tensor(np.ones(2)) + 0 * x.sum(), [X]),
    "does not depend on an argument": (lambda x, y: e.exp(x), [X, X]),
    "depends on nothing at all": (lambda x: x * 0.0, [X]),
    "scalar": (lambda x: x * x, [np.array(0.7)]),
    "NumPy scalar": (lambda x: x * x, [Tensor(np.float64(0.7))]),
    "one element": (lambda x: x.sum(), [np.ones((1, 1, 1))]),
    "empty": (lambda x: x * 2, [np.zeros(0)]),
    "another empty axis": (lambda x: x.sum(1), [np.zeros((0, 3))]),
    "empty axis": (lambda x: x.sum(0), [np.zeros((0, 3))]),
    "empty beside full": (lambda x, y: (x.sum() + y.sum()), [np.zeros((2, 0)), X]),
    "empty output": (lambda x: x[:0], [X]),
    "tiny inputs": (lambda x: e.exp(x), [X * 1e-8]),
    "tiny inputs, large slope": (lambda x: e.sin(x * 1e8), [X * 1e-8]),
    "logarithm of the tiny": (e.log, [np.array([1e-8, 3e-9, 2e-12])]),
    "root of the tiny": (e.sqrt, [np.array([1e-8, 3e-10])]),
    "inverse of the tiny": (lambda x: 1 / x, [np.array([1e-8, -3e-9])]),
    "huge inputs": (lambda x: x * x, [X * 1e8]),
    "huge inputs, bounded output": (lambda x: e.tanh(x * 1e-8), [X * 1e8]),
    "huge outputs": (lambda x: e.exp(x) * 1e150, [X]),
    "huge and tiny outputs": (lambda x: (e.exp(x) * 1e150, e.exp(x)), [X]),
    "beside infinity": (lambda x: e.exp(x), [np.array([0.5, -np.inf])]),
    "ties of maximum(a, b)": (e.maximum, [np.ones(3), np.ones(3)]),   # a half each, like the central difference
    "norm beside zero": (lambda x: (x * x).sum().sqrt(), [np.array([0.0, 3.0])]),
    "a loop over rows": (loop, [X]),
    "max without ties": (lambda x: x.max(-1), [X]),
    "one-hot": (lambda x, i: F.cross_entropy(x, i), [X, np.array([1, 0, 3])]),
}

HONEST = {   # verdicts besides "ok" that are true here
    "float32 inside": (Tanh32.apply, [X], {"precision"}),
    "float32 inside, one element": (Tanh32.apply, [np.array(0.6)], {"precision"}),
    "float32 inside, many elements": (Tanh32.apply, [RNG.normal(size=(30, 40))], {"precision"}),
    "float32 inside, sum": (Norm32.apply, [X], {"precision"}),
    "float32 inside, casts": (lambda x: e.tanh(x.float()).double(), [X], {"precision"}),
    "float32 inside, a product": (lambda x, w: (x.float() @ w.float()).double(), [X, X.T], {"precision"}),
    "float32 inside, deep": (lambda x: e.exp(e.sin(x.float()) * 3).double().sum(), [X], {"precision"}),
    "float32 output": (lambda x: x.float() ** 2, [X], {"precision"}),
    "float32 output, large": (lambda x: x.float() ** 2, [RNG.normal(size=(30, 40))], {"precision"}),
    "float32 output, softmax": (lambda x: F.softmax(x.float(), -1), [X], {"precision"}),
    "float32 and float64 outputs": (lambda x: (x.float() * 2, x * x), [X], {"precision"}),
    "float32 and a kink": (lambda x: e.relu(x.float()), [np.array([0.0, 1.0, -1.0])], {"precision", "kink"}),
    "rounded to six digits": (Rounded.apply, [X], {"precision"}),
    "relu at zero": (e.relu, [np.array([0.0, 1.0, -1.0])], {"kink"}),
    "leaky relu at zero": (lambda x: F.leaky_relu(x, 0.1), [np.zeros(3)], {"kink"}),
    "abs at zero": (e.abs, [np.array([0.0, 1.0])], {"ok"}),   # the central difference is 0, too
    "clip at its bounds": (Clip.apply, [np.array([-1.0, 0.3, 1.0, 2.0]), -1.0, 1.0], {"kink"}),
    "the package's clip at its bounds": (lambda x: x.clamp(-1, 1), [np.array([-1.0, 0.3, 1.0, 2.0])], {"kink"}),
    "all zeros": (lambda x: e.relu(x).sum(), [np.zeros((2, 3))], {"kink"}),
    "ties of a maximum": (lambda x: x.max(-1).values if hasattr(x.max(-1), "values") else x.max(-1), [np.ones((2, 3))], {"kink"}),
    "tiny slope": (e.tanh, [np.array([18.0, -18.5])], {"below precision"}),
    "huge and tiny inputs": (lambda x, y: x * y, [X * 1e100, X * 1e-100], {"below precision"}),
    "tiny outputs": (lambda x: x * 1e-150, [X], {"below precision"}),
    "floor": (e.floor, [np.array([0.5, 1.5, 2.0])], {"kink"}),
}


@pytest.mark.parametrize("name", OK)
def test_right_code_is_ok(name):
    func, inputs = OK[name]
    report = gradcheck(func, inputs, raise_exception=False)
    assert {a.verdict for a in report.arguments} == {"ok"}, report


@pytest.mark.parametrize("name", HONEST)
def test_right_code_gets_the_honest_word(name):
    func, inputs, words = HONEST[name]
    for seed in range(3):
        report = gradcheck(func, inputs, raise_exception=False, seed=seed)
        assert {a.verdict for a in report.arguments} <= words | {"ok"} and report.ok, report
        assert any(a.verdict in words for a in report.arguments), report


@pytest.mark.parametrize("factor, caught", [(2.0, True), (1.01, True), (-1.0, True), (1.0, False)])
def test_a_mistake_in_float32_is_still_a_mistake(factor, caught):
    class Wrong(Tanh32):
        def backward(self, g):
            return factor * Tanh32.backward(self, g)

    report = gradcheck(Wrong.apply, [X], raise_exception=False)
    assert (report["x"].verdict == "wrong") is caught, report
    assert not caught or any("computes in float32" in note for note in report.notes)


def test_a_wrong_float32_output_is_wrong():
    report = gradcheck(lambda x: x.float() * x.detach().float(), [X], raise_exception=False)
    assert report["x"].verdict == "wrong" and "an output is float32" in repr(report)


def test_another_rounding_for_another_layout_is_no_mistake():
    """A float32 kernel may add in another order where the incoming gradient is not contiguous."""
    class Halves(Function):
        def forward(self, x):
            self.x = x.astype(np.float32)
            return self.x ** 2 * np.float32(0.5)

        def backward(self, g):
            last = np.float32(1 + 2.0**-22) if not g.flags.c_contiguous else np.float32(1)
            return (g * last * self.x).astype(np.float64)

    report = gradcheck(Halves.apply, [X], raise_exception=False)
    assert report["x"].verdict == "precision", report
