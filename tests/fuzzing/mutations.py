"""Changes of one argument or two: other shapes, dtypes, layouts, indices, lengths and options.

Arguments are plain values (NumPy arrays, numbers, strings, sequences of them); the Tensors are made of them afterwards.
"""

from __future__ import annotations

import inspect

import numpy as np

from tinymm.autograd.registry import Fixed

HUGE = (2**31 - 1, 2**31, 2**33, 2**62, 2**63 - 1, 2**63, -2**31, -2**63)
ODD_INTEGERS = (0, -1, 1, 2, 3, 7, -2, -7, 100)
ODD_FLOATS = (float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 0.5, 1.5, 1e38, -1e38, 3e9, 1e-300)
ODD_VALUES = (None, True, False, "", "bogus", "mean", 1.5, (), [], {}, (1, 2, 3, 4, 5, 6, 7, 8), object(), 1j)
DTYPES = ("float16", "float32", "float64", "int64", "int32", "int16", "uint8", "bool", ">f4", ">i8", "complex64", "object")


def change(rng, function, args: tuple, kwargs: dict):
    """The arguments with one or two of them changed, and what was changed, in words."""
    args, kwargs, told = list(args), dict(kwargs), []
    for _ in range(1 if rng.random() < 0.75 else 2):
        places = [("argument", i) for i in range(len(args))] + [("argument", k) for k in kwargs]
        options = [("option", name) for name in options_of(function) if name not in kwargs]
        if options and rng.random() < 0.15:
            places = options
        if not places:
            break
        kind, place = places[rng.integers(len(places))]
        if kind == "option":
            kwargs[place] = pick(rng, ODD_VALUES + ODD_INTEGERS + HUGE[:3])
            told.append(f"{place}={kwargs[place]!r} given")
            continue
        values = args if isinstance(place, int) else kwargs
        values[place], what = changed(rng, values[place])
        told.append(f"{place}: {what}")
    return args, kwargs, "; ".join(told)


def options_of(function) -> list[str]:
    """The names of the arguments that have a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.default is not p.empty and p.kind is not p.POSITIONAL_ONLY]


def pick(rng, values):
    return values[rng.integers(len(values))]


def changed(rng, value):
    """One value changed, and how."""
    if isinstance(value, Fixed):
        array, what = changed(rng, value.array)
        return (Fixed(array) if isinstance(array, np.ndarray) else array), what
    if isinstance(value, np.ndarray):
        if rng.random() < 0.02:
            odd = pick(rng, ODD_VALUES + (2, 0))
            return odd, f"{odd!r} for an array"
        return array_changed(rng, value)
    if isinstance(value, (list, tuple)) and value:
        return sequence_changed(rng, value)
    if rng.random() < 0.15:
        odd = pick(rng, ODD_VALUES + ODD_INTEGERS)
    elif isinstance(value, bool):
        odd = pick(rng, (not value, None, 2, "yes"))
    elif isinstance(value, int):
        odd = pick(rng, (value + 1, value - 1, -value, 2 * value + 1, float(value)) + ODD_INTEGERS + HUGE)
    elif isinstance(value, float):
        odd = pick(rng, ODD_FLOATS + (-value, 10 * value))
    elif isinstance(value, str):
        odd = pick(rng, ("", "bogus", value.upper(), value + "x", "mean", "none", "sum", "same", "valid", "i,j->", "->"))
    else:
        odd = pick(rng, ODD_VALUES + ODD_INTEGERS)
    return odd, f"{value!r} -> {odd!r}"


def sequence_changed(rng, value):
    items = list(value)
    at = rng.integers(len(items))
    how = pick(rng, ("item", "item", "item", "drop", "repeat", "reverse", "empty"))
    if how == "item":
        items[at], what = changed(rng, items[at])
        return type(value)(items), f"[{at}] {what}"
    if how == "drop":
        del items[at]
    elif how == "repeat":
        items.insert(at, items[at])
    elif how == "reverse":
        items.reverse()
    else:
        items = []
    return type(value)(items), f"{how} of {len(value)}"


def array_changed(rng, array):
    """An array with another shape, dtype, layout or other values."""
    change = (shape_changed, dtype_changed, layout_changed, values_changed)[np.searchsorted((0.5, 0.62, 0.75), rng.random())]
    result, what = change(rng, array)
    return np.asarray(result), what   # NumPy makes scalars of some 0-d arrays


def dtype_changed(rng, array):
    name = pick(rng, DTYPES)
    with np.errstate(all="ignore"):
        return array.astype(name), f"{array.dtype} -> {name}"


def shape_changed(rng, array):
    shape, n = array.shape, array.ndim
    axis = int(rng.integers(n)) if n else 0
    how = pick(rng, ("new axis", "drop axis", "longer", "shorter", "empty", "double", "swap", "flat", "0-d", "one", "merge"))
    if n == 0 or how == "new axis":
        at = int(rng.integers(n + 1))
        result = np.expand_dims(array, at)
        if rng.random() < 0.5:
            result = np.repeat(result, 2, at)
    elif how == "drop axis":
        result = np.take(array, 0, axis) if shape[axis] else np.zeros(shape[:axis] + shape[axis + 1:], array.dtype)
    elif how == "longer":
        result = np.concatenate([array, np.take(array, [0], axis)], axis) if shape[axis] else grown(array, axis)
    elif how == "shorter":
        result = np.take(array, range(shape[axis] - 1), axis) if shape[axis] else grown(array, axis)
    elif how == "empty":
        result = np.take(array, np.zeros(0, np.int64), axis)
    elif how == "double":
        result = np.concatenate([array, array], axis)
    elif how == "swap":
        result = np.ascontiguousarray(array.swapaxes(axis, int(rng.integers(n))))
    elif how == "flat":
        result = array.reshape(-1)
    elif how == "0-d":
        result = np.asarray(array.flat[0]) if array.size else np.zeros((), array.dtype)
    elif how == "one":
        result = np.take(array, [0], axis) if shape[axis] else grown(array, axis)
    else:
        result = array.reshape(shape[:axis] + (-1,)) if array.size else array.reshape(-1)
    result = np.asarray(result)   # NumPy makes plain objects of some 0-d arrays
    return result, f"{how}: {list(shape)} -> {list(result.shape)}"


def grown(array, axis):
    return np.zeros(tuple(1 if i == axis else n for i, n in enumerate(array.shape)), array.dtype)


def layout_changed(rng, array):
    """The same values in a memory layout that a kernel must not take for a contiguous one."""
    how = pick(rng, ("read-only", "byte-swapped", "unaligned", "strided", "reversed", "Fortran", "broadcast"))
    if how == "read-only" or array.dtype.hasobject:
        result = array.copy()
        result.flags.writeable = False
    elif how == "byte-swapped":
        result = array.astype(array.dtype.newbyteorder())
    elif how == "unaligned":
        result = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        result[...] = array
    elif how == "strided":
        result = np.stack([array, array * 0], -1)[..., 0]
    elif how == "reversed":
        result = np.flip(np.flip(array).copy())
    elif how == "Fortran":
        result = np.asfortranarray(array)
    else:
        result = np.broadcast_to(array.flat[0], array.shape) if array.size else array
    return result, how


def values_changed(rng, array):
    """A few values that are out of the usual: indices out of range, NaN, infinities, huge coordinates."""
    if not array.size or array.dtype.kind not in "fiub":
        return array.astype(pick(rng, DTYPES[:8])), "another dtype"
    result = array.copy()
    kind = array.dtype.kind
    if kind == "b":
        result[...] = pick(rng, (True, False))
        return result, f"all {result.flat[0]}"
    top = int(array.max()) if kind in "iu" else 0
    odd = pick(rng, ODD_FLOATS if kind == "f" else (top + 1, top + 2, top + 50, -1, -2, -top - 1, -top - 2, -100, *HUGE))
    count = int(pick(rng, (1, 2, array.size)))
    try:
        for at in rng.integers(array.size, size=count):
            result.flat[at] = odd
    except (OverflowError, ValueError):   # a huge index in a narrow dtype; an array of objects
        return array.astype(np.float64), "float64"
    return result, f"value {odd} ({count} times)"
