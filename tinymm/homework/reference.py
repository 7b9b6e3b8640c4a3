"""The reference of a task, or a variant with a mistake in it, on the engine: outputs, and gradients by its backward pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np

from ..autograd import Tensor, enable_grad, get_default_dtype, grad, set_default_dtype
from ..autograd.registry import Draw
from ..backend.jit import use_kernels
from .exercise import Case, Task


@contextlib.contextmanager
def engine() -> Iterator[None]:
    """The engine as it is at first, whatever a student's file has switched; nothing is compiled for a few numbers."""
    before = get_default_dtype()
    set_default_dtype(np.float32)
    try:
        with enable_grad(), use_kernels("numpy"):
            yield
    finally:
        set_default_dtype(before)


def outputs_of(function: Callable, case: Case, gradients: tuple[str, ...] = ()):
    """The Tensors that a reference returns in a case, and name -> Tensor of the arguments in ``gradients``."""
    values, leaves = [], {}
    for name, value in case.arguments.items():
        if isinstance(value, np.ndarray):
            value = Tensor(value.copy(), requires_grad=name in gradients)
            if name in gradients:
                leaves[name] = value
        values.append(value)
    with engine():
        result = function(*values)
    return (result if isinstance(result, tuple) else (result,)), leaves


def values(function: Callable, case: Case) -> list[np.ndarray]:
    """What a reference returns in a case."""
    return [np.array(out._data) for out in outputs_of(function, case)[0]]


def gradients(function: Callable, task: Task, case: Case, cotangents: list[np.ndarray]) -> list[np.ndarray]:
    """The gradients of <cotangents, outputs>; none if a variant's outputs have other shapes than the cotangents."""
    outputs, leaves = outputs_of(function, case, task.gradients)
    if [o.shape for o in outputs] != [c.shape for c in cotangents]:
        return []
    pairs = [(o, Tensor(c.copy())) for o, c in zip(outputs, cotangents) if o.requires_grad]
    if not pairs:
        return [np.zeros(leaf.shape) for leaf in leaves.values()]
    with engine():
        found = grad([o for o, _ in pairs], list(leaves.values()), [c for _, c in pairs], allow_unused=True)
    return [np.zeros(leaf.shape) if g is None else np.array(g._data) for g, leaf in zip(found, leaves.values())]


def cotangents(outputs: list[np.ndarray]) -> list[np.ndarray]:
    """Random gradients of the outputs, of either sign and none near 0; the same on every platform."""
    draw = Draw(seed=17)
    return [draw.away(*out.shape, low=0.5, high=1.5) for out in outputs]
