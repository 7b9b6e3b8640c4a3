"""The geometry that pooling operations share: which input elements each output element looks at."""

from __future__ import annotations

import dataclasses

import numpy as np

from ...autograd.integers import per_axis
from ...autograd.tensor import Tensor
from ..checks import floating, possible


@dataclasses.dataclass(frozen=True)
class Window:
    """A window that slides over the last axes; every field has one integer for each of them.

    Output o of an axis looks at the inputs o * stride - padding + a * dilation, for a = 0 ... kernel - 1.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    size: tuple[int, ...]     # of the input
    out: tuple[int, ...]      # of the output

    def fields(self) -> list[np.ndarray]:
        """The fields as int64 vectors of two elements (a leading 1-D axis of length 1 added), for the 2-D kernels."""
        fill = {"padding": 0}
        return [np.array((fill.get(f.name, 1),) * (2 - len(self.kernel)) + getattr(self, f.name))
                for f in dataclasses.fields(self)]


def check_input(operation: str, input: Tensor, dims: int) -> Tensor:
    """Refuse an input that is not (C, *space) or (N, C, *space) with ``dims`` space axes."""
    input = floating(operation, "input", input)
    if input.ndim not in (dims + 1, dims + 2) or 0 in input.shape[input.ndim - dims - 1:]:
        space = ", ".join("DHW"[3 - dims:] if dims > 1 else "L")
        raise ValueError(f"{operation}: input has shape {input.shape}; it must be (N, C, {space}) or (C, {space}), "
                         "with at least one element along C and space")
    return input


def sliding(operation: str, input: Tensor, dims: int, kernel_size, stride, padding, dilation,
            ceil_mode: bool) -> Window:
    """The window of a pooling operation, its arguments checked.

    Raises:
        ValueError: a padding of more than half the kernel, or a kernel larger than the padded input.
    """
    kernel = per_axis(operation, "kernel_size", kernel_size, dims, 1)
    by_kernel = stride is None or isinstance(stride, (tuple, list)) and not stride
    step = kernel if by_kernel else per_axis(operation, "stride", stride, dims, 1)
    pad = per_axis(operation, "padding", padding, dims)
    dilate = per_axis(operation, "dilation", dilation, dims, 1)
    size = input.shape[input.ndim - dims:]
    if min(pad) < 0 or any(2 * p > k for p, k in zip(pad, kernel)):
        raise ValueError(f"{operation}: padding={pad} must be between 0 and half of kernel_size={kernel}; otherwise a "
                         "window could lie in the padding alone")
    possible(operation, "the padded input", tuple(n + 2 * p for n, p in zip(size, pad)))
    out = []
    for n, k, s, p, d in zip(size, kernel, step, pad, dilate):
        reach = d * (k - 1) + 1
        if n + 2 * p < reach and not (ceil_mode and n + 2 * p + s - 1 >= reach):
            raise ValueError(f"{operation}: kernel_size={kernel} with dilation={dilate} reaches over {reach} elements, "
                             f"but the input {input.shape} with padding={pad} has only {n + 2 * p} there")
        o = (n + 2 * p - reach + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (o - 1) * s >= n + p:   # the last window has to start inside the input or its left padding
            o -= 1
        out.append(o)
    return Window(kernel, step, pad, dilate, size, tuple(out))
