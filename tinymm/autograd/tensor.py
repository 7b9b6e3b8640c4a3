"""Tensor: an array, and the node of the graph that made it.

The methods for arithmetic are attached in ``methods.py``, where they can be read as one table.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..backend.admission import HELD, admitted, held, number, refuse
from ..backend.arrays import Array, as_array, device_of, is_array, to_host
from .state import state

if TYPE_CHECKING:
    from .declared import TensorMethods   # what methods.py attaches, for editors
    from .kinds import DType, Number, Operand
else:
    TensorMethods = object

clock = itertools.count(1).__next__   # creation order of nodes and mutations: the topological order, for free

float32, float64, float16 = np.dtype("float32"), np.dtype("float64"), np.dtype("float16")
int64, int32, uint8 = np.dtype("int64"), np.dtype("int32"), np.dtype("uint8")
bool_ = np.dtype("bool")

_default_dtype: np.dtype = float32


def get_default_dtype() -> np.dtype:
    """The dtype of ``zeros``, ``randn`` and Python floats: float32 unless set otherwise."""
    return _default_dtype


def set_default_dtype(dtype: DType) -> None:
    """Set the dtype of ``zeros``, ``randn`` and Python floats: float32 or float64."""
    global _default_dtype
    if np.dtype(dtype) not in (float32, float64):
        raise TypeError(f"set_default_dtype: {np.dtype(dtype)} is not float32 or float64")
    _default_dtype = np.dtype(dtype)


class Version:
    """Counts in-place changes of one storage; shared by all its views."""

    count = 0          # how many changes
    changed_at = 0     # clock() of the last one
    changed_by = ""    # the operation that made it

    def bump(self, operation: str) -> None:
        self.count += 1
        self.changed_at = clock()
        self.changed_by = operation


class AccumulateGrad:
    """The node of a leaf: adds what arrives to ``leaf.grad``."""

    __slots__ = ("leaf", "seq", "hooks", "__weakref__")
    edges: tuple = ()
    hooks: list[Callable] | None
    name = "AccumulateGrad"

    def __init__(self, leaf: "Tensor"):
        self.leaf = weakref.ref(leaf)   # weak: a leaf and its node would be a cycle
        self.seq = clock()
        self.hooks = None


class Tensor(TensorMethods):
    """A multi-dimensional array that remembers how it was computed.

    Args:
        data: nested lists, numbers, a NumPy or CuPy array (not copied, unless its byte order is not the machine's), or
            another Tensor (shared, detached).
        requires_grad: record operations on it, so that ``backward`` fills ``grad``.

    Attributes:
        grad: Tensor of the same shape, dtype and device, or None; filled by ``backward`` for leaves.
        requires_grad: whether a gradient flows back to (or through) it.
        grad_fn: the graph node that made it; None for leaves.

    Raises:
        TypeError: requires_grad on integers or booleans; values that no Tensor holds (complex, objects, text, masked).
    """

    __slots__ = ("_data", "_node", "_version", "__dict__", "__weakref__")   # a lean object: a small graph is all overhead
    _data: Array
    _node: Any            # what computes the gradient: AccumulateGrad, a Function, a Primitive, ...; None without a gradient
    _version: Version | None
    _grad: "Tensor | None" = None   # on the class, so that an intermediate result does not pay for it
    name: str | None = None
    __hash__: Any = object.__hash__   # by identity, although == is element-wise

    def __init__(self, data: Any, requires_grad: bool = False):
        self._version = None
        if isinstance(data, Tensor):
            self._version = data._shared_version()
            data = data._data
        else:
            data = admitted(data) if is_array(data) else array_from(data)
        self._data = data
        self._node = None
        if requires_grad:
            self.requires_grad_(True)

    # ------------------------------------------------------------------ what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype:
        """NumPy dtype of the elements."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def device(self) -> str:
        """"cpu" or "cuda:N"."""
        return device_of(self._data)

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows back to (or through) the tensor; assigning is ``requires_grad_``."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Ask for a gradient (or stop asking), in place; for leaves.

        Gradient: none (nothing is computed).

        Args:
            requires_grad: True to ask.

        Returns:
            The tensor itself.

        Raises:
            TypeError: integers or booleans.
            RuntimeError: requires_grad=False for a result that has a graph.
        """
        if requires_grad:
            if self._data.dtype.kind != "f":
                raise TypeError(f"requires_grad: only floating-point tensors have gradients, this one is "
                                f"{self.dtype}; use .float() first")
            if self._node is None:
                self._node = AccumulateGrad(self)
        elif self.is_leaf:
            self._node = None
        else:
            raise RuntimeError("requires_grad: only a leaf can stop requiring gradients; use .detach() "
                               f"to get a copy of this result of {self._node.name} without its graph")
        return self

    @property
    def grad(self) -> "Tensor | None":
        """What ``backward`` has added up for this tensor, or None.

        Assigning takes None, or a Tensor of this tensor's shape, dtype and device, as in PyTorch: an optimiser's
        kernel reads as many numbers as the parameter has.

        Raises:
            TypeError: something else than a Tensor, or another dtype.
            ValueError: another shape.
            RuntimeError: another device, or the tensor itself.
        """
        return self._grad

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if value is None:
            self._grad = None
            return
        if not isinstance(value, Tensor):
            raise TypeError(f"grad: a gradient is a Tensor or None, got {type(value).__name__}; use tinymm.tensor(...)")
        if value is self:
            raise RuntimeError("grad: a tensor cannot be its own gradient; use .detach().clone()")
        if value.shape != self.shape:
            raise ValueError(f"grad: a tensor of shape {self.shape} cannot take a gradient of shape {value.shape}")
        if value.dtype != self.dtype:
            raise TypeError(f"grad: a tensor of {self.dtype} cannot take a gradient of {value.dtype}; "
                            f"use .to({self.dtype.name!r})")
        if value.device != self.device:
            raise RuntimeError(f"grad: a tensor on {self.device} cannot take a gradient on {value.device}; "
                               f"use .to({self.device!r})")
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def grad_fn(self) -> Any:
        """The Function that made this tensor, or None for a leaf."""
        return None if self.is_leaf else self._node

    @property
    def is_leaf(self) -> bool:
        """Made by the user rather than by an operation that recorded a graph."""
        return self._node is None or type(self._node) is AccumulateGrad

    def numel(self) -> int:
        """Number of elements.

        Gradient: none (the result is an int of Python).
        """
        return int(self._data.size)

    def dim(self) -> int:
        """Number of axes.

        Gradient: none (the result is an int of Python).
        """
        return self._data.ndim

    @overload
    def size(self, dim: None = None) -> tuple[int, ...]: ...
    @overload
    def size(self, dim: int) -> int: ...
    def size(self, dim: int | None = None) -> int | tuple[int, ...]:
        """The shape, or the length of one axis.

        Gradient: none (the result is a tuple or an int of Python).

        Args:
            dim: an axis; None for the whole shape.

        Returns:
            A tuple of integers, or an integer.

        Raises:
            IndexError: ``dim`` out of range.
        """
        return self._data.shape if dim is None else self._data.shape[dim]

    def element_size(self) -> int:
        """Bytes of one element.

        Gradient: none (the result is an int of Python).
        """
        return self._data.dtype.itemsize

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating-point one.

        Gradient: none (the result is a bool of Python).
        """
        return self._data.dtype.kind == "f"

    # ------------------------------------------------------------------ its values

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """A read-only view of the values (changing them behind the graph's back would spoil gradients).

        Gradient: none (the result is a NumPy array).

        Args:
            force: do without ``.detach().cpu()`` before.

        Returns:
            NumPy array of the shape and dtype of the tensor.

        Raises:
            RuntimeError: the tensor requires grad; use ``.detach().numpy()``.
            TypeError: the tensor is on a GPU; use ``.cpu().numpy()``.
        """
        if self._node is not None and not force:
            raise RuntimeError("numpy: this tensor requires grad; use .detach().numpy()")
        if not isinstance(self._data, np.ndarray) and not force:
            raise TypeError(f"numpy: this tensor is on {self.device}; use .cpu().numpy()")
        view = to_host(self._data).view()
        view.flags.writeable = False
        return view

    def item(self) -> Any:
        """The value of a one-element tensor as a Python number.

        Gradient: none (the result is a number of Python).

        Raises:
            ValueError: several elements, or none.
        """
        if self._data.size != 1:
            raise ValueError(f"item: only a tensor with one element is a number, this one has shape {self.shape}")
        return self._data.item()

    def tolist(self) -> Any:
        """Nested Python lists of the values.

        Gradient: none (the result is a list, or a number for a 0-d tensor).
        """
        return to_host(self._data).tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iub":
            raise TypeError(f"only an integer tensor is an index, this one is {self.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(f"bool: the truth of a tensor of shape {self.shape} is ambiguous; use .any() or .all()")
        return bool(self.item())

    def __len__(self) -> int:
        if self._data.ndim == 0:
            raise TypeError("len: a 0-d tensor has no length")
        return self._data.shape[0]

    def __contains__(self, value: Operand) -> bool:
        return bool((self._data == (value._data if isinstance(value, Tensor) else value)).any())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self._data.ndim == 0 and spec else repr(self)

    def __repr__(self) -> str:
        text = np.array2string(to_host(self._data), separator=", ", precision=4, prefix="tensor(")
        notes = [] if self.dtype in (float32, int64, bool_) else [f"dtype={self.dtype}"]
        if self.device != "cpu":
            notes.append(f"device={self.device!r}")
        if not self.is_leaf:
            notes.append(f"grad_fn=<{self._node.name}>")
        elif self.requires_grad:
            notes.append("requires_grad=True")
        return "tensor(" + ", ".join([text, *notes]) + ")"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tensor":
        if not self.is_leaf:
            raise RuntimeError("deepcopy: only a leaf can be copied with its graph left behind; "
                               "use .detach().clone()")
        copy = type(self).__new__(type(self))
        Tensor.__init__(copy, self._data.copy(), requires_grad=self.requires_grad)
        copy.grad = None if self.grad is None else Tensor(self.grad._data.copy())
        copy.name = self.name
        memo[id(self)] = copy
        return copy

    def __reduce_ex__(self, protocol):
        raise TypeError("a Tensor is not pickled; save it with tinymm.save (safetensors)")

    # ------------------------------------------------------------------ the graph

    def detach(self) -> "Tensor":
        """The same values (shared, with their version counter) without the graph.

        Gradient: none (it is cut off here).

        Returns:
            Tensor of the same shape and dtype.
        """
        return Tensor(self)

    @property
    def data(self) -> "Tensor":
        """Like ``detach()``."""
        return Tensor(self)

    @data.setter
    def data(self, value: Any) -> None:
        value = as_array(operand("data", value))
        if value.shape != self.shape:
            raise ValueError(f"data: a tensor of shape {self.shape} cannot take values of shape {value.shape}")
        if self._node is not None and value.dtype.kind != "f":
            raise TypeError(f"data: a tensor that requires grad holds floating-point values, these are {value.dtype}")
        self._data = value
        self._bump("data")

    def backward(self, gradient: "Tensor | None" = None, retain_graph: bool | None = None, create_graph: bool = False,
                 inputs: Tensor | Sequence[Tensor] | None = None) -> None:
        """Add d(self)/d(leaf), times ``gradient``, to the ``grad`` of every leaf.

        Gradient: differentiable itself with ``create_graph``.

        Args:
            gradient: the cotangent, of this tensor's shape; may be left out for one element (it is 1).
            retain_graph: keep the saved values for a second backward (default: same as ``create_graph``).
            create_graph: record the backward itself, for derivatives of derivatives.
            inputs: fill ``grad`` of these only, leaves or results.

        Returns:
            None.

        Raises:
            RuntimeError: no graph, a graph already freed, a saved value changed in place, ``inputs`` that are empty
                or do not require grad, or a hook that returned another shape or dtype.
            ValueError: a missing or ill-shaped ``gradient``.
        """
        from .engine import backward

        backward((self,), (gradient,), retain_graph, create_graph, inputs=inputs)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> _Handle:
        """Call ``hook(grad)`` whenever a gradient of this tensor is computed; what it returns replaces it.

        Gradient: as before, or what ``hook`` makes of it.

        Args:
            hook: Tensor -> Tensor of the same shape, dtype and device, or None to leave the gradient as it is. It
                must not change its argument in place: other tensors may have the same gradient.

        Returns:
            A handle with ``remove()``.

        Raises:
            RuntimeError: the tensor does not require grad.
            TypeError: ``hook`` cannot be called.
        """
        if not callable(hook):
            raise TypeError(f"register_hook: a hook is a function of the gradient, got {type(hook).__name__}")
        if self._node is None:
            raise RuntimeError("register_hook: this tensor does not require grad")
        return _Handle(self._node, hook)

    def retain_grad(self) -> None:
        """Keep ``grad`` for this non-leaf, too.

        Gradient: none (nothing is computed).

        Raises:
            RuntimeError: the tensor does not require grad.
        """
        if self._node is None:
            raise RuntimeError("retain_grad: this tensor does not require grad")
        if self.is_leaf or self._node.hooks and any(isinstance(h, _RetainGrad) for h in self._node.hooks):
            return
        _Handle(self._node, _RetainGrad(self))

    @property
    def retains_grad(self) -> bool:
        """Whether ``grad`` of this non-leaf will be kept."""
        return not self.is_leaf and any(isinstance(h, _RetainGrad) for h in self._node.hooks or ())

    # ------------------------------------------------------------------ changes in place

    def _shared_version(self) -> Version:
        if self._version is None:
            self._version = Version()
        return self._version

    def _bump(self, operation: str) -> None:
        self._shared_version().bump(operation)

    def _check_in_place(self, operation: str, instead: str) -> None:
        if self._node is not None and state.grad_enabled:
            raise RuntimeError(f"{operation}: this tensor is part of a graph, and changing it in place would spoil "
                               f"gradients; use {instead}, or wrap an update of parameters in `with no_grad():`")

    def __setitem__(self, index: Any, value: Operand) -> None:
        requires = isinstance(value, Tensor) and value._node is not None and state.grad_enabled
        if requires:
            raise RuntimeError("__setitem__: the value requires grad, and no gradient flows through an assignment; "
                               "use where(mask, a, b), x.index_put(indices, values) or x.scatter_add(dim, index, src)")
        self._check_in_place("__setitem__", "where(mask, a, b), x.index_put(indices, values) or "
                             "x.scatter_add(dim, index, src)")
        values = operand("__setitem__", value)
        try:
            self._data[raw_index(index)] = values
        except (IndexError, ValueError, TypeError, OverflowError) as error:
            raise _in_place_error("__setitem__", self._data, values, error) from None
        self._bump("__setitem__")

    def _in_place(self, operation: str, ufunc: np.ufunc, other: Operand, alpha: float | None = None) -> "Tensor":
        self._check_in_place(operation, f"x = x.{operation.strip('_')}(...)")
        change = operand(operation, other)
        if alpha is not None and alpha != 1:
            change = change * alpha
        try:
            ufunc(self._data, change, out=self._data, casting="same_kind")
        except (ValueError, TypeError, OverflowError) as error:
            raise _in_place_error(operation, self._data, change, error) from None
        self._bump(operation)
        return self

    def add_(self, other: Operand, *, alpha: float = 1) -> "Tensor":
        """self += alpha * other, in place (under ``no_grad`` for parameters).

        Gradient: none (a change in place of a tensor in a graph is refused).

        Args:
            other: Tensor or number that broadcasts to this shape and whose dtype fits.
            alpha: a number.

        Returns:
            The tensor itself.

        Raises:
            RuntimeError: the tensor is part of a graph.
            TypeError: a dtype that does not fit, e.g. fractions for integers.
            ValueError: a shape that does not broadcast.
        """
        return self._in_place("add_", np.add, other, alpha)

    def sub_(self, other: Operand, *, alpha: float = 1) -> "Tensor":
        """self -= alpha * other, in place.

        Gradient: none (a change in place of a tensor in a graph is refused).

        Args:
            other, alpha: as in ``add_``.

        Returns:
            The tensor itself.

        Raises:
            RuntimeError, TypeError, ValueError: as ``add_``.
        """
        return self._in_place("sub_", np.subtract, other, alpha)

    def mul_(self, other: Operand) -> "Tensor":
        """self *= other, in place.

        Gradient: none (a change in place of a tensor in a graph is refused).

        Args:
            other: as in ``add_``.

        Returns:
            The tensor itself.

        Raises:
            RuntimeError, TypeError, ValueError: as ``add_``.
        """
        return self._in_place("mul_", np.multiply, other)

    def div_(self, other: Operand, *, rounding_mode: str | None = None) -> "Tensor":
        """self /= other, in place.

        Gradient: none (a change in place of a tensor in a graph is refused).

        Args:
            other: as in ``add_``.
            rounding_mode: as in ``div``.

        Returns:
            The tensor itself.

        Raises:
            RuntimeError, ValueError: as ``add_``; ValueError also for another rounding_mode.
            TypeError: a tensor of integers, unless the quotient is rounded.
        """
        if rounding_mode is None:
            return self._in_place("div_", np.true_divide, other)
        self._check_in_place("div_", "x = x.div(...)")
        return self.copy_(self.detach().div(other, rounding_mode=rounding_mode))

    def zero_(self) -> "Tensor":
        """Fill with zeros, in place.

        Gradient: none (a change in place of a tensor in a graph is refused).

        Returns:
            The tensor itself.

        Raises:
            RuntimeError: the tensor is part of a graph.
        """
        return self.fill_(0)

    def fill_(self, value: Tensor | Number) -> "Tensor":
        """Fill with one value, in place.

        Gradient: none (a change in place of a tensor in a graph is refused).

        Args:
            value: a number, or a Tensor with one element.

        Returns:
            The tensor itself.

        Raises:
            RuntimeError: the tensor is part of a graph.
        """
        self._check_in_place("fill_", "full_like(x, value)")
        filling = value.item() if isinstance(value, Tensor) else operand("fill_", value)
        try:
            self._data.fill(filling)
        except (ValueError, TypeError, OverflowError) as error:
            raise _in_place_error("fill_", self._data, filling, error) from None
        self._bump("fill_")
        return self

    def copy_(self, src: Operand, non_blocking: bool = False) -> "Tensor":
        """Take the values of ``src``, in place.

        Gradient: none (a change in place of a tensor in a graph is refused).

        Args:
            src: Tensor, array or number that broadcasts to this shape; it takes this dtype.
            non_blocking: PyTorch's hint for speed; without effect here.

        Returns:
            The tensor itself.

        Raises:
            RuntimeError: the tensor is part of a graph.
            ValueError: a shape that does not broadcast.
        """
        self._check_in_place("copy_", "src.clone()")
        values = operand("copy_", src)
        try:
            self._data[...] = values
        except (ValueError, OverflowError) as error:
            raise _in_place_error("copy_", self._data, values, error) from None
        self._bump("copy_")
        return self

    # ------------------------------------------------------------------ NumPy's protocols

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self.numpy() if self._node is None else None
        if values is None:
            raise RuntimeError("np.asarray: this tensor requires grad; use .detach().numpy()")
        return values if dtype is None or dtype == values.dtype else values.astype(dtype)


class _RetainGrad:
    """The hook that keeps a non-leaf's gradient."""

    def __init__(self, tensor: Tensor):
        self.tensor = weakref.ref(tensor)

    def __call__(self, grad: Tensor) -> None:
        tensor = self.tensor()
        if tensor is not None:
            keep_grad(tensor, grad)


def keep_grad(tensor: Tensor, grad: Tensor) -> None:
    """Add ``grad`` to the ``grad`` of a result, which owns what it keeps."""
    kept = Tensor(grad._data.copy()) if grad._node is None else grad.clone()
    tensor._grad = kept if tensor._grad is None else tensor._grad + kept


class _Handle:
    """What ``register_hook`` returns."""

    def __init__(self, node: Any, hook: Callable):
        self.node, self.hook = node, hook
        node.hooks = [*(node.hooks or ()), hook]

    def remove(self) -> None:
        """Stop calling the hook."""
        self.node.hooks = [h for h in self.node.hooks or () if h is not self.hook] or None


_new = Tensor.__new__


def wrap(array: Array, node: Any = None) -> Tensor:
    """A Tensor around an array, made as cheaply as Python can."""
    t = _new(Tensor)
    t._data = array if type(array) is np.ndarray else as_array(array)
    t._node = node
    t._version = None
    return t


def array_from(data: Any, dtype: DType = None, operation: str = "tensor") -> np.ndarray:
    """A fresh array from Python data: floats become the default dtype; a dtype of NumPy's or a Tensor's stays."""
    first = _first(data)
    strong = isinstance(first, (np.generic, Tensor)) or is_array(first)
    try:
        data, kind = _without_tensors(data), type(data).__name__
        array = np.array(data)
        if array.dtype.char not in HELD:   # before the dtype asked for: NumPy makes numbers of strings, and NaN of None
            refuse(operation, array.dtype, kind)
        dtype = None if dtype is None else held(dtype, operation)
        if dtype is not None and array.dtype != dtype:
            array = np.array(data, dtype=dtype)
    except ValueError as error:
        raise ValueError(f"{operation}: the nested lists are ragged or not numbers ({error})") from None
    except OverflowError as error:
        raise ValueError(f"{operation}: an integer does not fit {np.dtype(dtype or int64)} ({error})") from None
    if dtype is None and array.dtype == float64:
        array = array.astype(first.dtype if strong and first.dtype.kind == "f" else _default_dtype)
    return admitted(array)


def operand(operation: str, value: Any) -> Any:
    """What an operation computes with beside a Tensor: an array, or a Python number, which is weak.

    Raises:
        TypeError: something that no Tensor holds; the message names the operation.
    """
    if isinstance(value, Tensor):
        return value._data
    if isinstance(value, (bool, int, float)) and not isinstance(value, np.generic):
        return value
    if is_array(value):
        return admitted(value, operation)
    found = number(value)
    return found if isinstance(found, (bool, int, float)) else array_from(value, operation=operation)


def _in_place_error(operation: str, array: Array, values: Any, error: Exception) -> Exception:
    """What to raise where NumPy could not write ``values`` into ``array``."""
    if not array.flags.writeable:
        return RuntimeError(f"{operation}: the memory of this tensor of shape {array.shape} cannot be written to: it is read-only, "
                            "or several elements share it, as expand makes them; use .clone() first")
    if isinstance(error, TypeError):
        return TypeError(f"{operation}: a tensor of {array.dtype} cannot take {getattr(values, 'dtype', type(values).__name__)} "
                         f"values in place ({error}); convert one of them, .float() or .long()")
    kind = ValueError if isinstance(error, OverflowError) else type(error)
    return kind(f"{operation}: {error} (the tensor has shape {array.shape} and dtype {array.dtype}, the values shape "
                f"{np.shape(values)})")


def _first(data: Any) -> Any:
    """The first number in nested lists."""
    return _first(data[0]) if isinstance(data, (list, tuple)) and data else data


def _without_tensors(data: Any) -> Any:
    """Nested lists with arrays in the place of Tensors."""
    if isinstance(data, Tensor):
        return to_host(data._data)
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], (Tensor, list, tuple)):
        return [_without_tensors(item) for item in data]
    return data


def raw_index(index: Any) -> Any:
    """An index with the arrays of its Tensors in their place."""
    if isinstance(index, Tensor):
        return index._data
    if isinstance(index, tuple):
        return tuple(item._data if isinstance(item, Tensor) else item for item in index)
    if isinstance(index, list):
        return [item._data if isinstance(item, Tensor) else item for item in index]
    return index
