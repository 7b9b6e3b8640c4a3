"""Learning-rate schedules: ``scheduler.step()`` once an epoch (or a step) sets the "lr" of every group.

As in PyTorch a schedule goes from the rate that is set now to the next one, so that two schedules of one optimiser
multiply, and a rate that was set by hand is scheduled from there on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ..autograd.integers import integer, integers, listed
from .optimizer import Optimizer
from .options import count, number


class LRScheduler:
    """Changes each group's learning rate at every ``step``; t counts the steps, and is 0 when the schedule is made.

    Subclasses write ``factor(t)``, what the rate is multiplied by when t is reached; or ``next_lr`` where it is not
    multiplied; or ``get_lr()``, the rates of all groups, as in PyTorch. A group that the optimiser gets later is
    scheduled from its own rate on.

    Args:
        optimizer: whose groups are set; each remembers its "initial_lr".
        last_epoch: -1 starts. To continue after step t without a ``state_dict`` of the schedule, load the optimiser's
            and give t - 1: the rates stay as they were loaded.

    Attributes:
        last_epoch: t.
        base_lrs: the groups' initial rates.

    Raises:
        TypeError: no optimiser, or an argument that is no number or no integer.
        ValueError: a length out of its range; a ``last_epoch`` although the groups have no "initial_lr".
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: optimizer is a {type(optimizer).__name__}, not an Optimizer")
        last_epoch = integer(name, "last_epoch", last_epoch, -1)
        if last_epoch >= 0 and not all("initial_lr" in group for group in optimizer.param_groups):
            raise ValueError(f"{name}: last_epoch={last_epoch} continues a schedule, but the optimiser's groups have no "
                             "\"initial_lr\"; load its state_dict() first, or leave last_epoch out")
        self.optimizer = optimizer
        self.base_lrs: list[float] = []
        self._take_new_groups()
        self.last_epoch = last_epoch + 1
        self._set(self.get_lr() if last_epoch == -1 else self._rates())

    def factor(self, t: int) -> float:
        """What the rate at t - 1 (at t = 0 the optimiser's) is multiplied by."""
        raise NotImplementedError

    def next_lr(self, t: int, lr: float, initial_lr: float) -> float:
        """The rate at t of a group that has ``lr`` until then."""
        return lr * self.factor(t)

    def get_lr(self) -> list[float]:
        """The groups' rates at t = ``last_epoch``, given those of t - 1 in the optimiser."""
        return [self.next_lr(self.last_epoch, lr, initial) for lr, initial in zip(self._rates(), self.base_lrs)]

    def step(self) -> None:
        """Advance t by one and set the learning rates."""
        self._take_new_groups()
        self.last_epoch += 1
        self._set(self.get_lr())

    def get_last_lr(self) -> list[float]:
        """The learning rates that this schedule set last."""
        return list(self._last_lr)

    def state_dict(self) -> dict:
        """Plain numbers for a checkpoint; the learning rates themselves are in the optimiser's."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs), "_last_lr": list(self._last_lr)}

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from a checkpoint; the optimiser's ``load_state_dict`` brings the learning rates.

        Raises:
            ValueError: a state without t or initial rates, or of another number of groups; nothing is changed then.
        """
        where, groups = f"{type(self).__name__}.load_state_dict", self.optimizer.param_groups
        if not isinstance(state_dict, Mapping) or not {"last_epoch", "base_lrs"} <= set(state_dict):
            raise ValueError(f"{where}: needs a dict with \"last_epoch\" and \"base_lrs\", as a schedule's state_dict() has")
        last_epoch = count(where, "last_epoch", state_dict["last_epoch"])
        rates = [[number(where, name, lr) for lr in state_dict.get(name, self._rates())] for name in ("base_lrs", "_last_lr")]
        if [len(r) for r in rates] != [len(groups)] * 2:
            raise ValueError(f"{where}: the state has {len(rates[0])} parameter groups, the optimiser {len(groups)}")
        self.last_epoch, (self.base_lrs, self._last_lr) = last_epoch, rates
        for group, initial in zip(groups, self.base_lrs):
            group["initial_lr"] = initial

    def _rates(self) -> list[float]:
        return [number(type(self).__name__, "lr", group["lr"]) for group in self.optimizer.param_groups]

    def _take_new_groups(self) -> None:
        for group, lr in list(zip(self.optimizer.param_groups, self._rates()))[len(self.base_lrs):]:
            self.base_lrs.append(group.setdefault("initial_lr", lr))

    def _set(self, rates: list[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates):
            group["lr"] = lr
        self._last_lr = list(rates)


class LambdaLR(LRScheduler):
    """The initial rate times a function of t; one function, or one for each group.

    It sets the rates anew at each step: of two schedules it must be the one that steps first. As it has a function for
    each group only, a list of functions refuses a group that is added later.
    """

    def __init__(self, optimizer, lr_lambda: Callable[[int], float] | list, last_epoch: int = -1):
        self.lr_lambda = lr_lambda
        for f in lr_lambda if isinstance(lr_lambda, (list, tuple)) else [lr_lambda]:
            if not callable(f):
                raise TypeError(f"LambdaLR: lr_lambda={f!r} must be a function of t, not a {type(f).__name__}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        n = len(self.base_lrs)
        functions = self.lr_lambda if isinstance(self.lr_lambda, (list, tuple)) else [self.lr_lambda] * n
        if len(functions) != n:
            raise ValueError(f"LambdaLR: {len(functions)} functions for {n} parameter groups")
        return [initial * f(self.last_epoch) for initial, f in zip(self.base_lrs, functions)]


class StepLR(LRScheduler):
    """Times ``gamma`` after every ``step_size`` steps."""

    def __init__(self, optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size = integer("StepLR", "step_size", step_size, 1)
        self.gamma = number("StepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return self.gamma if t and t % self.step_size == 0 else 1.0


class MultiStepLR(LRScheduler):
    """Times ``gamma`` at each of the ``milestones``."""

    def __init__(self, optimizer, milestones: list[int], gamma: float = 0.1, last_epoch: int = -1):
        self.milestones = sorted(integers("MultiStepLR", "milestones", listed(milestones), 0))
        self.gamma = number("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return self.gamma ** self.milestones.count(t)


class ExponentialLR(LRScheduler):
    """Times ``gamma`` at every step."""

    def __init__(self, optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = number("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return self.gamma if t else 1.0


class CosineAnnealingLR(LRScheduler):
    """From the initial rate down to ``eta_min`` over ``T_max`` steps along a cosine (Loshchilov and Hutter 2017, eq. 5)."""

    def __init__(self, optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max = integer("CosineAnnealingLR", "T_max", T_max, 1)
        self.eta_min = number("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t, lr, initial_lr):
        if t == 0:
            return lr
        if (t - 1) % (2 * self.T_max) == self.T_max:   # from the least rate, which no factor leads away from
            return lr + (initial_lr - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
        height = lambda t: 1 + math.cos(math.pi * t / self.T_max)
        return self.eta_min + (lr - self.eta_min) * height(t) / height(t - 1)


class LinearLR(LRScheduler):
    """From ``start_factor`` to ``end_factor`` times the initial rate over ``total_iters`` steps: a warm-up.

    With ``total_iters=0`` the rate stays at ``start_factor`` times the initial one, as in PyTorch.
    """

    def __init__(self, optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5,
                 last_epoch: int = -1):
        self.start_factor = number("LinearLR", "start_factor", start_factor)
        self.end_factor = number("LinearLR", "end_factor", end_factor)
        self.total_iters = integer("LinearLR", "total_iters", total_iters, 0)
        if not 0 < self.start_factor <= 1 or not 0 <= self.end_factor <= 1:
            raise ValueError(f"LinearLR: start_factor={start_factor} must be in (0, 1], end_factor={end_factor} in [0, 1]")
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        if t == 0:
            return self.start_factor
        if t > self.total_iters:
            return 1.0
        height = lambda t: self.start_factor + (self.end_factor - self.start_factor) * t / self.total_iters
        return height(t) / height(t - 1)


class WarmupCosineLR(LRScheduler):
    """Linear warm-up from 0 over ``warmup`` steps, then a cosine down to ``eta_min`` at ``total`` steps."""

    def __init__(self, optimizer, warmup: int, total: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.warmup = integer("WarmupCosineLR", "warmup", warmup, 0)
        self.total = integer("WarmupCosineLR", "total", total, 1)
        self.eta_min = number("WarmupCosineLR", "eta_min", eta_min)
        if self.warmup >= self.total:
            raise ValueError(f"WarmupCosineLR: warmup={warmup} must be at least 0 and less than total={total}")
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t, lr, initial_lr):
        if t == 0:
            return lr / (self.warmup + 1)
        if t <= self.warmup:
            return lr * (t + 1) / t
        if t > self.total:
            return lr
        height = lambda t: 1 + math.cos(math.pi * (t - self.warmup) / (self.total - self.warmup))
        return self.eta_min + (lr - self.eta_min) * height(t) / height(t - 1)


class ReduceLROnPlateau:
    """Times ``factor`` when a metric has not improved for more than ``patience`` steps.

    Args:
        optimizer: whose groups are set.
        mode: "min" where smaller is better, "max" where larger is.
        threshold: improvement that counts, relative ("rel") or absolute ("abs") by ``threshold_mode``.
        cooldown: steps to wait after a reduction.
        min_lr: least learning rate, or a list of one for each group.
        eps: reductions smaller than this are left out.

    Raises:
        TypeError: no optimiser, or an argument that is no number or no integer.
        ValueError: an argument out of its range, or a list of another length than there are groups.
    """

    def __init__(self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
                 threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0, min_lr: float | list[float] = 0,
                 eps: float = 1e-8):
        name = "ReduceLROnPlateau"
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: optimizer is a {type(optimizer).__name__}, not an Optimizer")
        if not number(name, "factor", factor, 0) < 1:
            raise ValueError(f"{name}: factor={factor} must be below 1")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(f"{name}: mode={mode!r}, threshold_mode={threshold_mode!r}; choose 'min' or 'max', 'rel' or 'abs'")
        self.optimizer, self.mode, self.factor, self.threshold_mode = optimizer, mode, factor, threshold_mode
        self.patience, self.cooldown = integer(name, "patience", patience, 0), integer(name, "cooldown", cooldown, 0)
        self.threshold, self.eps = number(name, "threshold", threshold), number(name, "eps", eps)
        self.min_lr = [number(name, f"min_lr[{i}]", least) for i, least in enumerate(min_lr)] \
            if isinstance(min_lr, (list, tuple)) else number(name, "min_lr", min_lr)
        self._least_rates()
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]

    def _least_rates(self) -> list[float]:
        """``min_lr`` for each group."""
        groups = len(self.optimizer.param_groups)
        least = self.min_lr if isinstance(self.min_lr, list) else [self.min_lr] * groups
        if len(least) != groups:
            raise ValueError(f"ReduceLROnPlateau: min_lr has {len(least)} rates for {groups} parameter groups; give one number, "
                             "or set its min_lr anew after add_param_group")
        return least

    def _better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "abs":
            return sign * value > sign * self.best + self.threshold
        return sign * value > sign * self.best * (1 + sign * self.threshold) if math.isfinite(self.best) else \
            sign * value > sign * self.best

    def step(self, metrics) -> None:
        """Look at the newest value of the metric, and reduce the rates if it is time."""
        value = float(metrics)
        self.last_epoch += 1
        if self._better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self._least_rates()):
                old = float(group["lr"])
                new = max(old * self.factor, least)
                if old - new > self.eps:
                    group["lr"] = new
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """The learning rates after the last ``step``."""
        return list(self._last_lr)

    def state_dict(self) -> dict:
        """Plain numbers for a checkpoint."""
        return {k: v for k, v in vars(self).items() if k != "optimizer"}

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from a checkpoint; the optimiser's ``load_state_dict`` brings the learning rates.

        Raises:
            ValueError: a state that lacks something, or has more; nothing is changed then.
        """
        mine = self.state_dict()
        if not isinstance(state_dict, Mapping) or not set(mine) - {"_last_lr"} <= set(state_dict) <= set(mine):
            raise ValueError(f"ReduceLROnPlateau.load_state_dict: needs a dict with {sorted(mine)}, as its state_dict() has")
        vars(self).update(state_dict)
