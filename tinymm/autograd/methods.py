"""The operators and methods of Tensor: one table, name by name."""

from __future__ import annotations

import numpy as np

from . import elementwise as e
from . import indexing as i
from . import linalg as l
from . import reduction as r
from . import shape as s
from .tensor import Tensor, to


def _swapped(operation):
    def swapped(self, other):
        return operation(other, self)
    return swapped


def _in_place_or_new(operation, in_place):
    """``x += y`` changes x where no graph is concerned, and otherwise makes a new tensor."""
    def combine(self, other):
        from .state import state
        tracked = state.grad_enabled and (self._node is not None or isinstance(other, Tensor) and other._node is not None)
        if tracked and self.is_leaf and self._node is not None:
            self._check_in_place(in_place.__name__, f"x = x {operation.__name__} y")
        return operation(self, other) if tracked else in_place(self, other)
    return combine


OPERATORS = {
    "__add__": e.add_, "__radd__": _swapped(e.add_),           # x + y
    "__sub__": e.sub_, "__rsub__": _swapped(e.sub_),           # x - y
    "__mul__": e.mul, "__rmul__": _swapped(e.mul),             # x * y
    "__truediv__": e.true_div, "__rtruediv__": _swapped(e.true_div),          # x / y
    "__floordiv__": e.floor_divide, "__rfloordiv__": _swapped(e.floor_divide),   # x // y
    "__mod__": e.remainder, "__rmod__": _swapped(e.remainder),  # x % y
    "__pow__": e.pow, "__rpow__": _swapped(e.pow),             # x ** y
    "__matmul__": l.matmul, "__rmatmul__": _swapped(l.matmul),  # x @ y
    "__neg__": e.neg,                                          # -x
    "__abs__": e.abs,                                          # abs(x)
    "__invert__": e.logical_not,                               # ~mask
    "__getitem__": i.getitem,                                  # x[index]
    "__eq__": e.eq, "__ne__": e.ne, "__lt__": e.lt, "__le__": e.le, "__gt__": e.gt, "__ge__": e.ge,
    "__and__": e.bitwise_and, "__or__": e.bitwise_or, "__xor__": e.bitwise_xor,
    "__iadd__": _in_place_or_new(e.add_, Tensor.add_),         # x += y
    "__isub__": _in_place_or_new(e.sub_, Tensor.sub_),         # x -= y
    "__imul__": _in_place_or_new(e.mul, Tensor.mul_),          # x *= y
    "__itruediv__": _in_place_or_new(e.true_div, Tensor.div_),  # x /= y
}

METHODS = {
    module: names.split() for module, names in {
        e: "add sub mul div neg pow abs sign floor ceil round trunc square sqrt rsqrt reciprocal exp expm1 log log1p "
           "log2 log10 sin cos tan arctan tanh sigmoid logaddexp relu maximum minimum where remainder floor_divide "
           "eq ne lt le gt ge logical_and logical_or logical_xor logical_not isnan isinf isfinite",
        r: "sum mean var std amax amin argmax argmin logsumexp any all",
        s: "clone contiguous reshape flatten unflatten permute transpose movedim squeeze unsqueeze broadcast_to expand flip",
        i: "take_along_dim index_select",
        l: "matmul",
    }.items()
}


def _cast_to(dtype):
    return lambda self: to(self, dtype=dtype)


CONVERSIONS = {"float": "float32", "double": "float64", "half": "float16", "int": "int32", "long": "int64", "bool": "bool"}


# ---------------------------------------------------------------------- NumPy's protocols

UFUNCS = {
    np.add: e.add_, np.subtract: e.sub_, np.multiply: e.mul, np.true_divide: e.true_div, np.negative: e.neg,
    np.power: e.pow, np.absolute: e.abs, np.sign: e.sign, np.exp: e.exp, np.expm1: e.expm1, np.log: e.log,
    np.log1p: e.log1p, np.log2: e.log2, np.log10: e.log10, np.sin: e.sin, np.cos: e.cos, np.tan: e.tan,
    np.arctan: e.arctan, np.tanh: e.tanh, np.sqrt: e.sqrt, np.square: e.square, np.maximum: e.maximum,
    np.minimum: e.minimum, np.floor: e.floor, np.ceil: e.ceil, np.rint: e.round, np.trunc: e.trunc,
    np.floor_divide: e.floor_divide, np.remainder: e.remainder, np.logaddexp: e.logaddexp, np.reciprocal: e.reciprocal,
    np.matmul: l.matmul, np.equal: e.eq, np.not_equal: e.ne, np.less: e.lt, np.less_equal: e.le, np.greater: e.gt,
    np.greater_equal: e.ge, np.isnan: e.isnan, np.isinf: e.isinf, np.isfinite: e.isfinite,
    np.logical_and: e.logical_and, np.logical_or: e.logical_or, np.logical_not: e.logical_not,
}

FUNCTIONS = {
    np.sum: lambda a, axis=None, keepdims=False: r.sum(a, axis, keepdims),
    np.mean: lambda a, axis=None, keepdims=False: r.mean(a, axis, keepdims),
    np.max: lambda a, axis=None, keepdims=False: r.amax(a, () if axis is None else axis, keepdims),
    np.min: lambda a, axis=None, keepdims=False: r.amin(a, () if axis is None else axis, keepdims),
    np.where: e.where,
    np.reshape: lambda a, shape: s.reshape(a, shape),
    np.transpose: lambda a, axes=None: s.permute(a, axes or tuple(range(a.ndim))[::-1]),
    np.swapaxes: s.transpose,
    np.moveaxis: s.movedim,
    np.broadcast_to: s.broadcast_to,
    np.expand_dims: s.unsqueeze,
    np.concatenate: lambda arrays, axis=0: s.cat(arrays, axis),
    np.stack: lambda arrays, axis=0: s.stack(arrays, axis),
    np.flip: lambda m, axis=None: s.flip(m, axis),
    np.take_along_axis: lambda arr, indices, axis: i.take_along_dim(arr, indices, axis),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a: a.numel(),
}


def _array_ufunc(self, ufunc, method, *inputs, **kwargs):
    operation = UFUNCS.get(ufunc)
    if method != "__call__" or operation is None or kwargs:
        detail = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}") + ("(out=...)" if kwargs else "")
        raise TypeError(f"{detail} does not work on Tensors; use the tinymm function, or .detach().numpy()")
    return operation(*inputs)


def _array_function(self, function, types, args, kwargs):
    operation = FUNCTIONS.get(function)
    if operation is None:
        raise TypeError(f"np.{function.__name__} does not work on Tensors; use the tinymm function, or .detach().numpy()")
    return operation(*args, **kwargs)


def attach() -> None:
    """Give Tensor its operators, methods and protocols; called once by the package."""
    for name, operation in OPERATORS.items():
        setattr(Tensor, name, operation)
    for module, names in METHODS.items():
        for name in names:
            setattr(Tensor, name, getattr(module, name))
    for name, dtype in CONVERSIONS.items():
        setattr(Tensor, name, _cast_to(np.dtype(dtype)))
    Tensor.to = to
    Tensor.cpu = lambda self: to(self, device="cpu")
    Tensor.cuda = lambda self: to(self, device="cuda")
    Tensor.view = s.reshape
    Tensor.where = lambda self, condition, other: e.where(condition, self, other)
    Tensor.T = property(lambda self: s.permute(self, tuple(range(self.ndim))[::-1]))
    Tensor.mT = property(lambda self: s.transpose(self, -1, -2))
    Tensor.__array_ufunc__ = _array_ufunc
    Tensor.__array_function__ = _array_function
