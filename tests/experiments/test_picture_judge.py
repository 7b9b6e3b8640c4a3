"""The judge of pictures: what it learns and how it is counted."""

import numpy as np

from tinymm.backend.random import manual_seed
from tinymm.experiments.picture_judge import Judge, rightness


def test_rightness_counts_each_attribute_and_all():
    said, contents = np.array([[0, 1, 2], [0, 1, 1], [1, 1, 2]]), np.array([[0, 1, 2], [0, 0, 1], [1, 1, 0]])
    assert rightness(said, contents, ("a", "b", "c")) == {"a": 1.0, "b": 2 / 3, "c": 2 / 3, "all": 1 / 3}


def test_a_judge_learns_bright_and_dark_halves():
    manual_seed(0)
    rng = np.random.default_rng(0)
    contents = rng.integers(0, 2, (256, 2))
    images = np.full((256, 3, 16, 16), -0.8, np.float32)
    images[:, :, :8] += 1.6 * contents[:, 0, None, None, None].astype(np.float32)       # the upper half
    images[:, :, 8:] += 1.6 * contents[:, 1, None, None, None].astype(np.float32)
    judge = Judge({"upper": ("dark", "bright"), "lower": ("dark", "bright")})
    assert judge.judged(images).shape == (256, 2)
    judge.stage((images[:192], contents[:192]), (images[192:], contents[192:]), 4, label=None).fit()
    assert judge.eval().rightness(images[192:], contents[192:]) == {"upper": 1.0, "lower": 1.0, "all": 1.0}
