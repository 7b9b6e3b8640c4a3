"""Optimizer: what all update rules share — parameter groups, state, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ..autograd import Tensor, enable_grad
from ..backend.arrays import xp_of


class Optimizer:
    """Changes parameters in place by their gradients.

    Args:
        params: Tensors, or dicts with a list "params" and options of their own (parameter groups).
        defaults: the options of groups that do not set them.

    Attributes:
        param_groups: list of dicts: "params" and the options ("lr", ...), which may be changed between steps.
        state: parameter -> dict of Tensors and numbers (moments, step count).

    Raises:
        ValueError: no parameters, one given twice, or an option out of its range.
    """

    def __init__(self, params: Iterable, defaults: dict):
        if isinstance(params, Tensor):
            raise TypeError(f"{type(self).__name__}: params must be an iterable of Tensors, not one Tensor; "
                            "write [x] for a single one")
        self.defaults = defaults
        self.state: dict[Tensor, dict] = {}
        self.param_groups: list[dict] = []
        groups = list(params)
        if not groups:
            raise ValueError(f"{type(self).__name__}: got no parameters; is the Module empty, or a generator used up?")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict) -> None:
        """Add parameters, with options of their own where the dict has them."""
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{type(self).__name__}: a parameter is a {type(p).__name__}, not a Tensor")
            if not p.is_leaf:
                raise ValueError(f"{type(self).__name__}: a parameter of shape {p.shape} is the result of "
                                 f"{p.grad_fn.name}; only leaves can be optimised")
            if id(p) in known:
                raise ValueError(f"{type(self).__name__}: a parameter of shape {p.shape} is given twice")
            known.add(id(p))
        unknown = set(param_group) - set(self.defaults) - {"params", "initial_lr"}
        if unknown:
            raise ValueError(f"{type(self).__name__}: unknown options {sorted(unknown)}; it has {sorted(self.defaults)}")
        self.param_groups.append({**self.defaults, **param_group, "params": params})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients (or, with ``set_to_none=False``, fill them with zeros)."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = None if set_to_none else Tensor(xp_of(p._data).zeros_like(p._data))

    def step(self, closure: Callable[[], Tensor] | None = None):
        """Change every parameter that has a gradient.

        Args:
            closure: computes the loss again and calls backward (L-BFGS needs it).

        Returns:
            The closure's loss, or None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state.setdefault(p, {})
                if not state:
                    self.start(p, state, group)
                g = p.grad._data
                if group.get("maximize"):
                    g = -g
                self.update(p._data, g, state, group)
                p._bump(f"{type(self).__name__}.step")
        return loss

    def start(self, p: Tensor, state: dict, group: dict) -> None:
        """Fill the empty ``state`` of a parameter at its first step."""

    def update(self, x, g, state: dict, group: dict) -> None:
        """Change the array ``x`` in place, given its gradient ``g`` (which must not be changed)."""
        raise NotImplementedError

    def state_dict(self) -> dict:
        """The state by the parameters' running numbers, and the groups: PyTorch's layout, of Tensors and numbers."""
        number = {p: i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        groups = [{**group, "params": [number[p] for p in group["params"]]} for group in self.param_groups]
        return {"state": {number[p]: dict(state) for p, state in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from a ``state_dict``.

        Raises:
            ValueError: groups or state shapes that do not fit these parameters; nothing is changed then.
        """
        saved, groups = state_dict["state"], state_dict["param_groups"]
        if [len(g["params"]) for g in groups] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError(f"{type(self).__name__}.load_state_dict: the state has groups of "
                             f"{[len(g['params']) for g in groups]} parameters, this optimiser of "
                             f"{[len(g['params']) for g in self.param_groups]}")
        by_number = {int(i): p for mine, theirs in zip(self.param_groups, groups)
                     for i, p in zip(theirs["params"], mine["params"])}
        state = {by_number[int(i)]: {k: _own(v) for k, v in values.items()} for i, values in saved.items()}
        for p, values in state.items():
            for key, value in values.items():
                if isinstance(value, Tensor) and value.ndim and value.shape != p.shape:
                    raise ValueError(f"{type(self).__name__}.load_state_dict: {key} has shape {value.shape} but its "
                                     f"parameter has {p.shape}")
        self.state = state
        self.param_groups = [{**theirs, "params": mine["params"]} for mine, theirs in zip(self.param_groups, groups)]

    def __repr__(self) -> str:
        lines = [f"  group {i}: " + ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
                 + f", {len(group['params'])} parameters" for i, group in enumerate(self.param_groups)]
        return f"{type(self).__name__}(\n" + "\n".join(lines) + "\n)"


def _own(value):
    """A copy of a Tensor or array, as a Tensor; anything else as it is."""
    if isinstance(value, Tensor):
        return Tensor(value._data.copy())
    return Tensor(value.copy()) if isinstance(value, np.ndarray) else value


def zeros_like(p: Tensor) -> Tensor:
    """A Tensor of zeros of the parameter's shape, for a moment."""
    return Tensor(xp_of(p._data).zeros_like(p._data))


def check(name: str, **ranges) -> None:
    """Raise ValueError for a hyper-parameter out of its range; each value is (number, least, limit or None)."""
    for option, (value, least, limit) in ranges.items():
        if not value >= least or (limit is not None and not value < limit):
            allowed = f"at least {least}" if limit is None else f"in [{least}, {limit})"
            raise ValueError(f"{name}: {option}={value} must be {allowed}")
