"""A safetensors file as NumPy arrays, in single precision where it was written in half.

NumPy has no bfloat16, so the bytes are read here: such a number is the upper half of a float32's bits.
"""

from __future__ import annotations

import json
import os
import pathlib

import numpy as np


def read_safetensors(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict]:
    """All tensors of a file, and what its header says.

    Args:
        path: a safetensors file, of any library.

    Returns:
        name -> array: F16 and BF16 as float32, everything else as it is; and the header's metadata (name -> text).

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a complete safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"read_safetensors: {path} does not exist" + ("; it is a folder" if path.is_dir() else ""))
    arrays, halves = {}, []
    try:
        with safe_open(path, framework="numpy") as file:
            for key in file.keys():
                kind = file.get_slice(key).get_dtype()
                if kind == "BF16":
                    halves.append(key)
                else:
                    array = file.get_tensor(key)
                    arrays[key] = array.astype(np.float32) if kind == "F16" else array
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"read_safetensors: {path} is not a complete safetensors file ({error}); download or convert it again") \
            from None
    if halves:
        arrays.update(_bfloat16(path, halves))
    return arrays, metadata


def _bfloat16(path: pathlib.Path, keys: list[str]) -> dict[str, np.ndarray]:
    """The tensors of those names as float32: 8 bytes of length, a header in JSON, then the numbers, little-endian."""
    found = {}
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        for key in keys:
            start, end = header[key]["data_offsets"]
            file.seek(8 + length + start)
            upper = np.frombuffer(file.read(end - start), "<u2").astype(np.uint32)
            found[key] = (upper << 16).view(np.float32).reshape(header[key]["shape"])
    return found
