"""What lecture 0 measures: visits of the backward pass, four rungs of one operation, a planted bug, and how digits are read."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from ... import functional as F
from ... import metrics, nn
from ...autograd import Tensor, grad, no_grad
from ...autograd.gradcheck import gradcheck
from ...backend.jit import kernel_mode, use_kernels
from ...data.worlds.digits import split_digits
from ...ops.normalisation.layer_norm import LayerNorm
from ..experiment import Measured
from .systems import SoftmaxWithoutBackward, Trained


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
        gradients = grad(y, leaves, Tensor(g))
        values = [y.detach().numpy(), *(gradient.numpy() for gradient in gradients)]
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

def blind_check(function, x: np.ndarray, eps: float = 1e-6) -> bool:
    """The gradient check of many a course: differentiate the sum of the outputs, compare with finite differences."""
    leaf = Tensor(x, requires_grad=True)
    gradient, = grad(function(leaf).sum(), leaf)
    numeric = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        for sign in (1, -1):
            moved = x.copy()
            moved[i] += sign * eps
            numeric[i] += sign * function(Tensor(moved)).sum().item() / (2 * eps)
    return bool(np.allclose(gradient.numpy(), numeric, atol=1e-6))


def step_size_curve(steps: np.ndarray) -> np.ndarray:
    """Relative error of the central difference of exp(sin(x)) at x = 1, for each step size."""
    f, exact = (lambda x: np.exp(np.sin(x))), np.exp(np.sin(1.0)) * np.cos(1.0)
    return np.array([abs((f(1 + h) - f(1 - h)) / (2 * h) - exact) / exact for h in steps])


# ---------------------------------------------------------------------- 4. reading digits

def accuracy(model: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of the images whose most probable digit is the right one."""
    with no_grad():
        return metrics.accuracy(model(Tensor(images)).argmax(-1), labels)


# ---------------------------------------------------------------------- all of it

def evaluate(trained: Trained, doublings: int, rows: int, width: int, seed: int) -> Measured:
    """All of it.

    Args:
        trained: what read digits.
        doublings: how often y = y + y is done.
        rows: of the array that is normalised.
        width: of its rows.
        seed: of the split of the digits, and of the point where gradients are checked.
    """
    naive, ordered = visits(doublings)
    table = compare_rungs(rows, width)
    x = np.random.default_rng(seed).standard_normal((2, 4))
    report = gradcheck(SoftmaxWithoutBackward.apply, [Tensor(x)], raise_exception=False)
    history = trained.trainer.history
    return Measured({
        "visits": {"all paths": naive, "topological order": ordered}, "rungs": table,
        "planted bug": {"accepted by the sum": blind_check(SoftmaxWithoutBackward.apply, x),
                        "accepted by gradcheck": report.ok, "report": repr(report)},
        "right softmax accepted": gradcheck(lambda t: F.softmax(t, -1), [Tensor(x)], raise_exception=False).ok,
        "loss": {"first": history["loss"][0], "last": history["loss"][-1]},
        "accuracy": {"validation": history["validation"][-1],
                     "test": accuracy(trained.trainer.model, *split_digits(seed)["test"])}})
