"""Arrays of numbers: the one place where metrics check what they are given."""

from __future__ import annotations

import numpy as np

from ..autograd.host import to_numpy


def numbers(name: str, what: str, values, words: bool = False) -> np.ndarray:
    """A Tensor of any device, an array or nested lists as a NumPy array of booleans, integers or floats.

    Args:
        name: of the function that was called, for the message.
        what: of its arguments, likewise.
        values: what it was given.
        words: strings may be there, too, in an array or a list, as names of classes.

    Raises:
        TypeError: None, a string, complex numbers, objects.
        ValueError: lists of different lengths.
    """
    try:
        array = to_numpy(values)
    except ValueError as error:   # NumPy's
        raise ValueError(f"{name}: {what} are lists of different lengths, which make no array ({str(error)[:60]}...)") from None
    if array.dtype.kind not in "biuf" and not (words and array.dtype.kind == "U" and array.ndim):
        given = f"an array of {array.dtype}" if array.ndim else f"a {type(values).__name__}"
        raise TypeError(f"{name}: {what} must be numbers, in a Tensor, an array or lists, got {given}")
    return array
