"""The figures of lecture 9, of small made-up measurements."""

import types

import numpy as np
import pytest

from tinymm.experiments.lecture_09 import figures
from tinymm.models.dalle.masks import conv_mask, row_mask


def shown(axes):
    """The array that the axes' only picture was made of."""
    picture, = axes.images
    return np.asarray(picture.get_array())


@pytest.fixture
def measured():
    rng = np.random.default_rng(0)
    return types.SimpleNamespace(
        originals=rng.random((8, 3, 16, 16)), reconstructed={"default": rng.random((8, 3, 16, 16))},
        captions=[f"caption {i}" for i in range(8)], unseen=[False] * 4 + [True] * 4, validation=rng.random((8, 3, 16, 16)),
        ours=rng.random((8, 3, 16, 16)), candidates=rng.random((4, 8, 3, 16, 16)),
        order=np.stack([rng.permutation(8) for _ in range(4)]))


def test_masks_show_what_the_models_masks_allow():
    axes = figures.masks(6, (4, 4), 3).axes
    assert (shown(axes[0]) > 0).tolist() == row_mask(6, 4, 4).tolist()
    assert (shown(axes[4]) > 0).tolist() == conv_mask(6, 4, 4, 3).tolist()
    assert (shown(axes[5]) > 0).astype(int).tolist() == [[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 0], [0, 0, 0, 0]]   # of token 10


def test_reconstructions_stand_below_their_originals(measured):
    axes = figures.reconstructions(measured).axes
    assert np.allclose(shown(axes[3]), measured.originals[3].transpose(1, 2, 0))
    assert np.allclose(shown(axes[8 + 3]), measured.reconstructed["default"][3].transpose(1, 2, 0))


def test_never_seen_pairs_are_marked(measured):
    figure = figures.validation(measured)
    texts = [text.get_text().replace("\n", " ") for text in figure.texts]
    assert texts[:8] == ["caption 0", "caption 1", "caption 2", "caption 3", *(f"never seen: caption {i}" for i in range(4, 8))]
    assert np.allclose(shown(figure.axes[8]), measured.ours[0].transpose(1, 2, 0))


def test_reranked_candidates_come_best_first(measured):
    axes = figures.reranked(measured).axes
    for place, candidate in enumerate(measured.order[1]):
        assert np.allclose(shown(axes[3 * 8 + place]), measured.candidates[1, candidate].transpose(1, 2, 0))


def test_usage_counts_codes_and_ranks_them():
    history = {"round's beta": [0.8, 1.65, 1.65], "codes": [3, 5, 7]}
    left, right = figures.usage({"default": history}, {"default": np.array([1, 0, 6, 3])}).axes
    assert left.lines[0].get_xydata().tolist() == [[1, 3], [2, 5], [3, 7]]
    assert np.allclose(right.lines[0].get_ydata(), [0.6, 0.3, 0.1, 0.0])
    assert right.lines[0].get_label() == "\u03b2 = 1.65: 3 of 4"


def test_gap_is_hard_minus_relaxed_with_tau_falling():
    history = {"NLL relaxed": [-0.5, -0.8], "NLL hard": [-0.3, -0.75], "round's tau": [0.5, 0.0625]}
    _, right = figures.gap({"default": history}).axes
    assert np.allclose(right.lines[0].get_ydata(), [0.2, 0.05])
    assert right.get_xlim()[0] > right.get_xlim()[1]


def test_cost_starts_at_zero():
    axes, = figures.cost({"cached": [5, 5, 5], "recomputed": [5, 10, 15]}).axes
    assert axes.get_ylim()[0] == 0
    assert [line.get_xydata().tolist() for line in axes.lines] == [[[2, 5], [3, 5], [4, 5]], [[2, 5], [3, 10], [4, 15]]]
