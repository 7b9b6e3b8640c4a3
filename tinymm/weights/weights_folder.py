"""The weights of a folder as model hubs have them: in one safetensors file, or in several with an index."""

from __future__ import annotations

import json
import os
import pathlib

import numpy as np

from ..serialization import read_safetensors

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
ARCHIVES = (".pt", ".bin", ".pth", ".ckpt")   # of PyTorch's


def read_weights(path: str | os.PathLike, operation: str = "read_weights",
                 model: str = "AutoModel") -> tuple[pathlib.Path, dict[str, np.ndarray], dict]:
    """The tensors of a folder, or of a file.

    Args:
        path: a folder with model.safetensors, or with model.safetensors.index.json and the files that it names; or one of
            these files.
        operation: who reads, for messages.
        model: the class of transformers' that opens such an archive, for messages.

    Returns:
        The file of weights, or the index; name -> array, as ``read_safetensors`` gives it; and the file's metadata.

    Raises:
        FileNotFoundError: a file is missing; where there are archives of PyTorch's, the message says how to convert them.
        ValueError: a damaged file, or an index that does not fit its files.
    """
    path = pathlib.Path(path)
    file = _file_of(path) if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"{operation}: {_missing(path, file, model)}")
    if file.suffix in ARCHIVES:
        raise ValueError(f"{operation}: {file} is an archive of PyTorch's; convert it to safetensors there: "
                         "safetensors.torch.save_file(state_dict, 'model.safetensors')")
    if file.name.endswith(".index.json"):
        return file, _read_sharded(file, operation), {}
    return file, *read_safetensors(file, operation)


def one_precision(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All real numbers as float64 if some are, as float32 otherwise; other arrays as they are."""
    dtype = np.float64 if any(array.dtype == np.float64 for array in state.values()) else np.float32
    return {key: array.astype(dtype, copy=False) if array.dtype.kind == "f" else array for key, array in state.items()}


def _file_of(folder: pathlib.Path) -> pathlib.Path:
    index = folder / INDEX
    return index if index.is_file() and not (folder / WEIGHTS).exists() else folder / WEIGHTS


def _missing(path: pathlib.Path, file: pathlib.Path, model: str) -> str:
    if not path.is_dir():
        return f"{file} does not exist"
    archives = sorted(p.name for p in path.iterdir() if p.suffix in ARCHIVES)
    if archives:
        return (f"{path} has its weights in {archives[0]} only, an archive of PyTorch's; where PyTorch and transformers are, "
                f"this writes {WEIGHTS} beside it: python -c \"from transformers import {model}; "
                f"{model}.from_pretrained('{path}').save_pretrained('{path}')\"")
    return f"{file} does not exist; {path} holds {sorted(p.name for p in path.iterdir())[:9]}"


def _read_sharded(index: pathlib.Path, operation: str) -> dict[str, np.ndarray]:
    """The tensors of all files of an index: {"weight_map": {tensor: file}}."""
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
        files = found["weight_map"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{operation}: {index} is no index of weights ({type(error).__name__}: {error}); expected an object with "
                         "weight_map") from None
    if not isinstance(files, dict) or not files or not all(isinstance(name, str) for name in files.values()):
        raise ValueError(f"{operation}: {index}: weight_map is not tensor -> file")
    arrays: dict[str, np.ndarray] = {}
    for name in sorted(set(files.values())):
        if name in ("", ".", "..") or {"/", "\\", "\0"} & set(name):   # the files lie beside the index
            raise ValueError(f"{operation}: {index} names the file {name!r}; expected the name of one beside it")
        wanted = {key for key, file in files.items() if file == name}
        part, _ = read_safetensors(index.with_name(name), operation)
        if wanted != set(part):
            lost, extra = sorted(wanted - set(part)), sorted(set(part) - wanted)
            raise ValueError(f"{operation}: {name} does not have what {index} says: "
                             + "; ".join(text for text in (f"{len(lost)} missing, such as {lost[0]}" if lost else "",
                                                           f"{len(extra)} more, such as {extra[0]}" if extra else "") if text)
                             + "; the files are not of one model, get them again")
        arrays.update(part)
    return arrays
