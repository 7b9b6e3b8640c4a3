"""Rows of nested states."""

from collections import namedtuple

import numpy as np
import pytest

import tinymm
from tests.device_double import StrictArray
from tinymm import Tensor
from tinymm.decode import beam_search, greedy_search, sample, take

Memory = namedtuple("Memory", "h c")


def test_the_same_nesting_with_other_rows():
    a, b = np.arange(12.0).reshape(3, 4), np.array([5, 6, 7])
    weights = Tensor(a, requires_grad=True)
    state = {"lstm": Memory(weights, Tensor(b)), "list": [b, None, ()], 0: (a,)}
    rows = np.array([2, 0, 0, 1])
    got = take(state, rows)
    assert list(got) == ["lstm", "list", 0] and isinstance(got["lstm"], Memory) and isinstance(got["list"], list)
    assert isinstance(got["lstm"].h, Tensor) and not got["lstm"].h.requires_grad and tinymm.is_grad_enabled()
    np.testing.assert_array_equal(got["lstm"].h.numpy(), a[rows])
    np.testing.assert_array_equal(got["lstm"].c.numpy(), [7, 5, 5, 6])
    assert got["lstm"].c.dtype == b.dtype and got["list"][1:] == [None, ()]
    np.testing.assert_array_equal(got["list"][0], [7, 5, 5, 6])
    np.testing.assert_array_equal(got[0][0], a[rows])
    got[0][0][:] = -1   # a copy
    assert a[0, 1] == 1
    assert take(None, rows) is None
    assert take([a], np.zeros(0, dtype=np.int64))[0].shape == (0, 4)


def test_arrays_stay_on_their_device():
    got = take((Tensor(StrictArray(np.arange(3))), StrictArray(np.arange(3) * 2)), np.array([2, 2, 0]))
    assert type(got[0]._data) is StrictArray and type(got[1]) is StrictArray
    assert got[0]._data.get().tolist() == [2, 2, 0] and got[1].get().tolist() == [4, 4, 0]


def test_what_is_no_state():
    with pytest.raises(TypeError, match=r"take: state\['h'\]\[1\] is of type float"):
        take({"h": [None, 1.5]}, np.array([0]))


@pytest.mark.parametrize("find", [beam_search, greedy_search, sample])
def test_a_state_without_one_row_a_hypothesis_is_refused(find):
    step = lambda tokens, state: (np.zeros((len(tokens), 2)) - 1, state)
    with pytest.raises(ValueError, match=rf"{find.__name__}: state\[0\]\['h'\] has shape \(2, 3, 5\), but there are 3 hypotheses"):
        find(step, ({"h": tinymm.zeros(2, 3, 5)},), 3, start=0, end=1, max_length=2)
    grows = lambda tokens, state: (np.zeros((len(tokens), 2)) - 1, np.zeros(len(tokens) + 1))
    with pytest.raises(ValueError, match=f"{find.__name__}: state has shape "):
        find(grows, None, 3, start=0, end=1, max_length=2)
    with pytest.raises(ValueError, match=f"{find.__name__}: state has shape \\(\\)"):
        find(step, np.zeros(()), 1, start=0, end=1, max_length=2)
