"""A NaN or an inf in one corner of a picture reaches only those weights that meet it: zeros of the padding do not spread it."""

import itertools

import numpy as np
import pytest

import tinymm as tm
import tinymm.functional as F
from tinymm.backend.jit import use_kernels
from tinymm.ops.convolution import abreast

SPACE, KERNEL = {1: (9,), 2: (8, 9), 3: (5, 6, 7)}, {1: (3,), 2: (3, 3), 3: (3, 3, 3)}
OPTIONS = [{}, {"padding": 1}, {"padding": 1, "stride": 2}, {"padding": 2, "dilation": 2}, {"padding": 1, "groups": 2}]


def met(transposed, image, kernel, corner, padding=0, stride=1, dilation=1, groups=1):
    """Whether each kernel position meets the corner: by going through all windows."""
    sizes = [(n - 1) * stride - 2 * padding + (k - 1) * dilation + 1 if transposed else
             (n + 2 * padding - (k - 1) * dilation - 1) // stride + 1 for n, k in zip(image, kernel)]
    hits = np.zeros(kernel, bool)
    for tap in itertools.product(*map(range, kernel)):
        along = []
        for k, at, other in zip(tap, corner, sizes):
            if transposed:   # input ``at`` goes to this output
                along.append(0 <= at * stride + k * dilation - padding < other)
            else:
                along.append(any(o * stride + k * dilation - padding == at for o in range(other)))
        hits[tap] = all(along)
    return hits


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")   # inf - inf, as meant
@pytest.mark.parametrize("mode", ["numpy", "numba", "abreast"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_do_not_meet_it_stay_finite(mode, transposed, axes, value, monkeypatch):
    if mode == "abreast":   # the kernels for small images, where there are no groups
        monkeypatch.setattr(abreast, "pays", lambda g, n, *_, weight=False: g.groups == 1)
    chance = np.random.default_rng(0)
    image, kernel = SPACE[axes], KERNEL[axes]
    for options, last in itertools.product(OPTIONS, (False, True)):
        groups = options.get("groups", 1)
        x = chance.normal(size=(2, 4) + image).astype(np.float32)
        corner = tuple(n - 1 for n in image) if last else (0,) * axes
        x[(1, 3) + corner] = value
        w = chance.normal(size=(4, 6 // groups if transposed else 4 // groups) + kernel).astype(np.float32)
        weight, clean = tm.tensor(w, requires_grad=True), tm.tensor(w, requires_grad=True)
        function = getattr(F, f"conv{'_transpose' if transposed else ''}{axes}d")
        with use_kernels("numpy" if mode == "numpy" else "numba"):
            function(tm.tensor(x), weight, **options).sum().backward()
            function(tm.tensor(np.where(np.isfinite(x), x, 0)), clean, **options).sum().backward()
        spoilt = ~np.isfinite(weight.grad.numpy())
        spoils = np.zeros(w.shape, bool)
        if transposed:   # (in, out / groups): the row of channel 3
            spoils[3] = met(transposed, image, kernel, corner, **options)
        else:            # (out, in / groups): channel 3 is the last of the last group
            spoils[(groups - 1) * 4 // groups:, -1] = met(transposed, image, kernel, corner, **options)
        np.testing.assert_array_equal(spoilt, spoils, err_msg=f"{options} {corner}")
        np.testing.assert_allclose(weight.grad.numpy()[~spoils], clean.grad.numpy()[~spoils], rtol=1e-4, atol=1e-4)
