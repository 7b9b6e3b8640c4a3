"""What the registry's samples cannot see of the shape operations: views, layouts, error messages."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm import Tensor, grad, no_grad
from tinymm.autograd import join, pad, shape, triangles
from tinymm.autograd.shape import can_view


def tensor(*shape_, requires_grad=False):
    return Tensor(np.arange(float(math.prod(shape_))).reshape(shape_).copy(), requires_grad=requires_grad)


VIEWS = {
    "view": lambda x: x.view(6, 4), "reshape": lambda x: x.reshape(6, 4), "flatten": lambda x: x.flatten(),
    "unflatten": lambda x: x.unflatten(2, (2, 2)), "transpose": lambda x: x.transpose(0, 2),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "permute": lambda x: x.permute(2, 0, 1), "movedim": lambda x: x.movedim(0, 2), "squeeze": lambda x: x.squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(1), "expand": lambda x: x.unsqueeze(0).expand(5, -1, -1, -1), "T": lambda x: x.T,
    "mT": lambda x: x.mT, "diagonal": lambda x: x.diagonal(0, 1, 2), "split": lambda x: x.split(1, 1)[1],
    "chunk": lambda x: x.chunk(2, 2)[1], "unbind": lambda x: x.unbind(1)[2], "getitem": lambda x: x[:, 1:, ::-1],
    "iteration": lambda x: list(x)[1], "squeeze of a transpose": lambda x: x.T[:1].squeeze(),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_shares_memory_and_version(name):
    x = tensor(2, 3, 4)
    y = VIEWS[name](x)
    assert np.shares_memory(x._data, y._data)
    before = x._shared_version().count
    if y._data.flags.writeable:
        y.fill_(7)
        assert x._shared_version().count == before + 1 and (x._data == 7).any()
    w = tensor(2, 3, 4, requires_grad=True)
    part = VIEWS[name](w)
    loss = (part * part).sum()
    with no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="changed in place by add_"):
        loss.backward()


@pytest.mark.parametrize("name, copy", [("reshape of a transpose", lambda x: x.T.reshape(-1)),
                                        ("repeat", lambda x: x.repeat(1, 1, 1)),
                                        ("repeat of an axis of length 1", lambda x: x[:, :, :1].repeat(1, 1, 4)),
                                        ("repeat_interleave", lambda x: x.repeat_interleave(1, 0)),

                                        ("flip", lambda x: x.flip(0)), ("roll", lambda x: x.roll(1, 0)),
                                        ("tril", lambda x: x.tril()),
                                        ("cat", lambda x: join.cat([x])), ("pad", lambda x: pad.pad(x, (0, 0))),
                                        ("circular pad by nothing", lambda x: pad.pad(x, (0, 0), "circular"))])
def test_a_copy_has_its_own_version(name, copy):
    x = tensor(2, 3, 4, requires_grad=True)
    y = copy(x)
    assert not np.shares_memory(x._data, y._data)
    loss = (y * y).sum()
    with no_grad():
        x.add_(1)
    loss.backward()   # the copy did not change
    assert x.grad is not None


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
@settings(max_examples=150, deadline=None)
def test_can_view_agrees_with_numpy(lengths, data):
    """``can_view`` says yes exactly where NumPy's reshape shares memory."""
    x = np.arange(math.prod(lengths)).reshape(lengths).transpose(data.draw(st.permutations(range(len(lengths)))))
    steps = data.draw(st.lists(st.sampled_from([1, 2, -1]), min_size=x.ndim, max_size=x.ndim))
    x = x[tuple(slice(None, None, s) for s in steps)]
    if data.draw(st.booleans()):
        x = np.broadcast_to(x, (2, *x.shape))
    left, new = x.size, []
    while left > 1:
        n = data.draw(st.sampled_from([k for k in range(2, left + 1) if left % k == 0]))
        new.append(n)
        left //= n
    if data.draw(st.booleans()):
        new.insert(data.draw(st.integers(0, len(new))), 1)
    assert can_view(x, tuple(new)) == np.shares_memory(x, x.reshape(new))


def test_view_refuses_a_copy():
    with pytest.raises(ValueError, match=r"view: shape \(3, 2\) with strides .* cannot be seen as \(6,\) without a "
                                         r"copy; use .reshape"):
        tensor(2, 3).T.view(6)
    assert tensor(2, 3).T.reshape(6).tolist() == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize("attempt, error, message", [
    (lambda: tensor(2, 3).reshape(4, 2), ValueError, r"reshape: 6 elements of shape \(2, 3\) do not fit .*\(4, 2\)"),
    (lambda: tensor(2, 3).reshape(-1, -1), ValueError, "at most one length may be -1"),
    (lambda: tensor(2, 3).reshape(-1, 4), ValueError, "must divide"),
    (lambda: tensor(2, 3).reshape(-2, -3), ValueError, "do not fit"),
    (lambda: tensor(2, 3).unflatten(1, (2, 2)), ValueError, r"sizes=\(2, 2\) do not multiply to the length 3 of dim=1"),
    (lambda: tensor(2, 3).flatten(1, 0), ValueError, "start_dim=1 comes after end_dim=0"),
    (lambda: tensor(2, 3).permute(0), ValueError, "permute: 1 axes given"),
    (lambda: tensor(2, 3).permute(0, 0), ValueError, "names an axis twice"),
    (lambda: tensor(2, 3).transpose(0, 2), IndexError, "transpose: dim1=2 is out of range for a tensor with 2 axes"),
    (lambda: tensor(2, 3, 4).t(), ValueError, "t: shape .* has 3 axes"),
    (lambda: tensor(2, 3).expand(4), ValueError, "has fewer axes"),
    (lambda: tensor(2, 3).expand(4, 3), ValueError, "does not broadcast"),
    (lambda: shape.broadcast_tensors(tensor(2), tensor(3)), ValueError, r"broadcast_tensors: shapes \(2,\), \(3,\)"),
    (lambda: join.cat([]), ValueError, "cat: needs at least one"),
    (lambda: join.cat(tensor(2)), TypeError, "not one Tensor"),
    (lambda: join.cat([tensor(2, 3), tensor(2, 4)]), ValueError,
     r"cat: tensors\[1\] has shape \(2, 4\) but tensors\[0\] has \(2, 3\)"),
    (lambda: join.cat([tensor(), tensor()]), ValueError, "use stack"),
    (lambda: join.stack([tensor(2), tensor(3)]), ValueError, r"stack: tensors\[1\] has shape \(3,\)"),
    (lambda: tensor(5).split([2, 2]), ValueError, r"split: lengths \[2, 2\] add up to 4 but dim=0 has length 5"),
    (lambda: tensor(5).split(0), ValueError, "pieces of length 0"),
    (lambda: tensor(5).chunk(0), ValueError, "chunk: chunks=0 must be a positive integer"),
    (lambda: tensor().unbind(), ValueError, "0-d"),
    (lambda: tensor(2, 2).repeat(2), ValueError, "repeat: 1 numbers for shape"),
    (lambda: tensor(3).repeat_interleave(Tensor(np.array([1, 2]))), ValueError,
     "repeats has 2 numbers but dim=0 has length 3"),
    (lambda: tensor(3).roll((1, 2), 0), ValueError, "roll: 2 shifts for 1 axes"),
    (lambda: tensor(3).tril(), ValueError, "tril: shape"),
    (lambda: tensor(3).diagonal(), ValueError, "two axes"),
    (lambda: tensor(3, 3).diagonal(0, 0, -2), ValueError, "same axis"),
    (lambda: triangles.diag(tensor(2, 2, 2)), ValueError, "diag: shape"),
    (lambda: pad.pad(tensor(3), (1,)), ValueError, "pad: 1 widths"),
    (lambda: pad.pad(tensor(3), (1, 1, 1, 1)), ValueError, "pad: 4 widths"),
    (lambda: pad.pad(tensor(3), (1, 1), "mirror"), ValueError, "mode='mirror'"),
    (lambda: pad.pad(tensor(3), (3, 0), "reflect"), ValueError, "too wide for the length 3 of dim=0"),
    (lambda: pad.pad(tensor(3), (4, 0), "circular"), ValueError, "reaches at most 3"),
    (lambda: pad.pad(tensor(3), (-2, -2)), ValueError, "cut more"),
    (lambda: pad.pad(tensor(3), (1, 1), "reflect", 2.0), ValueError, "value=2.0 is for mode='constant'"),
    (lambda: join.meshgrid(tensor(2, 2)), ValueError, "coordinates"),
])
def test_errors_name_the_operation_and_the_shapes(attempt, error, message):
    with pytest.raises(error, match=message):
        attempt()


@pytest.mark.parametrize("mode, numpy_mode", [("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge"),
                                              ("circular", "wrap")])
def test_pad_is_numpys_pad(mode, numpy_mode):
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    got = pad.pad(Tensor(x), (2, 1, 0, 3, 1, 0), mode).numpy()
    np.testing.assert_array_equal(got, np.pad(x, ((1, 0), (0, 3), (2, 1)), mode=numpy_mode))


def test_pad_crops_before_it_reflects():
    x = Tensor(np.arange(5.0))
    assert pad.pad(x, (-1, 2), "replicate").tolist() == [1, 2, 3, 4, 4, 4]


def test_pieces_cost_one_gradient():
    """The parts of unbind share a node: parts without a gradient count as zeros."""
    x = tensor(3, 2, requires_grad=True)
    a, _, c = x.unbind()
    (2 * a + c).sum().backward()
    assert x.grad.tolist() == [[2, 2], [0, 0], [1, 1]]


def test_split_does_not_keep_its_input_alive_to_change():
    x = tensor(4, requires_grad=True)
    a, b = x.split(2)
    loss = (3 * a).sum()
    with no_grad():
        x.add_(1)      # split needs no value of x
    loss.backward()
    assert x.grad.tolist() == [3, 3, 0, 0]


def test_second_derivative_through_unbind():
    x = tensor(3, requires_grad=True)
    a, b, c = x.unbind()
    first, = grad(a * b * c, [x], create_graph=True)
    second, = grad(first.sum(), [x])
    assert second.tolist() == [3, 2, 1]   # d/dx (bc + ac + ab)


def test_cat_promotes_and_skips_the_empty_start():
    y = join.cat([Tensor(np.zeros(0, np.float32)), Tensor(np.ones((2, 2), np.int64))])
    assert y.shape == (2, 2) and y.dtype == np.float32


def test_integers_pass_through():
    x = Tensor(np.arange(6).reshape(2, 3))
    for y in (x.T, x.repeat(2, 2), x.roll(1, 0), x.flip(0), x.tril(), pad.pad(x, (1, 1)), join.stack([x, x]),
              x.unbind()[0]):
        assert y.dtype == np.int64


def test_numpy_functions_on_tensors():
    x = tensor(3, 3, requires_grad=True)
    for y, want in ((np.tril(x), np.tril(x._data)), (np.triu(x, 1), np.triu(x._data, 1)),
                    (np.roll(x, 1, 0), np.roll(x._data, 1, 0)), (np.diagonal(x), np.diagonal(x._data)),
                    (np.stack([x, x], 1), np.stack([x._data, x._data], 1))):
        assert isinstance(y, Tensor) and y.requires_grad
        np.testing.assert_array_equal(y._data, want)
