"""A checkpoint of CLIP on disk, in whichever layout: the model's arguments and its weights."""

from __future__ import annotations

import json
import os
import pathlib

import numpy as np

from ..serialization import read_options
from .clip_layouts import NOT_WEIGHTS, hugging_face_options, hugging_face_to_openai, openai_options
from .weights_folder import read_weights

CONFIG = "config.json"


def read_clip(path: str | os.PathLike) -> tuple[pathlib.Path, dict, dict[str, np.ndarray]]:
    """Read a checkpoint; its layout is told from its names.

    Args:
        path: a folder with model.safetensors, or its parts and their index (and config.json in Hugging Face's layout), or a
            safetensors file with OpenAI's names. OpenAI's own ``.pt`` archives need PyTorch to be opened, and are to be
            converted there: ``safetensors.torch.save_file(torch.jit.load("ViT-B-32.pt", "cpu").state_dict(),
            "ViT-B-32.safetensors")``.

    Returns:
        The file of weights, the arguments of CLIP, and name -> array with our names, float32 (float64 where the file has it).

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a damaged file, or tensors that are no CLIP.
    """
    file, arrays, metadata = read_weights(path, "read_clip")
    if "text_model.embeddings.token_embedding.weight" in arrays:
        config = file.with_name(CONFIG)
        options = hugging_face_options(_read_config(config, file), str(config))
        return file, options, hugging_face_to_openai(arrays, options, str(file))
    if "token_embedding.weight" not in arrays:
        raise ValueError(f"read_clip: {file} has neither OpenAI's token_embedding.weight nor Hugging Face's "
                         f"text_model.embeddings.token_embedding.weight; its first tensors are {sorted(arrays)[:5]}")
    state = {key: array for key, array in arrays.items() if key not in NOT_WEIGHTS}
    own = read_options(metadata, "options", file)
    return file, own or openai_options(state, str(file)), state


def _read_config(config: pathlib.Path, file: pathlib.Path) -> dict:
    if not config.is_file():
        raise FileNotFoundError(f"read_clip: {file} has Hugging Face's layout, and {config} does not exist; it tells the number of "
                                "heads, so keep both in one folder")
    try:
        found = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"read_clip: {config} is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise ValueError(f"read_clip: {config} holds a {type(found).__name__}; expected an object with text_config, vision_config")
    return found
