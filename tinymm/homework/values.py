"""One array of a student's against the right one: type, shape, dtype, finiteness, value; and what may be behind a difference."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..autograd.gradcheck.diagnose import Evidence, extent, guess
from ..autograd.gradcheck.report import relative_error
from .call import kind, remedy
from .exercise import Case, Task
from .report import Problem

RTOL = 1e-8          # in float64 the student's way and the reference's differ by rounding only, about 1e-14
RTOL_FLOAT32 = 1e-4
ROUNDINGS = 256      # so many roundings of the largest number may add up in one element
SUBCLASSES = {np.matrix: "an np.matrix, for which * means another thing,", np.ma.MaskedArray: "a masked array"}
EXPONENT = 1e4       # a larger number stands in no exponent: exp would be infinite, and softmax a maximum
FLOOR = 1e-3         # errors are relative to the element, or to this much of the largest one where that is more


def floor_of(case: Case, cotangents: Sequence[np.ndarray] = ()) -> float:
    """How far two right answers may be apart in a case, however small they are.

    A value is a sum of products of the case's numbers, and a sum that cancels keeps the rounding of its terms: alpha - alpha^2 is
    2e-16 off where alpha is 1, also if the rest is 1e-139. So the floor is the unit roundoff times the largest product that the
    numbers of the case can make, each argument and the incoming gradient once. The largest one may stand in an exponent,
    whose rounding is a relative error of what follows (exp(e - log sum exp(e)) with e near 1000).

    Args:
        cotangents: the incoming gradients, for the floor of gradients.
    """
    numbers = [value for value in case.arguments.values() if np.asarray(value).dtype.kind == "f"]
    sizes = [np.max(np.abs(value), initial=1.0, where=np.isfinite(value)) for value in numbers]
    incoming = max((float(np.max(np.abs(c), initial=0.0)) for c in cotangents), default=1.0)
    largest = max(sizes, default=1.0)
    exponent = largest if largest < EXPONENT else 1.0
    return ROUNDINGS * np.finfo(np.float64).eps / 2 * incoming * float(np.prod(sizes)) * exponent


def close(got, want, rtol: float = RTOL, floor: float = 0.0) -> bool:
    """Whether two arrays are the same but for rounding."""
    return np.shape(got) == np.shape(want) and not off(got, want, rtol, floor).any()


def off(got, want, rtol: float = RTOL, floor: float = 0.0):
    """Which elements differ by more than rounding, and by more than ``floor``."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(want), FLOOR * np.max(np.abs(want), initial=1e-300))
        return ~(np.abs(got - want) <= np.maximum(rtol * size, floor))


def as_value(task: Task, name: str, value, want: np.ndarray) -> tuple[np.ndarray | None, list[Problem]]:
    """A returned value as a float64 array of the right shape (None if it is none), and what is wrong with its form."""
    shape, problems = task.shape(name, want.shape), []
    kept = next((text for cls, text in SUBCLASSES.items() if issubclass(type(value), cls)), "")
    if kept or not issubclass(type(value), (np.ndarray, np.generic, int, float)) or type(value) is bool:
        likely = f"no value was computed for {name}, or a helper has no return" if value is None else remedy(value)
        return None, [Problem(f"{name} is {kept or kind(value)} and should be a NumPy array, {shape}", likely, name=name)]
    if issubclass(type(value), (int, float)) and want.ndim:   # np.float64 is a float, too
        return None, [Problem(f"{name} is a single number and should be a NumPy array, {shape}", "a sum or mean over all axes?",
                              name=name)]
    array = np.asarray(value)   # the type is asked for, not isinstance, which believes a lying __class__
    if array.shape != want.shape:
        return None, [Problem(f"{name} has shape {array.shape} and should be {shape}", shape_guess(task, name, array, want),
                              name=name)]
    whole = want.dtype.kind in "iu"
    if array.dtype.kind not in "fiu":
        return None, [Problem(f"{name} holds {array.dtype} and should hold {'integers' if whole else 'float64'}", name=name)]
    if whole and array.dtype.kind == "f":
        problems.append(Problem(f"{name} is {array.dtype} and should hold integers", "np.zeros and np.empty make float64 unless "
                                "told dtype=int, and so does arithmetic with a float", name=name))
    elif not whole and array.dtype != np.float64 and (array.dtype.kind == "f" or array.ndim):
        likely = "a step is done in float32: np.float32, astype, or dtype= somewhere" if array.dtype.kind == "f" else \
            "an array made of integers (np.zeros_like of an integer array, dtype=int) rounds what is written into it"
        problems.append(Problem(f"{name} is {array.dtype}, though every input is float64", likely, name=name))
    finite = np.isfinite(array)
    if not finite.all():
        at = tuple(int(i) for i in np.argwhere(~finite)[0])
        problems.append(Problem(f"{name}{_at(at)} is {array[at]}: {int((~finite).sum())} of {array.size} elements are not finite",
                                name=name, index=at, got=float(array[at]), expected=float(want[at])))
        return None, problems
    return array.astype(np.float64), problems


def mismatch(task: Task, name: str, got: np.ndarray, want: np.ndarray, rtol: float = RTOL, floor: float = 0.0) -> Problem | None:
    """The worst element of a wrong value, of integers the first wrong one; None if it is right."""
    wrong = off(got, want, rtol, floor)
    if not wrong.any():
        return None
    whole = want.dtype.kind in "iu"
    worst_first = wrong if whole else np.where(wrong, np.abs(got - want), -1.0)
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(worst_first)), wrong.shape))
    worst = relative_error(float(got[at]), float(want[at]))
    is_, should = distinct(float(got[at]), float(want[at]))
    remark = f"{int(wrong.sum())} of {wrong.size} elements are off" if whole else how_much(got, want, wrong, worst)
    text = f"{name}{_at(at)} is {is_} and should be {should}"
    return Problem(f"{text} ({remark})" if wrong.size > 1 or not whole else text,
                   name=name, index=at, got=float(got[at]), expected=float(want[at]), error=worst)


def how_much(got: np.ndarray, want: np.ndarray, wrong: np.ndarray, worst: float) -> str:
    """"7 of 12 elements are wrong, by 3 % to 40 %"; of a single number its relative error, ``worst``."""
    text = extent(got, want, wrong) if wrong.size > 1 else ""
    return text.replace(" (", "; ").rstrip(")") or f"relative error {worst:.2g}"   # it stands in parentheses itself


def distinct(a: float, b: float) -> tuple[str, str]:
    """Two numbers with six digits, or as many as tell them apart."""
    texts = "", ""
    for digits in range(6, 18):
        texts = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if texts[0] != texts[1] or a == b:
            break
    return texts


def numeric(value) -> bool:
    """Whether it is an array of numbers (its type is asked for, not isinstance, which believes a lying __class__)."""
    return issubclass(type(value), np.ndarray) and value.dtype.kind in "fiu"


def exchanged(got: dict, want: dict, floor: float = 0.0) -> list[tuple[str, str]]:
    """(name, name of what stands there) of values that were returned in each other's places.

    Args:
        got: name -> what was returned under it, of any shape.
        want: name -> what it should be.
    """
    unfit = [name for name in got if not close(got[name], want[name], floor=floor)]
    pairs = [(name, next((other for other in unfit if other != name and close(got[name], want[other], floor=floor)
                          and np.any(want[other])), "")) for name in unfit]
    return [] if sorted(other for _, other in pairs) != sorted(unfit) else pairs


def order_problem(pairs: list[tuple[str, str]], names: list[str]) -> Problem:
    """The Problem of values that were ``exchanged``; ``names`` are all of them in their order."""
    order = f"the order is {', '.join(names)}"
    if len(pairs) == 2:
        return Problem(f"{pairs[0][0]} and {pairs[1][0]} are returned in each other's place: {order}", name=pairs[0][0])
    return Problem(f"{', '.join(name for name, _ in pairs)} are right, but returned in another order: {order}", name=pairs[0][0])


def pattern(task: Task, name: str, got: np.ndarray, want: np.ndarray) -> str:
    """What a wrong value of a forward looks like (a factor, a sign, transposed, some slices); "" if nothing known.

    The patterns are those of gradcheck, which looks for them in gradients.
    """
    if not got.any():
        return f"{name} is zero everywhere"
    if want.dtype.kind in "iu":   # a factor or a sign means nothing for numbers of classes or words
        return ""
    unknown = np.full(want.shape, np.nan)
    text = guess(Evidence(got, want, unknown, np.zeros(1), np.zeros(1), None, {}, [], lambda i: np.zeros(0)))
    return "" if "gradient" in text or "backward" in text else name_axes(task, name, text)


def shape_guess(task: Task, name: str, got: np.ndarray, want: np.ndarray) -> str:
    """Why an array has another shape than it should."""
    if got.dtype.kind not in "fiub":
        return ""
    if got.ndim == want.ndim and sorted(got.shape) == sorted(want.shape):
        return "transposed"
    axes = task.axes_of(name)
    for d in range(got.ndim):
        if got.shape[:d] + got.shape[d + 1:] == want.shape:
            return f"axis {d} of length {got.shape[d]} is one too many: sum over it" if got.shape[d] > 1 else \
                f"axis {d} of length 1 is one too many (keepdims?)"
    for d in range(want.ndim):
        if want.shape[:d] + want.shape[d + 1:] == got.shape:
            named = f" ({axes[d]})" if d < len(axes) else ""
            return f"axis {d}{named} is missing: summed or averaged over it?"
    return ""


def name_axes(task: Task, name: str, text: str) -> str:
    """Gradcheck's "axis 1" as "axis 1 (L)"."""
    axes = task.axes_of(name)
    named = lambda m: f"axis {m[1]} ({axes[int(m[1])]})" if int(m[1]) < len(axes) else m[0]
    return re.sub(r"\baxis (\d)(?: of the argument)?(?! of the output)", named, text)


def _at(index: tuple) -> str:
    return str(list(index)) if index else ""
