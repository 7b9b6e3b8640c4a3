"""Boxes and words of regions: the same colour and label for a region, all in their places, nothing over each other."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from tinymm import plot
from tinymm.plot.regions import REGIONS

IMAGE = np.random.default_rng(0).random((3, 40, 56))
BOXES = np.array([[0, 0, 40, 56], [5, 5, 15, 20], [20, 30, 38, 50], [5, 5, 20, 30]])
WORDS = "there is a small red square and a green circle".split()
A = np.array([0, 0, 1, 1, 1, 1, 2, 2, 2, 2])


def drawn(size=(4, 4)):
    figure = Figure(figsize=size)
    return figure, figure.add_axes((0, 0.4, 1, 0.6)), figure.add_axes((0, 0, 1, 0.4))


def color(patch) -> str:
    return to_hex(patch.get_facecolor() if patch.get_fill() else patch.get_edgecolor())


def test_a_region_has_one_colour_and_one_label():
    figure, above, below = drawn()
    plot.draw_boxes(above, IMAGE, BOXES, regions=[2, 1, 0])
    plot.coloured_sentence(below, WORDS, A)
    outlines = [patch for patch in above.patches if not patch.get_fill()]
    assert [color(patch) for patch in outlines] == [REGIONS[i] for i in (0, 2, 1)]       # the large ones below the small ones
    assert [text.get_text() for text in above.texts] == ["0", "2", "1"]
    assert {color(patch) for patch in below.patches} == set(REGIONS[:3])
    texts = [text.get_text() for text in below.texts]
    assert [word for word in texts if word not in "012"] == WORDS
    assert [label for label in texts if label in "012"] == ["0", "1", "2"]
    for patch, i in zip(outlines, (0, 2, 1)):                              # within half a line of the box
        top, left, bottom, right = BOXES[i] - 0.5
        x, y = patch.get_xy()
        found = np.array([y, x, y + patch.get_height(), x + patch.get_width()])
        assert abs(found - [top, left, bottom, right]).max() < 0.6
    assert len(set(REGIONS)) == 8 and len({color(patch) for patch in outlines}) == 3


def test_words_lie_on_their_ground_and_not_on_each_other():
    figure, _, below = drawn((2.2, 2))
    plot.coloured_sentence(below, WORDS * 2, np.tile(A, 2), labels=["whole", "left", "right"])
    FigureCanvasAgg(figure).draw()
    grounds = [patch.get_window_extent() for patch in below.patches]
    words = [text.get_window_extent() for text in below.texts]
    assert len({round(ground.y0) for ground in grounds}) > 2               # several lines
    for word in words:
        assert any(g.x0 - 1 <= word.x0 and word.x1 <= g.x1 + 1 and g.y0 - 1 <= word.y0 and word.y1 <= g.y1 + 1 for g in grounds)
        assert figure.bbox.x0 <= word.x0 and word.x1 <= figure.bbox.x1 + 1 and figure.bbox.y0 - 1 <= word.y0
    for parts in (grounds, words):
        for i, a in enumerate(parts):
            assert not any(a.x0 < b.x1 - 1.5 and b.x0 < a.x1 - 1.5 and a.y0 < b.y1 - 1.5 and b.y0 < a.y1 - 1.5 for b in parts[:i])


def test_labels_of_boxes_with_one_corner_lie_apart():
    figure, above, _ = drawn()
    plot.draw_boxes(above, IMAGE, BOXES)
    FigureCanvasAgg(figure).draw()
    a, b = (above.texts[i].get_window_extent() for i in (2, 3))
    assert not (a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1)


def test_words_of_no_region_have_no_ground():
    _, _, below = drawn()
    plot.coloured_sentence(below, WORDS, np.full(len(WORDS), -1))
    assert not below.patches and [text.get_text() for text in below.texts] == WORDS


@pytest.mark.parametrize("call, message", [
    (lambda axes: plot.draw_boxes(axes, IMAGE, BOXES[:, :3]), r"boxes are int64 of shape \(4, 3\)"),
    (lambda axes: plot.draw_boxes(axes, IMAGE, [[0, 0, 41, 10]]), r"box 0 is \[0, 0, 41, 10\]; it must have top < bottom <= 40"),
    (lambda axes: plot.draw_boxes(axes, IMAGE, [[0, 0, 4, 4], [5, 5, 5, 8]]), "box 1"),
    (lambda axes: plot.draw_boxes(axes, IMAGE, [[0, 0, np.nan, 10]]), "box 0 is .*nan"),
    (lambda axes: plot.draw_boxes(axes, IMAGE, BOXES, regions=[4]), r"regions=\[4\]; they must be among the 4 boxes"),
    (lambda axes: plot.draw_boxes(axes, IMAGE, BOXES, labels=["a"]), "there are 4 boxes and 1 labels"),
    (lambda axes: plot.coloured_sentence(axes, [], []), "there are 0 words"),
    (lambda axes: plot.coloured_sentence(axes, WORDS, A[:3]), r"there are 10 words, and regions are int64 of shape \(3,\)"),
    (lambda axes: plot.coloured_sentence(axes, ["a"], [-2]), "an integer of at least -1"),
    (lambda axes: plot.coloured_sentence(axes, ["a"], [1], labels=["x"]), "region 1 has no label; there are 1"),
])
def test_odd_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(Figure().subplots())


def test_described_boxes_have_a_line_each_in_their_colour():
    figure = plot.described_boxes(IMAGE, BOXES, [["a", "red", "square"], [], ["a"], ["a", "star"]],
                                  references=[["a", "square"]] * 4)
    lines = figure.axes[1:]
    assert len(lines) == 4 and [[text.get_text() for text in axes.texts] for axes in lines] == [
        ["a", "red", "square", "0"], ["\u2014", "1"], ["a", "2"], ["a", "star", "3"]]
    assert [color(axes.patches[0]) for axes in lines] == list(REGIONS[:4]) and len(figure.texts) == 4
    with pytest.raises(ValueError, match="there are 4 boxes and 3 sentences"):
        plot.described_boxes(IMAGE, BOXES, [["a"]] * 3)
