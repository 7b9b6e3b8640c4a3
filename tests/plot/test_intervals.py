"""Shares with their intervals: the interval's known values, what is drawn, what is refused."""

import pytest

from tinymm import plot
from tinymm.plot.intervals import wilson


def test_wilson():
    """Of 0 of 10 the upper end is z^2 / (n + z^2); 81 of 263 is Newcombe's example (1998, table I)."""
    assert wilson(0.0, 10) == pytest.approx((0, 1.96**2 / (10 + 1.96**2)))
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(1.0, 50)[1] == 1.0 and wilson(0.5, 10**8) == pytest.approx((0.5, 0.5), abs=1e-3)


def test_a_dot_with_its_interval_for_each_share():
    groups = {"sprites": {"one prompt": 0.9, "ensemble": 1.0}, "digits": {"ensemble": 0.25}}
    figure = plot.intervals(groups, {"sprites": 100, "digits": 40}, chance={"digits": 0.1}, xlabel="accuracy", title="zero-shot")
    axes, = figure.axes
    texts = [t.get_text() for t in axes.texts]
    assert {"sprites", "digits", "one prompt", "ensemble", "0.900", "1.000", "0.250"} <= set(texts)
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    bars = [line for line in axes.lines if line.get_linewidth() == 2.2]
    assert [float(line.get_xdata()[0]) for line in dots] == [0.9, 1.0, 0.25]
    assert [tuple(map(float, line.get_xdata())) for line in bars] == [wilson(0.9, 100), wilson(1.0, 100), wilson(0.25, 40)]
    assert dots[1].get_color() == dots[2].get_color() != dots[0].get_color()   # a kind has one colour
    figure.canvas.draw()
    width, height = figure.bbox.size
    for text in axes.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text.get_text()


def test_what_is_refused():
    for groups in ({}, {"a": {}}):
        with pytest.raises(ValueError, match="there are no shares"):
            plot.intervals(groups, {})
    with pytest.raises(ValueError, match="group 'a' needs its number of cases"):
        plot.intervals({"a": {"x": 0.5}}, {"b": 3})
    with pytest.raises(ValueError, match="'a', 'x' is 1.5; it must lie between 0 and 1"):
        plot.intervals({"a": {"x": 1.5}}, {"a": 3})
