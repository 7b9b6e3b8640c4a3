"""Pictures scaled into a size, whole."""

import numpy as np
from PIL import Image

from tinymm.data import read_picture
from tinymm.data.readers.images import read_within


def test_a_picture_lies_within_the_size_and_nothing_is_cut(tmp_path):
    pixels = np.zeros((80, 200, 3), np.uint8)
    pixels[:, :20], pixels[:, -20:] = (255, 0, 0), (0, 0, 255)             # what a cut would lose
    Image.fromarray(pixels).save(tmp_path / "p.png")
    found = read_within(tmp_path / "p.png", (50, 50))
    assert found.shape == (3, 20, 50) and found.dtype == np.float32 and 0 <= found.min() and found.max() <= 1
    np.testing.assert_array_equal(found[:, :, 0], [[1] * 20, [0] * 20, [0] * 20])
    np.testing.assert_array_equal(found[:, :, -1], [[0] * 20, [0] * 20, [1] * 20])
    assert read_within(tmp_path / "p.png", (50, 50), 1).shape == (1, 20, 50)
    assert read_within(tmp_path / "p.png", (160, 800)).shape == (3, 160, 400)


def test_a_picture_of_that_size_is_as_it_was(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_within(tmp_path / "p.png", (12, 9)), read_picture(tmp_path / "p.png"))


def test_a_line_keeps_a_pixel(tmp_path):
    Image.new("L", (3000, 1), 255).save(tmp_path / "p.png")
    assert read_within(tmp_path / "p.png", (56, 56), 1).shape == (1, 1, 56)
