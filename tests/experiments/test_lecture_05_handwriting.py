"""Lecture 5, task (e): batches of lines of writing, the measures by hand, and the figures."""

import types

import numpy as np
import pytest

from tinymm import Tensor
from tinymm.backend.random import manual_seed
from tinymm.data import DataLoader
from tinymm.data.worlds.letters import ALPHABET, best_constant_rate, write_line
from tinymm.experiments.lecture_05.handwriting import Handwriting, batch_of, letters_of, nats_a_point, window_on_letter


@pytest.fixture(scope="module")
def task():
    return Handwriting("smoke", 0)


@pytest.fixture(scope="module")
def models(task):
    made = {}
    for norm in task.norms:
        manual_seed(0)
        made[norm] = task.model(norm)
    return made


def test_a_batch_of_two_lines():
    lines = [write_line(text, np.random.default_rng(0)) for text in ("ci", "gws")]
    batch, scale = batch_of(lines, np.array([0.5, 2.0])), np.array([0.5, 2.0, 1.0])
    for b, line in enumerate(lines):
        n = len(line.points)
        np.testing.assert_allclose(batch.x.numpy()[:n, b], line.points / scale, rtol=1e-6)
        np.testing.assert_array_equal(batch.letter[:n, b], line.letter)
        assert batch.mask.numpy()[:, b].sum() == n and not batch.x.numpy()[n:, b].any() and (batch.letter[n:, b] == -1).all()
    np.testing.assert_array_equal(batch.text.numpy(), [[1, 0, -1], [4, 3, 2]])
    assert letters_of([ALPHABET]).numpy().tolist() == [[0, 1, 2, 3, 4]]


def test_the_offsets_have_deviation_1_in_training(task):
    x = np.concatenate([line.points[:, :2] for line in task.parts["train"]]) / task.scale
    np.testing.assert_allclose(x.std(0), 1, rtol=1e-4)


def test_nats_of_a_batch_are_those_of_its_points(task, models):
    """Each line alone, its points added up: padding counts for nothing."""
    lines = task.parts["test"][:3]
    total = points = 0
    for line in lines:
        nats = nats_a_point(models["layer"], batch_of([line], task.scale))[0].item()
        total, points = total + nats * len(line.points), points + len(line.points)
    together = nats_a_point(models["layer"], batch_of(lines, task.scale))[0].item()
    assert together == pytest.approx(total / points, rel=1e-5)


def test_the_window_on_the_letter_by_hand():
    """Two lines: of the first's three points two are right; the second has one point, and pads that are not looked at."""
    phi = np.array([[[.9, .1], [.2, .8]], [[.6, .4], [.1, .9]], [[.3, .7], [.1, .9]]])   # (T, B, U)
    batch = types.SimpleNamespace(text=Tensor(np.array([[0, 1], [2, -1]])), letter=np.array([[0, 0], [1, -1], [1, -1]]),
                                  mask=Tensor(np.array([[1, 1], [1, 0], [1, 0.]])))
    assert window_on_letter(types.SimpleNamespace(phi=Tensor(phi)), batch) == pytest.approx(3 / 4)


def test_the_loss_of_a_loaders_batch(task, models):
    """ln 2 pi, half of each squared offset, and a coin for the end of a stroke; about 3.5 nats before training."""
    batch = next(iter(DataLoader(task.train, 8, collate_fn=task.collate)))
    assert task.loss(models["none"], batch).item() == pytest.approx(np.log(2 * np.pi) + 1 + np.log(2), abs=0.5)


def test_what_is_measured(task, models):
    one = task.measured(models["none"], "validation")
    assert one == task.measured(models["none"], "validation") and set(one) == {"nats a point", "window"}
    found = task.finished(models)
    assert found["constant rate"]["window"] == best_constant_rate(task.parts["test"])[1] < 0.75
    assert found["window"]["none"] == task.measured(models["none"], "test")["window"]


def test_the_figures(task, models):
    figures = task.figures(models, {})
    assert set(figures) == {"samples.png", "window_none.png", "window_layer.png"}
    assert len(figures["samples.png"].axes) == 5   # the world, and each system with and without bias
    shown, = figures["window_layer.png"].axes[0].get_images()
    line = task.parts["test"][0]
    assert shown.get_array().shape == (len(line.text), len(line.points))
