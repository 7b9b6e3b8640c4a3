"""What an exercise is: tasks, each a function to write (mostly with its backward), cases, and the usual mistakes.

An exercise is a module ``exercises/lecture_NN.py`` that defines ``EXERCISE``. Its references are written with Tensors: a
computation of its own kind, whose gradients the engine derives, to hold a student's NumPy against.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Callable

import numpy as np

from ..autograd.registry import Draw


@dataclasses.dataclass(frozen=True)
class Case:
    """One call of a task's function.

    Attributes:
        name: what is special about it ("one location"); "" for the ordinary case.
        arguments: name -> array or number, in the order of the function's parameters.
        differences: compare the gradients with finite differences here (elsewhere with the reference only).
        hint: what to think of if only this case goes wrong.
    """

    name: str
    arguments: dict
    differences: bool = False
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A usual mistake: a reference with it built in.

    A forward that gives the variant's values, or a backward that gives the variant's gradients, is told ``text``. To
    imitate a mistake of the backward alone, a variant keeps the right value and spoils the gradient: see ``with_slope``.

    Attributes:
        text: the sentence for the student.
        variant: called like the reference.
    """

    text: str
    variant: Callable


@dataclasses.dataclass(frozen=True)
class Task:
    """A forward, and its backward if it has one.

    The forward takes the arguments of a case by position and returns the outputs, then a cache if there is a backward.
    The backward takes one gradient for each output, then the cache, and returns one gradient for each name in
    ``gradients``.

    Attributes:
        name: of the task; ``check(..., only=name)`` checks its functions.
        forward, backward: names of the student's functions; None for no backward.
        outputs: names of what the forward returns.
        gradients: names of the arguments whose gradients the backward returns, in order.
        axes: name -> names of its axes, separated by spaces ("B L D"), for arguments and outputs.
        reference: the forward on Tensors.
        cases: ``cases(draw)`` gives the Cases; the first is an ordinary one.
        mistakes: the usual ones; the first that fits is told.
        stopped: names in ``gradients`` whose gradient is by definition not that of the forward (a stopped gradient), so
            that finite differences would be misleading; they are compared with the reference only.
        points: for each of ``functions``, what it is worth.
        extra: beyond what is asked for: its points come on top of those of the exercise.

    Raises:
        ValueError: ``points`` are not one positive integer for each function.
    """

    name: str
    forward: str
    backward: str | None
    outputs: tuple[str, ...]
    gradients: tuple[str, ...]
    axes: dict[str, str]
    reference: Callable
    cases: Callable[[Draw], list[Case]]
    mistakes: tuple[Mistake, ...] = ()
    stopped: tuple[str, ...] = ()
    points: tuple[int, ...] = dataclasses.field(kw_only=True)
    extra: bool = dataclasses.field(default=False, kw_only=True)

    def __post_init__(self):
        if len(self.points) != len(self.functions) or not all(type(p) is int and p > 0 for p in self.points):
            raise ValueError(f"Task: {self.name} has the points {self.points}; give one positive integer for each of "
                             f"{', '.join(self.functions)}")

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the student's functions."""
        return (self.forward,) if self.backward is None else (self.forward, self.backward)

    def cases_drawn(self) -> list[Case]:
        """The cases, with the same numbers on every platform."""
        return self.cases(Draw(seed=4))

    def axes_of(self, name: str) -> list[str]:
        """Names of the axes of an argument or output; a gradient "dx" has those of x."""
        return self.axes.get(name, self.axes.get(name[1:], "") if name[:1] == "d" else "").split()

    def shape(self, name: str, shape: tuple) -> str:
        """A shape with the names of its axes: "(B=3, L=5)"; "a scalar" if it has none."""
        axes = self.axes_of(name)
        if not shape:
            return "a scalar"
        if len(axes) != len(shape):
            return str(tuple(shape))
        return "(" + ", ".join(f"{a}={n}" for a, n in zip(axes, shape)) + ("," if len(shape) == 1 else "") + ")"


@dataclasses.dataclass(frozen=True)
class Exercise:
    """The exercise of one lecture.

    Attributes:
        number, title: of the lecture.
        tasks: in the order of the student's file.
        allows: packages that a solution may use beside NumPy and Python's own.
    """

    number: int
    title: str
    tasks: tuple[Task, ...]
    allows: tuple[str, ...] = ()

    @property
    def possible(self) -> int:
        """The points of all tasks that are not extra."""
        return sum(sum(task.points) for task in self.tasks if not task.extra)

    def select(self, only: str | None) -> list[tuple[Task, tuple[str, ...]]]:
        """Pairs of a task and the functions of it to report on.

        Raises:
            ValueError: no task or function is named ``only``.
        """
        if only is None:
            return [(task, task.functions) for task in self.tasks]
        for task in self.tasks:
            if only == task.name:
                return [(task, task.functions)]
            if only in task.functions:
                return [(task, (only,))]
        known = [name for task in self.tasks for name in (task.name, *task.functions)]
        raise ValueError(f"check: exercise {self.number:02d} has no task or function {only!r}; it has "
                         f"{', '.join(dict.fromkeys(known))}")


def numbers() -> list[int]:
    """The lectures that have an exercise."""
    from . import exercises

    found = (re.fullmatch(r"lecture_(\d\d)", module.name) for module in pkgutil.iter_modules(exercises.__path__))
    return sorted(int(match[1]) for match in found if match)


def find(number: int | str) -> Exercise:
    """The exercise of a lecture, by its number ("04", "4" or 4).

    Raises:
        ValueError: there is none.
    """
    known = numbers()
    if not re.fullmatch(r"\d{1,2}", str(number)) or int(number) not in known:
        raise ValueError(f"check: there is no exercise {number!r}; there are {', '.join(f'{n:02d}' for n in known)}")
    return importlib.import_module(f".exercises.lecture_{int(number):02d}", __package__).EXERCISE


def with_slope(value, path):
    """A Tensor with the value of ``value`` and the gradient of ``path``: how a variant spoils a gradient alone."""
    return value.detach() + (path - path.detach())


def sloped(function: Callable, slope: Callable) -> Callable:
    """A function of one Tensor whose backward multiplies by ``slope(its value)`` in the place of its derivative."""
    def spoilt(a):
        value = function(a)
        return with_slope(value, slope(value.detach()) * a)
    return spoilt


def words(*lengths: int) -> np.ndarray:
    """A mask (B, T) of captions of these lengths: True for a word."""
    return np.arange(max(lengths)) < np.array(lengths)[:, None]
