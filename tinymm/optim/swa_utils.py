"""Averages of a model's weights over its training, with PyTorch's names (``torch.optim.swa_utils``).

    exponential moving average (Polyak and Juditsky 1992, with forgetting):  a <- d a + (1 - d) w
    stochastic weight averaging (Izmailov et al. 2018):                      a <- a + (w - a) / (n + 1)

w are the weights after a step, a their average. Noise of single steps cancels in it, so the average is what is used
in the end; the training goes on from w.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from ..autograd import Tensor, no_grad
from ..nn.module import Module
from .options import number

AvgFn = Callable[[Tensor, Tensor, Tensor], Tensor]
MultiAvgFn = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], None]


def _decay(function: str, decay: float) -> float:
    if not (decay := number(function, "decay", decay, 0)) <= 1:
        raise ValueError(f"{function}: decay={decay} must lie between 0 and 1; 0.999 forgets in about 1,000 steps")
    return decay


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    """What updates one parameter of an exponential moving average, for ``AveragedModel``'s ``avg_fn``.

    Args:
        decay: d, between 0 and 1.

    Returns:
        A function (a, w, n) -> d a + (1 - d) w.

    Raises:
        ValueError: decay outside [0, 1].
    """
    decay = _decay("get_ema_avg_fn", decay)
    return lambda averaged, current, num_averaged: averaged * decay + current * (1 - decay)


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """What updates all parameters of an exponential moving average in place, for ``AveragedModel``'s ``multi_avg_fn``.

    Args:
        decay: d, between 0 and 1.

    Returns:
        A function (list of a, list of w, n) that puts d a + (1 - d) w into each a.

    Raises:
        ValueError: decay outside [0, 1].
    """
    one = get_ema_avg_fn(_decay("get_ema_multi_avg_fn", decay))

    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], num_averaged: Tensor) -> None:
        for a, w in zip(averaged, current):
            a.copy_(one(a, w, num_averaged))
    return update


def _equal_weights(averaged: Tensor, current: Tensor, num_averaged: Tensor) -> Tensor:
    """The mean of all models so far."""
    return averaged + (current - averaged) / (num_averaged.item() + 1)


class AveragedModel(Module):
    """A copy of a model whose parameters are an average of what the model's were at each ``update_parameters``.

    It is a Module: its state dict has the average as "module....", and the number of updates as "n_averaged". So that it
    belongs to a training's checkpoint, train both together, with an optimizer of the model's parameters alone:

        ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
        Trainer(nn.ModuleDict({"model": model, "ema": ema}), optim.AdamW(model.parameters()), loader, step, epochs,
                after=lambda: ema.update_parameters(model))

    Args:
        model: what is trained; it is copied.
        device: where the average is kept; by default where the model is.
        avg_fn: (a, w, n) -> the new average of one parameter, n the updates so far.
        multi_avg_fn: (list of a, list of w, n), the same for all parameters at once, in place. Without either all models
            weigh the same.
        use_buffers: average the buffers, too; by default they are the model's at the last update.

    Attributes:
        module: the average, a model to be called.
        n_averaged: updates so far (), int64.

    Raises:
        ValueError: both functions are given.
    """

    n_averaged: Tensor

    def __init__(self, model: Module, device: str | None = None, avg_fn: AvgFn | None = None,
                 multi_avg_fn: MultiAvgFn | None = None, use_buffers: bool = False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: avg_fn and multi_avg_fn are both given; give one of them")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", Tensor(0))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args, **kwargs):
        """What the average says."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the average; the first time they are copied.

        Args:
            model: the one that was given first, after a step of its optimizer.

        Raises:
            ValueError: a model with other parameters or buffers; nothing is changed.
        """
        averaged, current = _pairs(self.module, model, "parameters")
        copied, copies = _pairs(self.module, model, "buffers")
        if self.use_buffers:
            averaged, current, copied, copies = averaged + copied, current + copies, [], []
        if not self.n_averaged.item():
            copied, copies = copied + averaged, copies + current
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(averaged, current, self.n_averaged)
        else:
            for a, w in zip(averaged, current):
                a.copy_((self.avg_fn or _equal_weights)(a, w, self.n_averaged))
        for a, w in zip(copied, copies):
            a.copy_(w)
        self.n_averaged += 1


def _pairs(average: Module, model: Module, which: str) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters, or buffers, of both, in the same order and on the average's devices."""
    ours, theirs = (dict(getattr(module, f"named_{which}")()) for module in (average, model))
    if (here := [(name, t.shape) for name, t in ours.items()]) != (there := [(name, t.shape) for name, t in theirs.items()]):
        differ = [name for name, shape in sorted({*here} ^ {*there})]
        raise ValueError(f"AveragedModel.update_parameters: {which} differ from those of the model that was copied, at "
                         f"{differ[0] if differ else 'their order'}; give the model that is averaged")
    return list(ours.values()), [w if w.device == a.device else w.to(a.device) for a, w in zip(ours.values(), theirs.values())]
