"""One array of a student's against the right one: type, shape, dtype, finiteness, value; and what may be behind a difference."""

from __future__ import annotations

import re

import numpy as np

from ..autograd.gradcheck.diagnose import Evidence, guess
from ..autograd.gradcheck.report import relative_error
from .call import kind, remedy
from .exercise import Task
from .report import Problem

RTOL = 1e-8          # in float64 the student's way and the reference's differ by rounding only, about 1e-14
RTOL_FLOAT32 = 1e-4
SUBCLASSES = {np.matrix: "an np.matrix, for which * means another thing,", np.ma.MaskedArray: "a masked array"}
FLOOR = 1e-3         # errors are relative to the element, or to this much of the largest one where that is more


def close(got, want, rtol: float = RTOL) -> bool:
    """Whether two arrays are the same but for rounding."""
    return np.shape(got) == np.shape(want) and not off(got, want, rtol).any()


def off(got, want, rtol: float = RTOL):
    """Which elements differ by more than rounding."""
    with np.errstate(all="ignore"):
        return ~(np.abs(got - want) <= rtol * np.maximum(np.abs(want), FLOOR * np.max(np.abs(want), initial=1e-300)))


def as_value(task: Task, name: str, value, want: np.ndarray) -> tuple[np.ndarray | None, list[Problem]]:
    """A returned value as a float64 array of the right shape (None if it is none), and what is wrong with its form."""
    shape, problems = task.shape(name, want.shape), []
    kept = next((text for cls, text in SUBCLASSES.items() if issubclass(type(value), cls)), "")
    if kept or not issubclass(type(value), (np.ndarray, np.generic, int, float)) or type(value) is bool:
        return None, [Problem(f"{name} is {kept or kind(value)} and should be a NumPy array, {shape}", remedy(value), name=name)]
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


def mismatch(task: Task, name: str, got: np.ndarray, want: np.ndarray, rtol: float = RTOL) -> Problem | None:
    """The worst element of a wrong value, of integers the first wrong one; None if it is right."""
    wrong = off(got, want, rtol)
    if not wrong.any():
        return None
    whole = want.dtype.kind in "iu"
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong if whole else np.abs(got - want))), wrong.shape))
    worst = relative_error(float(got[at]), float(want[at]))
    remarks = [] if whole else [f"relative error {worst:.2g}"]
    remarks += [f"{int(wrong.sum())} of {wrong.size} elements are off"] if wrong.size > 1 else []
    text = f"{name}{_at(at)} is {got[at]:.6g} and should be {want[at]:.6g}"
    return Problem(f"{text} ({'; '.join(remarks)})" if remarks else text,
                   name=name, index=at, got=float(got[at]), expected=float(want[at]), error=worst)


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
