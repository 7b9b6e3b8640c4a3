"""float16 at the level of Tensors: what is composed of several operations keeps float32 between them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast as typed

from ..autograd.casting import cast
from ..autograd.tensor import Tensor, float16, float32

F = TypeVar("F", bound=Callable)


def in_float32(function: F) -> F:
    """Let a function of float16 Tensors compute in float32 and round its result once.

    Sums of squares, numbers of elements and sums of weights above 65,504 would be infinite in between. Where another
    floating-point dtype is among the arguments, the result has that one, and nothing is done.
    """
    @functools.wraps(function)
    def wide(*args: Any, **options: Any) -> Any:
        dtypes = {a._data.dtype for a in (*args, *options.values()) if isinstance(a, Tensor)}
        if float16 not in dtypes or any(d.kind == "f" and d != float16 for d in dtypes):
            return function(*args, **options)
        widened = lambda a: cast(a, float32) if isinstance(a, Tensor) and a._data.dtype == float16 else a
        return cast(function(*map(widened, args), **{k: widened(a) for k, a in options.items()}), float16)
    return typed(F, wide)
