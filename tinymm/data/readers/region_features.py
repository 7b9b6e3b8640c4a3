"""Features of regions that another program has computed: NumPy's .npy, MATLAB's .mat, HDF5."""

from __future__ import annotations

import importlib
import os
import pathlib
import tokenize

import numpy as np

from ...autograd.integers import integer
from .files import MOST_BYTES, ordinary_file
from .mat import read_mat

READER = "read_region_features"
EXPECTED = "a .npy file, a .mat file, or an HDF5 file, with a row of features for each region"
KEY = "feats"             # the variable in the .mat files that were passed around with the paper's code
NPY, HDF5, MAT, MAT73 = b"\x93NUMPY", b"\x89HDF\r\n\x1a\n", b"MATLAB 5.0", b"MATLAB 7.3"
DAMAGE = (ValueError, OSError, EOFError, KeyError, RuntimeError, SyntaxError, TypeError, OverflowError, MemoryError,
          tokenize.TokenError)
"""What NumPy, which has Python read the head of a .npy file, and h5py raise on damaged files."""


def read_region_features(path: str | os.PathLike, *, key: str = KEY, regions: int | None = None,
                         features: int | None = None) -> np.ndarray:
    """The features of regions, a row each. What the file is, its first bytes tell.

    Args:
        path: a .npy file of an array (N, D); a .mat file of version 5 with a variable of D rows and N columns, which is
            transposed; an HDF5 file, or a .mat file of version 7.3, with a dataset that HDF5 has as (N, D).
        key: the variable or dataset, of .mat and HDF5.
        regions: N, where it is known: the number of boxes.
        features: D, where it is known.

    Returns:
        (N, D) float32.

    Raises:
        RuntimeError: HDF5, and h5py is not installed.
        FileNotFoundError: no such file.
        ValueError: another format, a damaged file, an array of another shape or type, a row with a number that is not finite;
            the message has the file and, where there is one, the row.
    """
    path = ordinary_file(path, READER, EXPECTED)
    regions = None if regions is None else integer(READER, "regions", regions, 0)
    features = None if features is None else integer(READER, "features", features, 1)
    with open(path, "rb") as file:
        head = file.read(16)
    if head.startswith(NPY):
        found = _npy(path)
    elif head.startswith((HDF5, MAT73)):
        found = _hdf5(path, key)
    elif head.startswith(MAT):
        found = read_mat(path, key).T   # (D, N) -> (N, D)
    else:
        raise ValueError(f"{READER}: {path} " + (f"begins with {head[:8]!r}" if head else "is empty") + f"; give {EXPECTED}")
    where = f"{READER}: {path}"
    if found.dtype.kind not in "fiub" or found.ndim != 2:
        raise ValueError(f"{where} holds an array {found.shape} of {found.dtype}; expected two axes, regions and features, of real "
                         f"numbers")
    for wanted, count, what in ((features, found.shape[1], "features a row"), (regions, found.shape[0], "rows")):
        if wanted is not None and count != wanted:
            turned = "; its axes may be exchanged" if found.shape[::-1] == (regions, features) else ""
            each = ", one for each box" if what == "rows" else ""
            raise ValueError(f"{where} has {count} {what}; expected {wanted}{each}{turned}")
    if not found.shape[1]:
        raise ValueError(f"{where} has no feature in its {len(found)} rows; expected at least one")
    with np.errstate(over="ignore"):   # what float32 cannot hold is refused below
        rows = np.ascontiguousarray(found, np.float32)
    if (bad := np.flatnonzero(~np.isfinite(rows).all(1))).size:
        raise ValueError(f"{where} row {bad[0]}: a number that is not finite in float32; expected features")
    return rows


def _npy(path: pathlib.Path) -> np.ndarray:
    """An array that lies in its file until it is copied: its head may promise more than there is."""
    try:
        return _bounded(np.load(path, mmap_mode="r", allow_pickle=False))
    except DAMAGE as error:
        raise ValueError(f"{READER}: {path}: {error}; expected a whole .npy file of an array (N, D) of numbers") from None


def _hdf5(path: pathlib.Path, key: str) -> np.ndarray:
    try:
        h5py = importlib.import_module("h5py")
    except ImportError:
        raise RuntimeError(f"{READER}: h5py is not installed, so {path}, which is HDF5, cannot be read; pip install "
                           f"'tinymm[hdf5]', or write it as a .npy file where h5py is") from None
    try:
        with h5py.File(path, "r") as file:
            found = file.get(key)
            if not isinstance(found, h5py.Dataset):
                raise ValueError(f"it has no dataset {key!r}, but {', '.join(map(repr, file)) or 'nothing'}; give key=NAME")
            return np.asarray(_bounded(found)[()])   # of a text, h5py gives bytes
    except DAMAGE as error:
        raise ValueError(f"{READER}: {path}: {error}") from None


def _bounded(found):
    """The array or dataset, if memory holds it as float32."""
    if 4 * found.size > MOST_BYTES:
        raise ValueError(f"it holds an array {found.shape}, of more than {MOST_BYTES:,} bytes in float32; write fewer rows a file")
    return found
