"""What makes an element-wise operation of a function and its derivatives: ``unary`` and ``binary``.

These two are the hot path of a small graph: a node, a result and nothing else are made, and what can be decided once
for an operation is decided outside of the function that runs. Broadcasting is undone in one place, ``unbroadcast``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from ..backend.admission import admitted, number
from ..backend.arrays import Array, as_array, is_array
from ..backend.sums import total
from . import docstrings
from .casting import cast
from .docstrings import publish
from .function import FREED, check_finite, checksum, raise_freed, raise_mutated
from .kinds import Binary, Operand, Unary
from .state import ANOMALY, CHECKSUM, RECORD, state
from .tensor import Tensor, Version, clock, get_default_dtype, wrap

_new = Tensor.__new__
_ndarray = np.ndarray


class _Elementwise:
    """What the nodes of all element-wise operations have in common."""

    __slots__ = ("edges", "seq", "saved", "out", "version", "__dict__", "__weakref__")
    name: str
    foreign = False   # these three are on the class, so that a node without them does not pay for them
    hooks = None
    fix: Any = None   # shapes, dtypes and checksums, where broadcasting or casting has to be undone

    def _check_checksums(self, tensors) -> None:
        if [checksum(t._data) for t in tensors if isinstance(t, Tensor)] != self.fix[-1]:
            raise RuntimeError(f"{self.name}: the array of a tensor kept for the backward pass was changed outside "
                               "the engine")


def checksums_of(tensors: Iterable) -> list[int] | None:
    """Checksums of the arrays of the Tensors given, where ``detect_mutation`` asks for them."""
    return [checksum(t._data) for t in tensors if isinstance(t, Tensor)] if state.checksum_saved else None


def unbroadcast(g: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
    """Sum a gradient over the axes along which its argument was broadcast, so that it has ``shape`` again."""
    if g.shape != shape:
        extra = g.ndim - len(shape)
        axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1)
        if axes:
            g = total(g, axes, keepdims=True)
        if g.shape != shape:
            g = g.reshape(shape) if g.size != 0 or 0 in shape else g
        if g.shape != shape:   # a formula that did not mention the other, larger argument
            g = np.broadcast_to(g, shape)
    if dtype is not None and g.dtype != dtype:
        g = g.astype(dtype) if not isinstance(g, Tensor) else cast(g, dtype)
    return g


def promote(x: Array, y: Array) -> tuple[Array, Array]:
    """Two arrays in PyTorch's common dtype: floats beat integers, wider beats narrower, 0-d arrays are weak."""
    kinds = "biuf"
    a, b = x.dtype, y.dtype
    rank_a, rank_b = kinds.index(a.kind) or 0, kinds.index(b.kind) or 0
    rank_a, rank_b = (1 if rank_a == 2 else rank_a), (1 if rank_b == 2 else rank_b)
    if rank_a != rank_b:
        common = a if rank_a > rank_b else b
    elif (x.ndim == 0) != (y.ndim == 0):
        common = b if x.ndim == 0 else a
    else:
        common = np.promote_types(a, b)
    return (x if a == common else x.astype(common)), (y if b == common else y.astype(common))


def scalar(value: Any) -> Any:
    """A weak Python number from a number or a NumPy scalar; None if ``value`` is neither."""
    if isinstance(value, np.generic):   # before float: np.float64 is one, and would not be weak
        value = number(value)
    return value if isinstance(value, (bool, int, float)) else None


def fitted(value: Any, beside: Any) -> Any:
    """A Python integer as a number of the integer dtype of the array beside it, wrapped around as in PyTorch; else itself."""
    if type(value) is not int or beside.dtype.kind not in "iu":
        return value
    bits = np.iinfo(beside.dtype).bits
    return beside.dtype.type(np.uint64(value % 2**bits).astype(beside.dtype))


def operand_error(name: str, value) -> NoReturn:
    raise TypeError(f"{name}: cannot compute with a {type(value).__name__}; give a Tensor or a number "
                    "(tinymm.tensor(x) makes a Tensor of lists and arrays)")


def shape_error(name: str, a, b, error) -> NoReturn:
    shapes = np.shape(a), np.shape(b)
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        pass
    else:   # the shapes are not what is wrong
        raise ValueError(f"{name}: {error}") from error
    raise ValueError(f"{name}: shapes {shapes[0]} and {shapes[1]} do not broadcast: from the right, axes must be equal "
                     "or 1; insert axes with unsqueeze(dim)") from error


def unary(name: str, function: Callable, derivative: Callable, keep: str, formula: str, gradient: str, edges: str = "",
          integers: bool = False) -> Unary:
    """Make an element-wise operation of one argument.

    Args:
        name: PyTorch's name for it.
        function: array -> array.
        derivative: (g, x, y) -> dL/dx, written where the operation is to be found (a lambda on the line of its name).
        keep: what the derivative reads: "x", "y", "xy" or "".
        formula, gradient, edges: for people; see ``docstrings.of_unary``.
        integers: whether integer arrays stay integers (otherwise they become the default float).
    """
    keep_x, keep_y, keeps = "x" in keep, "y" in keep, bool(keep)

    def pull(self, g, graph=False, retain=True):
        x = self.saved
        if x is FREED:
            raise_freed(self)
        y = None
        if keep_x:
            version = x._version
            if version is not None and version.changed_at > self.seq:
                raise_mutated(self, x.shape, version)
            if self.fix is not None:
                self._check_checksums((x,))
            if not graph:
                x = x._data
        if keep_y:
            if self.version.changed_at > self.seq:
                raise_mutated(self, self.out.shape, self.version)
            y = wrap(self.out, self) if graph else self.out
        if not retain and keeps:   # a node that kept nothing can be used again
            self.saved = FREED
            if keep_y:
                self.out = None
        return (derivative(g, x, y),)

    Node = type(name, (_Elementwise,), {"__slots__": (), "name": name, "pull": pull})

    def op(input: Operand) -> Tensor:
        if not isinstance(input, Tensor):
            input = tensor_argument(name, input)
        x = input._data
        if x.dtype.kind != "f" and not integers:
            x = x.astype(get_default_dtype())
        array = function(x)
        out = _new(Tensor)
        out._data = array if type(array) is _ndarray else as_array(array)
        out._version = None
        edge = input._node
        flags = state.flags
        if edge is not None and flags & RECORD:
            out._node = node = Node()
            node.edges = (edge,)
            node.saved = input if keep_x else None
            node.seq = clock()
            if keep_y:
                node.out = out._data
                node.version = out._version = Version()
            if flags & CHECKSUM and keep_x:
                node.fix = (checksums_of((input,)),)
        else:
            out._node = None
        if flags & ANOMALY:
            check_finite(name, "forward", out._data)
        return out

    return publish(op, name, docstrings.of_unary(formula, gradient, edges, integers), derivative)


def binary(name: str, function: Callable, derivative_a: Callable, derivative_b: Callable, keep: str, formula: str,
           gradient: tuple[str, str], edges: str = "", integers: bool = True) -> Binary:
    """Make a broadcasting element-wise operation of two arguments.

    Args:
        derivative_a: (g, a, b, y) -> dL/da, of the shape of y; likewise derivative_b.
        keep: which of a, b and y the two derivatives read: "b|a" for a product.
        formula, gradient, edges: for people; see ``docstrings.of_binary``.
    """
    def kept(reads: str) -> tuple[bool, bool, bool]:
        return "a" in reads, "b" in reads, "y" in reads

    for_both, (for_a, for_b) = kept(keep), map(kept, keep.split("|"))
    keeps, reads_y = keep != "|", "y" in keep

    def pull(self, g, graph=False, retain=True):
        saved = self.saved
        a = b = y = None
        if saved is not None:
            if saved is FREED:
                raise_freed(self)
            a, b = saved
            if isinstance(a, Tensor):
                version = a._version
                if version is not None and version.changed_at > self.seq:
                    raise_mutated(self, a.shape, version)
                if not graph:
                    a = a._data
            if isinstance(b, Tensor):
                version = b._version
                if version is not None and version.changed_at > self.seq:
                    raise_mutated(self, b.shape, version)
                if not graph:
                    b = b._data
        if reads_y and self.out is not None:
            if self.version.changed_at > self.seq:
                raise_mutated(self, self.out.shape, self.version)
            y = wrap(self.out, self) if graph else self.out
        if not retain and keeps:   # a node that kept nothing can be used again
            self.saved = FREED
            if reads_y:
                self.out = None
        edge_a, edge_b = self.edges
        ga = derivative_a(g, a, b, y) if edge_a is not None else None
        gb = derivative_b(g, a, b, y) if edge_b is not None else None
        fix = self.fix
        if fix is not None:
            shape_a, dtype_a, shape_b, dtype_b, checksums = fix
            if checksums is not None:
                self._check_checksums(saved or ())
            if ga is not None:
                ga = unbroadcast(ga, shape_a, dtype_a)
            if gb is not None:
                gb = unbroadcast(gb, shape_b, dtype_b)
        return (ga, gb)

    Node = type(name, (_Elementwise,), {"__slots__": (), "name": name, "pull": pull})

    def op(input: Operand, other: Operand) -> Tensor:
        x: Any
        y: Any
        if isinstance(input, Tensor):
            x, edge_a = input._data, input._node
            if isinstance(other, Tensor):
                y, edge_b = other._data, other._node
                if x.dtype is y.dtype:
                    same = x.shape == y.shape
                else:
                    same = False
                    x, y = promote(x, y)
            else:
                edge_b, same = None, True
                y = scalar(other)
                if y is None:
                    return op(input, tensor_argument(name, other))
                other = y
                if x.dtype.kind != "f" and isinstance(y, float):
                    x = x.astype(get_default_dtype())
        elif isinstance(other, Tensor):
            x = scalar(input)
            if x is None:
                return op(tensor_argument(name, input), other)
            input, edge_a, same = x, None, True
            y, edge_b = other._data, other._node
            if y.dtype.kind != "f" and isinstance(x, float):
                y = y.astype(get_default_dtype())
        else:
            return op(tensor_argument(name, input), other)
        if not integers and (x if is_array(x) else y).dtype.kind != "f":
            x, y = (v.astype(get_default_dtype()) if is_array(v) else v for v in (x, y))
        try:
            array = function(x, y)
        except ValueError as error:
            shape_error(name, x, y, error)
        except OverflowError:   # a Python integer that the dtype cannot hold
            array = function(fitted(x, y), fitted(y, x))
        out = _new(Tensor)
        out._data = array if type(array) is _ndarray else as_array(array)
        out._version = None
        flags = state.flags
        if (edge_a is not None or edge_b is not None) and flags & RECORD:
            out._node = node = Node()
            node.edges = (edge_a, edge_b)
            keep_a, keep_b, keep_y = for_b if edge_a is None else for_a if edge_b is None else for_both
            node.saved = (input if keep_a else None, other if keep_b else None) if keep_a or keep_b else None
            node.seq = clock()
            if not same or flags & CHECKSUM:
                node.fix = (*_like(input), *_like(other), checksums_of(node.saved or ()))
            if keep_y:
                node.out = out._data
                node.version = out._version = Version()
            elif reads_y:
                node.out = None
        else:
            out._node = None
        if flags & ANOMALY:
            check_finite(name, "forward", out._data)
        return out

    parameters = op.__code__.co_varnames[:2]
    return publish(op, name, docstrings.of_binary(formula, gradient, edges, integers, parameters), derivative_a)


def _like(value: Any) -> tuple:
    return (value._data.shape, value._data.dtype) if isinstance(value, Tensor) else (None, None)


def tensor_argument(name: str, value: Any) -> Tensor:
    if is_array(value):
        return Tensor(admitted(value, name))
    if scalar(value) is not None:
        return Tensor(value)
    operand_error(name, value)


def raw(value: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return value._data if isinstance(value, Tensor) else admitted(value) if is_array(value) else value
