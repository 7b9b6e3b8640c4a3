"""The drawing of a beam search: a box a node, a line a word, nothing crosses or overlaps, and what is no tree is named."""

import io
import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch, PathPatch

from tinymm import plot
from tinymm.decode import beam_tree
from tinymm.plot.style import GREY, WIDTH
from tinymm.text import Vocabulary

from .test_attention import overlaps

BEST, COMPLETED = plot.COLORS[1], plot.COLORS[0]
WORDS = ("<end>", "<start>", "a", "cat_$", "dog")


def node(step, parent, word, p, finished=False, power=0.0):
    return step, parent, word, np.log(p), np.log(p) / max(step, 1)**power, finished


NODES = [node(0, None, 1, 1.0),
         node(1, 0, 2, 0.6), node(1, 0, 3, 0.3),
         node(2, 1, 0, 0.06, True), node(2, 1, 3, 0.36), node(2, 2, 4, 0.3),
         node(3, 4, 0, 0.18, True), node(3, 5, 0, 0.24, True), node(3, 4, 2, 0.15)]


def parts(figure):
    """(boxes, lines) as drawn, and for each box [word, number]."""
    axes, = figure.axes
    boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    lines = [patch for patch in axes.patches if isinstance(patch, PathPatch)]
    figure.savefig(io.BytesIO(), format="png")
    middles = [(text.get_text(), text.get_window_extent().get_points().mean(0)) for text in axes.texts]
    return boxes, lines, [[text for text, middle in middles if frame.contains(*middle)]
                          for frame in (box.get_window_extent() for box in boxes)]


def random_tree(seed, beam_size, K=6, depth=8):
    """The search of a random model whose next word depends on the last one and on the step."""
    table = np.log(np.random.default_rng(seed).dirichlet(np.full(K, .4), size=(depth, K)))
    return beam_tree(lambda tokens, t: (table[t, tokens], t + 1), np.zeros(1, dtype=int), start=1, end=0, max_length=depth,
                     beam_size=beam_size)


def test_a_box_a_node_and_a_line_a_word():
    figure = plot.beam_tree(NODES, words=WORDS, title="A beam of 2")
    boxes, lines, texts = parts(figure)
    assert len(boxes) == 9 and len(lines) == 8 and len(figure.axes) == 1 and not overlaps(figure)
    assert sorted(texts) == sorted([["<start>", "1.00"], ["a", "0.60"], ["cat_$", "0.30"], ["<end>", "#3: 0.06"], ["cat_$", "0.36"],
                                    ["dog", "0.30"], ["<end>", "#2: 0.18"], ["<end>", "#1: 0.24"], ["a", "0.15"]])
    look = {tuple(text): box for text, box in zip(texts, boxes)}
    frames = {text: to_hex(box.get_edgecolor()) for text, box in look.items()}
    best = {("<start>", "1.00"), ("cat_$", "0.30"), ("dog", "0.30"), ("<end>", "#1: 0.24")}
    assert {text for text, color in frames.items() if color == BEST} == best
    assert {text for text, color in frames.items() if color == COMPLETED} == {("<end>", "#3: 0.06"), ("<end>", "#2: 0.18")}
    assert {text for text, box in look.items() if box.get_facecolor() != (1, 1, 1, 1)} == {t for t in look if t[0] == "<end>"}
    assert {text for text, box in look.items() if box.get_linestyle() not in ("-", "solid")} == {("a", "0.15")}
    given = sorted([.6, .3, .1, .6, 1, .5, .8, .15 / .36])   # p(word | words before)
    np.testing.assert_allclose(sorted(line.get_linewidth() for line in lines), 0.6 + 4 * np.array(given))
    assert sorted(line.get_linewidth() for line in lines if to_hex(line.get_edgecolor()) == BEST) == pytest.approx([1.8, 3.8, 4.6])
    assert len([line for line in lines if to_hex(line.get_edgecolor()) == GREY]) == 5
    others = ["start", "word 1", "word 2", "word 3", "A beam of 2"]
    assert [text.get_text() for text in figure.axes[0].texts if text.get_text() in others] == others
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend[:3] == ["best sentence", "completed", "not continued"] and len(legend) == 6


def test_logarithms_and_scores():
    figure = plot.beam_tree(NODES, log=True)
    texts = parts(figure)[2]
    assert ["1", "0.00"] in texts and ["3", "-1.02"] in texts and ["0", "#1: -1.43"] in texts
    penalised = [node(n[0], n[1], n[2], np.exp(n[3]), n[5], power=2.0) for n in NODES]
    texts = parts(plot.beam_tree(penalised))[2]
    assert ["0", "#1: 0.24, score -0.159"] in texts and ["0", "#3: 0.06, score -0.703"] in texts
    assert parts(plot.beam_tree([node(0, None, 1, 1.0), node(1, 0, 2, 2e-7)]))[2] == [["1", "1.00"], ["2", "2e-07"]]


def test_the_best_sentence_is_the_first_of_equal_ones_and_a_live_one_only_where_none_is_completed():
    def best(nodes):
        boxes, _, texts = parts(plot.beam_tree(nodes))
        return sorted(tuple(text) for box, text in zip(boxes, texts) if to_hex(box.get_edgecolor()) == BEST)

    root = node(0, None, 1, 1.0)
    assert best([root, node(1, 0, 0, .2, True), node(1, 0, 2, .8), node(2, 2, 0, .2, True)]) == [("0", "#1: 0.20"), ("1", "1.00")]
    live = [root, node(1, 0, 2, .5), node(1, 0, 3, .4), node(2, 1, 2, .1), node(2, 2, 2, .3)]
    assert best(live) == [("1", "1.00"), ("2", "0.30"), ("3", "0.40")]
    assert best([*live, node(2, 1, 0, .01, True)]) == [("0", "#1: 0.01"), ("1", "1.00"), ("2", "0.50")]


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5, 8])
def test_nothing_crosses_or_overlaps(beam_size):
    for seed in range(2):
        nodes = random_tree(seed, beam_size)
        figure = plot.beam_tree(nodes, words=[f"word{i}" for i in range(6)], title="$t_$")
        boxes, lines, _ = parts(figure)
        assert len(lines) == len(nodes) - 1 and figure.get_figwidth() <= WIDTH and not overlaps(figure)
        frames = [box.get_window_extent() for box in boxes]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(frames, 2))
        for text in figure.axes[0].texts:   # a word or a number is inside a box, a heading in none
            x = text.get_window_extent()
            assert all(f.x0 < x.x0 and x.x1 < f.x1 and f.y0 < x.y0 and x.y1 < f.y1 for f in frames if f.overlaps(x))
        page = figure.bbox
        assert all(page.x0 <= f.x0 and f.x1 <= page.x1 and page.y0 <= f.y0 and f.y1 <= page.y1 for f in frames)
        legend = figure.axes[0].get_legend().get_window_extent()
        assert not any(legend.overlaps(frame) for frame in frames)
        ends = [line.get_path().vertices[[0, -1]] for line in lines]
        for (a, b), (c, d) in itertools.combinations(ends, 2):   # lines of one shape cross where their order turns
            if a[0] == c[0] and b[0] == d[0] and abs(b[1] - d[1]) < 20 and a[1] != c[1]:
                assert (a[1] < c[1]) == (b[1] < d[1])
        assert len({tuple(b) for _, b in ends}) == len(ends)


def test_a_wide_tree_goes_on_below():
    step = lambda tokens, t: (np.log(np.tile([.2, .5, .3], (len(tokens), 1)) if t[0] < 20 else np.tile([1, 0, 0], (len(tokens), 1))
                                     + 1e-300), t + 1)
    nodes = beam_tree(step, np.zeros(1, dtype=int), start=1, end=0, max_length=21, beam_size=2)
    figure = plot.beam_tree(nodes, words=["end", "a", "incomprehensible"])
    boxes, lines, _ = parts(figure)
    assert len(lines) == len(nodes) - 1 and len(boxes) > len(nodes) and figure.get_figwidth() <= WIDTH and not overlaps(figure)
    heads = [text.get_text() for text in figure.axes[0].texts if text.get_text().startswith("word ")]
    steps = [int(head.split()[1]) for head in heads]
    assert sorted(set(steps)) == list(range(1, 22)) and all(b - a in (0, 1) for a, b in zip(steps, steps[1:]))
    inner = {n.parent for n in nodes}
    again = [step for step in set(steps) if steps.count(step) == 2]   # the columns at which a band ends and the next begins
    assert again and len(boxes) - len(nodes) == sum(n.step in again and i in inner for i, n in enumerate(nodes))


def test_long_words_and_the_start_alone():
    figure = plot.beam_tree([node(0, None, "w" * 300, 1.0), node(1, 0, "uncharacteristically", .5)], title="long " * 80)
    boxes, _, texts = parts(figure)
    words = ["w" * 29 + "\u2026", "uncharacteristically"]
    assert [text[0] for text in texts] == words and not overlaps(figure)
    for box, text in zip(boxes, [t for t in figure.axes[0].texts if t.get_text() in words]):
        frame, word = box.get_window_extent(), text.get_window_extent()
        assert frame.x0 <= word.x0 and word.x1 <= frame.x1
    boxes, lines, texts = parts(plot.beam_tree(NODES[:1]))
    assert len(boxes) == 1 and not lines and texts == [["1", "1.00"]]


def test_words_by_vocabulary_or_dict():
    vocabulary = Vocabulary(["cat", "dog"])
    nodes = [node(0, None, vocabulary.start, 1.0), node(1, 0, 4, .5), node(2, 1, vocabulary.end, .25, True)]
    for words in (vocabulary.words, dict(enumerate(vocabulary.words))):
        assert [text[0] for text in parts(plot.beam_tree(nodes, words=words))[2]] == ["<start>", "cat", "<end>"]


def test_heights_solve_the_least_squares_with_distances():
    """The columns' placing against a general solver: the first height and the gaps beyond 1, which are at least 0."""
    from scipy.optimize import lsq_linear

    from tinymm.plot.beam_tree import _apart

    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 9):
        for _ in range(10):
            wish, weight = rng.normal(size=n) * 3, rng.random(n) + 0.1
            root = np.sqrt(weight)
            solved = lsq_linear(root[:, None] * np.tri(n), root * (wish - np.arange(n)), (np.r_[-np.inf, np.zeros(n - 1)], np.inf),
                                method="bvls", tol=1e-14).x
            np.testing.assert_allclose(_apart(wish, weight), np.tri(n) @ solved + np.arange(n), atol=1e-8)


@pytest.mark.parametrize("nodes, message", [
    ([], "beam_tree: nodes is empty"),
    ([(0, None, 1, 0.0)],
     r"beam_tree: node 0 is \(0, None, 1, 0.0\); it must be \(step, parent, word, log_prob, score, finished\)"),
    ([7], "beam_tree: node 0 is 7; it must be"),
    ([node(0, 0, 1, 1.0)], "node 0 has parent=0; the first node is the start, and has None"),
    ([node(1, None, 1, 1.0)], "node 0 has step=1; the start has 0"),
    ([*NODES[:2], node(0, None, 1, 1.0)], "node 2 has parent=None; it must be the place of an earlier node, 0...1"),
    ([*NODES[:2], node(2, 2, 1, 1.0)], "node 2 has parent=2; it must be the place of an earlier node"),
    ([*NODES[:2], node(1, 1, 1, 1.0)], "node 2 has step=1; its parent, node 1, has 1"),
    ([*NODES[:4], node(3, 3, 2, .01)], "node 4 has parent=3, which is a completed sentence"),
    ([*NODES[:2], (1, 0, 2, -np.inf, -np.inf, False)], "node 2 has log_prob=-inf and score=-inf; both must be finite"),
])
def test_what_is_no_tree_is_named(nodes, message):
    with pytest.raises(ValueError, match=message):
        plot.beam_tree(nodes)


@pytest.mark.parametrize("words", [["<end>", "<start>"], {0: "<end>", 1: "<start>"}])
def test_a_word_without_a_text_is_named(words):
    with pytest.raises(ValueError, match="beam_tree: node 1 has word=2, for which words has no text"):
        plot.beam_tree(NODES, words=words)
