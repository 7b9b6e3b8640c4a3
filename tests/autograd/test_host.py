"""Values out of the engine, whatever they are in."""

import numpy as np
import pytest

from tests.device_double import StrictArray
from tinymm import Tensor
from tinymm.autograd.host import to_numpy

X = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize("values", [X, X.tolist(), StrictArray(X), Tensor(X), Tensor(X, requires_grad=True),
                                    Tensor(StrictArray(X))])
def test_everything_becomes_a_numpy_array(values):
    found = to_numpy(values)
    assert type(found) is np.ndarray and found.dtype == np.float64
    np.testing.assert_array_equal(found, X)


def test_arrays_are_shared_and_those_of_tensors_read_only():
    x, learned = X.copy(), Tensor(X.copy(), requires_grad=True)
    assert to_numpy(x) is x and np.shares_memory(to_numpy(Tensor(x)), x)
    with pytest.raises(ValueError, match="read-only"):
        to_numpy(learned)[0, 0] = 1
    assert to_numpy(np.float32(2)).shape == () and to_numpy(3).dtype.kind == "i"
