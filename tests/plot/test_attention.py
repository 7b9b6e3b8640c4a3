"""Attention figures: panels, titles, overlays, boxes, and the messages of parts that do not fit."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import tinymm
from tinymm import plot

RNG = np.random.default_rng(0)


def scene(height=20, width=30):
    return RNG.random((3, height, width))


def weights(words, cells):
    return RNG.dirichlet(np.ones(cells), words)


def overlay(axes):
    """The opacities of a word's panel."""
    return np.asarray(axes.images[1].get_array())[..., 3]


def overlaps(figure):
    """Pairs of texts that overlap, and texts that leave the figure, when it is drawn."""
    figure.savefig(io.BytesIO(), format="png")
    texts = [text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts)
             if text.get_text()] + ([figure._suptitle] if figure._suptitle else [])
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    page = figure.bbox.padded(1)
    return ([(a, b) for i, (a, x) in enumerate(boxes) for b, y in boxes[:i] if x.padded(-1).overlaps(y)]
            + [a for a, x in boxes if x.x0 < page.x0 or x.x1 > page.x1 or x.y0 < page.y0 or x.y1 > page.y1])


def test_a_panel_for_each_word():
    words = "a large seven left of a small two".split()
    image, alpha = scene(), weights(8, 12)
    boxes = [None, (2, 3, 10, 12), (2, 3, 10, 12), None, None, None, (1, 20, 9, 30), (1, 20, 9, 30)]
    figure = plot.attention_words(image, words, alpha, (3, 4), beta=np.arange(8) / 10, boxes=boxes, title="Where it looked")
    assert isinstance(figure, Figure) and figure.get_figwidth() <= 10
    assert [axes.get_title() for axes in figure.axes] == ["image", *words]
    assert [axes.get_xlabel() for axes in figure.axes[1:]] == [f"\u03b2 = {b / 10:.2f}" for b in range(8)]
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), image.transpose(1, 2, 0))
    np.testing.assert_allclose(figure.axes[1].images[0].get_array(), np.einsum("chw,c->hw", image, [0.299, 0.587, 0.114]))
    frames = [[p for p in axes.patches if isinstance(p, Rectangle)] for axes in figure.axes[1:]]
    assert [len(f) for f in frames] == [0, 1, 1, 0, 0, 0, 1, 1]
    assert frames[1][0].get_bbox().bounds == (2.5, 1.5, 9, 8)   # the outer edges of the pixels 3...11 and 2...9
    rows = [axes.get_subplotspec().rowspan.start for axes in figure.axes]
    assert rows == [0] * 7 + [1, 1] and not overlaps(figure)


def test_the_overlay_lies_where_the_weight_is():
    alpha = np.zeros((1, 12))
    alpha[0, 6] = 1   # row 1, column 2 of (3, 4)
    strength = overlay(plot.attention_words(scene(24, 32), ["seven"], alpha, (3, 4)).axes[1])
    y, x = np.unravel_index(strength.argmax(), strength.shape)
    h, w = strength.shape
    assert (y * 3 // h, x * 4 // w) == (1, 2) and strength[0, 0] < 0.01 and strength.max() == pytest.approx(0.8)
    assert h / w == 24 / 32


@pytest.mark.parametrize("cells", [(1, 1), (3, 4)])
def test_equal_weights_give_an_even_half_overlay(cells):
    count = cells[0] * cells[1]
    strength = overlay(plot.attention_words(scene(), ["a"], np.full((1, count), 1 / count), cells).axes[1])
    np.testing.assert_allclose(strength, 0.4)


def test_no_weight_gives_no_overlay():
    assert overlay(plot.attention_words(scene(), ["a"], np.zeros((1, 12)), (3, 4)).axes[1]).max() == 0


def test_spreading_follows_its_definition():
    """Up-sampling to the nearest cell, then a two-dimensional Gaussian with the weights inside the picture, pixel by pixel."""
    cells, (height, width), blur = RNG.random((2, 3)), (8, 9), 0.6
    y, x = np.mgrid[:height, :width] + 0.5
    nearest = cells[(y * 2 / height).astype(int), (x * 3 / width).astype(int)]
    expected = np.empty((height, width))
    for i, j in np.ndindex(height, width):
        kernel = np.exp(-(((y - y[i, j]) * 2 / height) ** 2 + ((x - x[i, j]) * 3 / width) ** 2) / (2 * blur ** 2))
        expected[i, j] = (kernel * nearest).sum() / kernel.sum()
    np.testing.assert_allclose(plot.spread_attention(cells.ravel(), (2, 3), (height, width), blur), expected, atol=1e-12)
    np.testing.assert_array_equal(plot.spread_attention(cells.ravel(), (2, 3), (height, width), 0), nearest)


def test_spreading_agrees_with_scipys_filter_inside():
    from scipy.ndimage import gaussian_filter

    cells = RNG.random((9, 9))
    nearest = np.kron(cells, np.ones((8, 8)))
    ours = plot.spread_attention(cells, (9, 9), (72, 72), 0.5)
    np.testing.assert_allclose(ours[24:-24, 24:-24], gaussian_filter(nearest, 4, truncate=8)[24:-24, 24:-24], atol=1e-6)


@pytest.mark.parametrize("count", [1, 6, 7, 20])
@pytest.mark.parametrize("shape", [(48, 48), (1, 48, 48), (3, 20, 60), (3, 60, 20)])
def test_any_number_of_words_in_any_shape(count, shape):
    words = [f"word{i}" for i in range(count - 1)] + ["uncharacteristically"]
    figure = plot.attention_words(RNG.random(shape), words, weights(count, 49), (7, 7), beta=np.ones(count),
                                  title="A title that is longer than a small figure would be wide")
    assert len(figure.axes) == count + 1 and figure.get_figwidth() <= 10 and not overlaps(figure)
    assert max(axes.get_subplotspec().rowspan.stop for axes in figure.axes) == -(-(count + 1) // 7)


def test_words_are_not_read_as_formulas():
    figure = plot.attention_words(scene(), ["$5_", "\\frac$", "$a^$"], weights(3, 4), (2, 2), title="$\\x$")
    figure.savefig(io.BytesIO(), format="png")
    assert figure.axes[1].get_title() == "$5_"


def test_tensors_are_drawn():
    figure = plot.attention_words(tinymm.Tensor(scene()), ["a", "b"], tinymm.Tensor(weights(2, 4)), (2, 2), beta=tinymm.ones(2))
    assert len(figure.axes) == 3


def test_systems_one_below_the_other():
    image = scene()
    rows = {"soft": (["a", "seven"], weights(2, 4), [0.1, 0.9]), "hard": (["a", "nine", "end"], weights(3, 4), None,
                                                                       [None, (0, 0, 9, 9), None])}
    figure = plot.attention_pair(image, rows, (2, 2), title="Soft and hard")
    assert [axes.get_title() for axes in figure.axes] == ["image", "a", "seven", "image", "a", "nine", "end"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["soft", "", "", "hard", "", "", ""]
    assert [axes.get_subplotspec().rowspan.start for axes in figure.axes] == [0] * 3 + [1] * 4
    assert [axes.get_xlabel() for axes in figure.axes[1:3]] == ["\u03b2 = 0.10", "\u03b2 = 0.90"]
    assert len(figure.axes[5].patches) == 1 and not overlaps(figure)
    long = {name: ([f"w{i}" for i in range(12)], weights(12, 4), np.ones(12)) for name in ("soft", "hard")}
    figure = plot.attention_pair(image, long, (2, 2))
    assert len(figure.axes) == 26 and figure.axes[13].get_subplotspec().rowspan.start == 2 and not overlaps(figure)


@pytest.mark.parametrize("change, message", [
    (dict(alpha=np.ones((5, 4))), "attention_words: alpha has 5 rows, there are 6 words"),
    (dict(alpha=np.ones((6, 5))), r"attention_words: alpha has 5 columns, grid=\(2, 2\) has 4 cells"),
    (dict(alpha=np.ones(4)), r"alpha has shape \(4,\); it must be \(T, L\)"),
    (dict(alpha=np.array([[1, 0, 0, 0]] * 5 + [[0, np.nan, 0, 1]])), r"alpha of word 5 \('f'\) has a weight that is negative"),
    (dict(alpha=-np.ones((6, 4))), r"alpha of word 0 \('a'\)"),
    (dict(words=[]), "there are no words"),
    (dict(beta=np.ones(3)), "beta has 3 values, there are 6 words"),
    (dict(boxes=[None]), "there are 1 boxes and 6 words; give None for a word that names nothing"),
    (dict(image=np.zeros((2, 4, 4))), r"the image has shape \(2, 4, 4\); it must be"),
    (dict(image=np.full((4, 4), 255.0)), "the image's values run from 255 to 255; give floats in"),
    (dict(image=np.full((4, 4), np.nan)), "the image's values run from nan"),
    (dict(image=np.zeros((0, 4))), "has no pixels"),
])
def test_parts_that_do_not_fit_are_named(change, message):
    parts = {"image": np.zeros((4, 4)), "words": list("abcdef"), "alpha": np.ones((6, 4)), "grid": (2, 2), **change}
    with pytest.raises(ValueError, match=message):
        plot.attention_words(**parts)


def test_a_system_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="attention_pair: 'hard': alpha has 5 rows, there are 6 words"):
        plot.attention_pair(np.zeros((4, 4)), {"soft": ("ab", np.ones((2, 4))), "hard": ("abcdef", np.ones((5, 4)))}, (2, 2))
    with pytest.raises(ValueError, match=r"rows\['soft'\] must be \(words, alpha\), "):
        plot.attention_pair(np.zeros((4, 4)), {"soft": np.ones((2, 4))}, (2, 2))
    with pytest.raises(ValueError, match="rows is empty"):
        plot.attention_pair(np.zeros((4, 4)), {}, (2, 2))
