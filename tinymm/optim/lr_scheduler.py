"""Learning-rate schedules: ``scheduler.step()`` once an epoch (or a step) sets the "lr" of every group."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable

from .optimizer import Optimizer


class LRScheduler:
    """Sets each group's learning rate to ``initial_lr * factor(t)``, where t counts the calls of ``step``.

    Subclasses write ``factor(t)``, or ``lr_at(t, initial_lr)`` where the rate is not a multiple of the initial one.

    Args:
        optimizer: whose groups are set; each remembers its "initial_lr".
        last_epoch: the t to continue from; -1 starts.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self.optimizer, self.last_epoch = optimizer, last_epoch
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.step()

    def factor(self, t: int) -> float:
        """Learning rate at time t over the initial one."""
        raise NotImplementedError

    def lr_at(self, t: int, initial_lr: float, group: int = 0) -> float:
        """Learning rate of a group at time t."""
        return initial_lr * self.factor(t)

    def step(self) -> None:
        """Advance t by one and set the learning rates."""
        self.last_epoch += 1
        for i, (group, initial) in enumerate(zip(self.optimizer.param_groups, self.base_lrs)):
            group["lr"] = self.lr_at(self.last_epoch, initial, i)

    def get_last_lr(self) -> list[float]:
        """The learning rates that are set now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict:
        """Plain numbers for a checkpoint."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from a checkpoint."""
        self.last_epoch, self.base_lrs = state_dict["last_epoch"], list(state_dict["base_lrs"])
        for i, (group, initial) in enumerate(zip(self.optimizer.param_groups, self.base_lrs)):
            group["initial_lr"], group["lr"] = initial, self.lr_at(self.last_epoch, initial, i)


class LambdaLR(LRScheduler):
    """The initial rate times a function of t; one function, or one for each group."""

    def __init__(self, optimizer, lr_lambda: Callable[[int], float] | list, last_epoch: int = -1):
        n = len(optimizer.param_groups)
        self.lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * n
        if len(self.lambdas) != n:
            raise ValueError(f"LambdaLR: {len(self.lambdas)} functions for {n} parameter groups")
        super().__init__(optimizer, last_epoch)

    def lr_at(self, t, initial_lr, group=0):
        return initial_lr * self.lambdas[group](t)


class StepLR(LRScheduler):
    """Times ``gamma`` after every ``step_size`` steps."""

    def __init__(self, optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """Times ``gamma`` at each of the ``milestones``."""

    def __init__(self, optimizer, milestones: list[int], gamma: float = 0.1, last_epoch: int = -1):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return self.gamma ** bisect.bisect_right(self.milestones, t)


class ExponentialLR(LRScheduler):
    """Times ``gamma`` at every step."""

    def __init__(self, optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return self.gamma**t


class CosineAnnealingLR(LRScheduler):
    """From the initial rate down to ``eta_min`` over ``T_max`` steps along a cosine (Loshchilov and Hutter 2017, eq. 5)."""

    def __init__(self, optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def lr_at(self, t, initial_lr, group=0):
        return self.eta_min + (initial_lr - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class LinearLR(LRScheduler):
    """From ``start_factor`` to ``end_factor`` times the initial rate over ``total_iters`` steps: a warm-up."""

    def __init__(self, optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5,
                 last_epoch: int = -1):
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor={start_factor} must be in (0, 1]")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return self.start_factor + (self.end_factor - self.start_factor) * min(t, self.total_iters) / self.total_iters


class WarmupCosineLR(LRScheduler):
    """Linear warm-up from 0 over ``warmup`` steps, then a cosine down to ``eta_min`` at ``total`` steps."""

    def __init__(self, optimizer, warmup: int, total: int, eta_min: float = 0.0, last_epoch: int = -1):
        if not 0 <= warmup < total:
            raise ValueError(f"WarmupCosineLR: warmup={warmup} must be at least 0 and less than total={total}")
        self.warmup, self.total, self.eta_min = warmup, total, eta_min
        super().__init__(optimizer, last_epoch)

    def lr_at(self, t, initial_lr, group=0):
        if t < self.warmup:
            return initial_lr * (t + 1) / (self.warmup + 1)
        progress = min((t - self.warmup) / (self.total - self.warmup), 1.0)
        return self.eta_min + (initial_lr - self.eta_min) * (1 + math.cos(math.pi * progress)) / 2


class ReduceLROnPlateau:
    """Times ``factor`` when a metric has not improved for more than ``patience`` steps.

    Args:
        optimizer: whose groups are set.
        mode: "min" where smaller is better, "max" where larger is.
        threshold: improvement that counts, relative ("rel") or absolute ("abs") by ``threshold_mode``.
        cooldown: steps to wait after a reduction.
        min_lr: least learning rate.
        eps: reductions smaller than this are left out.
    """

    def __init__(self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
                 threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0, min_lr: float = 0,
                 eps: float = 1e-8):
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor={factor} must be below 1")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: mode={mode!r}, threshold_mode={threshold_mode!r}; choose 'min' or "
                             "'max', 'rel' or 'abs'")
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        self.min_lr, self.eps = min_lr, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

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
            for group in self.optimizer.param_groups:
                new = max(group["lr"] * self.factor, self.min_lr)
                if group["lr"] - new > self.eps:
                    group["lr"] = new
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def get_last_lr(self) -> list[float]:
        """The learning rates that are set now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict:
        """Plain numbers for a checkpoint."""
        return {k: v for k, v in vars(self).items() if k != "optimizer"}

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from a checkpoint."""
        vars(self).update(state_dict)
