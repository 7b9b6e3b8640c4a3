"""The masks of DALL-E: enumerated for a grid of 4 x 4, and by their definitions on grids that are not square."""

from collections import Counter

import numpy as np
import pytest

from tinymm.models.dalle import column_mask, conv_mask, full_mask, layer_kinds, row_mask

GRIDS = [(4, 4), (3, 5), (5, 2), (1, 6), (6, 1), (1, 1)]
CONV3 = lambda text, height, width: conv_mask(text, height, width, kernel=3)
MASKS = {"full": full_mask, "row": row_mask, "column": column_mask, "conv": CONV3}
DRAWN = {   # what raster positions 0, 6, 8 and 15 of a grid of 4 x 4 see
    "row": ["x... .... .... ....", "..xx xxx. .... ....", ".... xxxx x... ....", ".... .... ...x xxxx"],
    "column": ["x... .... .... ....", "..x. ..x. .... ....", "x... x... x... ....", "...x ...x ...x ...x"],
    "conv": ["x... .... .... ....", ".xxx .xx. .... ....", "...x xx.x x... ....", ".... .... ..xx x.xx"],
    "full": ["x... .... .... ....", "xxxx xxx. .... ....", "xxxx xxxx x... ....", "xxxx xxxx xxxx xxxx"]}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_grid_of_4_by_4_as_drawn(kind):
    """L9-C7. The window goes on around the edges: for 8, first of its row, on the left, and for 15, the last, on the right."""
    mask = MASKS[kind](6, 4, 4)
    assert mask.shape == (22, 22) and mask.dtype == bool
    for position, drawn in zip((0, 6, 8, 15), DRAWN[kind]):
        assert "".join(".x"[int(seen)] for seen in mask[6 + position, 6:]) == drawn.replace(" ", ""), position


def test_how_many_are_seen():
    """L9-C7."""
    sums = {kind: make(0, 4, 4).sum(1).tolist() for kind, make in MASKS.items()}
    assert sums == {"full": list(range(1, 17)), "row": [1, 2, 3, 4] + [5] * 12, "conv": [1, 2, 2, 3, 4] + [5] * 11,
                    "column": [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4}


@pytest.mark.parametrize("height, width", GRIDS)
@pytest.mark.parametrize("kind", MASKS)
def test_the_text_and_the_seam(kind, height, width):
    """Causal among text, all of the text for each image position, no image for text, and nothing after itself."""
    mask, T = MASKS[kind](6, height, width), 6
    assert (mask[:T, :T] == np.tril(np.ones((T, T), bool))).all()
    assert mask[T:, :T].all() and not mask[:T, T:].any()
    assert np.diag(mask).all() and not np.triu(mask, 1).any()
    np.testing.assert_array_equal(mask[T:, T:], MASKS[kind](0, height, width))


@pytest.mark.parametrize("height, width", GRIDS)
def test_the_image_part_position_by_position(height, width):
    n = height * width
    row, column = row_mask(2, height, width)[2:, 2:], column_mask(2, height, width)[2:, 2:]
    for i in range(n):
        assert np.flatnonzero(row[i]).tolist() == [j for j in range(n) if i - width <= j <= i]
        assert np.flatnonzero(column[i]).tolist() == list(range(i % width, i + 1, width))


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_away_from_the_edges_the_window_is_a_square(kernel):
    height, width, half = 6, 7, kernel // 2
    mask = conv_mask(0, height, width, kernel)
    for r in range(half, height):
        for c in range(half, width - half):
            window = np.zeros((height, width), bool)
            window[r - half:r, c - half:c + half + 1] = window[r, c - half:c + 1] = True
            np.testing.assert_array_equal(mask[r * width + c].reshape(height, width), window)


def test_a_large_window_sees_all_that_full_attention_sees_and_a_window_of_one_only_itself():
    np.testing.assert_array_equal(conv_mask(3, 4, 4, 11), full_mask(3, 4, 4))
    np.testing.assert_array_equal(conv_mask(0, 4, 4, 1), np.eye(16, dtype=bool))


def test_the_layers_of_the_paper():
    """L9-C7."""
    kinds = layer_kinds(64)
    assert Counter(kinds) == {"row": 47, "column": 16, "conv": 1} and kinds[63] == "conv"
    assert [i for i, kind in enumerate(kinds, 1) if kind == "column"] == list(range(2, 63, 4))
    assert layer_kinds(1) == ["conv"] and layer_kinds(2) == ["row", "conv"] and layer_kinds(4) == ["row", "column", "row", "conv"]


@pytest.mark.parametrize("call, error, message", [
    (lambda: conv_mask(6, 4, 4, 4), ValueError, "conv_mask: kernel=4 must be odd, so that the window has a centre"),
    (lambda: conv_mask(6, 4, 4, 0), ValueError, "conv_mask: kernel=0 must be a positive integer"),
    (lambda: row_mask(-1, 4, 4), ValueError, "row_mask: text=-1 must be an integer not less than 0"),
    (lambda: column_mask(6, 4, 0), ValueError, "column_mask: width=0 must be a positive integer"),
    (lambda: full_mask(6, 4.0, 4), TypeError, "full_mask: height=4.0 must be an integer"),
    (lambda: layer_kinds(0), ValueError, "layer_kinds: layers=0 must be a positive integer")])
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
