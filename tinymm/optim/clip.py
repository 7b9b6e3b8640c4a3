"""Gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ..autograd import Tensor


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in parameters if p.grad is not None]


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> Tensor:
    """Scale all gradients so that their joint norm is at most ``max_norm`` (Pascanu et al. 2013).

    Args:
        parameters: Tensors, or one.
        max_norm: the largest norm allowed.
        norm_type: p of the p-norm; ``inf`` for the largest absolute value.
        error_if_nonfinite: raise instead of scaling by a NaN or infinity.

    Returns:
        The joint norm before clipping, a 0-d Tensor.

    Raises:
        RuntimeError: a norm that is not finite, if ``error_if_nonfinite``.
    """
    gradients = _gradients(parameters)
    norms = [float(np.linalg.norm(g._data.reshape(-1).astype(np.float64, copy=False), norm_type)) if
             isinstance(g._data, np.ndarray) else float((abs(g._data) ** norm_type).sum() ** (1 / norm_type))
             if norm_type != math.inf else float(abs(g._data).max()) for g in gradients if g.numel()]
    total = float(np.linalg.norm(norms, norm_type)) if norms else 0.0
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: the joint norm is {total}; look for the operation with detect_anomaly()")
    scale = max_norm / (total + 1e-6)
    if not scale >= 1:   # also where it is NaN, as in PyTorch
        for g in gradients:
            g._data *= g.dtype.type(scale)
            g._bump("clip_grad_norm_")
    return Tensor(np.asarray(total, dtype=gradients[0].dtype if gradients else np.float32))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clamp every element of every gradient to [-clip_value, clip_value]."""
    for g in _gradients(parameters):
        np.clip(g._data, -clip_value, clip_value, out=g._data)
        g._bump("clip_grad_value_")
