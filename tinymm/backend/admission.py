"""What a Tensor may hold: the one door that arrays from outside pass.

Floats up to 64 bits, integers and booleans, in plain arrays of the machine's byte order. Other arrays are turned into such
ones where their meaning is clear (matrices, masked arrays without masked entries, foreign byte orders), and refused where
it is not.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from .arrays import Array

HELD = frozenset("?bBhHiIlLqQefd")   # dtype characters: booleans, integers, float16, float32, float64
_FIXES = {"c": "keep array.real and array.imag as two Tensors",
          "O": "make numbers of it first: rows of one length, no None, np.array(values, dtype=float)",
          "U": "make numbers of it first: array.astype(float), or a Vocabulary for words",
          "M": "count from a date: ((array - start) / unit).astype(float)",
          "m": "divide by a unit: (array / np.timedelta64(1, 's')).astype(float)",
          "V": "take one field, array['name'], or array.astype(np.float32) of a small float",
          "f": "use array.astype(np.float64)"}
_FIXES["S"], _FIXES["T"] = _FIXES["U"], _FIXES["U"]


def admitted(array: Array, operation: str = "tensor") -> Array:
    """The values as a plain array that a Tensor may hold, shared where they can be.

    Args:
        array: an array of any registered kind, or of a subclass.
        operation: what the message begins with.

    Raises:
        TypeError: masked entries, or a dtype that no Tensor has; the message names the dtype and the fix.
    """
    dtype = array.dtype
    if type(array) is np.ndarray and dtype.char in HELD and dtype.isnative:
        return array
    if dtype.char not in HELD:
        refuse(operation, dtype, type(array).__name__)
    if not isinstance(array, np.ndarray):
        return array
    if isinstance(array, np.ma.MaskedArray):
        if np.ma.is_masked(array):
            raise TypeError(f"{operation}: a {dtype} masked array with {int(np.ma.count_masked(array))} masked entries is no "
                            "Tensor; give array.filled(value), and ~array.mask as a Tensor beside it")
        array = array.data
    return np.asarray(array, dtype.newbyteorder("="))


def refuse(operation: str, dtype: Any, kind: str) -> NoReturn:
    """Raise TypeError for a dtype that no Tensor has."""
    dtype = np.dtype(dtype)
    raise TypeError(f"{operation}: cannot hold {dtype} values of {kind}; {_FIXES.get(dtype.kind, 'give numbers')}")


def held(dtype: Any, operation: str = "tensor") -> np.dtype:
    """``dtype`` as a NumPy dtype that a Tensor may have, in the machine's byte order.

    Raises:
        TypeError: it is none; the message names the operation.
    """
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"{operation}: {dtype!r} is no dtype; give one of NumPy's, like np.float32 or 'int64'") from None
    if found.char not in HELD:
        raise TypeError(f"{operation}: a Tensor cannot have dtype {found}; choose float16, float32, float64, an integer dtype "
                        "or bool")
    return found if found.isnative else found.newbyteorder("=")   # NumPy's own object, which is quick to compare


def number(value: Any) -> Any:
    """A Python number from a NumPy scalar that a Tensor may hold, else None; other values as they are."""
    if isinstance(value, np.generic):
        return value.item() if value.dtype.char in HELD else None
    return value
