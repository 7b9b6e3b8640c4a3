"""Plain data: the journey through JSON changes nothing that is not said, and refuses the rest by name."""

import json
import pathlib

import numpy as np
import pytest

from tinymm import Tensor
from tinymm.train.plain import plain, same


@pytest.mark.parametrize("value, wanted", [
    ((32, 64), [32, 64]), ({"a": (1, (2,))}, {"a": [1, [2]]}), (np.float32(0.5), 0.5), (np.int64(3), 3), (np.bool_(True), True),
    ([np.float64(1.5), 2, "x", None, False], [1.5, 2, "x", None, False]), (pathlib.PurePosixPath("a/b"), "a/b"),
    ([1] * 1000, [1] * 1000), ({}, {}), ((), []), ("ünï", "ünï")])
def test_the_journey(value, wanted):
    found = plain(value, "it")
    assert found == wanted and type(found) is type(wanted) and json.loads(json.dumps(found)) == found


def test_integer_keys_where_they_are_let():
    assert plain({"widths": {1: 8, np.int64(2): 9}}, "config", number_keys=True) == {"widths": {"1": 8, "2": 9}}
    with pytest.raises(TypeError, match=r"state\['widths'\] has the key 1, a int, which JSON does not keep; make it text"):
        plain({"widths": {1: 8}}, "state")
    with pytest.raises(ValueError, match="config has two keys that are '1' in JSON"):
        plain({1: 8, "1": 9}, "config", number_keys=True)


@pytest.mark.parametrize("value, message", [
    ({"a": [1, {2, 3}]}, r"config\['a'\]\[1\] is a set"), (Tensor([1.0]), "config is a Tensor"),
    ({"x": np.zeros(2)}, "is a ndarray"),
    ({"c": 1j}, r"config\['c'\] is a complex"), ({"b": b"x"}, "is a bytes"), ({None: 1}, "has the key None, a NoneType"),
    ({True: 1}, "has the key True, a bool"), ({"f": len}, "is a builtin_function_or_method"), (np.complex64(1), "is a complex64"),
    ([np.datetime64("2020")], r"config\[0\] is a datetime64")])
def test_what_json_does_not_keep_is_named(value, message):
    with pytest.raises(TypeError, match=message):
        plain(value, "config", number_keys=True)


def test_equality():
    nan = float("nan")
    assert same({"a": nan}, {"a": nan}) and same(1, 1.0) and same([nan, {"b": None}], [nan, {"b": None}])
    assert not same(nan, 1.0) and not same([1], 1) and not same("1", 1) and not same(None, nan)
