"""Out of the engine: values for code that computes with NumPy, such as metrics, searches and figures."""

from __future__ import annotations

import numpy as np

from ..backend.arrays import is_array, to_host
from .tensor import Tensor


def to_numpy(values) -> np.ndarray:
    """A Tensor of any device, an array of any kind or nested numbers, as a NumPy array; read-only if it was a Tensor.

    No gradient flows back from it.
    """
    if isinstance(values, Tensor):
        return values.detach().cpu().numpy()
    return to_host(values) if is_array(values) else np.asarray(values)
