"""Small operations in plain NumPy, each with the backward that is right. ``mutants.py`` breaks them one by one.

A Family is a forward, its right backward and inputs; ``family.function(backward)`` makes a Function of the forward
with that backward or with a broken one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from tinymm import Function
from tinymm.autograd.registry import Draw


@dataclasses.dataclass(frozen=True)
class Family:
    """An operation to be broken.

    Attributes:
        name: of the operation.
        forward, backward: methods of a Function.
        inputs: Draw -> tuple of arrays.
    """

    name: str
    forward: Callable
    backward: Callable
    inputs: Callable

    def function(self, backward=None, forward=None):
        """``apply`` of a new Function with this forward and ``backward`` (the right one by default)."""
        methods = {"forward": forward or self.forward, "backward": backward or self.backward}
        return type(self.name, (Function,), methods).apply


FAMILIES: dict[str, Family] = {}


def family(inputs):
    """A class with ``forward`` and ``backward`` becomes a Family of the class's name."""
    def make(cls):
        FAMILIES[cls.__name__] = Family(cls.__name__, cls.forward, cls.backward, inputs)
        return FAMILIES[cls.__name__]
    return make


# ---------------------------------------------------------------------- element by element

@family(lambda d: (d.away(4, 5),))
class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, g):
        return 2 * self.x * g


@family(lambda d: (d.away(1000),))
class LongSquare:
    forward, backward = Square.forward, Square.backward


@family(lambda d: (d.away(20_000),))
class HugeSquare:
    forward, backward = Square.forward, Square.backward


@family(lambda d: (d.away(3, 4), d.away(3, 4)))
class Multiply:
    def forward(self, a, b):
        self.a, self.b = a, b
        return a * b

    def backward(self, g):
        return g * self.b, g * self.a


@family(lambda d: (d.normal(3, 4),))
class Tanh:
    def forward(self, x):
        self.x, self.y = x, np.tanh(x)
        return self.y.copy()

    def backward(self, g):
        return g * (1 - self.y**2)


@family(lambda d: (d.normal(3, 4),))
class Sigmoid:
    def forward(self, x):
        self.x, self.y = x, 1 / (1 + np.exp(-x))
        return self.y.copy()

    def backward(self, g):
        return g * self.y * (1 - self.y)


@family(lambda d: (d.normal(3, 4),))
class Silu:
    """x sigmoid(x): two paths lead to x."""

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-x))
        return x * self.s

    def backward(self, g):
        return g * (self.s + self.x * self.s * (1 - self.s))


@family(lambda d: (d.away(3, 4, low=0.3),))
class Log:
    def forward(self, x):
        self.x = x
        return np.log(np.abs(x))

    def backward(self, g):
        return g / self.x


@family(lambda d: (d.distinct(4, 5),))
class Clamp:
    def forward(self, x):
        self.x = x
        return np.clip(x, -0.42, 0.42)

    def backward(self, g):
        return g * ((self.x > -0.42) & (self.x < 0.42))


# ---------------------------------------------------------------------- broadcasting and reductions

@family(lambda d: (d.normal(4, 4), d.normal(4)))
class AddRow:
    """x (4, 4) + b (4), broadcast over the rows."""

    def forward(self, x, b):
        return x + b

    def backward(self, g):
        return g.copy(), g.sum(0)


@family(lambda d: (d.normal(3, 5), d.normal(3, 1)))
class AddColumn:
    """x (3, 5) + b (3, 1), broadcast over the columns."""

    def forward(self, x, b):
        return x + b

    def backward(self, g):
        return g.copy(), g.sum(1, keepdims=True)


@family(lambda d: (d.normal(4, 6),))
class Mean:
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=1)

    def backward(self, g):
        return np.repeat(g[:, None] / self.shape[1], self.shape[1], axis=1)


@family(lambda d: (d.normal(4, 6),))
class Variance:
    """Unbiased: over N - 1."""

    def forward(self, x):
        self.c = x - x.mean(axis=1, keepdims=True)
        return (self.c**2).sum(axis=1) / (x.shape[1] - 1)

    def backward(self, g):
        return 2 * self.c * g[:, None] / (self.c.shape[1] - 1)


@family(lambda d: (d.normal(4, 6),))
class Norm:
    def forward(self, x):
        self.x, self.n = x, np.sqrt((x * x).sum(axis=1, keepdims=True))
        return self.n[:, 0].copy()

    def backward(self, g):
        return g[:, None] * self.x / self.n


@family(lambda d: (d.distinct(4, 6),))
class Max:
    def forward(self, x):
        self.shape, self.at = x.shape, x.argmax(axis=1)
        return x.max(axis=1)

    def backward(self, g):
        dx = np.zeros(self.shape, g.dtype)
        dx[np.arange(len(g)), self.at] = g
        return dx


@family(lambda d: (d.normal(3, 6),))
class CumulativeSum:
    def forward(self, x):
        return x.cumsum(axis=1)

    def backward(self, g):
        return g[:, ::-1].cumsum(axis=1)[:, ::-1]


@family(lambda d: (d.away(3, 4, low=0.5),))
class Product:
    def forward(self, x):
        self.x, self.y = x, x.prod(axis=1)
        return self.y.copy()

    def backward(self, g):
        return (g * self.y)[:, None] / self.x


# ---------------------------------------------------------------------- matrices and shapes

@family(lambda d: (d.normal(4, 4), d.normal(4, 4)))
class Matmul:
    def forward(self, a, b):
        self.a, self.b = a, b
        return a @ b

    def backward(self, g):
        return g @ self.b.T, self.a.T @ g


@family(lambda d: (d.normal(5, 3), d.normal(4, 3), d.normal(4)))
class Linear:
    """x (B, 3), weight (4, 3), bias (4)."""

    def forward(self, x, weight, bias):
        self.x, self.w = x, weight
        return x @ weight.T + bias

    def backward(self, g):
        return g @ self.w, g.T @ self.x, g.sum(0)


@family(lambda d: (d.normal(2, 3, 3),))
class SwapAxes:
    def forward(self, x):
        return x.transpose(1, 2, 0)

    def backward(self, g):
        return g.transpose(2, 0, 1)


@family(lambda d: (d.normal(3, 4), d.normal(3, 4)))
class Concatenate:
    def forward(self, a, b):
        self.n = a.shape[1]
        return np.concatenate([a, b], axis=1)

    def backward(self, g):
        return g[:, :self.n], g[:, self.n:]


@family(lambda d: (d.normal(3, 6),))
class Pad:
    """Two zeros on the left, one on the right."""

    def forward(self, x):
        return np.pad(x, ((0, 0), (2, 1)))

    def backward(self, g):
        return g[:, 2:-1]


@family(lambda d: (d.normal(6, 3), np.array([0, 2, 2, 5, 2])))
class Lookup:
    """Rows of a table; an index may occur several times."""

    def forward(self, table, index):
        self.shape, self.index = table.shape, index
        return table[index]

    def backward(self, g):
        dt = np.zeros(self.shape, g.dtype)
        np.add.at(dt, self.index, g)
        return dt, None


@family(lambda d: (d.normal(3, 8), d.normal(3)))
class Convolve:
    """y[i] = sum_k w[k] x[i + k], in each row."""

    def forward(self, x, w):
        self.x, self.w = x, w
        n = x.shape[1] - len(w) + 1
        return sum(w[k] * x[:, k:k + n] for k in range(len(w)))

    def backward(self, g):
        dx, dw = np.zeros_like(self.x), np.zeros_like(self.w)
        n = g.shape[1]
        for k in range(len(self.w)):
            dx[:, k:k + n] += self.w[k] * g
            dw[k] = (g * self.x[:, k:k + n]).sum()
        return dx, dw


@family(lambda d: (d.normal(3, 8),))
class AveragePool:
    """Windows of 4, stride 2."""

    def forward(self, x):
        self.shape = x.shape
        return np.stack([x[:, i:i + 4].mean(1) for i in range(0, x.shape[1] - 3, 2)], axis=1)

    def backward(self, g):
        dx = np.zeros(self.shape, g.dtype)
        for j in range(g.shape[1]):
            dx[:, 2 * j:2 * j + 4] += g[:, j:j + 1] / 4
        return dx


# ---------------------------------------------------------------------- layers

@family(lambda d: (d.normal(3, 5),))
class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y.copy()

    def backward(self, g):
        return self.y * (g - (g * self.y).sum(axis=1, keepdims=True))


@family(lambda d: (d.normal(6, 5), np.array([0, 3, 1, 4, 4, 2])))
class CrossEntropy:
    def forward(self, x, target):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p, self.t = e / e.sum(axis=1, keepdims=True), target
        return np.array(-np.log(self.p[np.arange(len(x)), target]).mean())

    def backward(self, g):
        dx = self.p.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return g * dx / len(dx), None


@family(lambda d: (d.normal(4, 6), d.away(6), d.normal(6)))
class LayerNormalise:
    def forward(self, x, weight, bias):
        c = x - x.mean(axis=1, keepdims=True)
        self.r = 1 / np.sqrt((c * c).mean(axis=1, keepdims=True) + 1e-5)
        self.x, self.n, self.w = x, c * self.r, weight
        return self.n * weight + bias

    def backward(self, g):
        dn = g * self.w
        dx = self.r * (dn - dn.mean(1, keepdims=True) - self.n * (dn * self.n).mean(1, keepdims=True))
        return dx, (g * self.n).sum(0), g.sum(0)


@family(lambda d: (d.normal(3, 8), d.normal(3, 2)))
class Gates:
    """An LSTM cell's arithmetic: pre-activations (B, 4H) of i, f, g, o and the old cell state (B, H)."""

    def forward(self, z, c):
        i, f, g, o = np.split(z, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-v)) for v in (i, f, o))
        self.kept = i, f, np.tanh(g), o, c, np.tanh(f * c + i * np.tanh(g))
        return o * self.kept[5], f * c + i * np.tanh(g)

    def backward(self, dh, dc):
        i, f, g, o, c, t = self.kept
        dc = dc + dh * o * (1 - t * t)
        dz = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * t * o * (1 - o)]
        return np.concatenate(dz, axis=1), dc * f


@family(lambda d: (d.normal(2, 4, 3), d.normal(2, 4, 3), d.normal(2, 4, 3)))
class Attention:
    """Causal, scaled dot products."""

    def forward(self, q, k, v):
        s = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[2])
        s = np.where(np.tril(np.ones(s.shape[1:], bool)), s, -np.inf)
        e = np.exp(s - s.max(axis=2, keepdims=True))
        self.p = e / e.sum(axis=2, keepdims=True)
        self.q, self.k, self.v = q, k, v
        return self.p @ v

    def backward(self, g):
        dp = g @ self.v.transpose(0, 2, 1)
        ds = self.p * (dp - (dp * self.p).sum(2, keepdims=True)) / np.sqrt(g.shape[2])
        return ds @ self.k, ds.transpose(0, 2, 1) @ self.q, self.p.transpose(0, 2, 1) @ g


def inputs_of(name: str, seed: int = 0):
    """The inputs of a family, from a seed."""
    return FAMILIES[name].inputs(Draw(seed))
