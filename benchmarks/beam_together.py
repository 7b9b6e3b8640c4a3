"""The works of `python -m tinymm bench --beam` by tinymm's beam search, which expands the hypotheses of all pictures at once.

Each is a search for captions of Show and Tell's model with a beam of 20, as in the paper. The weights are random, but the
logits are stretched until the likeliest words are as likely as in a trained model, and the end is proposed now and then
but rarely wins before the last word: nearly all searches take all steps.
"""

import numpy as np

import tinymm
from tinymm import Tensor, no_grad
from tinymm.decode import beam_search
from tinymm.models.show_and_tell import ShowTell

VERSION = f"tinymm {tinymm.__version__}, NumPy {np.__version__}"
PICTURES = 32
RULE = dict(start=1, end=2, beam_size=20)
# features, vocabulary, units, the most words, how far the logits are stretched, the end's bias
SIZES = {"lecture": (256, 50, 128, 13, 30.0, -5.5), "paper": (1024, 10_000, 512, 16, 100.0, 1.0)}


def wake():
    """Nothing is loaded later than the imports."""


def model(size: str) -> tuple[ShowTell, np.ndarray, dict]:
    """The generator, pictures (32, features), and the arguments of a search that do not change."""
    features, vocabulary, units, max_length, stretch, end = SIZES[size]
    tinymm.manual_seed(0)
    generator = ShowTell(features, vocabulary, embedding=units, hidden=units).eval()
    with no_grad():
        generator.W_d.weight.mul_(stretch)
        generator.W_d.bias[RULE["end"]] = end
    pictures = np.random.default_rng(0).standard_normal((PICTURES, features)).astype(np.float32)
    return generator, pictures, {**RULE, "max_length": max_length}


def search(size: str, batch: int):
    """A step that finds the captions of ``batch`` pictures."""
    generator, pictures, rule = model(size)
    f = Tensor(pictures[:batch])

    def step():
        with no_grad():
            state = generator.start(f)
        return beam_search(generator.step, state, batch, **rule)
    return step


WORKS = {f"{size}_{batch}": (lambda size=size, batch=batch: search(size, batch)) for size in SIZES for batch in (1, PICTURES)}
