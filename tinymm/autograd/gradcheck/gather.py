"""What is known about a wrong gradient, gathered from the subject: the experiments behind ``diagnose``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np

from ..state import no_grad
from ..tensor import Tensor
from .diagnose import Evidence
from .numeric import central
from .subject import Leaf, Subject

HERE = str(Path(__file__).parents[2])   # the package: who calls detach is the first frame outside of it
PLACES = 4                              # detaches that are passed through one by one


def gather(subject: Subject, leaf: Leaf, gradient, numeric, cotangent, y0, eps: float, gradients, kink: str = "",
           right_for_ones: bool = False) -> Evidence:
    """The Evidence on one argument.

    Args:
        gradient, numeric: analytic and numeric gradient, of the argument's shape (the analytic one may have another).
        cotangent: (M,), the incoming gradient of both.
        y0: the outputs, (M,).
        eps: step of the differences.
        gradients: of all leaves under this cotangent, or None.
        kink: why there is no derivative at the worst element.
        right_for_ones: whether the gradient is right under a cotangent of ones.
    """
    i = subject.leaves.index(leaf)

    def contributions(index):
        plus, minus, width = subject.line(leaf, index).pair(eps)
        return cotangent * (plus - minus) / width

    def answer(incoming):
        try:
            return subject.backward(subject.call(), incoming)[i]
        except Exception:   # a backward may raise anything; it is known already to be wrong
            return None

    def along(name, array, direction):
        other = next(o for o in subject.leaves if o.name == name)
        other.put(array)
        try:
            return float(central(subject.line(leaf, direction=direction), cotangent[None], eps)[0])
        finally:
            other.put(other.base)

    doubled = answer(2 * cotangent) if subject.connected and gradient.any() else None
    return Evidence(
        gradient, numeric, leaf.base, cotangent, y0, subject.shapes[0] if len(subject.shapes) == 1 else None,
        others(subject, leaf, cotangent, eps, gradients, gradient.shape),
        [base for _, _, base in subject.fixed if base.dtype.kind in "iu"], contributions,
        ignores_cotangent=doubled is not None and np.array_equal(doubled, gradient), right_for_ones=right_for_ones, kink=kink,
        output_shapes=tuple(subject.shapes),
        values={other.name: other.base for other in subject.leaves if other is not leaf},
        answer=answer if subject.connected else None, along=along, undetached=lambda: undetached(subject, i, cotangent))


def others(subject: Subject, leaf: Leaf, cotangent, eps: float, gradients, shape) -> dict:
    """name -> (analytic, numeric) of the other small arguments of the argument's, or the gradient's, shape."""
    found = {}
    for j, other in enumerate(subject.leaves):
        if other is not leaf and other.base.shape in (leaf.base.shape, shape) and 0 < other.base.size <= 256:
            elements = [central(subject.line(other, n), cotangent[None], eps)[0] for n in range(other.base.size)]
            found[other.name] = (None if gradients is None else gradients[j],
                                 np.array(elements).reshape(other.base.shape))
    return found


def undetached(subject: Subject, i: int, cotangent):
    """(gradient of leaf ``i``, place) with each ``detach`` or ``no_grad`` of the user's code passed through, in turn."""
    with passing(lambda place: False) as met:
        subject.call()
    for place in list(dict.fromkeys(met))[:PLACES]:
        try:
            with passing(lambda other, place=place: other == place):
                gradient = subject.backward(subject.call(), cotangent)[i]
        except Exception:   # what was detached for good reason, as to become an array
            continue
        yield gradient, place


@contextlib.contextmanager
def passing(lets):
    """Inside, ``detach`` and ``no_grad`` let gradients pass at the places of which ``lets`` is true; gives all places."""
    met: list[str] = []
    cut, enter = Tensor.detach, no_grad.__enter__

    def detach(self):
        place = f"detach() {caller()}"
        met.append(place)
        return self if lets(place) else cut(self)

    def begin(self):
        place = f"no_grad {caller()}"
        met.append(place)
        entered = enter(self)
        if lets(place):
            self.value = True
            self._set()
            del self.value
        return entered

    Tensor.detach, no_grad.__enter__ = detach, begin
    try:
        yield met
    finally:
        Tensor.detach = cut
        del no_grad.__enter__


def caller() -> str:
    """The place in the user's file that led here."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    return f"in line {frame.f_lineno} of {Path(frame.f_code.co_filename).name}"
