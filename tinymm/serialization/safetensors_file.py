"""A safetensors file as NumPy arrays: the one reader of the format.

The file is 8 bytes of length, a header in JSON (name -> dtype, shape, offsets), then the numbers, little-endian and
without gaps. NumPy has neither bfloat16 nor float8; such numbers become float32, which holds each of them exactly.

Source: the format's description, https://huggingface.co/docs/safetensors; Micikevicius et al., "FP8 Formats for Deep
Learning", 2022.
"""

from __future__ import annotations

import functools
import json
import math
import os
import pathlib
from typing import IO

import numpy as np

LONGEST_HEADER = 100_000_000   # bytes, as the format has it
LARGEST_AXIS = 2**63 - 1
MOST_AXES = 64                 # of a NumPy array
PICKLES = (b"\x80\x02}", b"\x80\x03}", b"\x80\x04\x95", b"\x80\x05\x95", b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "F8_E4M3": "u1", "F8_E5M2": "u1", "I64": "<i8", "I32": "<i4",
          "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "u1"}


def read_safetensors(path: str | os.PathLike, operation: str = "read_safetensors",
                     half: type = np.float32) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All tensors of a file, and what its header says.

    Args:
        path: a safetensors file, of any library.
        operation: who reads it, for messages.
        half: the dtype of what was written as F16.

    Returns:
        name -> array: BF16 and F8 (E4M3, E5M2) as float32, F16 as ``half``, everything else as it is; and the header's
        metadata (name -> text).

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a complete safetensors file, or a tensor of a dtype that NumPy does not have.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{operation}: {path} " + ("is no ordinary file" if path.exists() and not path.is_dir() else
                                                           "does not exist" + ("; it is a folder" if path.is_dir() else "")))
    with open(path, "rb") as file:
        try:
            entries, metadata, start = _read_header(file)
            return {name: _read(file, start, name, entry, half) for name, entry in entries.items()}, metadata
        except _Damaged as error:
            file.seek(0)
            if file.read(16).startswith(PICKLES):
                raise ValueError(f"{operation}: {path} is not a complete safetensors file: it is a pickle or an archive, as "
                                 "torch.save writes them; convert it with PyTorch: safetensors.torch.save_file(state_dict, "
                                 f"'model.safetensors')") from None
            raise ValueError(f"{operation}: {path} is not a complete safetensors file ({error}); download or convert it again") \
                from None
        except _Unknown as error:
            raise ValueError(f"{operation}: {path}: {error}") from None


class _Damaged(Exception):
    """The file is not what the format says."""


class _Unknown(Exception):
    """The format may have it; this reader does not."""


def _read_header(file: IO[bytes]) -> tuple[dict[str, tuple[str, list[int], int]], dict[str, str], int]:
    """(name -> (dtype, shape, offset)), metadata, and where the numbers start."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > LONGEST_HEADER or 8 + length > size:
        raise _Damaged(f"it has {size} bytes, its header should have {length}" if size >= 8 else f"it has {size} bytes")
    try:
        header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise _Damaged(f"its header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise _Damaged(f"its header is a {type(header).__name__}")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise _Damaged("its __metadata__ is not name -> text")
    entries, ends = {}, []
    for name, entry in header.items():
        entries[name], end = _checked(name, entry)
        ends.append((entries[name][2], end, name))
    position = 0
    for begin, end, name in sorted(ends):
        if begin != position:
            raise _Damaged(f"{name} begins at byte {begin} of the numbers, and what is before it ends at {position}")
        position = end
    if 8 + length + position != size:
        raise _Damaged(f"it has {size} bytes, its tensors need {8 + length + position}")
    return entries, metadata, 8 + length


def _without_duplicates(pairs: list[tuple]) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Damaged(f"its header has {next(name for name in names if names.count(name) > 1)!r} twice")
    return found


def _checked(name: str, entry) -> tuple[tuple[str, list[int], int], int]:
    """One tensor's (dtype, shape, offset), and where it ends."""
    def naturals(values) -> bool:
        return isinstance(values, list) and all(type(v) is int and 0 <= v <= LARGEST_AXIS for v in values)

    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= set(entry):
        raise _Damaged(f"its header does not tell dtype, shape and data_offsets of {name}")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not naturals(shape) or not naturals(offsets) or len(offsets) != 2 or not isinstance(kind, str):
        raise _Damaged(f"{name} has dtype {kind!r}, shape {shape!r}, data_offsets {offsets!r}")
    if kind not in DTYPES or len(shape) > MOST_AXES:
        raise _Unknown(f"{name} has dtype {kind}" + (f" and {len(shape)} axes" if kind in DTYPES else "")
                       + f", which NumPy does not have; convert it, to F32 for example ({', '.join(DTYPES)} are read)")
    needed = math.prod(shape) * np.dtype(DTYPES[kind]).itemsize
    if offsets[1] - offsets[0] != needed:
        raise _Damaged(f"{name} of dtype {kind} and shape {shape} needs {needed} bytes, and has {offsets[1] - offsets[0]}")
    return (kind, shape, offsets[0]), offsets[1]


def _read(file: IO[bytes], start: int, name: str, entry: tuple[str, list[int], int], half: type) -> np.ndarray:
    kind, shape, offset = entry
    array = np.empty(shape, DTYPES[kind])
    file.seek(start + offset)
    if file.readinto(array.reshape(-1).view(np.uint8)) != array.nbytes:   # type: ignore[attr-defined]
        raise _Damaged(f"it ends within {name}")
    return np.asarray(_converted(array, kind, half))   # arithmetic makes scalars of arrays without axes


def _converted(array: np.ndarray, kind: str, half: type) -> np.ndarray:
    if kind == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)   # the upper half of a float32's bits
    if kind == "F8_E5M2":
        return (array.astype(np.uint16) << 8).view(np.float16).astype(np.float32)   # the upper half of a float16's
    if kind == "F8_E4M3":
        return _e4m3()[array]
    if kind == "BOOL":
        return array != 0
    return array.astype(half if kind == "F16" else array.dtype.newbyteorder("="), copy=False)


@functools.lru_cache(maxsize=1)
def _e4m3() -> np.ndarray:
    """What each of the 256 bytes of F8_E4M3 means: sign, 4 bits of exponent (bias 7), 3 of fraction; no infinities."""
    exponent, fraction = np.divmod(np.arange(128), 8)
    values = np.where(exponent == 0, fraction * 2.0**-9, (1 + fraction / 8) * 2.0**(exponent - 7))
    values[-1] = np.nan
    return np.concatenate([values, -values]).astype(np.float32)
