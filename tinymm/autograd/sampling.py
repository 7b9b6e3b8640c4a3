"""Tensors of random numbers.

All draw from a named stream of ``backend/random.py`` (``generator``: a Stream or its name; default "sampling"), on the
host, so that every device gets the same numbers. None has a gradient. ``dtype``, ``device`` and ``requires_grad`` are
as in creation.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend.arrays import device_of, to_device, to_host
from ..backend.random import stream
from .integers import integer, sizes
from .creation import finish
from .kinds import DType, Generator, Shape
from .pointwise import scalar
from .tensor import Tensor, float32, float64, get_default_dtype, int64

__all__ = ["rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "rand_like", "randn_like",
           "randint_like"]


def _draw(name: str, method: str, shape: tuple[int, ...], dtype: DType, device: str | None, requires_grad: bool,
          generator: Generator) -> Tensor:
    """Numbers from one of the two generators that NumPy has for float32 and for float64."""
    dtype = np.dtype(dtype or get_default_dtype())
    if dtype.kind != "f":
        raise TypeError(f"{name}: dtype must be floating point, not {dtype}; use randint for integers")
    native = dtype if dtype in (float32, float64) else float32
    numbers = getattr(stream(generator).generator, method)(shape, dtype=native)
    return finish(np.asarray(numbers), dtype, device, requires_grad)


def rand(*size_: Shape, size: Shape | None = None, dtype: DType = None, device: str | None = None, requires_grad: bool = False,
         generator: Generator = None) -> Tensor:
    """Uniform numbers in [0, 1).

    Gradient: none (the numbers are drawn).

    Args:
        *size_, size: lengths of the axes, or one tuple of them; by name a tuple.
        dtype: a floating-point NumPy dtype; None for the default float.
        device: "cpu" (None), "cuda" or "cuda:N".
        requires_grad: whether a gradient is wanted.
        generator: the random stream, or its name (default: "sampling").

    Returns:
        Tensor of shape ``size``.

    Raises:
        TypeError: an integer dtype.
    """
    return _draw("rand", "random", sizes("rand", size_, least=0, named=size), dtype, device, requires_grad, generator)


def randn(*size_: Shape, size: Shape | None = None, dtype: DType = None, device: str | None = None, requires_grad: bool = False,
          generator: Generator = None) -> Tensor:
    """Normal numbers of mean 0 and variance 1.

    Gradient: none (the numbers are drawn).

    Args:
        *size_, size, dtype, device, requires_grad, generator: as in ``rand``.

    Returns:
        Tensor of shape ``size``.

    Raises:
        TypeError: an integer dtype.
    """
    return _draw("randn", "standard_normal", sizes("randn", size_, least=0, named=size), dtype, device, requires_grad, generator)


def randint(low: Any = None, high: Any = None, size: Any = None, *, dtype: DType = None,
            device: str | None = None, requires_grad: bool = False, generator: Generator = None) -> Tensor:
    """Integers in [low, high), all equally likely.

    Gradient: none (the result is drawn).

    Args:
        low, high: the least integer, and one more than the largest; ``randint(high, size)`` starts at 0.
        size: lengths of the axes.
        dtype: a NumPy dtype; None for int64.
        device, requires_grad, generator: as in ``rand``.

    Returns:
        Tensor of shape ``size``.

    Raises:
        ValueError: low >= high.
        TypeError: no size.
    """
    if size is None:
        low, high, size = 0, low, high
    if size is None:
        raise TypeError("randint: give a size, e.g. randint(0, 10, (3,))")
    low, high = 0 if low is None else integer("randint", "low", low), integer("randint", "high", high)
    if low >= high:
        raise ValueError(f"randint: low={low} must be smaller than high={high}")
    numbers = stream(generator).generator.integers(low, high, sizes("randint", (size,), least=0), dtype=np.int64)
    return finish(np.asarray(numbers), dtype or int64, device, requires_grad)


def randperm(n: int, *, dtype: DType = None, device: str | None = None, requires_grad: bool = False,
             generator: Generator = None) -> Tensor:
    """The integers 0 to n - 1 in random order.

    Gradient: none (the result is drawn).

    Args:
        n: how many.
        dtype: a NumPy dtype; None for int64.
        device, requires_grad, generator: as in ``rand``.

    Returns:
        Tensor (n,).

    Raises:
        ValueError: a negative n.
    """
    n = integer("randperm", "n", n, 0)
    return finish(stream(generator).generator.permutation(n).astype(np.int64), dtype, device, requires_grad)


def rand_like(input: Tensor, *, dtype: DType = None, device: str | None = None, requires_grad: bool = False,
              generator: Generator = None) -> Tensor:
    """Uniform numbers in [0, 1) in the shape of another tensor.

    Gradient: none (the numbers are drawn).

    Args:
        input: Tensor whose shape, dtype and device are taken.
        dtype, device: others instead of those of ``input``.
        requires_grad, generator: as in ``rand``.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        TypeError: an integer dtype.
    """
    return rand(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad,
                generator=generator)


def randn_like(input: Tensor, *, dtype: DType = None, device: str | None = None, requires_grad: bool = False,
               generator: Generator = None) -> Tensor:
    """Normal numbers of mean 0 and variance 1 in the shape of another tensor.

    Gradient: none (the numbers are drawn).

    Args:
        input: Tensor whose shape, dtype and device are taken.
        dtype, device: others instead of those of ``input``.
        requires_grad, generator: as in ``rand``.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        TypeError: an integer dtype.
    """
    return randn(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad,
                 generator=generator)


def randint_like(input: Tensor, low: int, high: int | None = None, *, dtype: DType = None, device: str | None = None,
                 requires_grad: bool = False, generator: Generator = None) -> Tensor:
    """Integers in [low, high), or in [0, low), in the shape of another tensor.

    Gradient: none (the result is drawn).

    Args:
        input: Tensor whose shape, dtype and device are taken.
        low, high: as in ``randint``.
        dtype, device: others instead of those of ``input``.
        requires_grad, generator: as in ``rand``.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        ValueError: low >= high.
    """
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, input.shape, dtype=dtype or input.dtype, device=device or input.device,
                   requires_grad=requires_grad, generator=generator)


def normal(mean: Tensor | float = 0.0, std: Tensor | float = 1.0, size: Sequence[int] | None = None, *, dtype: DType = None,
           device: str | None = None, requires_grad: bool = False, generator: Generator = None) -> Tensor:
    """Normal numbers with the given mean and standard deviation.

    Gradient: none (the numbers are drawn; mean + std * randn(size) is differentiable in both).

    Args:
        mean, std: numbers, or Tensors that broadcast: one number is drawn for each element.
        size: the shape, where both are numbers.
        dtype: a floating-point NumPy dtype; None for that of the Tensors, or the default float.
        device, requires_grad, generator: as in ``rand``.

    Returns:
        Tensor of shape ``size``, or of the broadcast shape.

    Raises:
        ValueError: a negative standard deviation.
    """
    tensors = [v for v in (mean, std) if isinstance(v, Tensor)]
    for name, value in (("mean", mean), ("std", std)):
        if not isinstance(value, (Tensor, np.ndarray)) and scalar(value) is None:
            raise TypeError(f"normal: {name} must be a Tensor, an array or a number, not {type(value).__name__}")
    if size is None:
        size = np.broadcast_shapes(*[t.shape for t in tensors])
    if tensors:
        dtype, device = dtype or np.result_type(*[t.dtype for t in tensors]), device or tensors[0].device
    centre, width = (to_host(v._data) if isinstance(v, Tensor) else v for v in (mean, std))
    if np.any(np.less(width, 0)):
        raise ValueError(f"normal: std must not be negative, the smallest is {np.min(width)}")
    noise = randn(size, dtype=dtype, generator=generator)._data
    return finish(np.asarray(centre + width * noise), noise.dtype, device, requires_grad)


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator = None) -> Tensor:
    """1 with the probability that each element of ``input`` says (or ``p`` for all), else 0.

    Gradient: none (the result is drawn).

    Args:
        input: Tensor of probabilities; with ``p`` only its shape, dtype and device matter.
        p: one probability for all.
        generator: as in ``rand``.

    Returns:
        Tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: a probability outside of [0, 1].
        TypeError: integer probabilities.
    """
    if p is None and input.dtype.kind != "f":
        raise TypeError(f"bernoulli: the probabilities must be floating point, not {input.dtype}; use .float()")
    chances = to_host(input._data) if p is None else np.full(input.shape, float(p))
    if not ((chances >= 0) & (chances <= 1)).all():
        raise ValueError("bernoulli: the probabilities must lie in [0, 1], these go from "
                         f"{chances.min()} to {chances.max()}")
    hits = stream(generator).generator.random(input.shape) < chances
    return finish(np.asarray(hits), input.dtype, input.device, False)


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator = None) -> Tensor:
    """Indices drawn with the given weights, for each row.

    Gradient: none (the result is an index).

    Args:
        input: (K,) or (B, K) weights, not negative, not all 0; they need not sum to 1.
        num_samples: n, how many to draw.
        replacement: whether an index can be drawn twice in a row.
        generator: as in ``rand``.

    Returns:
        int64 Tensor (n,) or (B, n), in the order of drawing.

    Raises:
        ValueError: bad weights, or more draws without replacement than weights that are not 0.
        TypeError: integer weights.
    """
    if input.ndim not in (1, 2):
        raise ValueError(f"multinomial: input has shape {input.shape}; give one row of weights (K,) or several (B, K)")
    if input.dtype.kind != "f":
        raise TypeError(f"multinomial: the weights must be floating point, not {input.dtype}; use .float()")
    weights = np.atleast_2d(to_host(input._data)).astype(np.float64)
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("multinomial: the weights must be finite and not negative")
    num_samples = integer("multinomial", "num_samples", num_samples, 1)
    possible = int((weights > 0).sum(axis=1).min(initial=weights.shape[1]))
    if possible < (1 if replacement else num_samples):
        raise ValueError(f"multinomial: cannot draw {num_samples} indices from a row with {possible} weights that "
                         "are not 0" + ("" if replacement else "; pass replacement=True"))
    random = stream(generator).generator
    if replacement:
        share = np.cumsum(weights, axis=1)
        u = random.random((len(weights), num_samples)) * share[:, -1:]
        rows = [np.searchsorted(s, v, side="right") for s, v in zip(share, u)]
        drawn = np.stack(rows) if rows else np.empty((0, num_samples))
    else:   # the k first of independent exponential clocks with these rates (Efraimidis and Spirakis 2006)
        clocks = random.standard_exponential(weights.shape)
        with np.errstate(divide="ignore"):
            times = np.where(weights > 0, clocks / weights, np.inf)
        drawn = np.argsort(times, axis=1, kind="stable")[:, :num_samples]
    drawn = drawn.astype(np.int64).reshape(input.shape[:-1] + (num_samples,))
    return Tensor(to_device(drawn, device_of(input._data)))
