"""A text with its weights: every word in order, its ground as strong as its weight, nothing beside the page."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tinymm import plot

WORDS = "in the morning @entity0 sold the house to @entity1 .".split()


def test_each_word_has_a_ground_as_strong_as_its_weight():
    weights = np.random.default_rng(0).random(len(WORDS))
    figure = plot.attended_text({"first": (WORDS, weights), "second": (WORDS * 5, np.tile(weights, 5) / 2)}, title="t")
    axes, = figure.axes
    assert [text.get_text() for text in axes.texts] == ["first", "second", *WORDS, *WORDS * 5, "t"]
    strengths = [patch.get_alpha() for patch in axes.patches]
    np.testing.assert_allclose(strengths, np.tile(weights / weights.max(), 6))   # each text has a scale of its own
    FigureCanvasAgg(figure).draw()
    page = figure.bbox
    grounds = [patch.get_window_extent() for patch in axes.patches]
    words = [text.get_window_extent() for text in axes.texts[2:-1]]
    assert len({round(ground.y0) for ground in grounds[len(WORDS):]}) > 1   # the long text has several lines
    for ground, word in zip(grounds, words):
        assert page.x0 <= ground.x0 <= word.x0 + 1 and word.x1 - 1 <= ground.x1 <= page.x1
        assert page.y0 <= ground.y0 and ground.y1 <= page.y1
    for i, a in enumerate(grounds):
        assert not any(a.x0 < b.x1 - 1 and b.x0 < a.x1 - 1 and a.y0 < b.y1 - 1 and b.y0 < a.y1 - 1 for b in grounds[:i])


def test_a_text_without_any_weight_is_left_white():
    figure = plot.attended_text({"": (WORDS, np.zeros(len(WORDS)))})
    assert {patch.get_alpha() for patch in figure.axes[0].patches} == {0.0}


@pytest.mark.parametrize("texts, message", [
    ({}, "there are no texts"), ({"a": ([], [])}, "'a' has 0 words"), ({"a": (WORDS, [1.0])}, r"weights of shape \(1,\)"),
    ({"a": (["x"], [-1.0])}, "of at least 0"), ({"a": (["x"], [np.nan])}, "finite")])
def test_mistakes_are_explained(texts, message):
    with pytest.raises(ValueError, match=message):
        plot.attended_text(texts)
