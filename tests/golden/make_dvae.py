"""Write dvae.json: what OpenAI's own encoder and decoder of DALL-E compute, with the smallest sizes that they take.

    python -m tests.golden.make_dvae DALL-E

The argument is a clone of openai/DALL-E; its package needs torch and attrs. Weights and inputs are drawn by NumPy from a seed, so
the file has results alone, and the default test run needs none of the three.
"""

import json
import pathlib
import sys

import numpy as np

SIZES = dict(vocab_size=512, n_hid=64)
TOKENS = np.array([[[0, 511]]])   # (N, h, w)


def weights(shapes, seed: int = 0) -> list[np.ndarray]:
    """One array a shape: N(0, 1 / (inputs of a sum)), as published, and biases N(0, 0.1^2), so that none is inert."""
    draw = np.random.default_rng(seed)
    return [(draw.normal(size=s) * (np.prod(s[1:])**-0.5 if len(s) > 1 else 0.1)).astype(np.float32) for s in shapes]


def pictures() -> np.ndarray:
    """(1, 3, 8, 16), mapped."""
    return np.random.default_rng(1).uniform(0.1, 0.9, (1, 3, 8, 16)).astype(np.float32)


def one_hot() -> np.ndarray:
    """(1, K, 1, 2)."""
    return np.ascontiguousarray(np.eye(SIZES["vocab_size"], dtype=np.float32)[TOKENS].transpose(0, 3, 1, 2))


if __name__ == "__main__":
    import torch
    sys.path.insert(0, sys.argv[1])
    from dall_e.decoder import Decoder
    from dall_e.encoder import Encoder
    found = {}
    for name, model, x in (("encoder", Encoder(**SIZES), pictures()), ("decoder", Decoder(**SIZES), one_hot())):
        for p, value in zip(model.parameters(), weights([tuple(p.shape) for p in model.parameters()])):
            p.data.copy_(torch.from_numpy(value))
        with torch.no_grad():
            out = model(torch.from_numpy(x)).numpy()
        found[name] = {"names": list(model.state_dict()), "shape": out.shape, "values": [float(f"{v:.7g}") for v in out.ravel()]}
    path = pathlib.Path(__file__).with_name("dvae.json")
    path.write_text(json.dumps(found) + "\n")
    print(f"{path.stat().st_size / 1024:.0f} KiB")
