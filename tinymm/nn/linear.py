"""Linear maps and embeddings."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from .. import functional as F
from ..autograd import Tensor, get_default_dtype
from ..autograd.integers import integer, whole
from ..backend.arrays import to_device
from ..ops.checks import as_tensor
from . import init
from .module import Module
from .parameter import Parameter


def empty(*shape: int, device: str | None = None, dtype=None) -> Parameter:
    """A Parameter to be initialised: zeros, or memory as it is where initialisers are left out."""
    array = (np.empty if init.are_left_out() else np.zeros)(shape, dtype or get_default_dtype())
    return Parameter(array if device is None else to_device(array, device))


class Identity(Module):
    """y = x, whatever arguments the layer in whose place it stands was made with."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Flatten(Module):
    """Merge the axes ``start_dim`` to ``end_dim``."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return as_tensor("Flatten", "input", input).flatten(self.start_dim, self.end_dim)


class Unflatten(Module):
    """Split axis ``dim`` into axes of the given lengths."""

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]):
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        return as_tensor("Unflatten", "input", input).unflatten(self.dim, self.unflattened_size)


class Linear(Module):
    """y = x W^T + b on the last axis.

    Args:
        in_features, out_features: lengths of the last axis before and after.
        bias: whether b is added.
        device, dtype: of the parameters, "cpu" and the default float unless given; so in every layer.

    Attributes:
        weight: W (out_features, in_features), uniform in +-1/sqrt(in_features).
        bias: b (out_features,), likewise; or None.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: str | None = None, dtype=None):
        super().__init__()
        new = partial(empty, device=device, dtype=dtype)
        in_features, out_features = whole("Linear", 0, in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = new(out_features, in_features)
        self.register_parameter("bias", new(out_features) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        bound = 1 / math.sqrt(self.in_features) if self.in_features else 0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)   # (*, out_features)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """y_k = x1^T A_k x2 + b_k."""

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True,
                 device: str | None = None, dtype=None):
        super().__init__()
        new = partial(empty, device=device, dtype=dtype)
        in1_features, = whole("Bilinear", 1, in1_features=in1_features)   # as in PyTorch: weights start at 1 / sqrt(in1)
        in2_features, out_features = whole("Bilinear", 0, in2_features=in2_features, out_features=out_features)
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = new(out_features, in1_features, in2_features)
        self.register_parameter("bias", new(out_features) if bias else None)
        bound = 1 / math.sqrt(in1_features)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(as_tensor("Bilinear", "input1", input1), as_tensor("Bilinear", "input2", input2), self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}"


class Embedding(Module):
    """A row of ``weight`` for each index.

    Args:
        num_embeddings: size of the vocabulary.
        embedding_dim: length of a row.
        padding_idx: index whose row is zero and gets no gradient.
        max_norm, norm_type: the rows that are looked up are first shortened, in the weight itself, to a norm of max_norm.
        scale_grad_by_freq: divide the gradient of a row by how often it occurs in the batch.
        sparse: not supported.

    Attributes:
        weight: (num_embeddings, embedding_dim), normal with variance 1.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
                 max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
                 *, device: str | None = None, dtype=None):
        super().__init__()
        new = partial(empty, device=device, dtype=dtype)
        num_embeddings, embedding_dim = whole("Embedding", 0, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        padding_idx = None if padding_idx is None else integer("Embedding", "padding_idx", padding_idx)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx={padding_idx} is outside of the {num_embeddings} rows")
        if sparse:
            raise NotImplementedError("Embedding: sparse gradients are not supported; leave sparse=False")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.padding_idx = padding_idx % num_embeddings if padding_idx is not None else None
        self.weight = new(num_embeddings, embedding_dim)
        init.normal_(self.weight)
        if padding_idx is not None:
            self.weight._data[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
                           self.scale_grad_by_freq)   # (*, embedding_dim)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
