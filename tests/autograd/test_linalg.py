"""Matrix products and einsum against NumPy, on random shapes and equations; and what the error messages say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm import Tensor, grad
from tinymm.autograd import linalg
from tinymm.autograd.einsum import bilinear, einsum, parse


def leaf(rng, *shape):
    return Tensor(rng.normal(size=shape), requires_grad=True)


def check_bilinear(y, inputs, seed=0):
    """y is linear in each input, so <g, y> = <dL/dx, x> for each; and twice differentiated it still is."""
    g = np.random.default_rng(seed).normal(size=y.shape)
    first = grad(y, inputs, [Tensor(g)], create_graph=True)
    total = float((g * y.detach().numpy()).sum())
    for x, d in zip(inputs, first):
        assert d.shape == x.shape
        assert float((d._data * x._data).sum()) == pytest.approx(total, abs=1e-9)
    if len(inputs) > 1 and first[0].requires_grad:
        c = np.random.default_rng(seed + 1).normal(size=first[0].shape)
        again = grad(first[0], inputs[1:], [Tensor(c)], allow_unused=True)
        level = float((c * first[0]._data).sum())
        for x, d in zip(inputs[1:], again):
            assert float((d._data * x._data).sum()) == pytest.approx(level, abs=1e-9)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_matmul_broadcasts_like_numpy(data):
    lead = data.draw(st.lists(st.integers(1, 3), max_size=3))
    n, k, m = (data.draw(st.integers(0, 3)) for _ in range(3))
    thin = lambda axes: tuple(1 if data.draw(st.booleans()) else x for x in axes[data.draw(st.integers(0, len(axes))):])
    a_shape = (k,) if data.draw(st.integers(0, 4)) == 0 else (*thin(lead), n, k)
    b_shape = (k,) if data.draw(st.integers(0, 4)) == 0 else (*thin(lead), k, m)
    rng = np.random.default_rng(0)
    a, b = leaf(rng, *a_shape), leaf(rng, *b_shape)
    if data.draw(st.booleans()) and a.ndim > 1:
        a = Tensor(np.ascontiguousarray(a._data.swapaxes(-1, -2)).swapaxes(-1, -2), requires_grad=True)
    y = a @ b
    want = np.matmul(a._data, b._data)
    assert y.shape == want.shape
    np.testing.assert_allclose(y._data, want, atol=1e-12)
    check_bilinear(y, [a, b])


@st.composite
def equations(draw):
    """A valid einsum equation and the shapes of its operands."""
    size = {c: draw(st.integers(1, 3)) for c in "abcdE"}
    hidden = [draw(st.integers(1, 3)) for _ in range(draw(st.integers(0, 2)))]
    terms, shapes, dots_anywhere = [], [], False
    for _ in range(draw(st.integers(1, 3))):
        letters = draw(st.lists(st.sampled_from("abcdE"), max_size=3))
        shape = [size[c] for c in letters]
        if draw(st.integers(0, 2)) == 0:
            dots_anywhere = True
            at, kept = draw(st.integers(0, len(letters))), hidden[draw(st.integers(0, len(hidden))):]
            kept = [1 if draw(st.integers(0, 3)) == 0 else n for n in kept]
            letters.insert(at, "...")
            shape[at:at] = kept
        terms.append("".join(letters))
        shapes.append(tuple(shape))
    equation = ",".join(terms)
    if draw(st.booleans()):
        used = sorted(set(equation) - set(",."))
        out = draw(st.permutations(draw(st.lists(st.sampled_from(used), unique=True)) if used else []))
        out = list(out)
        if dots_anywhere:
            out.insert(draw(st.integers(0, len(out))), "...")
        equation += "->" + "".join(out)
    return equation, shapes


@given(equations())
@settings(max_examples=300, deadline=None)
def test_einsum_like_numpy(case):
    equation, shapes = case
    rng = np.random.default_rng(0)
    operands = [leaf(rng, *shape) for shape in shapes]
    y = einsum(equation, *operands)
    want = np.einsum(equation, *[t._data for t in operands])
    assert y.shape == want.shape
    np.testing.assert_allclose(y._data, want, atol=1e-11)
    check_bilinear(y, operands)


def test_einsum_broadcasts_length_one_under_a_letter():
    rng = np.random.default_rng(0)
    a, b = leaf(rng, 1, 3), leaf(rng, 4, 3)
    y = einsum("ij,ij->ij", a, b)
    np.testing.assert_allclose(y._data, a._data * b._data)
    check_bilinear(y, [a, b])
    np.testing.assert_allclose(einsum("ij,ij->", a, b)._data, (a._data * b._data).sum())
    np.testing.assert_allclose(einsum("ij,kj->ik", a, b)._data, a._data @ b._data.T)


def test_einsum_list_form_and_spaces():
    rng = np.random.default_rng(0)
    a, b = leaf(rng, 2, 3), leaf(rng, 3, 4)
    for y in (einsum(a, [0, 1], b, [1, 2], [0, 2]), einsum(a, [0, 1], b, [1, 2]), einsum("i j , j k -> i k", a, b),
              einsum("ij,jk->ik", [a, b])):
        np.testing.assert_allclose(y._data, a._data @ b._data)


def test_einsum_is_one_product_where_it_can_be():
    """A plain contraction costs one node for the product (besides views)."""
    rng = np.random.default_rng(0)
    y = einsum("bik,bkj->bij", leaf(rng, 2, 3, 4), leaf(rng, 2, 4, 5))
    assert y.grad_fn.name == "einsum" and all(edge.name == "AccumulateGrad" for edge in y.grad_fn.edges)


def test_implicit_result_is_alphabetical_with_capitals_first():
    assert parse("bA,aA", [(2, 3), (4, 3)])[1] == "ab"
    assert parse("bA", [(2, 3)])[1] == "Ab"


def test_wide_accumulation_of_many_operands():
    rng = np.random.default_rng(0)
    operands = [leaf(rng, 3, 3) for _ in range(5)]
    y = einsum("ab,bc,cd,de,ef->af", *operands)
    np.testing.assert_allclose(y._data, np.linalg.multi_dot([t._data for t in operands]), rtol=1e-10)
    check_bilinear(y, operands)


@pytest.mark.parametrize("attempt, message", [
    (lambda t: einsum("ij,jk", t(2, 3), t(4, 2)), "axis 'j' has length 3 in one operand and 4 in another"),
    (lambda t: einsum("ij", t(2, 3), t(2, 3)), "names 1 operands but 2 are given"),
    (lambda t: einsum("i", t(2, 3)), "'i' names 1 axes of an operand with 2"),
    (lambda t: einsum("ijk", t(2, 3)), "'ijk' names 3 axes of an operand with 2"),
    (lambda t: einsum("ij->k", t(2, 3)), "'k' of the result occurs in no operand"),
    (lambda t: einsum("ij->ii", t(2, 3)), "'i' of the result occurs twice"),
    (lambda t: einsum("i1", t(2, 3)), "must consist of letters"),
    (lambda t: einsum("i.j", t(2, 3)), "must consist of letters"),
    (lambda t: t(2, 3) @ t(2, 3), r"matmul: input \(2, 3\) has 3 columns but other \(2, 3\) has 2 rows; transpose"),
    (lambda t: t(2, 3) @ t(), "a 0-d tensor is no matrix"),
    (lambda t: t(2, 2, 3) @ t(3, 3, 2), r"leading axes of \(2, 2, 3\) and \(3, 3, 2\) do not broadcast"),
    (lambda t: linalg.mm(t(2, 3), t(2, 3)), r"mm: input \(N=2, K=3\) but mat2 \(K=2, M=3\); K must be the same"),
    (lambda t: linalg.mm(t(2, 3), t(3)), r"mm: mat2 has shape \(3,\); it needs 2 axes \(K, M\)"),
    (lambda t: linalg.bmm(t(2, 3, 4), t(1, 4, 2)), r"bmm: input \(B=2, N=3, K=4\) but mat2 \(B=1, K=4, M=2\); B must"),
    (lambda t: linalg.mv(t(2, 3), t(2)), "mv: .*K must be the same"),
    (lambda t: linalg.dot(t(2), t(3)), "dot: .*K must be the same"),
    (lambda t: linalg.outer(t(2, 2), t(3)), "outer: input has shape"),
    (lambda t: linalg.tensordot(t(2, 3), t(2, 3), 1), "do not have the same lengths"),
    (lambda t: linalg.tensordot(t(2), t(3), 2), "tensordot: dims=2"),
    (lambda t: bilinear(t(2, 3), t(2, 4), t(5, 4, 3)), "bilinear: input1"),
])
def test_errors_name_the_axes(attempt, message):
    with pytest.raises(ValueError, match=message):
        attempt(lambda *shape: Tensor(np.ones(shape)))


def test_addmm_with_beta_0_does_not_read_its_input():
    y = linalg.addmm(Tensor(np.full((2, 2), np.nan)), Tensor(np.ones((2, 3))), Tensor(np.ones((3, 2))), beta=0)
    assert y.tolist() == [[3, 3], [3, 3]]


def test_matmul_of_mixed_dtypes_and_integers():
    a = Tensor(np.arange(4, dtype=np.float32).reshape(2, 2), requires_grad=True)
    y = a @ Tensor(np.ones((2, 2)))
    assert y.dtype == np.float64
    y.sum().backward()
    assert a.grad.dtype == np.float32
    assert (Tensor(np.arange(4).reshape(2, 2)) @ Tensor(np.arange(2))).tolist() == [1, 3]


def test_tensordot_pairs_axes():
    rng = np.random.default_rng(0)
    a, b = leaf(rng, 2, 3, 4), leaf(rng, 4, 5, 3)
    y = linalg.tensordot(a, b, ([1, -1], [2, 0]))
    np.testing.assert_allclose(y._data, np.tensordot(a._data, b._data, ([1, 2], [2, 0])), rtol=1e-12)
    check_bilinear(y, [a, b])
    assert math.prod(y.shape) == 10
