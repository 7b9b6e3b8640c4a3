"""Normalisation layers."""

from __future__ import annotations

from functools import partial

from .. import functional as F
from ..autograd import Tensor, no_grad
from ..autograd.creation import ones, zeros
from ..autograd.integers import integer, integers, listed
from ..autograd.tensor import int64
from ..ops.checks import as_tensor
from . import init
from .linear import empty
from .module import Module


class LayerNorm(Module):
    """Normalise each case over its trailing axes (Ba et al. 2016); see ``functional.layer_norm``.

    Attributes:
        weight: gain, ones; bias: zeros; both of shape ``normalized_shape``, or None.
    """

    def __init__(self, normalized_shape, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True,
                 device: str | None = None, dtype=None):
        super().__init__()
        new = partial(empty, device=device, dtype=dtype)
        self.normalized_shape = integers(type(self).__name__, "normalized_shape", listed(normalized_shape), 0)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.register_parameter("weight", new(*self.normalized_shape) if elementwise_affine else None)
        self.register_parameter("bias", new(*self.normalized_shape) if elementwise_affine and bias else None)
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class RMSNorm(Module):
    """x over the root of its mean square, times a gain (Zhang and Sennrich 2019)."""

    def __init__(self, normalized_shape, eps: float | None = None, elementwise_affine: bool = True,
                 device: str | None = None, dtype=None):
        super().__init__()
        new = partial(empty, device=device, dtype=dtype)
        self.normalized_shape = integers(type(self).__name__, "normalized_shape", listed(normalized_shape), 0)
        self.eps = eps
        self.register_parameter("weight", new(*self.normalized_shape) if elementwise_affine else None)
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class _ChannelNorm(Module):
    """What batch and instance normalisation share: a gain, a bias and running statistics for each channel.

    Args:
        num_features: channels C, axis 1 of the input.
        momentum: weight of the newest batch in the running statistics; None for their plain average.
        affine: whether there is a weight.
        track_running_stats: whether evaluation uses running statistics.
        bias: whether there is a bias beside the weight.

    Attributes:
        weight, bias: (C,) or None.
        running_mean, running_var, num_batches_tracked: buffers, or None.
    """

    dims: tuple[int, ...] = ()

    def __init__(self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool,
                 device: str | None, dtype, bias: bool):
        super().__init__()
        num_features = integer(type(self).__name__, "num_features", num_features, 0)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        new = partial(empty, device=device, dtype=dtype)
        self.register_parameter("weight", init.ones_(new(num_features)) if affine else None)
        self.register_parameter("bias", new(num_features) if affine and bias else None)
        track = track_running_stats
        where: dict = {"device": device, "dtype": dtype}
        self.register_buffer("running_mean", zeros(num_features, **where) if track else None)
        self.register_buffer("running_var", ones(num_features, **where) if track else None)
        self.register_buffer("num_batches_tracked", zeros((), dtype=int64, device=device) if track else None)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}"


class _BatchNorm(_ChannelNorm):
    """Normalise each channel over the batch (Ioffe and Szegedy 2015); see ``functional.batch_norm``."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: str | None = None, dtype=None, *, bias: bool = True):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        if as_tensor(type(self).__name__, "input", input).ndim not in self.dims:
            raise ValueError(f"{type(self).__name__}: input has {input.ndim} axes, shape {input.shape}; it takes "
                             f"{' or '.join(map(str, self.dims))}")
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats:
            with no_grad():
                self.num_batches_tracked.add_(1)
            if self.momentum is None:
                factor = 1.0 / int(self.num_batches_tracked)
        use_batch = self.training or not self.track_running_stats
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, use_batch, factor, self.eps)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (B, C) or (B, C, L)."""

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (B, C, H, W)."""

    dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (B, C, D, H, W)."""

    dims = (5,)


class GroupNorm(Module):
    """Normalise each case over groups of channels (Wu and He 2018).

    Args:
        affine, bias: whether each channel has a weight, and a bias beside it.
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True,
                 device: str | None = None, dtype=None, *, bias: bool = True):
        super().__init__()
        new = partial(empty, device=device, dtype=dtype)
        num_groups = integer("GroupNorm", "num_groups", num_groups, 1)
        num_channels = integer("GroupNorm", "num_channels", num_channels, 0)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} does not divide num_channels={num_channels}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.register_parameter("weight", init.ones_(new(num_channels)) if affine else None)
        self.register_parameter("bias", new(num_channels) if affine and bias else None)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"


class _InstanceNorm(_ChannelNorm):
    """Normalise each channel of each case over its positions (Ulyanov et al. 2016); see ``functional.instance_norm``."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = False,
                 track_running_stats: bool = False, device: str | None = None, dtype=None, *, bias: bool = True):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        if as_tensor(type(self).__name__, "input", input).ndim not in self.dims:
            raise ValueError(f"{type(self).__name__}: input has {input.ndim} axes, shape {input.shape}; it takes {self.dims[0]}")
        use_input = self.training or not self.track_running_stats
        return F.instance_norm(input, self.running_mean, self.running_var, self.weight, self.bias, use_input,
                               0.0 if self.momentum is None else self.momentum, self.eps)


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (B, C, L)."""

    dims = (3,)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of (B, C, H, W)."""

    dims = (4,)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (B, C, D, H, W)."""

    dims = (5,)


class LocalResponseNorm(Module):
    """Divide by the activity of neighbouring channels (Krizhevsky et al. 2012, section 3.3)."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)
