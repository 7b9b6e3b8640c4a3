"""Tables of pictures: each in its row and column, names and headings beside them, nothing over each other."""

import numpy as np
import pytest

from tinymm import plot

from .test_attention import overlaps

PICTURES = np.random.default_rng(0).random((4, 3, 8, 8))
LONG = "a photo of a small and very purple triangle at the bottom right of the picture, said in many words"


@pytest.mark.parametrize("count, names", [(2, ["", ""]), (4, ["truth", LONG]), (9, ["w" * 90, "b"]), (30, ["a", "b"])])
def test_rows_and_columns_lie_apart(count, names):
    pictures = [PICTURES[k % 4] for k in range(count)]
    figure = plot.picture_table([(names[0], pictures), (names[1], [None, *pictures[1:]])], [LONG] * count, title="Noise and text")
    assert len(figure.axes) == 2 * count - 1 and figure.get_figwidth() <= 10 + 1e-9 and not overlaps(figure)
    found = [axes.images[0].get_array() for axes in figure.axes]
    np.testing.assert_allclose(found[count - 1], pictures[-1].transpose(1, 2, 0))
    panels = np.array([axes.get_position().bounds for axes in figure.axes])
    assert len({round(y, 6) for y in panels[:, 1]}) == 2 and panels.min() >= 0
    texts = [text.get_window_extent() for text in figure.texts if text.get_text()]
    assert not any(axes.get_window_extent().overlaps(text) for axes in figure.axes for text in texts)
    assert all(0 <= text.x0 and text.x1 <= figure.bbox.width + 1 and text.y1 <= figure.bbox.height + 1 for text in texts)


def test_tables_that_are_refused():
    for rows in ([], [("a", [])], [("a", PICTURES), ("b", PICTURES[:3])]):
        with pytest.raises(ValueError, match="in each the same number of pictures"):
            plot.picture_table(rows)
    with pytest.raises(ValueError, match="4 pictures in a row and 1 headings"):
        plot.picture_table([("a", PICTURES)], ["x"])
    with pytest.raises(ValueError, match="picture 0 of row 0: the image's values run from"):
        plot.picture_table([("a", PICTURES * 4 - 2)])
