"""Training curves, bars and heat maps: what is drawn is what was given."""

import io
import subprocess
import sys

import numpy as np
import pytest

from tinymm import plot

from .test_attention import overlaps

RNG = np.random.default_rng(1)


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


def test_steps_and_epochs_share_the_axis():
    loss = RNG.random(500)
    figure = plot.loss_curves({"training": loss, "validation": [3, 2, 1.5, 1.2, 1.0]}, chance={"ln 60": np.log(60)}, title="t")
    drawn = lines(figure)
    np.testing.assert_array_equal(drawn["validation"].get_xdata(), [100, 200, 300, 400, 500])
    np.testing.assert_array_equal(drawn["validation"].get_ydata(), [3, 2, 1.5, 1.2, 1.0])
    np.testing.assert_array_equal(drawn["ln 60"].get_ydata(), [np.log(60)] * 2)
    raw, smoothed = figure.axes[0].lines[0], drawn["training"]
    np.testing.assert_array_equal(raw.get_ydata(), loss)
    assert raw.get_alpha() < 0.5 and raw.get_color() == smoothed.get_color() and raw.get_label().startswith("_")
    np.testing.assert_allclose(smoothed.get_ydata(), plot.moving_average(loss, 10))
    assert smoothed.get_ydata()[20:-20].std() < 0.5 * loss.std()
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["training", "validation", "ln 60"]
    assert figure.axes[0].get_xlabel() == "step" and figure.axes[0].get_ylabel() == "loss (nats)" and not overlaps(figure)


def test_short_curves_are_drawn_as_they_are():
    figure = plot.loss_curves({"validation": [1.0]}, xlabel="epoch")
    (line,) = figure.axes[0].lines
    assert line.get_marker() == "o" and list(line.get_xdata()) == [1] and figure.axes[0].get_legend() is None
    assert len(plot.loss_curves({"a": RNG.random(50)}).axes[0].lines) == 1
    assert len(plot.loss_curves({"a": RNG.random(50)}, smooth=5).axes[0].lines) == 2
    assert len(plot.loss_curves({"a": RNG.random(500)}, smooth=1).axes[0].lines) == 1


def test_positions_can_be_given():
    figure = plot.loss_curves({"a": [1, 2], "b": [1, 2, 3]}, x={"a": [10, 30]})
    assert list(lines(figure)["a"].get_xdata()) == [10, 30] and list(lines(figure)["b"].get_xdata()) == [1, 2, 3]


def test_curves_with_gaps_are_drawn():
    loss = RNG.random(300)
    loss[100:140], loss[200] = np.nan, np.inf
    figure = plot.loss_curves({"training": loss})
    figure.savefig(io.BytesIO(), format="png")
    assert np.isfinite(lines(figure)["training"].get_ydata()[[0, 99, 140, 200, 299]]).all()
    assert np.isnan(lines(figure)["training"].get_ydata()[120])


@pytest.mark.parametrize("window", [1, 2, 3, 8, 51, 1000])
def test_moving_average_is_the_mean_of_the_window(window):
    values = RNG.normal(size=50)
    values[[3, 17]] = np.nan, np.inf
    half = window // 2
    expected = [np.mean([v for v in values[max(i - half, 0):i + half + 1] if np.isfinite(v)] or [np.nan]) for i in range(50)]
    np.testing.assert_allclose(plot.moving_average(values, window), expected, rtol=1e-12)


@pytest.mark.parametrize("parts, message", [
    (dict(history={}), "loss_curves: history is empty"),
    (dict(history={"a": []}), r"loss_curves: history\['a'\] is empty"),
    (dict(history={"a": [1, 2]}, x={"a": [1]}), r"x\['a'\] has 1 positions, its curve has 2 values"),
    (dict(history={"a": [1, 2]}, smooth=0), "smooth=0 must be at least 1"),
])
def test_histories_that_cannot_be_drawn(parts, message):
    with pytest.raises(ValueError, match=message):
        plot.loss_curves(**parts)


def test_bars():
    figure = plot.bars({"NIC": 0.71, "soft attention": 0.86, "none": float("nan")}, ylabel="BLEU-4", line=("chance", 0.2),
                       errors={"none": 0, "NIC": 0.02, "soft attention": 0.1}, colors=plot.COLORS[:3], title="Test scenes, BLEU-4")
    axes = figure.axes[0]
    assert [p.get_height() for p in axes.patches] == [0.71, 0.86, 0]
    assert [t.get_text() for t in axes.texts] == ["0.71", "0.86", "n/a"]
    assert axes.texts[1].xy[1] == pytest.approx(0.96)   # above the error bar
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["chance"]
    assert [t.get_text().replace("\n", " ") for t in axes.get_xticklabels()] == ["NIC", "soft attention", "none"]
    assert not overlaps(figure)
    legend, title = axes.get_legend().get_window_extent(), axes.title.get_window_extent()
    assert not legend.overlaps(title)


def test_bars_below_zero_and_many_of_them():
    figure = plot.bars({f"characteristic_{i}": v for i, v in enumerate(np.linspace(-1, 1, 15))}, line=0.5, fmt="{:+.1f}")
    assert figure.get_figwidth() <= 10 and figure.axes[0].texts[0].get_text() == "-1.0" and not overlaps(figure)
    ticks = [t.get_window_extent() for t in figure.axes[0].get_xticklabels()]
    assert figure.axes[0].get_xticklabels()[0].get_rotation() == 35 and min(t.y0 for t in ticks) >= 0
    figure = plot.bars({"alone": 3})
    assert len(figure.axes[0].patches) == 1 and not overlaps(figure)


@pytest.mark.parametrize("parts, message", [
    (dict(values={}), "bars: there are no values"),
    (dict(errors=[1]), "bars: there are 1 errors and 2 values"),
    (dict(errors={"a": 1}), r"bars: errors has nothing for 'b'; it has \['a'\]"),
    (dict(colors=["red"] * 3), "bars: there are 3 colors and 2 values"),
])
def test_bars_that_cannot_be_drawn(parts, message):
    with pytest.raises(ValueError, match=message):
        plot.bars(**{"values": {"a": 1, "b": 2}, **parts})


def test_a_matrix():
    matrix = RNG.random((2, 3))
    figure = plot.heatmap(matrix, title="t", xlabel="x", ylabel="y", colorbar="weight", rows=["a", "b"],
                          columns=["one", "two", "a long name"], fmt="{:.2f}")
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), matrix)
    assert axes.images[0].get_clim() == (matrix.min(), matrix.max())
    assert [t.get_text() for t in axes.texts] == [f"{v:.2f}" for v in matrix.ravel()]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["one", "two", "a long name"]
    assert axes.child_axes[0].get_ylabel() == "weight" and not overlaps(figure)
    assert not plot.heatmap(matrix, colorbar=False).axes[0].child_axes


def test_matrices_side_by_side_share_the_scale():
    without, penalised = RNG.random((7, 7)) * 3, np.ones((7, 7))
    penalised[0, 0] = np.nan
    figure = plot.heatmap({"without": without, "with the penalty": penalised}, title="Coverage", limits=None)
    assert [axes.get_title() for axes in figure.axes] == ["without", "with the penalty"]
    assert len({axes.images[0].get_clim() for axes in figure.axes}) == 1 and not overlaps(figure)
    assert plot.heatmap(without, limits=(0, 5)).axes[0].images[0].get_clim() == (0, 5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (20, 196), (30, 30)])
def test_matrices_of_any_shape_fit_the_page(shape):
    figure = plot.heatmap(RNG.random(shape), rows=[f"word {i}" for i in range(shape[0])], title="t", colorbar="weight")
    assert figure.get_figwidth() <= 10 and figure.get_figheight() < 8 and not overlaps(figure)
    ticks = [t.get_window_extent() for t in figure.axes[0].get_yticklabels()]
    assert not any(a.padded(-1).overlaps(b) for a, b in zip(ticks, ticks[1:]))


@pytest.mark.parametrize("parts, message", [
    (dict(matrix=np.ones(3)), r"heatmap: matrix has shape \(3,\); it must be \(R, C\)"),
    (dict(matrix={"a": np.ones((0, 3))}), r"matrix 'a' has shape \(0, 3\)"),
    (dict(matrix={}), "there is no matrix"),
    (dict(rows=["a"]), "there are 1 names of rows, the matrix has 2 rows"),
    (dict(columns=["a"]), "there are 1 names of columns, the matrix has 3 columns"),
])
def test_matrices_that_cannot_be_drawn(parts, message):
    with pytest.raises(ValueError, match=message):
        plot.heatmap(**{"matrix": np.ones((2, 3)), **parts})


def test_the_room_is_imported_when_asked_for_and_leaves_pyplot_alone():
    code = ("import sys, tinymm; assert 'matplotlib' not in sys.modules; from tinymm import plot; import numpy as np; "
            "plot.bars({'a': 1}).savefig(sys.stdout.buffer, format='png'); assert 'matplotlib.pyplot' not in sys.modules")
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout.startswith(b"\x89PNG")
