"""Optimizer: what all update rules share — parameter groups, state, checkpoints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from ..autograd import Tensor, enable_grad
from ..autograd.creation import zeros_like
from ..backend.arrays import Array, device_of, is_array, to_device, to_host, writeable
from .options import checked, count, number


class Optimizer:
    """Changes parameters in place by their gradients.

    Args:
        params: Tensors, pairs (name, Tensor), or dicts with a list "params" and options of their own (parameter groups).
        defaults: the options of groups that do not set them.

    Attributes:
        param_groups: list of dicts: "params" and the options ("lr", ...), which may be changed between steps.
        state: parameter -> dict of Tensors and numbers (moments, step count).

    Raises:
        TypeError: a parameter that is no Tensor, or an option that is no number.
        ValueError: no parameters, one given twice, or an option out of its range.
    """

    LIMITS: dict[str, tuple] = {}           # option -> (least, limit or None) of its number, or of each of its numbers
    MOMENTS: dict[str, str | None] = {}     # arrays in the state of a parameter -> the option that asks for it; None: always
    COUNTS = True                           # whether the state counts the steps

    def __init__(self, params: Iterable, defaults: dict):
        name = type(self).__name__
        if isinstance(params, Tensor):
            raise TypeError(f"{name}: params must be an iterable of Tensors, not one Tensor; write [x] for a single one")
        if hasattr(params, "parameters"):
            raise TypeError(f"{name}: params is a {type(params).__name__}; write its .parameters()")
        if isinstance(params, Mapping):
            raise TypeError(f"{name}: params is a dict; write [group] for one parameter group, .values() for its Tensors")
        if isinstance(params, (set, frozenset)):
            raise TypeError(f"{name}: params is a set, whose order differs from run to run; give a list")
        self.defaults = self.check(defaults)
        self.state: dict[Tensor, dict] = defaultdict(dict)
        self.param_groups: list[dict] = []
        groups = list(params)
        if not groups:
            raise ValueError(f"{name}: got no parameters; is the Module empty, or a generator used up?")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def check(self, options: dict, where: str = "") -> dict:
        """The options with plain numbers (a schedule's Tensor or NumPy scalar becomes a float), or an error.

        Args:
            options: of a parameter group.
            where: ends the name in messages, such as ".load_state_dict".
        """
        return checked(type(self).__name__ + where, options, self.LIMITS)

    def add_param_group(self, param_group: dict) -> None:
        """Add parameters, with options of their own where the dict has them; nothing is added where it raises.

        Raises:
            TypeError: no dict, or a parameter that is no Tensor.
            ValueError: no "params", a parameter given twice or computed by an operation, or an unknown option.
        """
        name = type(self).__name__
        if not isinstance(param_group, dict):
            raise TypeError(f"{name}: a parameter group is a dict with a list \"params\", not a {type(param_group).__name__}")
        if "params" not in param_group:
            raise ValueError(f"{name}: a parameter group has no \"params\", only {sorted(param_group)}")
        params = param_group["params"]
        if hasattr(params, "parameters") or isinstance(params, (set, frozenset, Mapping, str)):
            raise TypeError(f"{name}: \"params\" of a group is a {type(params).__name__}; give a list of Tensors, such as "
                            "module.parameters()")
        params = [params] if isinstance(params, Tensor) else list(params)
        names = [p[0] for p in params if isinstance(p, tuple) and len(p) == 2]
        if names and len(names) == len(params):   # named_parameters()
            params, param_group = [p[1] for p in params], {**param_group, "param_names": names}
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}: a parameter is a {type(p).__name__}, not a Tensor")
            if not p.is_leaf:
                raise ValueError(f"{name}: a parameter of shape {p.shape} is the result of "
                                 f"{p.grad_fn.name}; only leaves can be optimised")
            if id(p) in known:
                raise ValueError(f"{name}: a parameter of shape {p.shape} is given twice")
            known.add(id(p))
        unknown = set(param_group) - set(self.defaults) - {"params", "param_names", "initial_lr"}
        if unknown:
            raise ValueError(f"{name}: unknown options {sorted(unknown)}; it has {sorted(self.defaults)}")
        self.param_groups.append({**self.check({**self.defaults, **param_group}), "params": params})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients (or, with ``set_to_none=False``, fill them with zeros)."""
        for group in self.param_groups:
            for p in group["params"]:
                grad = p.grad
                if grad is None:
                    continue
                if set_to_none:
                    p.grad = None
                elif grad.requires_grad or not _fits(grad._data, p._data) or not writeable(grad._data):
                    p.grad = zeros_like(p)
                else:
                    grad._data.fill(0)
                    grad._bump("zero_grad")

    def step(self, closure: Callable[[], Tensor] | None = None):
        """Change every parameter that has a gradient.

        All gradients and moments are compared with their parameters first: no parameter changes where one does not fit.

        Args:
            closure: computes the loss again and calls backward (L-BFGS needs it).

        Returns:
            The closure's loss, or None.

        Raises:
            ValueError: a gradient or a moment whose shape, dtype or device is not its parameter's.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        operation, ready = f"{type(self).__name__}.step", []
        for group in self.param_groups:
            self.plain_rate(group)
            for p in group["params"]:
                grad = p.grad
                if grad is not None:
                    ready.append((p, grad._data, self._fitting(operation, p, grad._data, group), group))
        with np.errstate(all="ignore"):   # an overflow gives infinities and NaN, as in PyTorch
            for p, g, state, group in ready:
                self.update(p._data, -g if group.get("maximize") else g, state, group)
                p._bump(operation)
        return loss

    def plain_rate(self, group: dict) -> None:
        """Make a learning rate that was set to a Tensor or to a scalar of NumPy's a float."""
        if type(group["lr"]) not in (float, int):
            group["lr"] = number(f"{type(self).__name__}.step", "lr", group["lr"])

    def _fitting(self, operation: str, p: Tensor, g: Array, group: dict) -> dict:
        """The state of a parameter. All that the update rule gets is compared here: kernels do not look at sizes."""
        x = p._data
        shape, dtype = x.shape, x.dtype
        if g.shape != shape or g.dtype is not dtype or type(g) is not type(x):
            check_gradient(operation, x, g)
        if type(x) is np.ndarray and not x.flags.writeable:   # a view of a file, say: the parameter gets memory of its own
            p._data = x.copy()
        state = self.state[p]
        if not state:
            self.start(p, state, group)
        for name in self.MOMENTS:
            if name in state:
                m = getattr(state[name], "_data", None)
                if m is None or m.shape != shape or m.dtype is not dtype or type(m) is not type(x):
                    check_moment(operation, x, name, m)
        return state

    def start(self, p: Tensor, state: dict, group: dict) -> None:
        """Fill the empty ``state`` of a parameter at its first step."""
        if self.COUNTS:
            state["step"] = 0
        for name, option in self.MOMENTS.items():
            if option is None or group[option]:
                state[name] = zeros_like(p)

    def moment(self, x: Array, state: dict, name: str) -> Array:
        """A moment of the parameter ``x``; one that an option asks for only now starts as zeros."""
        if name not in state:
            state[name] = zeros_like(Tensor(x))
        return state[name]._data

    def update(self, x, g, state: dict, group: dict) -> None:
        """Change the array ``x`` in place, given its gradient ``g`` (which must not be changed)."""
        raise NotImplementedError

    def state_dict(self) -> dict:
        """The state by the parameters' running numbers, and the groups: PyTorch's layout, of Tensors and numbers."""
        number = {p: i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        groups = [{**group, "params": [number[p] for p in group["params"]]} for group in self.param_groups]
        return {"state": {number[p]: {k: list(v) if isinstance(v, list) else v for k, v in state.items()}
                           for p, state in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from a ``state_dict``; moments take their parameter's dtype and device.

        Raises:
            TypeError: an entry of another kind than the one that belongs there.
            ValueError: groups, names, shapes or counts that do not fit these parameters; nothing is changed then.
        """
        where = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise ValueError(f"{where}: needs a dict with \"state\" and \"param_groups\", as an optimiser's state_dict() has")
        saved, groups = state_dict["state"], state_dict["param_groups"]
        if not isinstance(saved, Mapping) or not isinstance(groups, (list, tuple)) or \
                not all(isinstance(g, Mapping) and isinstance(g.get("params"), (list, tuple)) for g in groups):
            raise TypeError(f"{where}: \"state\" must be a dict and \"param_groups\" a list of dicts, each with a list \"params\"")
        if [len(g["params"]) for g in groups] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError(f"{where}: the state has groups of {[len(g['params']) for g in groups]} parameters, "
                             f"this optimiser of {[len(g['params']) for g in self.param_groups]}")
        new_groups = []
        for i, (mine, theirs) in enumerate(zip(self.param_groups, groups)):
            missing = set(self.defaults) - set(theirs)
            if missing:
                raise ValueError(f"{where}: param_groups[{i}] lacks the options {sorted(missing)}; "
                                 f"is it the state of another optimiser than {type(self).__name__}?")
            new_groups.append({**self.check({k: v for k, v in theirs.items() if k != "params"}, ".load_state_dict"),
                               "params": mine["params"]})
        by_number = {count(where, "a parameter's number", i): p
                     for mine, theirs in zip(self.param_groups, groups) for i, p in zip(theirs["params"], mine["params"])}
        if len(by_number) != sum(len(g["params"]) for g in groups):
            raise ValueError(f"{where}: \"param_groups\" number two parameters alike")
        state: dict[Tensor, dict] = defaultdict(dict)
        for i, values in saved.items():
            number = count(where, "a parameter's number", i)
            if number not in by_number:
                raise ValueError(f"{where}: \"state\" has parameter {i}, which is in none of the \"param_groups\"")
            if not isinstance(values, Mapping):
                raise TypeError(f"{where}: the state of parameter {i} must be a dict, not a {type(values).__name__}")
            state[by_number[number]] = self.own(f"{where}: parameter {i}", by_number[number], values)
        self.state, self.param_groups = state, new_groups

    def own(self, where: str, p: Tensor, values: Mapping) -> dict:
        """A checked copy of a parameter's saved state."""
        if not values:   # it has had no gradient yet
            return {}
        wanted = {name for name, option in self.MOMENTS.items() if option is None} | ({"step"} if self.COUNTS else set())
        known = wanted | set(self.MOMENTS)
        if not wanted <= set(values) <= known:
            raise ValueError(f"{where}: its state has {sorted(map(str, values))}, but {type(self).__name__} keeps "
                             f"{sorted(known)}; is it the state of another optimiser?")
        return {name: count(where, "step", value) if name == "step" else own_array(where, name, value, p.shape, p.dtype, p.device)
                for name, value in values.items() if value is not None or name in wanted}

    def __repr__(self) -> str:
        lines = [f"  group {i}: " + ", ".join(f"{k}={v}" for k, v in group.items() if k not in ("params", "param_names"))
                 + f", {len(group['params'])} parameters" for i, group in enumerate(self.param_groups)]
        return f"{type(self).__name__}(\n" + "\n".join(lines) + "\n)"


def _fits(a: Array, x: Array) -> bool:
    """Whether two arrays agree in shape, dtype and device: what a kernel relies on."""
    return a.shape == x.shape and a.dtype == x.dtype and (type(a) is type(x) or device_of(a) == device_of(x))


def _like(a: Array) -> str:
    """An array in words."""
    return f"of shape {a.shape}, {a.dtype}" + (f" on {device_of(a)}" if type(a) is not np.ndarray else "")


def check_gradient(operation: str, x: Array, g: Array) -> None:
    """Raise ValueError for a gradient whose shape, dtype or device is not its parameter's."""
    if not _fits(g, x):
        raise ValueError(f"{operation}: the gradient of a parameter {_like(x)} is {_like(g)}; "
                         "call zero_grad() and backward() again after changing a parameter")


def check_moment(operation: str, x: Array, name: str, m: Array | None) -> None:
    """Raise ValueError for a moment (None: no Tensor) that does not fit its parameter."""
    if m is None or not _fits(m, x):
        raise ValueError(f"{operation}: {name} of a parameter {_like(x)} is {'no Tensor' if m is None else _like(m)}; if the "
                         "parameter was moved, load the optimiser's own state_dict() again, which moves its state")


def own_array(where: str, name: str, value, shape: tuple, dtype: np.dtype, device: str) -> Tensor:
    """A copy of a saved array, of this shape, dtype and device.

    Raises:
        TypeError: no Tensor or array of floating-point numbers.
        ValueError: another shape.
    """
    array = value._data if isinstance(value, Tensor) else value
    if not is_array(array) or array.dtype.kind != "f":
        kind = f"{array.dtype} values" if is_array(array) else f"a {type(value).__name__}"
        raise TypeError(f"{where}: {name} must be a Tensor of floating-point numbers, not {kind}")
    if array.shape != shape:
        raise ValueError(f"{where}: {name} has shape {array.shape}, but {shape} is wanted for these parameters")
    return Tensor(to_device(np.array(to_host(array), dtype=dtype, order="C"), device))
