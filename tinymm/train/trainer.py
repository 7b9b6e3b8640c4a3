"""Trainer: epochs of steps, with progress, checkpoints, Ctrl-C and a resume that changes nothing."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nn, optim
from ..autograd import Tensor, no_grad
from ..autograd.integers import integer
from ..backend import random
from ..backend.locks import Occupied, locked
from ..backend.telling import can_tell
from .checkpoint import checkpoints, load_checkpoint, save_checkpoint
from .interrupts import delayed_interrupt
from .parts import check_parts, held, parameters
from .plain import plain, same


class CheckpointMismatch(ValueError):
    """A checkpoint that belongs to a training with other options."""


class Trainer:
    """Trains a model on the batches of a loader.

    A training that was interrupted, killed or stopped at an epoch continues with ``resume=True`` to the same parameters,
    bit for bit, on the same machine with the same number of threads: the checkpoint has the model, the optimiser, the
    schedule, the place in the data's order, every random stream and what the step function carries from batch to batch.

    Networks that train against each other take turns: ``optimizer`` and ``step`` are then dicts with a name for each part,

        Trainer(nn.ModuleDict({"D": D, "G": G}), {"D": optim.Adam(D.parameters()), "G": optim.Adam(G.parameters())}, loader,
                {"D": discriminate, "G": generate}, epochs)

    and for each batch the parts follow one another in the order of ``step``: a part's loss, its gradients, its own optimizer's
    step. Meanwhile what only other parts change requires no gradient: ``generate`` goes through D and leaves nothing there. What
    a part makes with another's network as data, such as pictures for D, it makes under ``no_grad``.

    Args:
        model: the Module to train; of all parts together.
        optimizer: of its parameters, or one for each part.
        loader: a DataLoader; its ``state_dict`` is the place in the data.
        step: ``step(batch) -> loss``, a scalar Tensor; or ``(loss, {name: number})`` with more to record. One for each part may
            also return None: the part rests for this batch, as where a critic takes five steps to the generator's one.
        epochs: rounds through the loader.
        scheduler: stepped after every training step; a dict with those of the parts that have one, after the part's own.
        max_norm: clip the joint norm of the gradients (of a part) to this.
        max_value: clip every element of every gradient to [-max_value, max_value], before their norm.
        after: called after every step of an optimizer, to put parameters back within their bounds.
        validate: ``validate() -> {name: number}`` after each epoch, in evaluation mode without gradients.
        carried: name -> object with ``state_dict`` and ``load_state_dict`` that belongs to the checkpoint, such as a
            moving average.
        folder: for checkpoints; None keeps none.
        every: seconds between checkpoints.
        config: plain data that is kept with the checkpoint and must be the same at resume. It is compared as it is after
            JSON: tuples are lists, integer keys are text, NumPy's numbers are Python's, and paths are text.
        label: name of the progress bar; None shows none.

    Raises:
        TypeError, ValueError: an argument that cannot be trained with, such as a Tensor in ``config`` or parts that lack an
            optimizer; the message names it.

    Attributes:
        history: name -> one number for each step ("loss", of named parts "D loss" and the like, and what ``step`` records), or
            each epoch (what ``validate`` returns).
        seconds: spent training, over all interrupted parts.
    """

    def __init__(self, model: nn.Module, optimizer: optim.Optimizer | dict[str, optim.Optimizer], loader,
                 step: Callable | dict[str, Callable], epochs: int, *, scheduler=None, max_norm: float | None = None,
                 max_value: float | None = None, after: Callable | None = None, validate: Callable | None = None,
                 carried: dict | None = None, folder: str | os.PathLike | None = None, every: float = 20.0,
                 config: dict | None = None, label: str | None = "training"):
        epochs = integer("Trainer", "epochs", epochs, 1)
        check_parts(optimizer, step, scheduler)
        if not len(loader):
            raise ValueError("Trainer: the loader has no batches; is the dataset empty, or smaller than one batch with drop_last?")
        self.model, self.loader, self.epochs = model, loader, epochs
        self.optimizer: Any = optimizer    # of one loss, or, as the next two, name -> of a part
        self.step: Any = step
        self.scheduler, self.max_norm, self.max_value, self.after = scheduler, max_norm, max_value, after
        self.validate, self.carried = validate, carried or {}
        self.folder, self.every, self.label = folder, every, label
        self.config = None if config is None else plain(config, "Trainer: config", number_keys=True)
        self.epoch = self.batch = 0        # rounds that are over, and batches of the present one
        self._place: Callable = loader.state_dict
        self.history: dict[str, list[float]] = {}
        self.seconds = 0.0

    @property
    def steps(self) -> int:
        """Training steps so far."""
        return self.epoch * len(self.loader) + self.batch

    @property
    def _parts(self) -> list[str] | None:
        """Names of the parts in their turn; None where there is one loss."""
        return list(self.step) if isinstance(self.step, dict) else None

    # ------------------------------------------------------------------ the loop

    def fit(self, resume: bool = False) -> dict[str, list[float]]:
        """Train to the last epoch; returns the history.

        Args:
            resume: continue from the newest checkpoint in ``folder``; where there is none, start.

        Raises:
            KeyboardInterrupt: after Ctrl-C, when the step in progress is done and a checkpoint written.
            FloatingPointError: the loss is NaN or infinite; the last checkpoint stays.
            CheckpointMismatch: the checkpoint belongs to another configuration, or does not fit the model.
            OSError: a checkpoint cannot be written; the last one stays.
            TypeError: the scheduler's or a carried thing's state is not plain data.
            FileExistsError: ``folder`` holds checkpoints, and ``resume`` is False; or another Trainer trains into it.
        """
        with self._alone():
            if self.folder is not None and checkpoints(self.folder):
                if not resume:
                    raise FileExistsError(f"Trainer: {self.folder} holds checkpoints of an earlier training; continue it with "
                                          "resume=True, or choose another folder")
                self._restore(self.folder)
            if self.folder is not None:
                self._state()   # what JSON does not keep is refused now, and not at the first checkpoint
            self._loop()
        return self.history

    @contextlib.contextmanager
    def _alone(self):
        """No other Trainer trains into the folder meanwhile."""
        if self.folder is None:
            yield
            return
        os.makedirs(self.folder, exist_ok=True)
        try:
            with locked(os.path.join(self.folder, ".training"), wait=False):
                yield
        except Occupied as error:
            raise FileExistsError(f"Trainer: {self.folder} is in use by another training ({error.owner}); wait for its end, or "
                                  "choose another folder") from None

    def _loop(self) -> None:
        self.model.train()
        self.model.zero_grad()   # gradients of an earlier training are in no checkpoint, and belong to none
        with delayed_interrupt() as interrupt, self._bar() as bar:
            started = saved = time.monotonic()
            before = self.seconds
            while self.epoch < self.epochs:
                batches = iter(self.loader) if self.batch < len(self.loader) else iter(())
                self._place = getattr(batches, "state_dict", self.loader.state_dict)   # whoever else reads the loader meanwhile
                for batch in batches:
                    self._train_on(batch)
                    self.batch += 1
                    bar.update()
                    self.seconds = before + time.monotonic() - started
                    if self.batch == len(self.loader):   # the end of the epoch has a checkpoint of its own
                        break
                    if interrupt.asked:
                        self._save()
                        raise KeyboardInterrupt
                    if self.folder is not None and time.monotonic() - saved > self.every:
                        self._save()
                        saved = time.monotonic()
                    if bar.total and self.steps % 10 == 0:
                        bar.set_postfix(self._latest(), refresh=False)
                self._end_of_epoch()
                self.seconds = before + time.monotonic() - started
                self._save()
                saved = time.monotonic()
                bar.set_postfix(self._latest())
                if interrupt.asked:
                    break
            if interrupt.asked:   # at the end of an epoch, or when there was nothing left to train
                raise KeyboardInterrupt

    def _train_on(self, batch) -> None:
        if not isinstance(self.optimizer, dict):
            self._update(batch, self.step, self.optimizer, self.scheduler)
            return
        for name, step in self.step.items():
            with held(self.optimizer, name):
                self._update(batch, step, self.optimizer[name], (self.scheduler or {}).get(name), name)

    def _update(self, batch, step: Callable, optimizer: optim.Optimizer, scheduler, part: str = "") -> None:
        """One loss, its gradients, and one step of one optimizer."""
        optimizer.zero_grad()
        result = step(batch)
        if result is None and part:
            return
        loss, more = result if isinstance(result, tuple) else (result, {})
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise TypeError(f"Trainer: step{part and f'[{part!r}]'} returned a {type(loss).__name__}"
                            + (f" of shape {loss.shape}" if isinstance(loss, Tensor) else "")
                            + "; it must return a scalar Tensor, or (scalar Tensor, {name: number})")
        value, name = loss.item(), f"{part} loss".lstrip()
        if not math.isfinite(value):
            raise FloatingPointError(f"Trainer: the {name} of step {self.steps + 1} is {value}; a smaller learning rate or "
                                     "max_norm may help, and detect_anomaly() names the first operation that gave it")
        loss.backward()
        for clip, most in ((optim.clip_grad_value_, self.max_value), (optim.clip_grad_norm_, self.max_norm)):
            if most is not None:
                clip(parameters(optimizer), most)
        optimizer.step()
        if self.after is not None:
            self.after()
        if scheduler is not None:
            scheduler.step()
        self._record({name: value, **more})

    def _end_of_epoch(self) -> None:
        if self.validate is not None:
            self.model.eval()
            with no_grad():
                self._record(self.validate())
            self.model.train()
        self.epoch, self.batch = self.epoch + 1, 0

    def _record(self, numbers: dict) -> None:
        for name, number in numbers.items():
            self.history.setdefault(name, []).append(float(number))

    def _latest(self) -> dict[str, str]:
        """The last number of each kind, training losses as means over the last 50 steps."""
        shown = {name: values[-1] for name, values in self.history.items()}
        losses = [f"{part} loss" for part in self.optimizer] if isinstance(self.optimizer, dict) else ["loss"]
        for name in [name for name in losses if name in shown]:
            recent = self.history[name][-50:]
            shown[name] = sum(recent) / len(recent)
        return {name: f"{value:.3f}" for name, value in shown.items()}

    def _bar(self):
        if self.label is None:
            from tqdm import tqdm   # the automatic choice warns in notebooks without widgets, even of a bar that is not shown
        else:
            from tqdm.auto import tqdm
        return tqdm(total=self.epochs * len(self.loader), initial=self.steps, desc=self.label, unit="step",
                    disable=self.label is None or not can_tell(), dynamic_ncols=True)

    # ------------------------------------------------------------------ checkpoints

    def _save(self) -> None:
        if self.folder is None:
            return
        try:
            save_checkpoint(self.folder, self.steps, self.model.state_dict(), _states(self.optimizer), self._state())
        except OSError as error:
            raise OSError(error.errno, f"Trainer: the checkpoint of step {self.steps} could not be written "
                          f"({error.strerror or error}); those before stay: continue from there with resume=True",
                          os.fspath(self.folder)) from error

    def _state(self) -> dict:
        """What a checkpoint knows besides the arrays."""
        scheduler = None if self.scheduler is None else plain(_states(self.scheduler), "Trainer: the scheduler's state")
        carried = {name: plain(thing.state_dict(), f"Trainer: the state of carried[{name!r}]")
                   for name, thing in self.carried.items()}
        return {"parts": self._parts, "epoch": self.epoch, "batch": self.batch, "steps_an_epoch": len(self.loader),
                "seconds": self.seconds, "history": self.history, "loader": self._place(), "random": random.state_dict(),
                "scheduler": scheduler, "carried": carried, "config": self.config}

    def _restore(self, folder: str | os.PathLike) -> None:
        model, optimizer, state = load_checkpoint(folder)
        missing = {"epoch", "batch", "steps_an_epoch", "seconds", "history", "loader", "random", "scheduler", "carried", "config"} \
            - set(state)
        if missing:
            raise CheckpointMismatch(f"Trainer: the checkpoint in {folder} was not written by a Trainer of this version; it "
                                     f"lacks {', '.join(sorted(missing))}")
        wrong = self._differences(state)
        if wrong:
            raise CheckpointMismatch(f"Trainer: the checkpoint in {folder} is of another training: {'; '.join(wrong)}. "
                                     "Resume with the same options, or train into another folder")
        newest = checkpoints(folder)[0].name
        broken = [name for name, value in model.items() if isinstance(value, Tensor) and value.dtype.kind == "f"
                  and np.isnan(value.numpy()).any()]
        if broken:
            raise CheckpointMismatch(f"Trainer: {broken[0]} in the newest checkpoint in {folder} has NaN; remove {newest} there to "
                                     "continue from the one before, or train into another folder")
        try:
            self.model.load_state_dict(model)
            _load_states(self.optimizer, optimizer)
            if self.scheduler is not None:
                _load_states(self.scheduler, state["scheduler"])
            self.loader.load_state_dict(state["loader"])
            for name, thing in self.carried.items():
                thing.load_state_dict(state["carried"][name])
            random.load_state_dict(state["random"])
            self.epoch, self.batch, self.seconds = int(state["epoch"]), int(state["batch"]), float(state["seconds"])
            self.history = {name: [float(number) for number in numbers] for name, numbers in state["history"].items()}
        except (KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
            text = f"it lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())   # in one line
            raise CheckpointMismatch(f"Trainer: the newest checkpoint in {folder}, {newest}, does not fit this training: {text}. "
                                     "Resume with the same model, optimizer and data, or train into another folder") from error

    def _differences(self, state: dict) -> list[str]:
        """What differs between a checkpoint's training and this one, in words."""
        short = lambda value: repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
        there, here = state["config"] or {}, self.config or {}
        if not isinstance(there, dict) or not isinstance(here, dict):
            wrong = [] if same(there, here) else [f"config is {short(there)} there and {short(here)} here"]
        else:
            wrong = [f"{key} is {short(there.get(key))} there and {short(here.get(key))} here" for key in sorted({*there, *here})
                     if not same(there.get(key), here.get(key))]
        if state["steps_an_epoch"] != len(self.loader):
            wrong.append(f"{state['steps_an_epoch']} steps an epoch there, {len(self.loader)} here")
        if (parts := state.get("parts")) != self._parts:   # an older checkpoint has none
            wrong.append(f"its step has {parts or 'no'} parts there and {self._parts or 'none'} here")
        if (state["scheduler"] is None) != (self.scheduler is None):
            wrong.append("a scheduler there, none here" if self.scheduler is None else "no scheduler there, one here")
        elif isinstance(self.scheduler, dict) and set(state["scheduler"]) != set(self.scheduler):
            wrong.append(f"a scheduler for {sorted(state['scheduler'])} there and {sorted(self.scheduler)} here")
        if set(state["carried"] or ()) != set(self.carried):
            wrong.append(f"carried is {sorted(state['carried'] or ())} there and {sorted(self.carried)} here")
        return wrong


def _states(of: Any) -> dict:
    """The state of an optimizer or a scheduler, or of each part's."""
    return {name: part.state_dict() for name, part in of.items()} if isinstance(of, dict) else of.state_dict()


def _load_states(of: Any, state: dict) -> None:
    """What ``_states`` gave."""
    for part, of_part in [(of[name], state[name]) for name in of] if isinstance(of, dict) else [(of, state)]:
        part.load_state_dict(of_part)
