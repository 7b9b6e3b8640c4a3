"""Whether what a changed call returned may be returned.

A call that raises an exception of ours is refused, and that is always accepted. One that returns has to agree with

* the definition: the same call with every fused operation replaced by its ``definition`` and no compiled kernel (Tensor
  primitives on NumPy arrays, which check every index); shape, values and gradients;
* PyTorch's function of the same name, where there is one and PyTorch is installed: it returns, too, and the same.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any, NamedTuple

import numpy as np

import tinymm
from tests.fuzzing.guard import copied
from tinymm import Tensor
from tinymm.autograd.function import Function
from tinymm.autograd.registry import Fixed
from tinymm.backend.jit import use_kernels

OURS = (ValueError, TypeError, IndexError, RuntimeError, NotImplementedError, ZeroDivisionError)
PYTHONS = re.compile(r"'(NoneType|str|bool|int|float|complex|tuple|list|dict|object)' object has no attribute|"
                     ".*too large to convert")
NAMED = re.compile(r"^[\w.]+( [\w.]+)?(\(\))?( \(.*?\))?(:| got | missing | takes )")   # "linear: ...", "f() got an unexpected ..."


class Outcome(NamedTuple):
    """What a call gave: an exception, or its values and the gradients of its inputs."""

    error: BaseException | None
    values: list
    grads: list


def ours(call, args, kwargs) -> Outcome:
    """Forward and, where something requires grad, backward."""
    inputs: list[Tensor] = []
    try:
        with np.errstate(all="ignore"):
            args = [_tensors(a, call.plain, inputs) for a in args]
            kwargs = {k: _tensors(v, call.plain, inputs) for k, v in kwargs.items()}
            tinymm.manual_seed(0)
            found: list = []
            _leaves(call.function(*args, **kwargs), Tensor, found)
            values = [np.array(v._data) if isinstance(v, Tensor) else v for v in found]
            live = [v for v in found if isinstance(v, Tensor) and v.requires_grad]
            grads: list = []
            if live and inputs:
                grads = [None if g is None else np.array(g._data) for g in
                         tinymm.grad(live, inputs, [Tensor(cotangent(v.shape).astype(v.dtype)) for v in live], allow_unused=True)]
        return Outcome(None, values, grads)
    except Exception as error:
        return Outcome(error, [], [])


def cotangent(shape) -> np.ndarray:
    """Numbers of both signs that no two elements share."""
    return np.cos(np.arange(int(np.prod(shape)), dtype=np.float64) * 1.7 + 0.3).reshape(shape)


def _tensors(value, plain: bool, inputs: list):
    if isinstance(value, Fixed):
        return Tensor(copied(value.array))
    if isinstance(value, np.ndarray):
        if plain:
            return copied(value)
        tensor = Tensor(copied(value))
        if tensor.dtype.kind == "f":
            inputs.append(tensor.requires_grad_())
        return tensor
    if isinstance(value, (list, tuple)) and any(isinstance(v, (np.ndarray, Fixed)) for v in value):
        return type(value)(_tensors(v, plain, inputs) for v in value)
    return value


def _leaves(result, kind, found: list) -> None:
    if isinstance(result, (tuple, list)):
        for part in result:
            _leaves(part, kind, found)
    elif isinstance(result, (kind, np.ndarray, bool, int, float)):
        found.append(result)


def definition(call, args, kwargs) -> Outcome:
    """The same call without a compiled kernel, and with definitions in the place of fused operations."""
    with _definitions(), use_kernels("numpy"):
        return ours(call, args, kwargs)


@contextlib.contextmanager
def _definitions():
    original = Function.__dict__["apply"]

    def apply(cls, *args, **options):
        return (cls.definition or original.__get__(None, cls))(*args, **options)

    Function.apply = classmethod(apply)
    try:
        yield
    finally:
        Function.apply = original


def theirs(call, args, kwargs) -> Outcome | None:
    """The call in PyTorch; None where it cannot be asked."""
    import torch

    function: Any = torch
    for part in call.torch.split("."):
        function = getattr(function, part)
    inputs: list = []

    def convert(value):
        if isinstance(value, Fixed):
            value, wants = value.array, False
        else:
            wants = True
        if isinstance(value, np.ndarray):
            if value.dtype.kind not in "fiub":
                raise TypeError(f"no tensor of {value.dtype}")
            tensor = torch.tensor(np.array(value, dtype=value.dtype.newbyteorder("="), order="C"))
            if wants and value.dtype.kind == "f":
                inputs.append(tensor.requires_grad_())
            return tensor
        if isinstance(value, (list, tuple)) and any(isinstance(v, (np.ndarray, Fixed)) for v in value):
            return type(value)(map(convert, value))
        return value

    try:
        args, kwargs = [convert(a) for a in args], {k: convert(v) for k, v in kwargs.items()}
        if call.name.startswith("Tensor."):   # a change in place
            args[0] = args[0].detach().clone()
            inputs.clear()
            function(*args, **kwargs)
            result = args[0]
        else:
            result = function(*args, **kwargs)
        found: list = []
        _leaves(result, torch.Tensor, found)
        values = [v.numpy(force=True) if isinstance(v, torch.Tensor) else v for v in found]
        live = [v for v in found if isinstance(v, torch.Tensor) and v.requires_grad]
        grads: list = []
        if live and inputs:
            grads = [None if g is None else g.numpy(force=True) for g in torch.autograd.grad(
                live, inputs, [torch.tensor(cotangent(tuple(v.shape))).to(v.dtype) for v in live], allow_unused=True)]
        return Outcome(None, values, grads)
    except Exception as error:
        return Outcome(error, [], [])


def tame(value) -> bool:
    """Whether all numbers are moderate: where they overflow or are not finite, each formula gives something else."""
    if isinstance(value, Fixed):
        value = value.array
    if isinstance(value, (list, tuple)):
        return all(map(tame, value))
    if isinstance(value, (int, float)) or isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        return bool((np.abs(np.asarray(value, np.float64)) < 1e4).all())
    return True


def difference(got: Outcome, want: Outcome, values: bool = True) -> str:
    """In what two outcomes that returned differ; "" where they agree. Without ``values`` only numbers and shapes count."""
    for part, a_list, b_list in (("value", got.values, want.values), ("gradient", got.grads, want.grads)):
        if part == "gradient" and not (a_list and b_list):
            a_list = b_list = [g for g in a_list + b_list if g is not None and g.any()]   # none at all is as good as zeros
            b_list = [None] * len(a_list)
        if len(a_list) != len(b_list):
            return f"{len(a_list)} {part}s, not {len(b_list)}"
        for i, (a, b) in enumerate(zip(a_list, b_list)):
            a = np.zeros(np.shape(b)) if a is None else a   # no gradient is as good as zeros
            b = np.zeros(np.shape(a)) if b is None else b
            if np.shape(a) != np.shape(b):
                return f"{part} {i} has shape {np.shape(a)}, not {np.shape(b)}"
            if values and not _close(np.asarray(a), np.asarray(b)):
                return f"{part} {i} differs"
    return ""


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays agree but for rounding, in the precision of the less precise."""
    if a.size == 0 or a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
        return True
    narrow = min((x.dtype.itemsize for x in (a, b) if x.dtype.kind == "f"), default=8)
    tolerance = {2: 3e-2, 4: 1e-3}.get(narrow, 1e-6)
    with np.errstate(all="ignore"):
        a, b = a.astype(np.float64), b.astype(np.float64)
        finite = np.isfinite(a) & np.isfinite(b)
        if not (finite | (np.isnan(a) & np.isnan(b)) | (a == b)).all():
            return False
        scale = max(1.0, np.abs(b[finite]).max(initial=0))
        return bool((np.abs(a - b)[finite] <= tolerance * scale).all())


def clear(error: BaseException) -> str:
    """What is wrong with an exception as an answer; "" where it is one of ours and says whose it is."""
    if isinstance(error, MemoryError):
        return ""
    if isinstance(error, (AttributeError, OverflowError)) and PYTHONS.match(str(error)):
        return "unnamed"
    if type(error) not in OURS:
        return f"foreign {type(error).__name__}"
    return "" if NAMED.match(str(error)) else "unnamed"
