"""Local response normalisation (Krizhevsky, Sutskever and Hinton 2012, section 3.3).

    y_c = x_c / (k + alpha/n sum of x_j^2 over the n channels around c)^beta

AlexNet's equation has alpha without the 1/n; PyTorch's (and Caffe's) alpha is n times it.
"""

from __future__ import annotations

from ...autograd.creation import zeros
from ...autograd.integers import integer
from ...autograd.registry import Sample, register
from ...autograd.join import cat
from ...autograd.tensor import Tensor
from ..checks import floating


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divide each channel by a power of the mean square of its neighbours.

        y_c = x_c / s_c^beta,   s_c = k + alpha/n * the sum of x_j^2 over the n channels around c

    Gradient: dL/dx_j = g_j / s_j^beta - 2 alpha beta / n * x_j * the sum of g_c x_c / s_c^(beta + 1) over the
    c around which j is.

    Args:
        input: (N, C, *).
        size: n, how many channels are neighbours, itself included: size // 2 before it, (size - 1) // 2 after it.
            Channels beyond the ends count as zero.
        alpha, beta, k: see the formula.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        ValueError: fewer than three axes, or a size below 1.
    """
    input = floating("local_response_norm", "input", input)
    if input.ndim < 3:
        raise ValueError(f"local_response_norm: input has shape {input.shape}; it needs (N, C, *) with space axes")
    size = integer("local_response_norm", "size", size, 1)
    channels = input.shape[1]
    squares = input * input
    if size > 1:
        def nothing(n):
            return zeros((input.shape[0], n) + input.shape[2:], dtype=input.dtype, device=input.device)

        padded = cat([nothing(size // 2), squares, nothing((size - 1) // 2)], 1)   # (N, C + size - 1, *)
        total = padded[:, :channels]
        for i in range(1, size):
            total = total + padded[:, i:i + channels]
    else:
        total = squares
    return input / (total * (alpha / size) + k) ** beta


def _samples(draw):
    yield Sample(draw.normal(2, 7, 3, 2), 5, 0.5, 0.75, 2.0)
    yield Sample(draw.normal(2, 4, 3), 2, 1.0)
    yield Sample(draw.normal(1, 2, 2, 2, 2), 7, 0.3, 0.5, 1.5)
    yield Sample(draw.normal(2, 3, 4), 1)


register("local_response_norm", local_response_norm, _samples, torch="nn.functional.local_response_norm")
