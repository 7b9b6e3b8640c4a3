"""Save and load nested state: arrays as safetensors, everything else as JSON in the same file's header.

A flat state dict becomes an ordinary safetensors file with the same keys, which other libraries read.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..backend.arrays import is_array, to_host
from ..backend.files import replacing
from .safetensors_file import DTYPES, read_safetensors

MARK = "__tensor__"   # stands in the JSON skeleton for an array stored under that key
NUMBER_KEYS = "__dict_with_integer_keys__"
TUPLE = "__tuple__"
PLAIN = "__dict__"    # a dict of the user's with a key that is one of these four
MARKS = {MARK, NUMBER_KEYS, TUPLE, PLAIN}
RESERVED = "__metadata__"   # no tensor's name in a safetensors file
KEPT_DTYPES = {np.dtype(name) for name in (*DTYPES.values(), "?")}


def save(obj, path: str | os.PathLike) -> None:
    """Write ``obj`` to one file, completely or not at all.

    What lies at "b" in "a" is stored under the key "a.b"; where that key is another's, under "a.b#2", and it comes back in
    its place. Tensors that share memory come back apart; subclasses of dict and tuple come back as dict and tuple.

    Args:
        obj: nested dicts, lists and tuples of Tensors, arrays, numbers, strings, booleans and None. Arrays are of booleans,
            integers or real numbers of at most 8 bytes; the keys of one dict are all strings or all integers.
        path: file name; by convention it ends in ".safetensors".

    Raises:
        TypeError: something else in ``obj``; the message says where.
        OSError: the file cannot be written; an old one stays as it is.
    """
    from safetensors.numpy import save as to_bytes

    arrays: dict[str, np.ndarray] = {}
    try:
        skeleton = _take_apart(obj, "", arrays)
    except RecursionError:
        raise TypeError("save: too many things within each other, or one that holds itself") from None
    data = to_bytes(arrays, metadata={"tinymm": json.dumps(skeleton)})
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def load(path: str | os.PathLike) -> Any:
    """Read what ``save`` wrote, or any safetensors file (as a dict of Tensors; bfloat16 and float8 become float32).

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a safetensors file, or a damaged one, or a tensor of a dtype that NumPy does not have.
    """
    arrays, metadata = read_safetensors(path, "load", np.float16)
    skeleton = _skeleton(metadata, path)
    if skeleton is None:
        return {key: Tensor(array) for key, array in arrays.items()}
    try:
        return _put_together(skeleton[0], arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"load: {path}: what its header says under \"tinymm\" does not fit its tensors ({error!r}); it "
                         "was written or changed by something else") from None


def read_options(metadata: dict[str, str], key: str, path: str | os.PathLike) -> Any:
    """What was saved at ``key`` of a dict, without arrays, from a file's metadata alone; None where there is nothing.

    Raises:
        ValueError: the metadata is not what ``save`` writes.
    """
    skeleton = _skeleton(metadata, path)
    if skeleton is None or not isinstance(skeleton[0], dict) or skeleton[0].keys() & MARKS or key not in skeleton[0]:
        return None
    return _put_together(skeleton[0][key], {})


def _skeleton(metadata: dict[str, str], path: str | os.PathLike) -> tuple[Any] | None:
    if "tinymm" not in metadata:
        return None
    try:
        return json.loads(metadata["tinymm"]),
    except (ValueError, RecursionError) as error:
        raise ValueError(f"load: {path}: what its header says under \"tinymm\" is not JSON ({error})") from None


def _take_apart(value, path: str, arrays: dict):
    """The JSON skeleton of ``value``; its arrays go into ``arrays``."""
    where = path or "the top"
    if isinstance(value, Tensor) or is_array(value):
        array = to_host(value._data if isinstance(value, Tensor) else value)
        if array.dtype.newbyteorder("<") not in KEPT_DTYPES or isinstance(array, np.ma.MaskedArray):
            raise TypeError(f"save: cannot store a {type(array).__name__} of dtype {array.dtype} (at {where}); convert it with "
                            "astype")
        key = _free_name(path, arrays)
        contiguous = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))   # safetensors writes wrong values of others
        arrays[key] = contiguous.reshape(array.shape)
        return {MARK: key, "array": not isinstance(value, Tensor)}
    if isinstance(value, dict):
        inside = {str(k): _take_apart(v, f"{path}.{k}" if path else str(k), arrays) for k, v in value.items()}
        if len(inside) != len(value):
            raise TypeError(f"save: two keys of the dict at {where} read the same as text")
        if value and all(type(k) is int for k in value):
            return {NUMBER_KEYS: inside}
        if not all(isinstance(k, str) for k in value):
            raise TypeError(f"save: the dict at {where} has keys that are neither all strings nor all integers")
        return {PLAIN: inside} if MARKS & inside.keys() else inside
    if isinstance(value, (list, tuple)):
        items = [_take_apart(v, f"{path}.{i}" if path else str(i), arrays) for i, v in enumerate(value)]
        return {TUPLE: items} if isinstance(value, tuple) else items
    if isinstance(value, np.generic) and not isinstance(value.item(), np.generic):
        return _take_apart(value.item(), path, arrays)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"save: cannot store a {type(value).__name__} (at {where}); save its state_dict() instead")


def _free_name(path: str, arrays: dict) -> str:
    """The key of an array at ``path``: the path itself, or the first with a number that no other has."""
    name = path.encode("utf-8", "backslashreplace").decode() or "tensor"   # half a surrogate pair is no UTF-8
    found, number = name, 1
    while found in arrays or found == RESERVED:
        number += 1
        found = f"{name}#{number}"
    return found


def _put_together(skeleton, arrays: dict):
    if isinstance(skeleton, dict):
        if MARK in skeleton:
            array = arrays[skeleton[MARK]]
            return array if skeleton["array"] else Tensor(array)
        if NUMBER_KEYS in skeleton:
            return {int(k): _put_together(v, arrays) for k, v in skeleton[NUMBER_KEYS].items()}
        if TUPLE in skeleton:
            return tuple(_put_together(v, arrays) for v in skeleton[TUPLE])
        return {k: _put_together(v, arrays) for k, v in skeleton.get(PLAIN, skeleton).items()}
    if isinstance(skeleton, list):
        return [_put_together(v, arrays) for v in skeleton]
    return skeleton
