"""The same gradient asked for again, in other circumstances: it must not depend on them.

Each question is one that a backward which is right in a single quiet call can get wrong: a second pass through one
graph, a second call, a call of the same operation in between, an incoming gradient that is a broadcast view, an
argument that is alone in wanting its gradient.
"""

from __future__ import annotations

import dataclasses
import random as python_random

import numpy as np

from .report import told_apart
from .subject import Subject

ALONE_AT_MOST = 8     # arguments asked for one at a time


@dataclasses.dataclass
class Difference:
    """A gradient that came out differently.

    Attributes:
        kind: "non-deterministic" or "wrong", the verdict it deserves.
        guess: what may be behind it.
        index: flat index of the largest difference.
        first, again: the two values.
        gradient: the second gradient.
    """

    kind: str
    guess: str
    index: int | None
    first: float
    again: float
    gradient: np.ndarray | None


def difference(kind: str, guess: str, first, again, tolerance: float) -> Difference | None:
    """A Difference if two gradients (arrays or None) are further apart than ``tolerance`` of their largest element."""
    if first is None and again is None:
        return None
    shape = (again if first is None else first).shape
    a = np.zeros(shape) if first is None else first
    b = np.zeros(shape) if again is None else again
    if a.shape != b.shape:
        return Difference(kind, guess + f" (its shape is then {b.shape})", 0, np.nan, np.nan, b)
    if not a.size:
        return None
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
        apart = np.where(np.isnan(apart), np.inf, apart)
        scale = np.max(np.abs(np.where(np.isfinite(a), a, 0.0)))
    if apart.max() <= tolerance * scale:
        return None
    at = int(np.argmax(apart))
    return Difference(kind, guess, at, float(a.flat[at]), float(b.flat[at]), b)


def dice() -> tuple:
    """The state of the random numbers that Python and NumPy keep globally."""
    state = np.random.get_state(legacy=False)["state"]
    return python_random.getstate(), state["pos"], state["key"].tobytes()


def unsteady(subject: Subject, y0, bases, tolerance: float) -> str:
    """How the forward contradicts itself: two calls with the same inputs, then one with a call elsewhere in between."""
    before = dice()
    for between in (False, True):
        if between:
            elsewhere(subject, bases)
        y = subject.flat(subject.call(graph=False))
        found = difference("", "", y0, y, tolerance)
        if found is None:
            continue
        first, again = told_apart(found.first, found.again, 6)
        if y.shape != y0.shape:
            return f"two forward passes with the same inputs differ: {y0.size} outputs, then {y.size}"
        why = "it draws random numbers: from tinymm's streams they would be the same in every pass" if dice() != before else \
            "it keeps values of an earlier call" if between else \
            "it draws random numbers (take them from tinymm's streams) or keeps state between calls"
        return f"two forward passes with the same inputs differ: output {found.index} is {first}, then {again}; {why}; " \
            "the backward was not judged"
    return ""


def shrunk(subject: Subject, rng) -> list[np.ndarray]:
    """Another point nearby: every value a little closer to 0, where a domain seldom ends."""
    return [leaf.base * rng.uniform(0.97, 0.995, leaf.base.shape) for leaf in subject.leaves]


def elsewhere(subject: Subject, bases):
    """The outputs at another point, or None where the function refuses it."""
    subject.cast("float64", bases)
    try:
        outputs = subject.call()
        fits = [outputs[i].shape for i in subject.live] == subject.shapes
        return outputs if fits and np.isfinite(subject.flat(outputs)).any() else None
    except (ValueError, ArithmeticError, IndexError):
        return None
    finally:
        subject.cast("float64")


def questions(subject: Subject, gradients, cotangent, ones, bases, tolerance: float):
    """Ask again in other circumstances; yields (leaf number, Difference).

    Args:
        gradients: the first answer, for ``cotangent``.
        ones: the answer for a cotangent of ones (contiguous), or None.
        bases: values of a second point.
    """
    leaves = subject.leaves

    def ask(kind, guess, again, first=gradients, which=None):
        for j, i in enumerate(range(len(leaves)) if which is None else which):
            found = difference(kind, guess, first[i], again[j], tolerance)
            if found is not None:
                yield i, found

    yield from ask("non-deterministic", "a second call gives another gradient: state is kept between calls, or the "
                   "backward draws random numbers", subject.backward(subject.call(), cotangent))
    outputs = subject.call()
    elsewhere(subject, bases)
    yield from ask("non-deterministic", "changes when the operation is called again before the backward: values are "
                   "kept on the class or a global instead of on self (ctx)", subject.backward(outputs, cotangent))
    strided = lambda part: np.stack([part, part], axis=-1)[..., 0]
    yield from ask("wrong", "wrong when the incoming gradient is not contiguous in memory",
                   subject.backward(subject.call(), cotangent, layout=strided))
    if ones is not None:
        spread = lambda part: np.broadcast_to(np.ones((), part.dtype), part.shape)
        yield from ask("wrong", "wrong when the incoming gradient is a broadcast view, as .sum() hands it on",
                       subject.backward(subject.call(), np.ones(len(cotangent)), layout=spread), first=ones)
    if 1 < len(leaves) <= ALONE_AT_MOST:
        for i, leaf in enumerate(leaves):
            others = [(other.tensor, other.tensor._node) for other in leaves if other is not leaf]
            for tensor, _ in others:
                tensor._node = None
            try:
                outputs = subject.call()
                alone = subject.backward(outputs, cotangent, leaves=[leaf])
            finally:
                for tensor, node in others:
                    tensor._node = node
            yield from ask("wrong", "wrong when this argument alone needs a gradient (self.needs is misread)", alone,
                           which=[i])
