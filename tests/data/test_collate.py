"""Items as one batch: what stacks, what is listed, and what is refused."""

from collections import namedtuple

import numpy as np
import pytest

from tinymm import Tensor
from tinymm.data import default_collate

Pair = namedtuple("Pair", "image label")


def test_numbers_and_arrays_stack():
    assert default_collate([1, 2.5]).tolist() == [1.0, 2.5] and default_collate([True, False]).dtype == bool
    assert default_collate([np.float64(1), 2]).dtype == np.float64
    mixed = default_collate([np.zeros(2, np.float32), Tensor(np.ones(2, np.float32))])
    assert mixed.tolist() == [[0, 0], [1, 1]] and mixed.dtype == np.float32
    assert default_collate([np.array(2), 3, Tensor(4)]).tolist() == [2, 3, 4]


def test_parts_stack_by_themselves():
    batch = default_collate([Pair(np.zeros(2), 0), Pair(np.ones(2), 1)])
    assert type(batch) is Pair and batch.image.shape == (2, 2) and batch.label.tolist() == [0, 1]
    batch = default_collate([{"a": (1, "x")}, {"a": [2, "y"]}])
    assert batch["a"][0].tolist() == [1, 2] and batch["a"][1] == ["x", "y"]


def test_the_rest_is_listed():
    things = [object(), None]
    assert default_collate(things) == things and default_collate(["a", np.str_("b")]) == ["a", "b"]


@pytest.mark.parametrize("items, error, message", [
    ([np.zeros(2), np.zeros(3)], ValueError, r"shapes \[\(2,\), \(3,\)\] do not stack; pad them"),
    ([np.zeros(2), 1.0], ValueError, r"shapes \[\(\), \(2,\)\] do not stack"),
    ([{"a": 1}, {"b": 1}], ValueError, r"keys \['a'\] and \['b'\] do not stack"),
    ([{"a": 1}, {"a": 1, "b": 1}], ValueError, r"keys \['a'\] and \['a', 'b'\]"),
    ([(1, 2), (1,)], ValueError, r"\[1, 2\] parts"),
    ([1, "a"], TypeError, "arrays and numbers and other things do not stack"), ([None, 1], TypeError, "do not stack"),
    ([{"a": 1}, (1,)], TypeError, "dicts and tuples do not stack")])
def test_what_does_not_stack_is_explained(items, error, message):
    with pytest.raises(error, match=message):
        default_collate(items)
