"""Gradient clipping."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

import numpy as np

from ..autograd import Tensor
from ..backend.arrays import writeable
from .options import number


def _gradients(operation: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    if hasattr(parameters, "parameters"):
        raise TypeError(f"{operation}: parameters is a {type(parameters).__name__}; write its .parameters()")
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for p in listed:
        if not isinstance(p, Tensor):
            raise TypeError(f"{operation}: a parameter is a {type(p).__name__}, not a Tensor")
    if not listed and hasattr(parameters, "__next__"):
        warnings.warn(f"{operation}: the generator of parameters is empty or used up; nothing is clipped", stacklevel=3)
    return [p.grad for p in listed if p.grad is not None]


def _own(g: Tensor):
    """The gradient's array, to be written to: a copy in its place where others read it or its elements share memory."""
    if not writeable(g._data):
        g._data = g._data.copy()
    return g._data


def _norm(a, norm_type: float) -> float:
    """The p-norm of an array of any dtype, in double precision: no square overflows, float16 included."""
    flat = a.reshape(-1).astype(np.float64, copy=False)
    if isinstance(a, np.ndarray):
        return float(np.linalg.norm(flat, norm_type))
    if math.isinf(norm_type):
        return float(abs(flat).max() if norm_type > 0 else abs(flat).min())
    return float((flat != 0).sum() if norm_type == 0 else (abs(flat) ** norm_type).sum() ** (1 / norm_type))


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> Tensor:
    """Scale all gradients so that their joint norm is at most ``max_norm`` (Pascanu et al. 2013).

    Args:
        parameters: Tensors, or one.
        max_norm: the largest norm allowed.
        norm_type: p of the p-norm; ``inf`` for the largest absolute value.
        error_if_nonfinite: raise instead of scaling by a NaN or infinity.

    Returns:
        The joint norm before clipping, a 0-d Tensor of the gradients' dtype, for float16 of float32 (the norm of many
        float16 numbers is often beyond 65,504, the largest of them).

    Raises:
        TypeError: a parameter that is no Tensor, a norm that is no number.
        ValueError: a negative ``max_norm``.
        RuntimeError: a norm that is not finite, if ``error_if_nonfinite``; no gradient is changed.
    """
    operation = "clip_grad_norm_"
    gradients = _gradients(operation, parameters)
    max_norm = number(operation, "max_norm", max_norm, 0)
    norm_type = math.inf if norm_type == "inf" else float(number(operation, "norm_type", norm_type))
    dtype = np.result_type(np.float32, *(g.dtype for g in gradients))
    with np.errstate(all="ignore"):   # a norm may be infinite, and infinity times 0 is NaN, as in PyTorch
        norms = [_norm(g._data, norm_type) for g in gradients if g.numel()]
        total = 0.0 if not norms else float(sum(norms) if norm_type == 0 else np.linalg.norm(norms, norm_type))
        if error_if_nonfinite and not math.isfinite(total):
            raise RuntimeError(f"{operation}: the joint norm is {total}; look for the operation with detect_anomaly()")
        scale = max_norm / (total + 1e-6)
        if not scale >= 1:   # also where it is NaN, as in PyTorch
            for g in gradients:
                a = _own(g)
                np.multiply(a, np.result_type(a, np.float32).type(scale), out=a)
                g._bump(operation)
        return Tensor(np.asarray(total, dtype=dtype))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clamp every element of every gradient to [-clip_value, clip_value].

    Args:
        parameters: Tensors, or one.
        clip_value: the largest absolute value allowed.

    Raises:
        TypeError: a parameter that is no Tensor, a value that is no number.
        ValueError: a negative ``clip_value``.
    """
    operation = "clip_grad_value_"
    gradients = _gradients(operation, parameters)
    clip_value = number(operation, "clip_value", clip_value, 0)
    with np.errstate(over="ignore"):   # a limit beyond float16's largest number is no limit
        for g in gradients:
            limit = g.dtype.type(clip_value)
            np.clip(_own(g), -limit, limit, out=g._data)
            g._bump(operation)
