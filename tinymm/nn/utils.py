"""PyTorch's ``nn.utils``: weights computed from other parameters before each forward, gradient clipping, ragged batches."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from .. import functional as F
from ..autograd import Tensor
from ..backend.random import stream
from ..functional import pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence, unpad_sequence
from ..optim.clip import clip_grad_norm_, clip_grad_value_
from . import init
from .conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .module import Module
from .parameter import Parameter

M = TypeVar("M", bound=Module)

__all__ = ["skip_init", "weight_norm", "spectral_norm", "clip_grad_norm_", "clip_grad_value_", "pack_padded_sequence",
           "pack_sequence", "pad_packed_sequence", "pad_sequence", "unpad_sequence"]


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """A module whose parameters have no values yet, nor memory: load a state into all of them.

    Args:
        module_cls: its class.
        *args, **kwargs: arguments of the class.
    """
    with init.left_out():
        return module_cls(*args, **kwargs)


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Replace a weight by directions and lengths, w = g v / ||v|| (Salimans and Kingma 2016, equation 2).

    Args:
        module: has the parameter ``name``, which becomes ``name_g`` (lengths) and ``name_v`` (directions).
        dim: the axis with a length for each index; None for one length in all.

    Returns:
        The module.

    Raises:
        ValueError: there is no such parameter.
    """
    weight = _take(module, name, "weight_norm").detach()
    dim = None if dim is None else dim % weight.ndim
    over = None if dim is None else tuple(i for i in range(weight.ndim) if i != dim)
    lengths = (weight * weight).sum(over, keepdim=dim is not None).sqrt()
    module.register_parameter(f"{name}_g", Parameter(lengths))
    module.register_parameter(f"{name}_v", Parameter(weight))

    def compute(m, args):
        m.__dict__[name] = F.weight_norm(getattr(m, f"{name}_v"), getattr(m, f"{name}_g"), dim)

    compute(module, ())
    module.register_forward_pre_hook(compute)
    return module


def spectral_norm(module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
                  dim: int | None = None) -> Module:
    """Divide a weight by its largest singular value (Miyato et al. 2018, algorithm 1).

    Args:
        module: has the parameter ``name``, which becomes ``name_orig``; the buffers ``name_u`` and ``name_v`` hold the
            estimates of the singular vectors.
        n_power_iterations: steps of power iteration at each forward in training.
        dim: the output axis of the weight; None: 1 for a transposed convolution, 0 for other layers.

    Returns:
        The module.

    Raises:
        ValueError: there is no such parameter.
    """
    weight = _take(module, name, "spectral_norm")
    axis = dim if dim is not None else int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))
    rows = weight.shape[axis]
    draw = stream(None, "init").generator
    for key, n in (("u", rows), ("v", weight.numel() // rows)):
        vector = draw.standard_normal(n).astype(weight.dtype)
        module.register_buffer(f"{name}_{key}", Tensor(vector / np.linalg.norm(vector)))
    module.register_parameter(f"{name}_orig", weight)

    def compute(m, args):
        m.__dict__[name] = F.spectral_norm(getattr(m, f"{name}_orig"), getattr(m, f"{name}_u"), getattr(m, f"{name}_v"),
                                           m.training, n_power_iterations, axis, eps)

    compute(module, ())
    module.register_forward_pre_hook(compute)
    return module


def _take(module: Module, name: str, operation: str) -> Parameter:
    weight = module._parameters.pop(name, None)
    if weight is None:
        raise ValueError(f"{operation}: {type(module).__name__} has no parameter {name!r}; it has {list(module._parameters)}")
    return weight
