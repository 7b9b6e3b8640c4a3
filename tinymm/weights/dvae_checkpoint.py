"""A checkpoint of DALL-E's dVAE on disk, in whichever layout: the model's arguments and its weights.

*OpenAI's* two pickles, ``encoder.pkl`` and ``decoder.pkl``, are whole modules of PyTorch's, which no other program should open;
converted to safetensors they have names such as ``blocks.group_1.block_1.res_path.conv_1.w``. *FLAVA's* codebook is the same
encoder again, without a decoder, with ``.group`` and ``.path`` in its names and ``weight`` and ``bias`` at their ends. *Ours* are
OpenAI's with ``weight`` and ``bias``. Everything but the dtype follows from the shapes.

Source: openai/DALL-E, ``dall_e/encoder.py`` and ``decoder.py``; transformers, ``FlavaImageCodebook``.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
from collections.abc import Callable, Mapping

import numpy as np

from ..serialization import read_safetensors
from .weights_folder import WEIGHTS, one_precision, read_weights

PARTS = ("encoder", "decoder")
Part = tuple[pathlib.Path, dict[str, np.ndarray]]   # a file, and name -> array as they are in it
FLAVA = "FlavaImageCodebook"
FLAVA_OPTIONS = {"vocab_size": "vocab_size", "n_hid": "hidden_size", "groups": "num_groups",
                 "n_blk_per_group": "num_blocks_per_group", "channels": "input_channels"}   # ours -> in its config.json
CONVERT = ("python -c \"import torch, safetensors.torch as s; s.save_file(torch.load('{0}.pkl', 'cpu', weights_only=False)"
           ".state_dict(), '{0}.safetensors')\"")


def read_dvae(path: str | os.PathLike) -> tuple[dict, dict[str, Part]]:
    """Read a checkpoint; its layout is told from its names.

    Args:
        path: a folder with ``encoder.safetensors``, and ``decoder.safetensors`` if there is a decoder; a folder with
            ``model.safetensors`` that holds FLAVA's codebook, or both parts with ``encoder.`` and ``decoder.`` before their
            names; or one such file.

    Returns:
        The arguments of DVAE; and "encoder" and, where there is one, "decoder" -> the file, and name -> array with the file's
        names, float32 (float64 where the file has it). ``dvae_state`` gives them ours.

    Raises:
        FileNotFoundError: a file is missing; where there are pickles of PyTorch's, the message says how to convert them.
        ValueError: a pickle, a damaged file, or tensors that are no dVAE.
    """
    folder = pathlib.Path(path)
    _refuse_pickles(folder)
    separate = [folder / f"{part}.safetensors" for part in PARTS]
    if any(file.is_file() for file in separate):
        parts = {part: (file, read_safetensors(file, "read_dvae")[0]) for part, file in zip(PARTS, separate)
                 if part == "encoder" or file.is_file()}
    else:
        file, arrays, _ = read_weights(folder, "read_dvae", FLAVA)
        parts = _divided(file, arrays)
    file, encoder = parts["encoder"]
    options = _encoder_options(encoder, f"{file}: encoder")
    _check_config(file.with_name("config.json"), options)
    if "decoder" in parts:
        file, decoder = parts["decoder"]
        options["n_init"] = _shape(decoder, "blocks.input", f"{file}: decoder", "n_init", "vocab_size", "1", "1")[0]
    return options, parts


def dvae_state(parts: Mapping[str, Part], shapes: Mapping[str, tuple[int, ...]], options: Mapping) -> dict[str, np.ndarray]:
    """The weights under our names.

    Args:
        parts: from ``read_dvae``.
        shapes: name -> shape of all that the model has, ``encoder.`` or ``decoder.`` before each name.
        options: of the model, for messages.

    Returns:
        name -> array.

    Raises:
        ValueError: a tensor that is missing, left over or of another shape; the message names the file, the tensor in it, and
            the shape that was expected.
    """
    said = ", ".join(f"{key}={value}" for key, value in options.items())
    state: dict[str, np.ndarray] = {}
    for part, (file, arrays) in parts.items():
        read, named = set(), _naming(arrays)
        for ours, shape in shapes.items():
            if not ours.startswith(f"{part}."):
                continue
            key = named(ours.removeprefix(f"{part}."))
            if key not in arrays or arrays[key].shape != tuple(shape) or arrays[key].dtype.kind != "f":
                found = f"of shape {arrays[key].shape} and {arrays[key].dtype}" if key in arrays else "missing"
                raise ValueError(f"read_dvae: {file}: {part}: {key} is {found}; expected {tuple(shape)} of real numbers, for "
                                 f"{said}")
            state[ours] = arrays[key]
            read.add(key)
        if left := sorted(set(arrays) - read):
            raise ValueError(f"read_dvae: {file}: {part}: {len(left)} tensors that a dVAE with {said} does not have: "
                             f"{', '.join(f'{key} {arrays[key].shape}' for key in left[:3])}")
    return one_precision(state)


def _refuse_pickles(path: pathlib.Path) -> None:
    """OpenAI's own files are told how to be converted."""
    if path.suffix == ".pkl" and path.is_file():
        pickles = [path]
    elif (path / WEIGHTS).exists():
        pickles = []
    else:
        pickles = [path / f"{part}.pkl" for part in PARTS
                   if (path / f"{part}.pkl").is_file() and not (path / f"{part}.safetensors").exists()]
    if pickles:
        raise ValueError(f"read_dvae: {' and '.join(str(file) for file in pickles)}: a pickle may run any code, and is not opened "
                         "here. If you trust it, convert it where PyTorch and OpenAI's package dall_e are: "
                         + " and ".join(CONVERT.format(file.with_suffix("")) for file in pickles))


def _divided(file: pathlib.Path, arrays: dict[str, np.ndarray]) -> dict[str, Part]:
    """One file's tensors as parts: by the prefix of their names, or all an encoder's."""
    if any(key.startswith("blocks.") for key in arrays):
        return {"encoder": (file, arrays)}
    parts = {part: (file, {key.removeprefix(f"{part}."): array for key, array in arrays.items() if key.startswith(f"{part}.")})
             for part in PARTS}
    if not parts["encoder"][1]:
        raise ValueError(f"read_dvae: {file} is no dVAE: its tensors are {sorted(arrays)[:5]}; expected blocks.input.w "
                         f"(OpenAI's), blocks.input.weight (FLAVA's), or both parts with encoder. and decoder. before their names")
    if left := sorted(key for key in arrays if not key.startswith(tuple(f"{part}." for part in PARTS))):
        raise ValueError(f"read_dvae: {file}: {len(left)} tensors with neither encoder. nor decoder. before their names: "
                         f"{', '.join(f'{key} {arrays[key].shape}' for key in left[:3])}")
    return {part: found for part, found in parts.items() if found[1]}


def _naming(arrays: Mapping) -> Callable[[str], str]:
    """Our name of a tensor -> its name in that file."""
    if "blocks.input.w" in arrays:
        return lambda name: re.sub(r"\.(weight|bias)$", lambda end: end[0][:2], name)
    if any(".group.block_" in key for key in arrays):
        return lambda name: name.replace(".block_", ".group.block_").replace(".res_path.", ".res_path.path.")
    return lambda name: name


def _shape(arrays: Mapping, module: str, file: str, *axes: str) -> tuple[int, ...]:
    """The shape of a module's weight, by either name."""
    key = next((key for key in (f"{module}.w", f"{module}.weight") if key in arrays), None)
    if key is None or arrays[key].ndim != len(axes):
        state = f"{module}.w or .weight is missing" if key is None else f"{key} is of shape {arrays[key].shape}"
        raise ValueError(f"read_dvae: {file}: {state}; expected ({', '.join(axes)})")
    return arrays[key].shape


def _encoder_options(arrays: Mapping, file: str) -> dict:
    n_hid, channels, *kernel = _shape(arrays, "blocks.input", file, "n_hid", "channels", "7", "7")
    if kernel == [1, 1]:
        raise ValueError(f"read_dvae: {file}: the kernel of blocks.input is 1 x 1, as a decoder's is; an encoder has 7 x 7: give "
                         "the folder with encoder.safetensors and decoder.safetensors")
    vocab_size, width, _, _ = _shape(arrays, "blocks.output.conv", file, "vocab_size", "n_hid * 2^(groups - 1)", "1", "1")
    groups = (width // max(n_hid, 1)).bit_length()
    if n_hid < 4 or width != n_hid * 2**(groups - 1):
        raise ValueError(f"read_dvae: {file}: blocks.output.conv takes {width} maps and blocks.input gives {n_hid}; expected 4 or "
                         "more of them, doubled by each group after the first")
    blocks = [int(found[1]) for key in arrays if (found := re.search(r"\.block_(\d+)\.", key))]
    return {"vocab_size": vocab_size, "n_hid": n_hid, "groups": groups, "n_blk_per_group": min(max(blocks, default=1), len(arrays)),
            "channels": channels}


def _check_config(config: pathlib.Path, options: Mapping) -> None:
    """FLAVA's config.json, where there is one, must say what the shapes say."""
    if not config.is_file():
        return
    try:
        said = json.loads(config.read_text(encoding="utf-8"))
        wrong = [(theirs, said[theirs], options[ours]) for ours, theirs in FLAVA_OPTIONS.items()
                 if theirs in said and said[theirs] != options[ours]]
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"read_dvae: {config} is no configuration ({type(error).__name__}: {error})") from None
    if wrong:
        raise ValueError(f"read_dvae: {config}: {wrong[0][0]} is {wrong[0][1]!r}; the tensors beside it have {wrong[0][2]}; the "
                         "files are not of one model")
