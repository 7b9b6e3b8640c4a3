"""Every registered operation on the strict device double: forward, backward, and double backward."""

import numpy as np
import pytest

from tests.device_double import IMPLICIT, CREATE, FUNCTIONS, METHODS, StrictArray, counting, xp
from tests.sampling import OPERATIONS, build, cases, cotangents, draws, outputs_of
from tinymm import Tensor, grad
from tinymm.backend.jit import use_kernels


def results(operation, index: int, to_device):
    """Outputs, first and second gradients of one sample, on the arrays that ``to_device`` makes."""
    sample = draws(operation)[index]
    args, kwargs, inputs = build(sample, lambda a: Tensor(to_device(a), requires_grad=True),
                                 lambda a: Tensor(to_device(a)))
    outputs = outputs_of(operation.function(*args, **kwargs))
    live = [(o, Tensor(to_device(c))) for o, c in zip(outputs, cotangents(outputs)) if o.requires_grad]
    if not live or not inputs or not operation.differentiable:
        return outputs, [], []
    first = grad([o for o, _ in live], inputs, [c for _, c in live], retain_graph=True, allow_unused=True)
    if not operation.second:
        return outputs, first, []
    again = grad([o for o, _ in live], inputs, [c for _, c in live], create_graph=True, allow_unused=True)
    pairs = [(g, Tensor(to_device(d))) for g, d in zip(again, cotangents(inputs, seed=3))
             if g is not None and g.requires_grad]
    if not pairs:
        return outputs, first, []
    second = grad([g for g, _ in pairs], inputs, [d for _, d in pairs], allow_unused=True)
    return outputs, first, second


@pytest.mark.parametrize("operation, index", cases(lambda operation: not operation.random))
def test_same_as_numpy(operation, index, record_property):
    with use_kernels("numpy"):
        want = results(operation, index, lambda a: a)
    with counting() as count:
        got = results(operation, index, lambda a: StrictArray(np.array(a)))
    record_property("host_syncs", count["host_syncs"])
    for part, (g_list, w_list) in enumerate(zip(got, want)):
        assert len(g_list) == len(w_list)
        for g, w in zip(g_list, w_list):
            if w is None:
                assert g is None
                continue
            assert type(g._data) is StrictArray, f"part {part} left the device"
            assert g.dtype == w.dtype
            np.testing.assert_allclose(g._data.get(), w.detach().numpy(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("operation, index", cases(lambda operation: operation.random))
def test_random_operation_stays_on_the_device(operation, index):
    for part in results(operation, index, lambda a: StrictArray(np.array(a))):
        assert all(t is None or type(t._data) is StrictArray for t in part)


def host_syncs(operation) -> int:
    """Host syncs in a forward and backward (first derivatives only), the most over the samples."""
    most = 0
    for sample in draws(operation):
        args, kwargs, inputs = build(sample, lambda a: Tensor(StrictArray(np.array(a)), requires_grad=True),
                                     lambda a: Tensor(StrictArray(np.array(a))))
        with counting() as count:
            outputs = outputs_of(operation.function(*args, **kwargs))
            live = [o for o in outputs if o.requires_grad]
            if live and inputs and operation.differentiable:
                grad(live, inputs, [Tensor(StrictArray(c)) for c in cotangents(live)], allow_unused=True)
        most = max(most, count["host_syncs"])
    return most


# How often an operation makes the host wait for the device, at most, in one forward and backward. Almost all of it is
# the check that indices are in range, which CuPy leaves to its caller (it wraps them round).
WAITS = {
    "gather": 1, "take_along_dim": 1, "index_select": 1, "take": 1, "scatter": 1, "scatter:add": 1, "scatter:part": 1,
    "scatter_add": 2, "scatter_add:part": 1, "index_add": 1, "index_copy": 1, "index_fill": 3, "index_put": 2,
    "index_put:accumulate": 2, "getitem": 2, "getitem:negative_step": 1, "masked_select": 1, "one_hot": 2,
    "embedding": 1,
    "repeat_interleave": 1, "nll_loss": 4, "cross_entropy": 3, "binary_cross_entropy": 1, "cosine_similarity": 2,
    "roi_align": 2, "roi_pool": 2, "masked_fill": 1, "median": 1,
    "region_word_scores": 3,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_operation_waits_for_the_device_unless_listed(name):
    assert host_syncs(OPERATIONS[name]) <= WAITS.get(name, 0)


# ---------------------------------------------------------------------- the double itself is strict

def strict(*shape):
    return StrictArray(np.arange(float(np.prod(shape))).reshape(shape).copy())


def test_implicit_conversion_is_refused():
    with pytest.raises(TypeError) as error:
        np.asarray(strict(3))
    assert str(error.value) == IMPLICIT


@pytest.mark.parametrize("attempt", [
    lambda x, a: x + a, lambda x, a: a + x, lambda x, a: np.add(x, a), lambda x, a: np.where(x > 0, x, a),
    lambda x, a: np.concatenate([x, a]), lambda x, a: np.matmul(a, x), lambda x, a: np.add(a, a, out=x),
    lambda x, a: a.__iadd__(x), lambda x, a: x.sum(where=x > 0), lambda x, a: np.max(x, initial=0),
    lambda x, a: np.linalg.norm(x), lambda x, a: np.add.at(a, [0], x), lambda x, a: a.__setitem__(slice(None), x),
    lambda x, a: xp.add.at(StrictArray(np.zeros(3, np.int64)), [0], 1)])
def test_mixing_with_numpy_is_refused(attempt):
    with pytest.raises(TypeError):
        attempt(strict(3), np.ones(3))


def test_numpy_array_as_a_value_is_refused():
    with pytest.raises(ValueError):
        strict(3)[:] = np.ones(3)


def test_scalars_are_welcome_and_results_are_arrays():
    x = strict(3)
    for y in (x + 1, 1.5 * x, np.float64(2) * x, x / np.float32(2), x.sum(), x[0], np.exp(x), x.max(), -x, x > 1):
        assert type(y) is StrictArray


def test_host_syncs_are_counted():
    x = strict(3)
    with counting() as count:
        float(x[0]), bool(x[1] > 0), x.get(), x.tolist(), int(x[2]), x[x > 0], np.nonzero(x)
        x + 1, x.sum(), x[:2], x[[0, 1]]
    assert count == {"host_syncs": 7, "uploads": 1}


def test_base_is_the_owner():
    x = strict(4)
    assert x.base is None and x[1:].base is x and x.reshape(2, 2)[0].base is x


def test_every_name_of_the_double_is_in_cupy():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    missing = [name for name in FUNCTIONS | CREATE if not hasattr(cupy, name) and name != "sliding_window_view"]
    missing += [f"ndarray.{name}" for name in METHODS if not hasattr(cupy.ndarray, name)]
    assert missing == []


# ---------------------------------------------------------------------- the engine on it

def test_out_of_range_index_is_noticed_without_numpys_help():
    from tinymm.autograd.indexing import in_range

    with pytest.raises(IndexError, match="index 7 is out of range for dim=0 of length 5"):
        in_range("gather", StrictArray(np.array([1, 7])), 5, 0)


def test_index_on_the_host_is_moved_to_the_device():
    x = Tensor(strict(3, 2), requires_grad=True)
    y = x[Tensor(np.array([0, 0, 2]))]
    y.backward(Tensor(StrictArray(np.ones((3, 2)))))
    np.testing.assert_array_equal(x.grad._data.get(), [[2, 2], [0, 0], [1, 1]])


def test_index_on_a_device_for_a_host_tensor_is_refused():
    with pytest.raises(RuntimeError, match="the index is on double"):
        Tensor(np.ones(3))[Tensor(StrictArray(np.array([0, 1])))]
