"""Checkpoints of DALL-E's dVAE to be read: OpenAI's names and shapes, and FLAVA's.

Written from openai/DALL-E and transformers' FlavaImageCodebook, apart from the code that reads them.
"""

import re

import numpy as np


def encoder_shapes(n_hid, vocab_size, blocks=2):
    """OpenAI's name -> shape."""
    shapes = {"blocks.input": (n_hid, 3, 7, 7)}
    before = n_hid
    for group, width in enumerate((n_hid, 2 * n_hid, 4 * n_hid, 8 * n_hid), 1):
        for block in range(1, blocks + 1):
            name, hid = f"blocks.group_{group}.block_{block}", width // 4
            if before != width:
                shapes[f"{name}.id_path"] = (width, before, 1, 1)
            shapes |= {f"{name}.res_path.conv_1": (hid, before, 3, 3), f"{name}.res_path.conv_2": (hid, hid, 3, 3),
                       f"{name}.res_path.conv_3": (hid, hid, 3, 3), f"{name}.res_path.conv_4": (width, hid, 1, 1)}
            before = width
    return with_biases({**shapes, "blocks.output.conv": (vocab_size, 8 * n_hid, 1, 1)})


def decoder_shapes(n_hid, vocab_size, n_init, blocks=2):
    """OpenAI's name -> shape."""
    shapes = {"blocks.input": (n_init, vocab_size, 1, 1)}
    before = n_init
    for group, width in enumerate((8 * n_hid, 4 * n_hid, 2 * n_hid, n_hid), 1):
        for block in range(1, blocks + 1):
            name, hid = f"blocks.group_{group}.block_{block}", width // 4
            if before != width:
                shapes[f"{name}.id_path"] = (width, before, 1, 1)
            shapes |= {f"{name}.res_path.conv_1": (hid, before, 1, 1), f"{name}.res_path.conv_2": (hid, hid, 3, 3),
                       f"{name}.res_path.conv_3": (hid, hid, 3, 3), f"{name}.res_path.conv_4": (width, hid, 3, 3)}
            before = width
    return with_biases({**shapes, "blocks.output.conv": (6, n_hid, 1, 1)})


def with_biases(shapes):
    """.w and .b of each convolution."""
    return {key: value for name, shape in shapes.items() for key, value in ((f"{name}.w", shape), (f"{name}.b", shape[:1]))}


def arrays(shapes, seed=0, dtype=np.float32):
    """Every array of its own values."""
    rng = np.random.default_rng(seed)
    return {key: np.asarray(rng.normal(size=shape) * 0.2, dtype) for key, shape in shapes.items()}


def flava_name(openai):
    """OpenAI's name of an encoder's tensor, as FLAVA has it."""
    name = openai.replace(".block_", ".group.block_").replace("res_path.", "res_path.path.")
    return re.sub(r"\.w$", ".weight", re.sub(r"\.b$", ".bias", name))
