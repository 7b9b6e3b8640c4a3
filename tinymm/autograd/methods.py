"""The operators and methods of Tensor: one table, name by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import (activations, choice, comparison, elementwise, indexing, join, linalg, ordering, pad, reduction, sampling, scan,
               scatter, shape, special, triangles)
from .casting import cuda_device, to
from .kinds import Dims, Operand
from .tensor import Tensor

ROOMS = (elementwise, comparison, special, activations, reduction, ordering, scan, sampling, choice, shape, join, pad,
         triangles, indexing, scatter, linalg)


def _find(name: str):
    """The operation of that name, from the room that defines it."""
    for room in ROOMS:
        if name in vars(room):
            return vars(room)[name]
    raise AttributeError(f"no room of autograd defines {name}")


class _Operations:
    """``op.exp`` is the operation ``exp``, wherever it lives."""

    def __getattr__(self, name: str) -> Any:
        return _find(name)


op = _Operations()


def _swapped(operation):
    def swapped(self: Tensor, other: Operand) -> Tensor:
        return operation(other, self)

    swapped.__doc__ = f"``{operation.__name__}`` with the two arguments exchanged."
    return swapped


def _but_none(operation):
    """``x == None`` asks whether x is there, which Python answers, as in PyTorch."""
    def compare(self: Tensor, other: Operand) -> Tensor:
        return NotImplemented if other is None else operation(self, other)

    compare.__doc__ = f"``{operation.__name__}``; None is equal to no Tensor."
    return compare


def _in_place_or_new(operation, in_place):
    """``x += y`` changes x where no graph is concerned, and otherwise makes a new tensor."""
    def combine(self: Tensor, other: Operand) -> Tensor:
        from .state import state
        tracked = state.grad_enabled and (self._node is not None or isinstance(other, Tensor) and other._node is not None)
        if tracked and self.is_leaf and self._node is not None:
            self._check_in_place(in_place.__name__, f"x = x {operation.__name__} y")
        return operation(self, other) if tracked else in_place(self, other)

    combine.__doc__ = f"``{in_place.__name__}`` where no graph is concerned, else ``{operation.__name__}``."
    return combine


def _slices(self: Tensor) -> Iterator[Tensor]:
    """Iterate over the slices along the first axis.

    Raises:
        TypeError: a 0-d tensor.
    """
    if self.ndim == 0:
        raise TypeError("iter: a 0-d tensor cannot be iterated over")
    return iter(op.unbind(self))   # one node for all slices


OPERATORS = {
    "__add__": op.add_, "__radd__": _swapped(op.add_),           # x + y
    "__sub__": op.sub_, "__rsub__": _swapped(op.sub_),           # x - y
    "__mul__": op.mul, "__rmul__": _swapped(op.mul),             # x * y
    "__truediv__": op.true_div, "__rtruediv__": _swapped(op.true_div),          # x / y
    "__floordiv__": op.floor_divide, "__rfloordiv__": _swapped(op.floor_divide),   # x // y
    "__mod__": op.remainder, "__rmod__": _swapped(op.remainder),  # x % y
    "__pow__": op.power, "__rpow__": _swapped(op.power),         # x ** y
    "__matmul__": op.matmul, "__rmatmul__": _swapped(op.matmul),  # x @ y
    "__neg__": op.neg,                                          # -x
    "__abs__": op.abs,                                          # abs(x)
    "__invert__": op.bitwise_not,                               # ~mask
    "__getitem__": op.getitem, "__iter__": _slices,             # x[index], for row in x
    "__eq__": _but_none(op.eq), "__ne__": _but_none(op.ne),     # x == y
    "__lt__": op.lt, "__le__": op.le, "__gt__": op.gt, "__ge__": op.ge,
    "__and__": op.bitwise_and, "__or__": op.bitwise_or, "__xor__": op.bitwise_xor,
    "__iadd__": _in_place_or_new(op.add_, Tensor.add_),         # x += y
    "__isub__": _in_place_or_new(op.sub_, Tensor.sub_),         # x -= y
    "__imul__": _in_place_or_new(op.mul, Tensor.mul_),          # x *= y
    "__itruediv__": _in_place_or_new(op.true_div, Tensor.div_),  # x /= y
}

METHODS = """
    add sub mul div neg pow abs sign floor ceil round trunc square sqrt rsqrt reciprocal exp expm1 log log1p log2 log10
    sin cos tan arctan tanh sigmoid logaddexp maximum minimum remainder floor_divide
    eq ne lt le gt ge logical_and logical_or logical_xor logical_not bitwise_not isnan isinf isfinite
    erf clamp clip masked_fill lerp isclose allclose
    sum mean var std amax amin logsumexp norm count_nonzero any all prod cumsum cumprod
    bernoulli multinomial
    max min argmax argmin sort argsort topk median
    clone contiguous reshape flatten unflatten permute transpose movedim squeeze unsqueeze broadcast_to expand flip
    view view_as reshape_as ravel swapaxes t expand_as chunk unbind repeat tile repeat_interleave roll
    diagonal diag diag_embed tril triu
    take_along_dim index_select gather take masked_select scatter scatter_add index_put index_add index_copy index_fill
    matmul mm bmm mv dot outer addmm baddbmm
""".split()


def _cast_to(name: str, dtype: np.dtype):
    def convert(self: Tensor) -> Tensor:
        return to(self, dtype=dtype)

    convert.__name__, convert.__qualname__ = name, f"Tensor.{name}"
    convert.__doc__ = f"""The numbers as {dtype}; the tensor itself if they are.

    Gradient: {"none (the result is not floating point)." if dtype.kind != "f" else "dL/dself = g, in the old dtype."}

    Returns:
        {dtype} Tensor of the same shape.
    """
    return convert


CONVERSIONS = {"float": "float32", "double": "float64", "half": "float16", "int": "int32", "long": "int64", "bool": "bool"}


def cpu(self: Tensor) -> Tensor:
    """The tensor in host memory; itself if it is there.

    Gradient: dL/dself = g, back on the old device.

    Returns:
        Tensor of the same shape and dtype.
    """
    return to(self, device="cpu")


def cuda(self: Tensor, device: int | str | None = None, non_blocking: bool = False) -> Tensor:
    """The tensor on the GPU; itself if it is there.

    Gradient: dL/dself = g, back on the old device.

    Args:
        device: the number or the name of the GPU; None for the one in use.
        non_blocking: PyTorch's hint for speed; without effect here.

    Returns:
        Tensor of the same shape and dtype.
    """
    return to(self, device=cuda_device(device))


def split(self: Tensor, split_size: Dims, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut along axis ``dim``, into views: ``tinymm.split(self, split_size, dim)``.

    Gradient: dL/dself = those of the pieces, one after the other.

    Args:
        split_size: the length of each piece (the last may be shorter), or a list of all lengths.
        dim: the axis.

    Returns:
        A tuple of Tensors, views of the tensor.

    Raises:
        ValueError: lengths that do not add up to the axis.
        IndexError: ``dim`` out of range.
    """
    return op.split(self, split_size, dim)


def where(self: Tensor, condition: Tensor, other: Operand) -> Tensor:
    """This tensor where ``condition`` is true, else ``other``: ``tinymm.where(condition, self, other)``.

    Gradient: dL/dself = g where the condition is true, else 0; dL/dother = g where it is false, else 0.

    Args:
        condition: boolean Tensor.
        other: Tensor or number.

    Returns:
        Tensor of the broadcast shape and common dtype.

    Raises:
        TypeError: a condition that is not boolean.
        ValueError: shapes that do not broadcast.
    """
    return op.where(condition, self, other)


def _reversed_axes(self: Tensor) -> Tensor:
    """All axes in reverse order: the transpose of a matrix. A view."""
    return op.permute(self, tuple(range(self.ndim))[::-1])


def _matrix_transpose(self: Tensor) -> Tensor:
    """The last two axes exchanged: the transpose of each matrix. A view."""
    return op.transpose(self, -1, -2)


# ---------------------------------------------------------------------- NumPy's protocols

UFUNCS = {
    np.add: op.add_, np.subtract: op.sub_, np.multiply: op.mul, np.true_divide: op.true_div, np.negative: op.neg,
    np.power: op.pow, np.absolute: op.abs, np.sign: op.sign, np.exp: op.exp, np.expm1: op.expm1, np.log: op.log,
    np.log1p: op.log1p, np.log2: op.log2, np.log10: op.log10, np.sin: op.sin, np.cos: op.cos, np.tan: op.tan,
    np.arctan: op.arctan, np.tanh: op.tanh, np.sqrt: op.sqrt, np.square: op.square, np.maximum: op.maximum,
    np.minimum: op.minimum, np.floor: op.floor, np.ceil: op.ceil, np.rint: op.round_, np.trunc: op.trunc,
    np.floor_divide: op.floor_divide, np.remainder: op.remainder, np.logaddexp: op.logaddexp, np.reciprocal: op.reciprocal,
    np.matmul: op.matmul, np.equal: op.eq, np.not_equal: op.ne, np.less: op.lt, np.less_equal: op.le, np.greater: op.gt,
    np.greater_equal: op.ge, np.isnan: op.isnan, np.isinf: op.isinf, np.isfinite: op.isfinite,
    np.logical_and: op.logical_and, np.logical_or: op.logical_or, np.logical_not: op.logical_not,
}

FUNCTIONS = {
    np.sum: lambda a, axis=None, keepdims=False: op.sum(a, axis, keepdims),
    np.var: lambda a, axis=None, ddof=0, keepdims=False: op.var(a, axis, correction=ddof, keepdim=keepdims),
    np.std: lambda a, axis=None, ddof=0, keepdims=False: op.std(a, axis, correction=ddof, keepdim=keepdims),
    np.prod: lambda a, axis=None, keepdims=False: op.prod(a, axis, keepdims),
    np.cumsum: lambda a, axis: op.cumsum(a, axis),
    np.cumprod: lambda a, axis: op.cumprod(a, axis),
    np.clip: lambda a, a_min=None, a_max=None: op.clamp(a, a_min, a_max),
    np.argmax: lambda a, axis=None, keepdims=False: op.argmax(a, axis, keepdims),
    np.argmin: lambda a, axis=None, keepdims=False: op.argmin(a, axis, keepdims),
    np.any: lambda a, axis=None, keepdims=False: op.any(a, axis, keepdims),
    np.all: lambda a, axis=None, keepdims=False: op.all(a, axis, keepdims),
    np.isclose: lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: op.isclose(a, b, rtol, atol, equal_nan),
    np.allclose: lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: op.allclose(a, b, rtol, atol, equal_nan),
    np.mean: lambda a, axis=None, keepdims=False: op.mean(a, axis, keepdims),
    np.max: lambda a, axis=None, keepdims=False: op.amax(a, () if axis is None else axis, keepdims),
    np.min: lambda a, axis=None, keepdims=False: op.amin(a, () if axis is None else axis, keepdims),
    np.where: op.where,
    np.reshape: lambda a, shape: op.reshape(a, shape),
    np.transpose: lambda a, axes=None: op.permute(a, axes or tuple(range(a.ndim))[::-1]),
    np.swapaxes: op.transpose,
    np.moveaxis: op.movedim,
    np.broadcast_to: op.broadcast_to,
    np.expand_dims: op.unsqueeze,
    np.concatenate: lambda arrays, axis=0: op.cat(arrays, axis),
    np.stack: lambda arrays, axis=0: op.stack(arrays, axis),
    np.tril: op.tril,
    np.triu: op.triu,
    np.diagonal: op.diagonal,
    np.roll: op.roll,
    np.flip: lambda m, axis=None: op.flip(m, axis),
    np.take_along_axis: lambda arr, indices, axis: op.take_along_dim(arr, indices, axis),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a: a.numel(),
}


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    operation = UFUNCS.get(ufunc)
    if method != "__call__" or operation is None or kwargs:
        detail = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}") + ("(out=...)" if kwargs else "")
        raise TypeError(f"{detail} does not work on Tensors; use the tinymm function, or .detach().numpy()")
    return operation(*inputs)


def _array_function(self: Tensor, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    operation = FUNCTIONS.get(function)
    if operation is None:
        raise TypeError(f"np.{function.__name__} does not work on Tensors; use the tinymm function, or .detach().numpy()")
    return operation(*args, **kwargs)


MEMBERS: dict[str, Any] = {
    "to": to, "cpu": cpu, "cuda": cuda, "relu": op.relu_, "split": split, "where": where,
    "T": property(_reversed_axes), "mT": property(_matrix_transpose),
    "__array_ufunc__": _array_ufunc, "__array_function__": _array_function}


def attach() -> None:
    """Give Tensor its operators, methods and protocols; called once by the package."""
    for name, operation in OPERATORS.items():
        if operation.__module__ == __name__:   # made here; the others keep the names they are defined by
            operation.__name__, operation.__qualname__ = name, f"Tensor.{name}"
        setattr(Tensor, name, operation)
    for name in METHODS:
        setattr(Tensor, name, _find(name))
    for name, dtype in CONVERSIONS.items():
        setattr(Tensor, name, _cast_to(name, np.dtype(dtype)))
    for name, member in MEMBERS.items():
        setattr(Tensor, name, member)
        if getattr(member, "__module__", "") == __name__:
            member.__qualname__ = f"Tensor.{name}"
