"""Checking ids: a sequence of integers, each of a vocabulary."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def checked_ids(name: str, ids: Iterable[int], size: int, what: str) -> list[int]:
    """``ids`` as a list.

    Args:
        name: the function that an error names.
        ids: (T,) integers: a list, an array or a Tensor.
        size: of the vocabulary.
        what: the ids are of one, "caption" or "text".

    Raises:
        TypeError: not a sequence of integers.
        IndexError: an id outside the vocabulary.
    """
    if isinstance(ids, str) or not hasattr(ids, "__iter__"):
        raise TypeError(f"{name}: {ids!r} is not a sequence of ids")
    ids = list(getattr(ids, "tolist", lambda: ids)())
    for i in ids:
        if isinstance(i, bool) or not isinstance(i, (int, np.integer)):
            raise TypeError(f"{name}: {i!r} is not an id but a {type(i).__name__}; ids are integers, one {what} at a time")
        if not 0 <= i < size:
            raise IndexError(f"{name}: id {i} is not in 0..{size - 1}, the ids of this vocabulary")
    return ids
