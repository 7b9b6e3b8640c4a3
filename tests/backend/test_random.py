"""Random streams: named, independent, resumable."""

import json

import numpy as np
import pytest

import tinymm
from tinymm.backend import random


def test_streams_do_not_disturb_each_other():
    tinymm.manual_seed(1)
    first = tinymm.stream("dropout").generator.random(3)
    tinymm.manual_seed(1)
    tinymm.stream("data").generator.random(1000)
    np.testing.assert_array_equal(tinymm.stream("dropout").generator.random(3), first)
    assert not np.array_equal(tinymm.stream("data").generator.random(3), first)


def test_a_position_goes_through_json():
    tinymm.manual_seed(2)
    tinymm.stream("init").generator.standard_normal(7, dtype=np.float32)
    state = json.loads(json.dumps(random.state_dict()))
    want = tinymm.stream("init").generator.random(5), tinymm.stream("later").generator.random(2)
    tinymm.manual_seed(77)
    random.load_state_dict(state)
    np.testing.assert_array_equal(tinymm.stream("init").generator.random(5), want[0])
    np.testing.assert_array_equal(tinymm.stream("later").generator.random(2), want[1])


def test_numbers_are_those_of_philox_with_the_documented_key():
    import zlib

    key = (zlib.crc32(b"init") << 64) | 5
    want = np.random.Generator(np.random.Philox(key=key)).random(4)
    np.testing.assert_array_equal(random.Stream("init", 5).generator.random(4), want)


@pytest.mark.parametrize("seed", [-1, 1.5, "x"])
def test_a_bad_seed_changes_nothing(seed):
    tinymm.manual_seed(3)
    with pytest.raises(ValueError, match="non-negative integer"):
        tinymm.manual_seed(seed)
    again = tinymm.stream("init").generator.random(2)
    tinymm.manual_seed(3)
    np.testing.assert_array_equal(tinymm.stream("init").generator.random(2), again)
