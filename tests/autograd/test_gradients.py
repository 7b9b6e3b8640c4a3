"""What `grad` may be, who owns it, which tensors `backward` fills, and what a hook may do."""

import threading

import numpy as np
import pytest

import tinymm
from tests.device_double import StrictArray
from tinymm import Function, Tensor, grad
from tinymm.optim import clip_grad_norm_, clip_grad_value_


def leaf(*shape, dtype=np.float32):
    return Tensor(np.ones(shape, dtype), requires_grad=True)


# ---------------------------------------------------------------------- what `grad` may be

@pytest.mark.parametrize("shape, given", [((10,), (1,)), ((10,), (3,)), ((10,), (20,)), ((2, 1), (2,)), ((2, 3), (3, 2)),
                                          ((), (1,)), ((1,), ())])
def test_a_gradient_of_another_shape_is_refused(shape, given):
    x = leaf(*shape)
    x.grad = kept = tinymm.ones(*shape)
    with pytest.raises(ValueError, match=r"grad: a tensor of shape .* cannot take a gradient of shape"):
        x.grad = tinymm.ones(*given)
    assert x.grad is kept


@pytest.mark.parametrize("dtype", ["float16", "float64", "int64", "bool"])
def test_a_gradient_of_another_dtype_is_refused(dtype):
    with pytest.raises(TypeError, match=r"grad: a tensor of float32 .*\.to\('float32'\)"):
        leaf(2).grad = Tensor(np.ones(2, dtype))


@pytest.mark.parametrize("value", [[1.0, 1.0], np.ones(2, np.float32), 1.0, "ones"])
def test_a_gradient_is_a_tensor(value):
    with pytest.raises(TypeError, match=r"grad: a gradient is a Tensor or None"):
        leaf(2).grad = value


def test_a_tensor_is_not_its_own_gradient():
    x = leaf(2)
    with pytest.raises(RuntimeError, match="its own gradient"):
        x.grad = x


def test_a_gradient_on_another_device_is_refused():
    with pytest.raises(RuntimeError, match="grad: a tensor on cpu cannot take a gradient on double"):
        leaf(2).grad = Tensor(StrictArray(np.ones(2, np.float32)))


def test_a_gradient_can_be_taken_away():
    x = leaf(2)
    x.sum().backward()
    del x.grad
    assert x.grad is None
    x.grad = tinymm.ones(2)
    x.grad = None
    assert x.grad is None


def test_data_of_integers_is_refused_where_a_gradient_is_wanted():
    x = leaf(2)
    with pytest.raises(TypeError, match="data: .* int64"):
        x.data = Tensor(np.zeros(2, np.int64))


def test_module_zero_grad_forgets_nan():
    layer = tinymm.nn.Linear(2, 1)
    for p in layer.parameters():
        p.grad = tinymm.full_like(p.detach(), float("nan"))
    layer.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in layer.parameters())


def test_module_to_moves_gradients_too():
    layer = tinymm.nn.Linear(2, 1)
    layer(tinymm.ones(1, 2)).sum().backward()
    layer.double()
    assert all(p.grad.dtype == p.dtype == np.float64 for p in layer.parameters())


# ---------------------------------------------------------------------- a leaf owns its gradient

READ_ONLY = {
    "0-d mean": ((), lambda x: x.mean()),
    "mean over an axis of one": ((5000, 1), lambda x: x.mean(1).sum()),
    "mean that keeps the axis": ((5000, 1), lambda x: (x.mean(1, keepdim=True) * 2).sum()),
    "sum over an axis of one": ((5000, 1), lambda x: (x.sum(1) * 2).sum()),
    "expand": ((1, 3), lambda x: (x.expand(1, 3) * 2).sum()),
    "broadcast_to": ((1,), lambda x: (tinymm.broadcast_to(x, (1, 1)) * 2).sum()),
    "the sum itself": ((7,), lambda x: x.sum()),
    "a view of a view": ((4, 1), lambda x: x.reshape(4).unsqueeze(0).sum(0).sum()),
    "diagonal": ((3, 3), lambda x: x.diagonal().sum()),
    "select": ((3, 3), lambda x: x[1].sum()),
    "transpose": ((3, 2), lambda x: (x.T * 2).sum()),
    "flip": ((5,), lambda x: x.flip(0).sum()),
    "stack": ((2,), lambda x: tinymm.stack([x, x]).sum()),
    "cat": ((2,), lambda x: tinymm.cat([x, x]).sum()),
    "movedim": ((4, 1), lambda x: (x.movedim(0, 1) * 2).sum()),
}


@pytest.mark.parametrize("name", READ_ONLY)
def test_a_second_pass_and_clipping_work_on_every_gradient(name):
    shape, f = READ_ONLY[name]
    x = leaf(*shape)
    f(x).backward()
    once = x.grad.numpy().copy()
    f(x).backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * once)
    clip_grad_value_([x], 0.5)
    clip_grad_norm_([x], 0.1)
    assert np.linalg.norm(x.grad.numpy()) < 0.11


def test_two_leaves_never_share_a_gradient_under_create_graph():
    a, b = leaf(2), leaf(2)
    (a + b).sum().backward(create_graph=True)
    (a * 3).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([4, 4], [1, 1])


def test_a_read_only_gradient_that_somebody_set_is_added_to():
    x = leaf(3)
    values = np.ones(3, np.float32)
    values.flags.writeable = False
    x.grad = Tensor(values)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3, 3, 3] and values.tolist() == [1, 1, 1]


def test_what_a_hook_keeps_is_not_changed_by_the_next_pass():
    x, seen = leaf(2), []
    for _ in range(2):
        y = x + 0
        y.register_hook(seen.append)
        (y * 2).sum().backward()
    assert seen[0].tolist() == [2, 2] and x.grad.tolist() == [4, 4]


def test_the_gradient_has_the_dtype_of_its_leaf():
    x, scale = leaf(2), Tensor(np.full(2, 3.0))
    (x * scale).sum().backward()
    assert x.grad.dtype == np.float32
    (x * scale).sum().backward()
    assert x.grad.dtype == np.float32 and x.grad.tolist() == [6, 6]


def test_passes_in_threads_lose_no_gradient():
    x = leaf(64)

    def passes():
        for _ in range(50):
            (x * 1).sum().backward()

    threads = [threading.Thread(target=passes) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert x.grad.tolist() == [200.0] * 64


# ---------------------------------------------------------------------- inputs and cotangents

def test_backward_fills_a_result_that_is_asked_for():
    x = leaf(2)
    h = x * 3
    loss = (h * h).sum()
    loss.backward(inputs=[h], retain_graph=True)
    assert x.grad is None and h.grad.tolist() == [6, 6]
    loss.backward(inputs=[h, x])
    assert h.grad.tolist() == [12, 12] and x.grad.tolist() == [18, 18]


def test_backward_fills_one_of_several_outputs():
    x = leaf(4)
    first, second = x.chunk(2)
    (first * 2 + second * 3).sum().backward(inputs=[second])
    assert second.grad.tolist() == [3, 3] and first.grad is None and x.grad is None


def test_what_lies_before_the_inputs_keeps_its_saved_values():
    x = leaf(2)
    h = x * x
    assert grad((h * h).sum(), h)[0].tolist() == [2, 2]
    assert grad(h.sum(), x)[0].tolist() == [2, 2]
    y = leaf(2)
    k = y * y
    (k * k).sum().backward(inputs=k)
    k.sum().backward()
    assert y.grad.tolist() == [2, 2]


def test_a_root_that_does_not_lead_to_the_inputs_is_left_alone():
    x, y = leaf(2), leaf(2)
    loss = (x * x).sum()
    loss.backward(inputs=[y], retain_graph=False)
    assert x.grad is None and y.grad is None
    loss.backward()
    assert x.grad.tolist() == [2, 2]


@pytest.mark.parametrize("inputs, error, words", [
    ([], RuntimeError, "inputs is empty"), ("x", TypeError, r"inputs\[0\] is no Tensor but str"),
    ([tinymm.ones(2)], RuntimeError, r"inputs\[0\] does not require grad"), ([None], TypeError, "NoneType")])
@pytest.mark.parametrize("call", ["backward", "grad"])
def test_inputs_that_cannot_be_filled_are_refused(inputs, error, words, call):
    x = leaf(2)
    loss = (x * 2).sum()
    with pytest.raises(error, match=rf"{call}: .*{words}|{call}: {words}"):
        loss.backward(inputs=inputs) if call == "backward" else grad(loss, inputs)
    assert x.grad is None


def test_cotangents_are_as_many_as_the_tensors():
    x = leaf(2)
    with pytest.raises(ValueError, match="grad: 1 cotangents for 2 tensors"):
        grad([x.sum(), x.sum()], [x], [tinymm.ones(())])
    from tinymm.autograd.engine import backward
    with pytest.raises(ValueError, match="backward: 2 cotangents for 1 tensors"):
        backward([x.sum()], [None, None])
    with pytest.raises(TypeError, match="backward: a gradient starts from Tensors, got float"):
        backward([1.0])


# ---------------------------------------------------------------------- hooks

@pytest.mark.parametrize("hook, error, words", [
    (lambda g: g.double(), RuntimeError, "float64.*gradient of shape .*float32"),
    (lambda g: g[:1], RuntimeError, r"returned shape \(1,\)"),
    (lambda g: [1.0, 1.0], TypeError, "returned list"),
    (lambda g: g.numpy(), TypeError, "returned ndarray"),
    (lambda g: g.mul_(2), RuntimeError, r"changed the gradient in place \(mul_\)"),
    (lambda g: g.__setitem__(0, 5.0), RuntimeError, r"changed the gradient in place \(__setitem__\)")])
@pytest.mark.parametrize("of_a_leaf", [True, False])
def test_a_hook_that_spoils_the_gradient_is_named(hook, error, words, of_a_leaf):
    x = leaf(2)
    y = x * 2
    (x if of_a_leaf else y).register_hook(hook)
    with pytest.raises(error, match=f"hook on {'AccumulateGrad' if of_a_leaf else 'mul'}: .*{words}"):
        (y * 3).sum().backward()
    assert x.grad is None


def test_a_hook_can_be_called():
    with pytest.raises(TypeError, match="register_hook: a hook is a function"):
        leaf(2).register_hook(2)


# ---------------------------------------------------------------------- a Function written outside the package

def operation(forward, backward=lambda self, g: g):
    return type("Op", (Function,), {"forward": forward, "backward": backward, "__module__": __name__}).apply


@pytest.mark.parametrize("returned", [[1.0, 2.0, 3.0], None, "a", {"y": 1}])
def test_what_a_forward_returned_is_named(returned):
    with pytest.raises(TypeError, match=f"Op.forward returned {type(returned).__name__}; return an array"):
        operation(lambda self, x: returned)(leaf(3))


@pytest.mark.parametrize("returned", [2.0, "a", {"g": 1}])
def test_what_a_backward_returned_is_named(returned):
    with pytest.raises(TypeError, match=f"Op.backward returned {type(returned).__name__} as gradient 0; .*shape \\(3,\\)"):
        operation(lambda self, x: x * 2, lambda self, g: returned)(leaf(3)).sum().backward()


@pytest.mark.parametrize("change", [lambda g: g.astype(np.float64), lambda g: g.astype(np.int64), Tensor,
                                    lambda g: np.ma.array(g)])
def test_a_gradient_of_another_kind_ends_in_the_dtype_of_the_leaf(change):
    x = leaf(3)
    operation(lambda self, x: x * 2, lambda self, g: change(g * 2))(x * 1).sum().backward()
    assert x.grad.dtype == np.float32 and x.grad.tolist() == [2, 2, 2]


def test_an_array_that_a_backward_keeps_is_not_added_to():
    constant = np.ones(3, np.float32)
    op = operation(lambda self, x: x * 1, lambda self, g: constant)
    x = leaf(3)
    for _ in range(3):
        op(x).sum().backward()
    assert constant.tolist() == [1, 1, 1] and x.grad.tolist() == [3, 3, 3]


@pytest.mark.parametrize("forward", [lambda self, x: x, lambda self, x: x[:2]])
def test_a_result_that_would_share_its_arguments_memory_is_a_copy(forward):
    x = leaf(3)
    y = operation(forward)(x.detach())
    y.add_(1)
    assert x.tolist() == [1, 1, 1]
