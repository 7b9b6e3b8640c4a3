"""Save and load nested state: arrays as safetensors, everything else as JSON in the same file's header.

A flat state dict becomes an ordinary safetensors file with the same keys, which other libraries read.
"""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import numpy as np

from .autograd import Tensor
from .backend.arrays import is_array, to_host
from .backend.files import replacing

MARK = "__tensor__"   # stands in the JSON skeleton for an array stored under that key
NUMBER_KEYS = "__dict_with_integer_keys__"


def save(obj, path: str | os.PathLike) -> None:
    """Write ``obj`` to one file, completely or not at all.

    Args:
        obj: nested dicts, lists and tuples of Tensors, arrays, numbers, strings, booleans and None.
        path: file name; by convention it ends in ".safetensors".

    Raises:
        TypeError: something else in ``obj``; the message says where.
    """
    from safetensors.numpy import save as to_bytes

    arrays: dict[str, np.ndarray] = {}
    skeleton = _take_apart(obj, "", arrays)
    data = to_bytes(arrays, metadata={"tinymm": json.dumps(skeleton)})
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def load(path: str | os.PathLike) -> Any:
    """Read what ``save`` wrote, or any safetensors file (as a dict of Tensors).

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a safetensors file, or a damaged one.
    """
    from safetensors import SafetensorError, safe_open

    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"load: {path} does not exist" + ("; it is a folder" if path.is_dir() else ""))
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"load: {path} is not a complete safetensors file ({error})") from None
    if "tinymm" not in metadata:
        return {key: Tensor(array) for key, array in arrays.items()}
    return _put_together(json.loads(metadata["tinymm"]), arrays)


def _take_apart(value, path: str, arrays: dict):
    """The JSON skeleton of ``value``; its arrays go into ``arrays``."""
    if isinstance(value, Tensor) or is_array(value):
        array = to_host(value._data if isinstance(value, Tensor) else value)
        key = path or "tensor"
        arrays[key] = np.ascontiguousarray(array).reshape(array.shape)   # safetensors writes wrong values of others
        return {MARK: key, "array": not isinstance(value, Tensor)}
    if isinstance(value, dict):
        inside = {str(k): _take_apart(v, f"{path}.{k}" if path else str(k), arrays) for k, v in value.items()}
        if len(inside) != len(value):
            raise TypeError(f"save: two keys of the dict at {path or 'the top'} read the same as text")
        if value and all(type(k) is int for k in value):
            return {NUMBER_KEYS: inside}
        if not all(isinstance(k, str) for k in value):
            raise TypeError(f"save: the dict at {path or 'the top'} has keys that are neither all strings nor all integers")
        return inside
    if isinstance(value, (list, tuple)):
        return [_take_apart(v, f"{path}.{i}" if path else str(i), arrays) for i, v in enumerate(value)]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"save: cannot store a {type(value).__name__} (at {path or 'the top'}); save its state_dict() instead")


def _put_together(skeleton, arrays: dict):
    if isinstance(skeleton, dict):
        if MARK in skeleton:
            array = arrays[skeleton[MARK]]
            return array if skeleton["array"] else Tensor(array)
        if NUMBER_KEYS in skeleton:
            return {int(k): _put_together(v, arrays) for k, v in skeleton[NUMBER_KEYS].items()}
        return {k: _put_together(v, arrays) for k, v in skeleton.items()}
    if isinstance(skeleton, list):
        return [_put_together(v, arrays) for v in skeleton]
    return skeleton
