"""Sentences by level: the four columns with their pictures, and the bars of shares."""

import io
import itertools
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex

from tinymm import plot
from tinymm.plot.levels import LEVELS, percent

from .test_attention import overlaps, scene
from .test_captions import LONG

NAMES = ["Describes without errors", "Describes with minor errors", "Somewhat related to the image", "Unrelated to the image"]
COLUMNS = {NAMES[0]: (0.632, [(scene(), "a red circle"), (scene(30, 20), LONG), (np.zeros((8, 8)), "$x_")]),
           NAMES[1]: (0.25, [(scene(), LONG)]), NAMES[2]: (0.117, [(scene(), "a"), (scene(), "")]), NAMES[3]: (0.001, [])}
SHARES = {"NIC, beam 20": [.632, .25, .117, .001], "NIC, greedy": [.5, .3, .1, .1], "chance": [0, 0, .02, .98]}


def clear(figure):
    """Whether no text, panel or legend overlaps another or leaves the page."""
    figure.savefig(io.BytesIO(), format="png")
    texts = [text for text in (*figure.texts, *(t for axes in figure.axes for t in axes.texts)) if text.get_text()]
    boxes = [text.get_window_extent() for text in texts] + [a.get_window_extent() for a in figure.axes if a.images]
    page = figure.bbox.padded(1)
    return (not any(a.padded(-1).overlaps(b) for a, b in itertools.combinations(boxes, 2))
            and all(b.x0 >= page.x0 and b.x1 <= page.x1 and b.y0 >= page.y0 and b.y1 <= page.y1 for b in boxes))


def written(figure):
    return [" ".join(text.get_text().split()) for text in figure.texts]


def test_a_column_a_level():
    figure = plot.caption_columns(COLUMNS, title="Sentences of $the_ test pictures")
    assert len(figure.axes) == 6 and figure.get_figwidth() <= 10 and clear(figure)
    said = [" ".join(text.get_text().split()) for axes in figure.axes for text in axes.texts]
    assert said == ["a red circle", LONG, "$x_", LONG, "a", ""]
    assert [text for text in written(figure) if text in NAMES] == NAMES
    assert [text for text in written(figure) if text.endswith("%")] == ["63%", "25%", "12%", "<1%"]
    assert written(figure).count("none") == 1
    assert [to_hex(line.get_color()) for line in figure.artists] == list(LEVELS[:4]) and set(LEVELS) == set(plot.COLORS)
    np.testing.assert_array_equal(figure.axes[2].images[0].get_array(), np.zeros((8, 8)))
    left = [axes.get_position().x0 for axes in figure.axes]
    rules = [line.get_xdata()[0] for line in figure.artists]
    assert [min(range(4), key=lambda k: abs(rules[k] - x)) for x in left] == [0, 0, 0, 1, 2, 2]   # each below its own heading
    none = next(text for text in figure.texts if text.get_text() == "none")
    assert rules[3] < none.get_position()[0] < figure.artists[3].get_xdata()[1]
    bottoms = [axes.get_position().y0 for axes in figure.axes]
    assert bottoms[0] == bottoms[3] == bottoms[4] > bottoms[1] == bottoms[5] > bottoms[2]   # and in its row


@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_any_number_of_columns_and_none_at_all_in_them(count):
    names = ["w" * 60 + " " + LONG] + [f"level_${i}" for i in range(1, count)]
    figure = plot.caption_columns({name: (i / 10, [(scene(), LONG)] * (i % 3)) for i, name in enumerate(names)}, title=LONG)
    assert len(figure.axes) == sum(i % 3 for i in range(count)) and figure.get_figwidth() <= 10 and clear(figure)
    assert written(figure).count("none") == sum(i % 3 == 0 for i in range(count))
    assert to_hex(plot.caption_columns({"a": (1, [])}, colors=["#123456"]).artists[0].get_color()) == "#123456"


@pytest.mark.parametrize("columns, message", [
    ({}, "caption_columns: columns is empty"),
    ({"a": (1, []), "b": 3}, r"caption_columns: 'b' must be \(share, \[\(image, caption\), ...\]\)"),
    ({"a": (63, [])}, r"caption_columns: 'a': the share 63 must lie in \[0, 1\]; divide a percentage by 100"),
    ({"a": (float("nan"), [])}, "caption_columns: 'a': the share nan must lie in"),
    ({"a": (None, [])}, "caption_columns: 'a': the share None must be a number"),
    ({"a": (1, [(scene(), "x"), scene()])}, r"caption_columns: 'a': picture 1 must be \(image, caption\)"),
    ({"a": (1, [(scene(), ["a", "cat"])])}, r"caption_columns: 'a': picture 0 must be \(image, caption\)"),
    ({"a": (1, [(np.zeros(4), "x")])}, r"caption_columns: 'a': image 0: the image has shape \(4,\)"),
])
def test_columns_that_cannot_be_drawn_are_named(columns, message):
    with pytest.raises(ValueError, match=message):
        plot.caption_columns(columns)
    with pytest.raises(ValueError, match="caption_columns: there are 1 colors and 4 columns"):
        plot.caption_columns(COLUMNS, colors=["red"])


def bars_of(figure):
    """Row -> [(start, length, colour)]."""
    rows = {}
    for bar in figure.axes[0].patches:
        row = rows.setdefault(round(bar.get_y() + bar.get_height() / 2), [])
        row.append((bar.get_x(), bar.get_width(), to_hex(bar.get_facecolor())))
    return rows


def test_stacked_bars():
    figure = plot.stacked_bars({system: dict(zip(NAMES, values)) for system, values in SHARES.items()},
                               xlabel="share of $_ pictures", title=f"Four levels by $_ system: {LONG}, {LONG}")
    rows = bars_of(figure)
    for i, values in enumerate(SHARES.values()):
        assert [bar[1] for bar in rows[i]] == pytest.approx(values) and [bar[2] for bar in rows[i]] == list(LEVELS[:4])
        assert [bar[0] for bar in rows[i]] == pytest.approx(np.cumsum([0, *values[:-1]]))
    axes, = figure.axes
    assert axes.get_ylim()[0] > axes.get_ylim()[1] and [t.get_text() for t in axes.get_yticklabels()] == list(SHARES)
    assert [t.get_text() for t in axes.texts] == ["63%", "25%", "12%", "50%", "30%", "10%", "10%", "98%"]   # where there is room
    legend, = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == NAMES and not overlaps(figure)
    frames = [legend.get_window_extent(), axes.get_tightbbox(), figure._suptitle.get_window_extent()]
    assert not any(a.padded(-1).overlaps(b) for a, b in itertools.combinations(frames, 2))
    assert all(f.x0 >= -1 and f.x1 <= figure.bbox.x1 + 1 and f.y0 >= -1 for f in frames)


@pytest.mark.parametrize("systems, levels", [(1, 1), (1, 2), (3, 7), (20, 3)])
def test_bars_of_any_number(systems, levels):
    names = [f"level {i} $_ {LONG[:3 * i]}" for i in range(levels)]
    figure = plot.stacked_bars({f"system_{i} {LONG[:6 * i]}": dict.fromkeys(reversed(names) if i else names, 1 / levels)
                                for i in range(systems)})
    assert figure.get_figwidth() <= 10 and not overlaps(figure)
    rows = bars_of(figure)
    assert len(rows) == systems and all([bar[2] for bar in row] == list(LEVELS[:levels]) for row in rows.values())
    legend, tight = figure.legends[0].get_window_extent(), figure.axes[0].get_tightbbox()
    assert not legend.padded(-1).overlaps(tight) and legend.x0 >= 0 and legend.x1 <= figure.bbox.x1
    assert [t.get_text() for t in figure.legends[0].get_texts()] == names
    labels = [t.get_window_extent() for t in figure.axes[0].get_yticklabels()]
    assert not any(a.overlaps(b) for a, b in zip(labels, labels[1:])) and min(label.x0 for label in labels) >= 0


@pytest.mark.parametrize("shares, message", [
    ({}, "stacked_bars: shares is empty"),
    ({"a": {}}, "stacked_bars: 'a' has no levels"),
    ({"a": {"x": 1}, "b": {"x": .5, "y": .5}},
     r"stacked_bars: 'b' has the level 'y'; all systems must have the levels of the first, \['x'\]"),
    ({"a": {"x": .5, "y": .5}, "b": {"x": 1}}, "stacked_bars: 'b' has no level 'y'"),
    ({"a": {"x": .5, "y": .4}}, "stacked_bars: 'a': the shares sum to 0.9, not to 1"),
    ({"a": {"x": 50, "y": 50}}, r"stacked_bars: 'a', 'x': the share 50 must lie in \[0, 1\]; divide a percentage by 100"),
    ({"a": {"x": 1.5, "y": -.5}}, "stacked_bars: 'a', 'x': the share 1.5 must lie in"),
])
def test_shares_that_cannot_be_drawn_are_named(shares, message):
    with pytest.raises(ValueError, match=message):
        plot.stacked_bars(shares)
    with pytest.raises(ValueError, match="stacked_bars: there are 1 colors and 2 levels"):
        plot.stacked_bars({"a": {"x": .5, "y": .5}}, colors=["red"])


def test_percent_hides_no_exception():
    written = {0: "0%", 1e-6: "<1%", .004: "<1%", .005: "<1%", .0051: "1%", .126: "13%", .5: "50%", .994: "99%", .995: ">99%",
               1 - 1e-6: ">99%", 1: "100%"}
    assert {share: percent(share) for share in written} == written


def test_numbers_are_legible_on_every_colour():
    """WCAG asks for a contrast of 4.5 to 1 in small text."""
    from matplotlib.colors import to_rgb

    for shade in LEVELS:
        figure = plot.stacked_bars({"a": {"x": 1}}, colors=[shade])
        light = []
        for color in (shade, figure.axes[0].texts[0].get_color()):
            c = np.array(to_rgb(color))
            light.append(np.where(c <= .04045, c / 12.92, ((c + .055) / 1.055)**2.4) @ [.2126, .7152, .0722] + .05)
        assert max(light) / min(light) >= 4.5, shade


def test_pyplot_is_left_alone():
    code = ("import sys, numpy as np; from tinymm import plot; out = sys.stdout.buffer;"
            "plot.beam_tree([(0, None, 1, 0.0, 0.0, False), (1, 0, 2, -1.0, -1.0, True)]).savefig(out, format='png');"
            "plot.caption_columns({'a': (1, [(np.zeros((4, 4)), 'b')])}).savefig(out, format='png');"
            "plot.stacked_bars({'a': {'x': 1}}).savefig(out, format='png');"
            "assert 'matplotlib.pyplot' not in sys.modules and 'tinymm.decode' not in sys.modules")
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout.startswith(b"\x89PNG")
