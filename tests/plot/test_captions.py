"""Grids of captioned pictures, and the wrapping of their text."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from tinymm import plot
from tinymm.plot.style import fit, text_width, wrap

from .test_attention import overlaps, scene

LONG = "a very large brown bear sits in the green grass and looks with interest at the camera of a photographer who costs $5"


def test_each_picture_has_its_caption_and_reference():
    images = [scene(), scene(30, 20), np.zeros((8, 8)), scene()]
    figure = plot.caption_grid(images, ["a seven", LONG, "a two", ""], [LONG, "A bear .", "A two .", "nothing"],
                               [True, False, None, np.True_], title="Captions of the test pictures")
    assert len(figure.axes) == 4 and figure.get_figwidth() <= 10 and not overlaps(figure)
    said = [[" ".join(text.get_text().split()) for text in axes.texts] for axes in figure.axes]
    assert said[0] == ["\u2713 a seven", f"\u201c{LONG}\u201d"] and said[1] == [f"\u2717 {LONG}", "\u201cA bear .\u201d"]
    assert said[2][0] == "a two" and said[3][0] == "\u2713"
    colors = [to_hex(axes.texts[0].get_color()) for axes in figure.axes]
    assert colors == [plot.RIGHT, plot.WRONG, colors[2], plot.RIGHT] and colors[2] not in (plot.RIGHT, plot.WRONG)


@pytest.mark.parametrize("count, columns", [(1, None), (3, None), (9, None), (10, 6), (5, 1)])
def test_any_number_of_pictures(count, columns):
    figure = plot.caption_grid([scene()] * count, [LONG] * count, ["w" * 200] * count, [True] * count, columns=columns)
    assert len(figure.axes) == count and figure.get_figwidth() <= 10 and not overlaps(figure)
    panels = [axes.get_window_extent() for axes in figure.axes]
    texts = [text.get_window_extent() for axes in figure.axes for text in axes.texts]
    assert not any(panel.overlaps(text) for panel in panels for text in texts)


def test_captions_alone():
    figure = plot.caption_grid([scene()] * 2, ["a", "b"])
    assert [[t.get_text() for t in axes.texts] for axes in figure.axes] == [["a"], ["b"]]


@pytest.mark.parametrize("parts, message", [
    (dict(images=[]), "there are no images"),
    (dict(captions=["a"]), "there are 2 images and 1 captions"),
    (dict(references=["a"] * 3), "there are 2 images and 3 references"),
    (dict(correct=[]), "there are 2 images and 0 correct"),
    (dict(columns=0), "columns=0 must be at least 1"),
    (dict(images=[np.zeros((4, 4)), np.zeros(4)]), r"caption_grid: image 1: the image has shape \(4,\)"),
])
def test_lists_that_do_not_fit_are_named(parts, message):
    with pytest.raises(ValueError, match=message):
        plot.caption_grid(**{"images": [np.zeros((4, 4))] * 2, "captions": ["a", "b"], **parts})


def test_wrapping_keeps_the_words_and_the_width():
    lines = wrap(LONG, 100, 9)
    assert " ".join(lines) == LONG and len(lines) > 4 and all(text_width(line, 9) <= 100 for line in lines)
    assert all(text_width(f"{a} {b.split()[0]}", 9) > 100 for a, b in zip(lines, lines[1:]))   # no line ends too early
    pieces = wrap("w" * 100, 60, 9)
    assert "".join(pieces) == "w" * 100 and all(text_width(piece, 9) <= 60 for piece in pieces)
    assert wrap("", 60, 9) == [""] and wrap("one two", 1000, 9) == ["one two"]


def test_fitting_shrinks_only_what_is_too_wide():
    assert fit("short", 100, 9) == 9 and 5 < fit("uncharacteristically", 80, 9) < 9 and fit("w" * 500, 80, 9) == 5
    assert text_width("uncharacteristically", fit("uncharacteristically", 80, 9)) == pytest.approx(80, rel=0.05)
