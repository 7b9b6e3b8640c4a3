"""Plain data: what goes through JSON and comes back as it went."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

SIMPLE = {int, float, str, bool, type(None)}


def plain(value: Any, where: str, number_keys: bool = False) -> Any:
    """``value`` as it is after a journey through JSON.

    Args:
        value: dicts, lists, tuples, strings, numbers (NumPy's, too), booleans, None and paths.
        where: what it is, for messages: "Trainer: config".
        number_keys: let the integer keys of a dict become text.

    Returns:
        Tuples as lists, NumPy's numbers as Python's, paths as text.

    Raises:
        TypeError: something else, or a key that is no text; the message says where.
        ValueError: two keys of a dict that are the same text.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return float(value) if isinstance(value, float) else int(value)
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return plain(value.item(), where)
    if isinstance(value, os.PathLike) and isinstance(os.fspath(value), str):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        if set(map(type, value)) <= SIMPLE:   # long ones are: a loss for each step
            return list(value)
        return [plain(item, f"{where}[{i}]", number_keys) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        raise TypeError(f"{where} is a {type(value).__name__}, which JSON does not keep; give numbers, text, or lists and dicts of "
                        "them")
    found = {}
    for key, item in value.items():
        if not isinstance(key, str) and not (number_keys and isinstance(key, (int, np.integer)) and not isinstance(key, bool)):
            raise TypeError(f"{where} has the key {key!r}, a {type(key).__name__}, which JSON does not keep; make it text")
        if str(key) in found:
            raise ValueError(f"{where} has two keys that are {str(key)!r} in JSON")
        found[str(key)] = plain(item, f"{where}[{key!r}]", number_keys)
    return found


def same(there: Any, here: Any) -> bool:
    """Whether two values of plain data are equal; NaN is equal to itself, 1 to 1.0."""
    return there == here or json.dumps(there, sort_keys=True) == json.dumps(here, sort_keys=True)
