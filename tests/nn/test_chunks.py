"""Some rows at a time: every row once and in order, no graph, the mode left alone."""

import numpy as np
import pytest

import tests.device_double  # noqa: F401  (registers the device "double")
import tinymm
from tinymm import Tensor, is_grad_enabled, nn
from tinymm.nn.chunks import array_in_chunks, in_chunks


@pytest.mark.parametrize("count, size, wanted", [
    (7, 3, [range(0, 3), range(3, 6), range(6, 7)]), (6, 3, [range(0, 3), range(3, 6)]), (2, 5, [range(0, 2)]), (0, 5, [])])
def test_every_row_once_and_in_order(count, size, wanted):
    assert in_chunks(lambda rows: rows, count, size) == wanted


@pytest.mark.parametrize("size", [1, 4, 10, 50])
def test_the_array_does_not_depend_on_the_chunks(size):
    x, read = np.random.default_rng(0).normal(size=(10, 3)), []

    def rows_of(rows):
        read.extend(rows)
        return x[rows.start:rows.stop]

    found = array_in_chunks(lambda a: a * 2 + 1, rows_of, 10, size)
    np.testing.assert_array_equal(found, x * 2 + 1)
    assert read == list(range(10)) and type(found) is np.ndarray
    np.testing.assert_array_equal(array_in_chunks(lambda a: a, lambda rows: Tensor(x[list(rows)]), 10, size), x)


@pytest.mark.parametrize("training", [True, False])
def test_no_graph_is_recorded_and_the_mode_stays(training):
    tinymm.manual_seed(0)
    model, seen = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)).train(training), []

    def forward(x):
        out = model(x)
        seen.append((is_grad_enabled(), out.requires_grad, model.training))
        return out

    x = np.ones((5, 3), np.float32)
    found = array_in_chunks(forward, lambda rows: x[rows.start:rows.stop], 5, 2)
    assert seen == [(False, False, training)] * 3 and model.training is training and is_grad_enabled()
    assert (found == 0).any() == training   # dropout, if it trains


def test_gradients_are_back_after_an_error():
    with pytest.raises(ZeroDivisionError):
        in_chunks(lambda rows: 1 / 0, 3, 1)
    assert is_grad_enabled()


def test_it_computes_on_the_device_and_returns_to_the_host():
    devices = []

    def forward(x):
        devices.append(x.device)
        return x + 1

    found = array_in_chunks(forward, lambda rows: np.zeros((len(rows), 2), np.float32), 3, 2, "double")
    assert devices == ["double"] * 2 and type(found) is np.ndarray and (found == 1).all()


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match="in_chunks: size=0 must be a positive integer"):
        in_chunks(lambda rows: rows, 3, 0)
    with pytest.raises(TypeError, match="in_chunks: size=2.5 must be an integer"):
        in_chunks(lambda rows: rows, 3, 2.5)
    with pytest.raises(ValueError, match="array_in_chunks: count=0; there must be at least one row"):
        array_in_chunks(lambda x: x, lambda rows: np.zeros((0, 2)), 0, 4)
