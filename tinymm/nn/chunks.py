"""What a trained model says of many things: some of them at a time, so that few are in memory at once, and without gradients.

The mode of modules is left as it is: call ``model.eval()`` before, or each chunk is a batch of a training to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from ..autograd import Tensor, no_grad
from ..autograd.integers import integer

Found = TypeVar("Found")


def in_chunks(function: Callable[[range], Found], count: int, size: int) -> list[Found]:
    """What ``function(rows)`` gives for range(0, size), range(size, 2 size), ... up to ``count``; the last may be shorter.

    Args:
        function: called once a chunk, without recording a graph.
        count: N, the number of rows.
        size: rows of a chunk.

    Returns:
        One entry a chunk.

    Raises:
        ValueError: chunks of less than one row.
        TypeError: ``size`` is no integer.
    """
    size = integer("in_chunks", "size", size, 1)
    with no_grad():
        return [function(range(i, min(i + size, count))) for i in range(0, count, size)]


def array_in_chunks(function: Callable[[Tensor], Tensor], read: Callable[[range], np.ndarray | Tensor], count: int, size: int,
                    device: str = "cpu") -> np.ndarray:
    """``function`` of ``count`` rows, joined to one array on the host.

    Args:
        function: (B, ...) on ``device`` -> Tensor (B, ...); each row's result must not depend on the others.
        read: ``read(rows)`` gives those rows, (B, ...).
        count, size: as for ``in_chunks``.
        device: where ``function`` computes.

    Raises:
        ValueError: no rows, whose result would have no shape; chunks of less than one.
    """
    if count < 1:
        raise ValueError(f"array_in_chunks: count={count}; there must be at least one row")
    return np.concatenate(in_chunks(lambda rows: function(Tensor(read(rows)).to(device=device)).cpu().numpy(), count, size))
