"""Lecture 5, task (d): DRAW's world, what it is measured against, and its figures."""

import types

import numpy as np
import pytest

from tinymm.backend.random import manual_seed
from tinymm.data import DataLoader
from tinymm.experiments.lecture_05.draw import BELOW, Draw, box, independent_bernoulli


@pytest.fixture(scope="module")
def task():
    return Draw("smoke", 0)


@pytest.fixture(scope="module")
def models(task):
    made = {}
    for norm in task.norms:
        manual_seed(0)
        made[norm] = task.model(norm)
    return made


def test_the_parts_are_binary_and_share_no_digit(task):
    assert {name: part.shape for name, part in task.parts.items()} == \
        {"train": (1200, 8, 8), "validation": (297, 8, 8), "test": (300, 8, 8)}
    assert all(set(np.unique(part)) == {0, 1} for part in task.parts.values())


def test_the_threshold_is_a_nat_below_independent_pixels_recomputed(task):
    """Pixel by pixel, from the shares of ink in training (with one picture of each kind added)."""
    train, held = task.parts["train"], task.parts["validation"]
    nats = 0.0
    for i in range(8):
        for j in range(8):
            p = (train[:, i, j].sum() + 1) / 1202
            nats -= held[:, i, j].mean() * np.log(p) + (1 - held[:, i, j].mean()) * np.log(1 - p)
    assert task.threshold == pytest.approx(nats - BELOW, rel=1e-5)
    assert BELOW == 1.0 and 23.5 < nats < 25.5   # 24.57 on another cut of the same digits


def test_independent_pixels_by_hand():
    train, held = np.array([[[1.0, 0]], [[1, 0]]]), np.array([[[1.0, 1]]])
    assert independent_bernoulli(train, held) == pytest.approx(-np.log(3 / 4) - np.log(1 / 4))


def test_independent_pixels_cost_a_coin_where_training_says_nothing():
    assert independent_bernoulli(np.zeros((0, 2, 2)), np.ones((3, 2, 2))) == pytest.approx(4 * np.log(2))


def test_a_measurement_is_the_same_twice_and_has_the_kl_in_it(task, models):
    one, two = (task.measured(models["layer"], "validation") for _ in range(2))
    assert one == two and set(one) == {"nats", "KL"} and 0 < one["KL"] < one["nats"]
    assert task.measured(models["layer"], "test") != one


def test_the_loss_of_a_loaders_batch(task, models):
    batch = next(iter(DataLoader(task.train, 16)))
    loss = task.loss(models["none"], batch)
    assert loss.shape == () and loss.item() == pytest.approx(64 * np.log(2), rel=0.1)


def test_what_is_below_independent_pixels(task, models):
    found = task.finished(models)
    for norm in task.norms:
        assert found["below independent"][norm] == pytest.approx(
            found["independent"]["test"] - task.measured(models[norm], "test")["nats"])


def test_a_box_reaches_from_the_first_filter_to_the_last():
    """Eight filters on all eight pixels are the picture's frame; three at 2, 4 and 6 (from 1) are pixels 1 to 5 (from 0)."""
    look = lambda x, y, delta: types.SimpleNamespace(x=np.array([[x]]), y=np.array([[y]]), delta=np.array([[delta]]))
    assert box(look(4.5, 4.5, 1.0), 0, 8) == (-0.5, -0.5, 8.0)
    assert box(look(4.0, 5.0, 2.0), 0, 3) == (0.5, 1.5, 5.0)


def test_the_figures(task, models):
    figures = task.figures(models, {})
    canvas, samples = figures["canvas.png"], figures["samples.png"]
    assert len(canvas.axes) == 4 * (models["none"].glimpses + 1) and len(samples.axes) == 36
    assert sum(len(axes.patches) for axes in canvas.axes) == 4 * 2 * models["none"].glimpses   # read and write, each glimpse
