"""Turning registry samples into calls: on Tensors, on PyTorch tensors, in one dtype or another."""

from __future__ import annotations

import numpy as np

from tinymm import Tensor
from tinymm.autograd.registry import Draw, Fixed, Operation
from tinymm.catalog import load

OPERATIONS = load()


def draws(operation: Operation, seed: int = 0):
    """The samples of an operation, in a list."""
    return list(operation.samples(Draw(seed)))


def cases(select=lambda operation: True):
    """(operation, sample index) pairs, for ``pytest.mark.parametrize``, with readable ids."""
    import pytest

    return [pytest.param(operation, i, id=f"{operation.name}-{i}")
            for operation in OPERATIONS.values() if select(operation) for i in range(len(draws(operation)))]


def build(sample, make, make_fixed):
    """Args, kwargs and the list of differentiable inputs of a sample.

    Args:
        make: float array -> differentiable tensor.
        make_fixed: any other array -> tensor without gradient.
    """
    inputs = []

    def convert(value):
        if isinstance(value, Fixed):
            return make_fixed(value.array)
        if isinstance(value, np.ndarray):
            if value.dtype.kind == "f":
                inputs.append(make(value))
                return inputs[-1]
            return make_fixed(value)
        if isinstance(value, (list, tuple)) and any(isinstance(v, (np.ndarray, Fixed)) for v in value):
            return type(value)(convert(v) for v in value)
        return value

    args = [convert(a) for a in sample.args]
    kwargs = {k: convert(v) for k, v in sample.kwargs.items()}
    return args, kwargs, inputs


def as_tensors(sample, dtype="float64", layout=lambda array: array):
    """``build`` for Tensors of one dtype; ``layout`` may rearrange the memory."""
    cast = lambda a: a.astype(dtype) if a.dtype.kind == "f" else a
    return build(sample, lambda a: Tensor(layout(cast(a)), requires_grad=True), lambda a: Tensor(layout(cast(a))))


def outputs_of(result) -> list[Tensor]:
    """The floating-point Tensors in a result, flattened."""
    if isinstance(result, Tensor):
        return [result] if result.dtype.kind == "f" else []
    if isinstance(result, (tuple, list)):
        return [t for part in result for t in outputs_of(part)]
    return []


def cotangents(outputs, seed: int = 1):
    """A random cotangent for each output, by shape; float64."""
    draw = Draw(seed)
    return [draw.normal(*t.shape) for t in outputs]


def run(operation: Operation, sample, dtype="float64", layout=lambda array: array):
    """Outputs and gradients (NumPy arrays) of one sample under a random cotangent."""
    from tinymm import grad

    args, kwargs, inputs = as_tensors(sample, dtype, layout)
    outputs = outputs_of(operation.function(*args, **kwargs))
    values = [o.detach().numpy() for o in outputs]
    live = [(o, Tensor(c.astype(o.dtype))) for o, c in zip(outputs, cotangents(outputs)) if o.requires_grad]
    if not live or not inputs:
        return values, []
    grads = grad([o for o, _ in live], inputs, [c for _, c in live], allow_unused=True)
    return values, [np.zeros(i.shape, dtype) if g is None else g.numpy() for g, i in zip(grads, inputs)]
