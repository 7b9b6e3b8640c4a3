"""Axis arguments: the one place where they are checked and made non-negative."""

from __future__ import annotations

import functools

import numpy as np


def axis(name: str, dim, ndim: int) -> int:
    """``dim`` as 0 <= axis < ndim.

    Raises:
        IndexError: out of range; the message names the operation and the allowed range.
        TypeError: not an integer.
    """
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)):
        raise TypeError(f"{name}: dim must be an integer, not {type(dim).__name__}")
    n = max(ndim, 1)   # a 0-d tensor accepts dim 0 and -1, as in PyTorch
    if not -n <= dim < n:
        raise IndexError(f"{name}: dim={dim} is out of range for a tensor with {ndim} axes; choose {-n} to {n - 1}")
    return int(dim) % n


def axes(name: str, dim, ndim: int) -> tuple[int, ...]:
    """``dim`` (None for all axes, an integer, or several) as a tuple of non-negative axes, each once."""
    if dim is None:
        return tuple(range(ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    found = tuple(axis(name, d, ndim) for d in dims)
    if len(set(found)) != len(found):
        raise ValueError(f"{name}: dim={dim} names an axis twice")
    return found if ndim else ()


def numpy_names(function):
    """Let a reduction be called with NumPy's ``axis`` and ``keepdims`` for ``dim`` and ``keepdim``, as PyTorch does."""
    @functools.wraps(function)
    def renamed(*args, **kwargs):
        if kwargs:
            for theirs, ours in (("axis", "dim"), ("keepdims", "keepdim")):
                if theirs in kwargs:
                    if ours in kwargs:
                        raise TypeError(f"{function.__name__}: give {ours} or {theirs}, not both")
                    kwargs[ours] = kwargs.pop(theirs)
        return function(*args, **kwargs)
    return renamed


def sizes(args: tuple) -> tuple[int, ...]:
    """A shape given as separate integers or as one sequence."""
    if len(args) == 1 and not isinstance(args[0], (int, np.integer)):
        args = tuple(args[0])
    return tuple(int(n) for n in args)
