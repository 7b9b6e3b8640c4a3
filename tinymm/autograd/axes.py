"""Axis arguments: the one place where they are checked and made non-negative."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TypeVar, cast

from .integers import integer

F = TypeVar("F", bound=Callable)
NUMPY = {"dim": "axis", "keepdim": "keepdims"}   # PyTorch's name -> NumPy's
_RENAMED: set[Callable] = set()                  # what numpy_names made


def axis(name: str, dim, ndim: int, argument: str = "dim") -> int:
    """``dim`` as 0 <= axis < ndim; ``argument`` is what the operation calls it.

    Raises:
        IndexError: out of range; the message names the operation and the allowed range.
        TypeError: not an integer.
    """
    dim = integer(name, argument, dim)
    n = max(ndim, 1)   # a 0-d tensor accepts dim 0 and -1, as in PyTorch
    if not -n <= dim < n:
        raise IndexError(f"{name}: {argument}={dim} is out of range for a tensor with {ndim} axes; choose {-n} to {n - 1}")
    return dim % n


def axes(name: str, dim, ndim: int) -> tuple[int, ...]:
    """``dim`` (None for all axes, an integer, or several) as a tuple of non-negative axes, each once."""
    if dim is None:
        return tuple(range(ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    found = tuple(axis(name, d, ndim) for d in dims)
    if len(set(found)) != len(found):
        raise ValueError(f"{name}: dim={dim} names an axis twice")
    return found if ndim else ()


def numpy_names(function: F) -> F:
    """Let a function be called with NumPy's ``axis`` and ``keepdims`` for ``dim`` and ``keepdim``, as PyTorch does."""
    code = inspect.unwrap(function).__code__
    named = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]
    pairs = [(ours, theirs) for ours, theirs in NUMPY.items() if ours in named]

    @functools.wraps(function)
    def renamed(*args, **kwargs):
        if kwargs:
            for ours, theirs in pairs:
                if theirs in kwargs:
                    if ours in kwargs:
                        raise TypeError(f"{function.__name__}: give {ours} or {theirs}, not both")
                    kwargs[ours] = kwargs.pop(theirs)
        return function(*args, **kwargs)
    _RENAMED.add(renamed)
    return cast(F, renamed)


def takes_numpy_names(function: Callable) -> bool:
    """Whether a function can be called with ``axis`` and ``keepdims``."""
    return function in _RENAMED
