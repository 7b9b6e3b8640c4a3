"""The backward pass: order, accumulation, freeing, mutation, hooks, anomalies."""

import gc
import tracemalloc

import numpy as np
import pytest

import tinymm
from tinymm import Function, Tensor, detect_anomaly, detect_mutation, grad, no_grad


def leaf(*values):
    return Tensor(np.array(values, dtype=np.float64), requires_grad=True)


def test_doubling_visits_each_node_once():
    calls = []
    x = leaf(1.0)
    y = x
    for _ in range(60):   # a walk over all paths would take 2^60 steps
        y = y + y
        y.register_hook(lambda g: calls.append(1))
    y.backward(Tensor(np.array([1.0])))
    assert len(calls) == 60
    assert x.grad.item() == 2.0**60


def test_a_chain_of_100_000_nodes_needs_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.sum().backward()
    assert x.grad.item() == 1.0
    del y
    gc.collect()


def test_a_node_waits_for_all_its_consumers():
    x = leaf(2.0)
    early = x * x            # used first and last
    late = early.exp() * 0.1
    (late + early).sum().backward()
    assert x.grad.item() == pytest.approx(4 * (0.1 * np.exp(4) + 1))


def test_leaf_gradients_accumulate_over_passes_and_do_not_share_memory():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a + b).sum().backward()
    assert not np.shares_memory(a.grad.numpy(), b.grad.numpy())
    a.grad.zero_()
    np.testing.assert_array_equal(b.grad.numpy(), [1, 1])
    (a + b).sum().backward()
    np.testing.assert_array_equal(b.grad.numpy(), [2, 2])
    np.testing.assert_array_equal(a.grad.numpy(), [1, 1])


def test_the_users_cotangent_is_not_given_away():
    a, g = leaf(1.0, 2.0), Tensor(np.array([1.0, 1.0]))
    (a + 0.0).backward(g)
    (a + 0.0).backward(g)
    np.testing.assert_array_equal(g.numpy(), [1, 1])
    np.testing.assert_array_equal(a.grad.numpy(), [2, 2])


def test_an_expanded_gradient_is_owned_by_the_leaf():
    a = leaf(1.0, 2.0)
    a.sum().backward()
    a.grad.add_(1)
    np.testing.assert_array_equal(a.grad.numpy(), [2, 2])


def test_second_backward_needs_retain_graph():
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12
    with pytest.raises(RuntimeError, match="mul: backward through this graph a second time.*retain_graph=True"):
        y.backward()


def test_create_graph_gives_every_order():
    x = leaf(1.5)
    y = x**5
    for k in range(1, 6):
        (y,) = grad(y.sum(), x, create_graph=True)
        expected = np.prod(range(6 - k, 6)) * 1.5 ** (5 - k)
        assert y.item() == pytest.approx(expected)


def test_hessian_vector_product_through_backward_and_grad_attribute():
    x = leaf(1.0, 2.0)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    x.grad = None
    (g * g).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * 3 * np.array([1, 4]) * 6 * np.array([1, 2]))


def test_grad_leaves_the_attribute_alone_and_reaches_non_leaves():
    x = leaf(2.0)
    h = x * 3.0
    y = h * h
    gh, gx = grad(y.sum(), [h, x])
    assert (gh.item(), gx.item(), x.grad) == (12.0, 36.0, None)


def test_grad_of_an_unused_input():
    x, z = leaf(2.0), leaf(1.0)
    with pytest.raises(RuntimeError, match=r"do not depend on inputs\[1\].*allow_unused"):
        grad((x * x).sum(), [x, z])
    assert grad((x * x).sum(), [x, z], allow_unused=True)[1] is None


def test_backward_into_chosen_inputs():
    x, w = leaf(2.0), leaf(5.0)
    (x * w).sum().backward(inputs=[w])
    assert x.grad is None and w.grad.item() == 2.0


@pytest.mark.parametrize("change", [lambda t: t.add_(1), lambda t: t.mul_(2), lambda t: t.zero_(), lambda t: t.copy_(t * 2),
                                    lambda t: t.__setitem__(0, 9.0), lambda t: t[:1].fill_(3.0), lambda t: t.detach().zero_()])
def test_a_change_in_place_of_a_saved_tensor_is_caught(change):
    x = leaf(1.0, 2.0)
    h = x * 2.0
    y = (h * h).sum()
    with no_grad():
        change(h)
    with pytest.raises(RuntimeError, match=r"mul: a tensor of shape \(2,\).*changed in place by"):
        y.backward()


def test_a_change_of_a_saved_output_is_caught():
    x = leaf(1.0, 2.0)
    y = x.exp()
    with no_grad():
        y.add_(1)
    with pytest.raises(RuntimeError, match="exp: .*changed in place by add_"):
        y.sum().backward()


def test_a_change_that_no_backward_needs_is_fine():
    x = leaf(1.0, 2.0)
    y = x + 1.0
    with no_grad():
        y.add_(1)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1, 1])


def test_an_optimiser_step_between_forward_and_backward_is_caught():
    w = leaf(1.0, 2.0)
    w.grad = Tensor(np.ones(2))
    y = (w * w).sum()
    tinymm.optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="changed in place by SGD.step"):
        y.backward()


def test_checksums_see_changes_behind_the_engines_back():
    array = np.array([1.0, 2.0])
    x = Tensor(array, requires_grad=True)
    with detect_mutation():
        y = (x * x).sum()
        array[0] = 7.0
        with pytest.raises(RuntimeError, match="mul: .*changed outside the engine"):
            y.backward()


def test_assignment_into_a_graph_names_the_alternatives():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="where.*index_put.*scatter_add"):
        x[0] = 1.0
    with pytest.raises(RuntimeError, match="value requires grad"):
        tinymm.zeros(2, dtype=np.float64)[0] = x[0]


def test_numpy_views_are_read_only():
    t = tinymm.zeros(2)
    with pytest.raises(ValueError, match="read-only"):
        t.numpy()[0] = 1
    with pytest.raises(RuntimeError, match=r"\.detach\(\)\.numpy\(\)"):
        leaf(1.0).numpy()


def test_augmented_assignment():
    x = leaf(1.0, 2.0)
    total = tinymm.zeros(2, dtype=np.float64)
    alias = total
    total += x                      # tracked: a new tensor
    assert total is not alias and total.requires_grad
    plain = tinymm.zeros(2)
    same = plain
    plain += 1                      # untracked: in place
    assert plain is same and same.tolist() == [1, 1]
    with no_grad():
        x -= 0.5                    # a parameter under no_grad: in place
    assert x.tolist() == [0.5, 1.5] and x.is_leaf
    with pytest.raises(RuntimeError, match="no_grad"):
        x -= 0.5


def test_hooks_see_and_replace_gradients():
    x = leaf(1.0)
    h = x * 2.0
    seen = []
    handle = h.register_hook(lambda g: seen.append(g.item()))
    h.register_hook(lambda g: g * 10)
    (h * 3.0).sum().backward(retain_graph=True)
    assert seen == [3.0] and x.grad.item() == 60
    handle.remove()
    (h * 3.0).sum().backward()
    assert seen == [3.0] and x.grad.item() == 120


def test_retain_grad():
    x = leaf(2.0)
    h = x * 3.0
    h.retain_grad()
    (h * h).sum().backward()
    assert h.grad.item() == 12 and h.retains_grad and not x.retains_grad


def test_no_grad_as_decorator_and_nested():
    @no_grad()
    def f(x):
        with tinymm.enable_grad():
            tracked = x * 2
        return tracked.requires_grad, (x * 2).requires_grad

    assert f(leaf(1.0)) == (True, False)
    assert tinymm.is_grad_enabled()


def test_switches_are_per_thread():
    import threading

    found = []
    with no_grad():
        thread = threading.Thread(target=lambda: found.append(tinymm.is_grad_enabled()))
        thread.start()
        thread.join()
    assert found == [True]


def test_anomaly_names_the_operation():
    x = leaf(0.0)
    with detect_anomaly(), np.errstate(all="ignore"):
        with pytest.raises(FloatingPointError, match="log: the forward pass produced an infinity"):
            x.log()
        y = x.sqrt()
        with pytest.raises(FloatingPointError, match="sqrt: the backward pass produced"):
            y.sum().backward()


def test_backward_of_many_needs_a_cotangent():
    with pytest.raises(ValueError, match=r"shape \(2,\); use .sum\(\) or give gradient="):
        (leaf(1.0, 2.0) * 2).backward()
    with pytest.raises(RuntimeError, match="does not require grad and has no graph"):
        tinymm.zeros(1).backward()
    with pytest.raises(ValueError, match="gradient has shape"):
        (leaf(1.0, 2.0) * 2).backward(tinymm.zeros(3))


class TwoHeads(Function):
    """(x^2, x^3), with a backward of its own and no definition."""

    def forward(self, x):
        self.x = x
        return x**2, x**3

    def backward(self, g2, g3):
        return 2 * self.x * g2 + 3 * self.x**2 * g3


def test_a_function_with_several_outputs():
    x = leaf(2.0)
    a, b = TwoHeads.apply(x)
    (a * 10.0 + b).sum().backward()
    assert x.grad.item() == 40 + 12
    x.grad = None
    TwoHeads.apply(x)[1].sum().backward()   # the other output got no gradient
    assert x.grad.item() == 12
    with pytest.raises(RuntimeError, match="TwoHeads: create_graph=True needs .*definition"):
        grad(TwoHeads.apply(x)[0].sum(), x, create_graph=True)


def test_a_backward_of_the_wrong_shape_or_number_is_named():
    class Wrong(Function):
        def forward(self, a, b):
            return a + b

        def backward(self, g):
            return g, g

    class Short(Wrong):
        def backward(self, g):
            return g

    with pytest.raises(RuntimeError, match=r"Wrong.backward returned a gradient of shape \(2, 3\).*broadcast"):
        Wrong.apply(Tensor(np.ones((2, 3)), True), Tensor(np.ones(3), True)).sum().backward()
    with pytest.raises(RuntimeError, match="Short.backward returned 1 gradients for 2 arguments"):
        Short.apply(leaf(1.0), leaf(1.0)).sum().backward()


def test_memory_of_a_chain_is_freed_without_the_cycle_collector():
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        x = Tensor(np.zeros(100_000), requires_grad=True)
        base = tracemalloc.get_traced_memory()[0]
        for _ in range(5):
            y = x
            for _ in range(10):
                y = (y * 1.5).tanh()
            y.sum().backward()
            x.grad = None
        del y
        assert tracemalloc.get_traced_memory()[0] - base < 100_000 * 8
    finally:
        tracemalloc.stop()
        gc.enable()


def test_weak_scalars_keep_float32():
    x = tinymm.ones(2)
    for y in (x * 2.5, 2.5 * x, x * np.sqrt(64), np.sqrt(64) * x, x + np.float64(1), np.float64(1) - x, x / 3, x**2,
              tinymm.where(x > 0, x, 0.0)):
        assert isinstance(y, Tensor) and y.dtype == np.float32


def test_numpy_functions_work_on_tensors_or_say_why_not():
    x = leaf(1.0, 2.0)
    assert isinstance(np.exp(x), Tensor) and np.exp(x).requires_grad
    assert isinstance(np.array([1.0, 2.0]) * x, Tensor)
    with pytest.raises(TypeError, match="np.cbrt does not work on Tensors"):
        np.cbrt(x)
    with pytest.raises(TypeError, match="np.median does not work on Tensors"):
        np.median(x)


def test_drawing():
    from tinymm.autograd.drawing import draw

    w, x = leaf(1.0, 2.0), leaf(3.0, 4.0)
    picture = draw((w * x).tanh().sum(), names={"w": w, "x": x})
    assert [n["label"] for n in picture.nodes] == ["w", "x", "mul", "tanh", "sum"]
    assert picture.edges == [(0, 2), (1, 2), (2, 3), (3, 4)]
    import xml.dom.minidom

    xml.dom.minidom.parseString(picture._repr_html_())
    assert picture.mermaid().startswith("flowchart TD") and "n2 --> n3" in picture.mermaid()
    with pytest.raises(ValueError, match="no graph"):
        draw(tinymm.zeros(2))
