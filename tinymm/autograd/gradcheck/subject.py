"""What is checked: a function with its inputs, or a Module or model with its parameters, held in float64.

A Subject is a context. Inside it every floating-point input, parameter and buffer is float64 and the default dtype is
float64; random streams and buffers go back to where they were before each call, so that dropout drops the same units
and running statistics do not drift. On leaving it everything is as it was found.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...backend import random
from ...backend.arrays import Array, is_array, to_host, xp_of
from ..engine import grad
from ..function import Function
from ..place import place_of, place_of_error
from ..tensor import Tensor, get_default_dtype, set_default_dtype


class Leaf:
    """One thing to differentiate by: an input or a parameter.

    Attributes:
        name: what the report calls it.
        tensor: the leaf Tensor that the function sees.
        base: its values, a float64 array that nobody writes to.
    """

    def __init__(self, name: str, tensor: Tensor, base: np.ndarray):
        self.name, self.tensor, self.base = name, tensor, base
        self.xp = xp_of(tensor._data)

    def put(self, array) -> None:
        """Make the tensor hold a copy of ``array``."""
        self.tensor._data = self.xp.array(array)


class Line:
    """The straight line x + t u through the point, moving one leaf."""

    def __init__(self, subject: Subject, leaf: Leaf, index: int | None = None, direction: Any = None):
        self.subject, self.leaf, self.index, self.direction = subject, leaf, index, direction
        here = 0.0 if index is None else abs(float(leaf.base.flat[index]))
        self.unit = max(1.0, here)   # steps are relative to large values
        self.small = here or float(np.max(np.abs(leaf.base), initial=0.0, where=np.isfinite(leaf.base)))   # to tiny ones, too

    def pair(self, h: float):
        """Outputs at t = h and t = -h, and the distance between the two points."""
        if self.index is None:
            u = h * self.unit * self.direction
            return self.at(self.leaf.base + u), self.at(self.leaf.base - u), 2 * h * self.unit
        plus, minus = self.leaf.base.copy(), self.leaf.base.copy()
        plus.flat[self.index] += h * self.unit
        minus.flat[self.index] -= h * self.unit
        return self.at(plus), self.at(minus), float(plus.flat[self.index] - minus.flat[self.index])   # as rounded

    def at(self, array):
        return self.subject.values_near(self.leaf, array)

    def slope(self, gradients) -> np.ndarray:
        """What the gradients (a list, one for each cotangent) say of the slope along this line."""
        if self.index is not None:
            return np.array([float(g.flat[self.index]) for g in gradients])
        moved = self.direction != 0
        return np.array([float((g[moved] * self.direction[moved]).sum()) for g in gradients])


class Subject:
    """A function with its inputs and parameters; see the module.

    Args: those of ``gradcheck``; ``writes`` names the inputs that the function is meant to change.
    """

    def __init__(self, func, inputs=(), parameters=None, names=None, writes=()):
        self.func, self.notes, self.writes = func, [], tuple(writes)
        if isinstance(inputs, Tensor) or is_array(inputs):
            inputs = (inputs,)
        if parameters is None and hasattr(func, "named_parameters"):
            parameters = func
        self.module = parameters if hasattr(parameters, "named_buffers") else None
        self.leaves: list[Leaf] = []
        self.fixed: list[tuple[str, Tensor, np.ndarray]] = []   # inputs that are not differentiated
        marked = any(t.requires_grad for t in _tensors(inputs))
        labels = list(names) if names is not None else argument_names(func, len(inputs))
        if len(labels) < len(inputs):
            raise ValueError(f"gradcheck: {len(labels)} names for {len(inputs)} inputs")
        self.args = tuple(self._convert(v, str(label), marked) for v, label in zip(inputs, labels))
        self._parameters = list(_named(parameters))
        self.draws = False
        self._streams = random.state_dict()
        self._default = get_default_dtype()

    def _convert(self, value: Any, name: str, marked: bool) -> Any:
        """An input as the function shall see it: floats as float64 leaves, other arrays as Tensors, the rest as is."""
        if isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) or is_array(v) for v in _flat(value)):
            parts = [self._convert(v, f"{name}[{i}]", marked) for i, v in enumerate(value)]
            return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
        if not (isinstance(value, Tensor) or is_array(value)):
            return value
        data: Array = value._data if isinstance(value, Tensor) else value
        if data.dtype.kind == "f" and data.dtype.itemsize != 8:
            self.notes.append(f"{name} is {data.dtype}; it was checked in float64")
        tensor = Tensor(data.astype("float64") if data.dtype.kind == "f" else data.copy())
        base = np.array(to_host(tensor._data))
        if data.dtype.kind == "f" and (not marked or isinstance(value, Tensor) and value.requires_grad):
            tensor.requires_grad_()
            self.leaves.append(Leaf(name, tensor, base))
        else:
            self.fixed.append((name, tensor, base))
        return tensor

    # ------------------------------------------------------------------ entering and leaving

    def __enter__(self) -> Subject:
        set_default_dtype("float64")
        self._restore = []
        for name, tensor in self._parameters:
            self._restore.append((tensor, tensor._data))
            if tensor.requires_grad and not any(leaf.tensor is tensor for leaf in self.leaves):
                if tensor.dtype != np.float64 and "parameters were checked in float64" not in self.notes:
                    self.notes.append("parameters were checked in float64")
                base = np.array(to_host(tensor._data), dtype=np.float64)
                self.leaves.append(Leaf(name, tensor, base))
        self.buffers = [] if self.module is None else \
            [(t, to_host(t._data)) for _, t in self.module.named_buffers() if t is not None]
        self._restore += [(t, t._data) for t, _ in self.buffers]
        if not self.leaves:
            self.__exit__()
            raise ValueError("gradcheck: nothing to differentiate by; give a floating-point input (a Tensor or a NumPy "
                             "array: Python numbers are passed through), or parameters= for a model inside a closure")
        self.cast("float64")
        return self

    def __exit__(self, *exc) -> None:
        for tensor, data in self._restore:
            tensor._data = data
        set_default_dtype(self._default)
        random.load_state_dict(self._streams)

    def cast(self, dtype, bases=None) -> None:
        """Give every leaf its values (or ``bases``), and every fixed input and buffer its own, in ``dtype``."""
        set_default_dtype(dtype)
        self.dtype = np.dtype(dtype)
        for i, leaf in enumerate(self.leaves):
            leaf.put((leaf.base if bases is None else bases[i]).astype(dtype))
        for _, tensor, base in self.fixed:
            tensor._data = xp_of(tensor._data).array(base.astype(dtype) if base.dtype.kind == "f" else base)

    # ------------------------------------------------------------------ calling

    def rewind(self) -> None:
        """Streams and buffers as before the first call."""
        if self.draws:
            random.load_state_dict(self._streams)
        for name, tensor, base in self.fixed:
            if name in self.writes:
                dtype = self.dtype if base.dtype.kind == "f" else base.dtype
                tensor._data = xp_of(tensor._data).array(base, dtype=dtype)
        for tensor, data in self.buffers:
            tensor._data = xp_of(tensor._data).array(data, dtype=self.dtype if data.dtype.kind == "f" else data.dtype)

    def call(self, graph: bool = True) -> list[Tensor]:
        """The floating-point outputs at the present values. ``graph`` tells that they will be differentiated."""
        self.rewind()
        return outputs_of(self.func(*self.args), self.func)

    def first_call(self) -> list[Tensor]:
        """``call``, noting whether random numbers are drawn and which outputs count."""
        outputs = self.call()
        self.draws = random.state_dict() != self._streams
        if self.draws:
            self.notes.append("random numbers are drawn; every evaluation draws the same ones")
        self.live = [i for i, o in enumerate(outputs) if o.requires_grad] or list(range(len(outputs)))
        for i in range(len(outputs)):
            if i not in self.live:
                self.notes.append(f"output {i} does not require grad and was left out")
        self.connected = bool(outputs) and outputs[self.live[0]].requires_grad
        coarsest = max((outputs[i].dtype for i in self.live), key=lambda dtype: np.finfo(dtype).eps, default=np.dtype("float64"))
        self.unit = float(np.finfo(coarsest).eps)   # the rounding of the outputs
        self.coarse = coarsest.itemsize < 8
        if self.coarse:
            self.notes.append(f"an output is {coarsest} although every input is float64: the check is as coarse as that")
        self.shapes = [outputs[i].shape for i in self.live]
        return outputs

    def flat(self, outputs) -> np.ndarray:
        """The outputs that count, as one float64 vector (M,)."""
        parts = [np.asarray(to_host(outputs[i]._data), dtype=np.float64).reshape(-1) for i in self.live]
        return np.concatenate(parts) if parts else np.zeros(0)

    def values_near(self, leaf: Leaf, array) -> np.ndarray:
        """The outputs with ``array`` in the place of one leaf; NaN where the function refuses it."""
        leaf.put(array)
        try:
            outputs = self.call(graph=False)
            if [outputs[i].shape for i in self.live] == self.shapes:
                return self.flat(outputs)
        except (ValueError, ArithmeticError, IndexError) as error:   # outside the domain
            self.notes.append(f"near the point the function raised {type(error).__name__}: {error}{place_of_error(error)}")
        finally:
            leaf.put(leaf.base)
        return np.full(sum(int(np.prod(s)) for s in self.shapes), np.nan)

    def backward(self, outputs, cotangent, retain: bool = False, leaves=None, layout=None) -> list:
        """Gradients (host arrays, None where nothing arrived) of <cotangent (M,), outputs> for each leaf.

        Args:
            layout: what to do to each cotangent array before it is handed over.
        """
        leaves = self.leaves if leaves is None else leaves
        pairs, start = [], 0
        for i, shape in zip(self.live, self.shapes):
            n = int(np.prod(shape))
            part = cotangent[start:start + n].reshape(shape).astype(outputs[i].dtype)
            start += n
            if outputs[i].requires_grad:
                part = part if layout is None else layout(part)
                pairs.append((outputs[i], Tensor(xp_of(outputs[i]._data).asarray(part))))
        if not pairs:
            return [None] * len(leaves)
        found = grad([o for o, _ in pairs], [leaf.tensor for leaf in leaves], [c for _, c in pairs],
                     retain_graph=retain, allow_unused=True)
        self.handed = [c for _, c in pairs]
        return [None if g is None else np.array(to_host(g._data)) for g in found]

    def line(self, leaf: Leaf, index: int | None = None, direction=None) -> Line:
        """The line through the point along one element, or along ``direction``, of one leaf."""
        return Line(self, leaf, index, direction)

    def mutated(self) -> list[str]:
        """Names of the inputs whose values are no longer what they were."""
        same = lambda a, b: np.array_equal(to_host(a), b, equal_nan=b.dtype.kind == "f")
        return [leaf.name for leaf in self.leaves if not same(leaf.tensor._data, leaf.base)] + \
            [name for name, tensor, base in self.fixed
             if name not in self.writes and not same(tensor._data, base)]


def outputs_of(result, func=None) -> list[Tensor]:
    """The floating-point Tensors in a result, flattened.

    Raises:
        TypeError: there is none, and what stands in its place (None, a Python float, an array) carries no gradient.
    """
    found, leaves = _outputs(result), list(_leaves(result))
    other = next((v for v in leaves if not isinstance(v, Tensor)), None)
    if not found and not (leaves and all(isinstance(v, Tensor) for v in leaves)):   # Tensors of integers: the caller's
        words = {"NoneType": "None (is there a `return`?)", "float": "a Python float", "float64": "a NumPy number",
                 "ndarray": "a NumPy array", "int": "a Python int"}
        what = words.get(type(other).__name__, type(other).__name__)
        inside = f"a {type(result).__name__} of " if isinstance(result, (list, tuple, dict)) else ""
        what = what if leaves else "nothing"
        raise TypeError(f"gradcheck: {getattr(func, '__name__', 'the function')} returned {inside}{what}, which carries no "
                        "gradient; return a Tensor (or a tuple, list or dictionary of them) computed by Tensor operations; "
                        f"a computation in NumPy becomes a Function with forward and backward{place_of(func)}")
    return found


def _outputs(result) -> list[Tensor]:
    return [t for t in _leaves(result) if isinstance(t, Tensor) and t.dtype.kind == "f"]


def _leaves(result):
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        for part in result:
            yield from _leaves(part)
    else:
        yield result


def argument_names(func, count: int) -> list[str]:
    """Names for ``count`` positional arguments: from the signature, else "input 0", "input 1", ..."""
    owner = getattr(func, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, Function):
        func = owner.forward.__get__(object())
    elif hasattr(func, "named_parameters") and hasattr(func, "forward"):
        func = func.forward
    names: list[str] = []
    try:
        for p in inspect.signature(func).parameters.values():
            if p.kind is p.VAR_POSITIONAL:
                names += [f"{p.name}[{i}]" for i in range(count - len(names))]
            elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
                names.append(p.name)
    except (TypeError, ValueError):
        pass
    return [names[i] if i < len(names) else f"input {i}" for i in range(count)]


def _named(parameters: Any) -> Iterator[tuple[str, Tensor]]:
    """(name, Tensor) pairs from a Module, a mapping, or an iterable of Tensors or pairs."""
    if parameters is None:
        return
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    if hasattr(parameters, "named_parameters"):
        parameters = parameters.named_parameters()
    elif hasattr(parameters, "items"):
        parameters = parameters.items()
    for i, item in enumerate(parameters):
        yield (item.name or f"parameter {i}", item) if isinstance(item, Tensor) else item


def _flat(value):
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def _tensors(inputs):
    return [v for v in _flat(list(inputs)) if isinstance(v, Tensor)]
