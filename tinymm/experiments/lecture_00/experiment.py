"""Lecture 0: how automatic differentiation works, and how to know that it does.

Four parts, each with its claims: the order of the backward pass, one operation on four rungs, a gradient check that
finds a planted bug, and a small network that learns to read real handwriting.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from ... import functional as F
from ... import nn, optim
from ...autograd import Function, Tensor, no_grad
from ...autograd.drawing import draw
from ...autograd.gradcheck import gradcheck
from ...backend.jit import kernel_mode, use_kernels
from ...backend.random import manual_seed
from ...data import DataLoader, TensorDataset
from ...data.worlds.digits import split_digits
from ...ops.normalisation.layer_norm import LayerNorm
from ...train import Trainer
from ..claims import Claim
from ..experiment import Experiment


# ---------------------------------------------------------------------- 1. why topological order

def backward_over_paths(node, g, count: list[int]):
    """The naive backward pass: walk every path from the result to the leaves, and visit a node once for each."""
    count[0] += 1
    for edge, part in zip(node.edges, node.pull(g) if node.edges else ()):
        if edge is not None:
            backward_over_paths(edge, part, count)


def visits(n: int) -> tuple[int, int]:
    """Nodes visited for n times ``y = y + y``: by walking all paths, and in topological order."""
    x = Tensor(np.ones(1), requires_grad=True)
    y, nodes = x, [0]
    for _ in range(n):
        y = y + y
        y.register_hook(lambda g: nodes.__setitem__(0, nodes[0] + 1))
    naive = [0]
    backward_over_paths(y._node, np.ones(1), naive)
    y.sum().backward()
    return naive[0], nodes[0]


# ---------------------------------------------------------------------- 2. four rungs of one operation

def layer_norm_by_definition(x, weight, bias):
    """Layer normalisation as the slide has it, one Tensor operation after another."""
    return LayerNorm.definition(x, weight, bias, dims=1, eps=1e-5)


def rungs() -> dict[str, Callable]:
    """Layer normalisation on the rungs that run on this machine: name -> function(x, weight, bias)."""
    def on(mode):
        def run(x, weight, bias):
            with use_kernels(mode):
                return F.layer_norm(x, weight.shape, weight, bias)
        return run

    found = {"definition": layer_norm_by_definition, "NumPy": on("numpy")}
    if kernel_mode() == "numba":
        found["Numba"] = on("numba")
    return found


def compare_rungs(rows: int = 4096, width: int = 512, repeats: int = 9) -> dict[str, dict[str, float]]:
    """Milliseconds of forward and backward on each rung (float32), and the largest difference to the definition (float64)."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((rows, width)), rng.standard_normal(width), rng.standard_normal(width)]
    g = rng.standard_normal((rows, width))
    table: dict[str, dict[str, float]] = {}
    reference = None
    for name, function in rungs().items():
        leaves = [Tensor(a, requires_grad=True) for a in arrays]
        y = function(*leaves)
        y.backward(Tensor(g))
        values = [y.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]
        reference = reference or values
        error = max(float(np.abs(v - r).max() / np.abs(r).max()) for v, r in zip(values, reference))
        small = [Tensor(a.astype(np.float32), requires_grad=True) for a in arrays]
        cotangent, taken = Tensor(g.astype(np.float32)), []
        for _ in range(repeats):
            for leaf in small:
                leaf.grad = None
            start = time.perf_counter()
            function(*small).backward(cotangent)
            taken.append(1e3 * (time.perf_counter() - start))
        table[name] = {"ms": statistics.median(taken), "error": error}
    return table


# ---------------------------------------------------------------------- 3. a planted bug

class SoftmaxWithoutBackward(Function):
    """A softmax whose backward is zero: the sum of its outputs is always 1, so a check of ``f(x).sum()`` accepts it."""

    def forward(self, x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def backward(self, g):
        return np.zeros_like(g)


def blind_check(function, x: np.ndarray, eps: float = 1e-6) -> bool:
    """The gradient check of many a course: differentiate the sum of the outputs, compare with finite differences."""
    leaf = Tensor(x, requires_grad=True)
    function(leaf).sum().backward()
    numeric = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        for sign in (1, -1):
            moved = x.copy()
            moved[i] += sign * eps
            numeric[i] += sign * function(Tensor(moved)).sum().item() / (2 * eps)
    return bool(np.allclose(leaf.grad.numpy(), numeric, atol=1e-6))


def step_size_curve(steps: np.ndarray) -> np.ndarray:
    """Relative error of the central difference of exp(sin(x)) at x = 1, for each step size."""
    f, exact = (lambda x: np.exp(np.sin(x))), np.exp(np.sin(1.0)) * np.cos(1.0)
    return np.array([abs((f(1 + h) - f(1 - h)) / (2 * h) - exact) / exact for h in steps])


# ---------------------------------------------------------------------- 4. reading digits

class Reader(nn.Module):
    """Two layers: 64 pixels -> 128 hidden units, normalised -> 10 digits."""

    def __init__(self, hidden: int = 128):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, 10))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)   # (B, 8, 8) -> (B, 10)


def accuracy(model: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of the images whose most probable digit is the right one."""
    with no_grad():
        return float((model(Tensor(images)).argmax(-1).numpy() == labels).mean())


def reader_trainer(epochs: int, seed: int, folder=None, progress: bool = False, config: dict | None = None) -> Trainer:
    """Adam on the UCI digits; ``fit`` returns the history. The model is ``trainer.model``."""
    manual_seed(seed)
    parts = split_digits(seed)
    model = Reader()
    loader = DataLoader(TensorDataset(*map(Tensor, parts["train"])), batch_size=64, shuffle=True)
    return Trainer(model, optim.Adam(model.parameters(), lr=2e-3), loader,
                   lambda batch: F.cross_entropy(model(batch[0]), batch[1]), epochs,
                   validate=lambda: {"validation": accuracy(model, *parts["validation"])}, folder=folder, config=config,
                   label="reading digits" if progress else None)


# ---------------------------------------------------------------------- the whole lecture

class Autograd(Experiment):
    """The four parts, each with its claims."""

    number, title = 0, "Automatic differentiation, and how to trust it"

    def stages(self, folder, progress):
        epochs = self.epochs or (20 if self.scale == "lecture" else 3)
        self.trainer = reader_trainer(epochs, self.seed, folder and folder / "reader", progress, self.config)
        yield self.trainer

    def evaluate(self) -> dict:
        naive, ordered = visits(self.doublings)
        table = compare_rungs(*((4096, 512) if self.scale == "lecture" else (256, 128)))
        x = np.random.default_rng(self.seed).standard_normal((2, 4))
        report = gradcheck(SoftmaxWithoutBackward.apply, [Tensor(x)], raise_exception=False)
        history = self.trainer.history
        return {"visits": {"all paths": naive, "topological order": ordered}, "rungs": table,
                "planted bug": {"accepted by the sum": blind_check(SoftmaxWithoutBackward.apply, x),
                                "accepted by gradcheck": report.ok, "report": repr(report)},
                "right softmax accepted": gradcheck(lambda t: F.softmax(t, -1), [Tensor(x)], raise_exception=False).ok,
                "loss": {"first": history["loss"][0], "last": history["loss"][-1]},
                "accuracy": {"validation": history["validation"][-1],
                             "test": accuracy(self.trainer.model, *split_digits(self.seed)["test"])}}

    @property
    def doublings(self) -> int:
        """How often y = y + y is done."""
        return 16 if self.scale == "lecture" else 10

    def claims(self, metrics: dict) -> list[Claim]:
        n, bug = self.doublings, metrics["planted bug"]
        return [
            Claim(f"walking all paths back through {n} doublings visits every node once for each path to it",
                  metrics["visits"]["all paths"], "=", 2 ** (n + 1) - 1),
            Claim("in topological order each of them is visited once", metrics["visits"]["topological order"], "=", n),
            Claim("every rung of layer normalisation equals its definition (float64, relative)",
                  max(row["error"] for row in metrics["rungs"].values()), "<=", 1e-12),
            Claim("a check of the sum of the outputs accepts a softmax with a zero backward", float(bug["accepted by the sum"]),
                  "=", 1),
            Claim("gradcheck, with random cotangents, rejects it", float(not bug["accepted by gradcheck"]), "=", 1),
            Claim("and accepts the right softmax", float(metrics["right softmax accepted"]), "=", 1),
            Claim("the first loss is within 0.5 of ln 10 = 2.303", abs(metrics["loss"]["first"] - np.log(10)), "<", 0.5),
            Claim("the network reads unseen digits (chance 0.1)", metrics["accuracy"]["test"], ">=", 0.9)]

    def figures(self, metrics: dict) -> dict:
        from . import figures

        w, b = Tensor(np.ones((3, 2)), requires_grad=True), Tensor(np.zeros(3), requires_grad=True)
        graph = draw((F.linear(Tensor(np.ones((4, 2))), w, b).tanh() ** 2).mean(), names={"W": w, "b": b})
        return {"graph.svg": graph, "rungs.png": figures.rungs(metrics["rungs"]), "step_size.png": figures.step_size(),
                "learning.png": figures.learning(self.trainer.history),
                "digits.png": figures.digits(self.trainer.model, *split_digits(self.seed)["test"]),
                "paths.png": figures.paths([visits(k) for k in range(1, 13)])}
