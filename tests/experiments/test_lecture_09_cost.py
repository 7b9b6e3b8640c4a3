"""The cost of an image token: counts against the sum over layers and masks, and both ways draw the same."""

import numpy as np
import pytest

from tinymm import Tensor, manual_seed
from tinymm import functional as F
from tinymm.experiments.lecture_09.cost import growth, multiply_adds, sampling_cost
from tinymm.models.dalle import PAD, DALLETransformer

T, GRID, D, LAYERS, CODES = 7, (4, 5), 32, 4, 12
TEXT = np.array([[1, 4, 2, 3, 3, PAD, PAD], [1, PAD, PAD, PAD, PAD, PAD, PAD]])


def test_products_are_counted_by_their_shapes_and_only_within():
    x, w = Tensor(np.ones((2, 3, 4))), Tensor(np.ones((5, 4)))
    with multiply_adds() as found:
        F.linear(x, w)
        x @ w.T
        x @ Tensor(np.ones(4))
        Tensor(np.ones(3)) @ x
        F.scaled_dot_product_attention(x, Tensor(np.ones((2, 6, 4))), Tensor(np.ones((2, 6, 7))))
        x + x
    assert found == [2 * 3 * 4 * 5, 2 * 3 * 4 * 5, 2 * 3 * 4, 2 * 3 * 4, 2 * 3 * 6 * (4 + 7)]
    F.linear(x, w)
    assert len(found) == 5
    with pytest.raises(ValueError, match="linear"), multiply_adds():
        F.linear(x, Tensor(np.ones((5, 3))))
    assert F.linear(x, w).shape == (2, 3, 5)


@pytest.mark.parametrize("form", ["dense", "blocks"])
@pytest.mark.parametrize("attention", ["sparse", "full"])
def test_cost_of_each_token(attention, form):
    """A layer multiplies with 12 D^2 weights and with the keys and values that its mask allows; the last map has D K weights."""
    manual_seed(0)
    model = DALLETransformer(6, CODES, T, GRID, D, LAYERS, 4, kernel=3, attention=attention, form=form).eval().to(dtype=np.float64)
    cost = sampling_cost(model, Tensor(TEXT), seed=1)
    n = GRID[0] * GRID[1]
    read = [sum(int(model.masks[kind][T + i].sum()) for kind in model.kinds) for i in range(n - 1)]
    assert cost["cached"] == [LAYERS * 12 * D**2 + 2 * D * keys + D * CODES for keys in read]
    if form == "dense" or attention == "full":
        assert cost["recomputed"] == [LAYERS * (12 * D**2 * m + 2 * D * m**2) + D * CODES for m in range(T + 1, T + n)]
    assert cost["tokens"] == cost["recomputed tokens"] and len(cost["tokens"][0]) == n
    assert growth(cost["cached"]) < 1.1 and growth(cost["recomputed"]) > 1.8
    assert all(len(cost[f"{way} seconds"]) == n - 1 and min(cost[f"{way} seconds"]) > 0 for way in ("cached", "recomputed"))


def test_growth_is_that_of_quarters():
    assert growth([1, 3, 9, 9, 9, 9, 4, 8]) == 3 and growth([2]) == 1 and growth([1, 2, 3]) == 3
