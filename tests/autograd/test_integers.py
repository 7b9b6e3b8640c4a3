"""Integer arguments: a float is not truncated, a bool is no number, NumPy's integers and 0-d tensors are integers."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, functional as F
from tinymm.autograd.integers import integer, integers, listed, per_axis, sizes

x = Tensor(np.arange(12.0).reshape(3, 4))
labels = Tensor(np.array([0, 1, 1]))
CASES = {   # (operation, argument): (a call with the argument, an integer that it takes)
    ("zeros", "size"): (tinymm.zeros, 2), ("ones", "size"): (tinymm.ones, 2), ("empty", "size"): (tinymm.empty, 2),
    ("full", "size"): (lambda v: tinymm.full(v, 1.0), 2), ("eye", "n"): (tinymm.eye, 2),
    ("eye", "m"): (lambda v: tinymm.eye(3, v), 2),
    ("linspace", "steps"): (lambda v: tinymm.linspace(0, 1, v), 3),
    ("rand", "size"): (tinymm.rand, 2), ("randn", "size"): (tinymm.randn, 2), ("randperm", "n"): (tinymm.randperm, 3),
    ("randint", "low"): (lambda v: tinymm.randint(v, 9, (2,)), 2), ("randint", "high"): (lambda v: tinymm.randint(0, v, (2,)), 2),
    ("randint", "size"): (lambda v: tinymm.randint(0, 9, v), 2),
    ("multinomial", "num_samples"): (lambda v: tinymm.multinomial(x[0], v, True), 2),
    ("reshape", "shape"): (x.reshape, 12), ("view", "size"): (x.view, 12), ("expand", "size"): (x[0].expand, 4),
    ("broadcast_to", "size"): (lambda v: F.broadcast_to(x[0], v), 4),
    ("unflatten", "sizes"): (lambda v: x.unflatten(1, (v, 2)), 2), ("permute", "dims"): (x[0].permute, 0),
    ("transpose", "dim0"): (lambda v: x.transpose(v, 1), 0), ("transpose", "dim1"): (lambda v: x.transpose(0, v), 1),
    ("flatten", "start_dim"): (x.flatten, 0), ("flatten", "end_dim"): (lambda v: x.flatten(0, v), 1),
    ("unsqueeze", "dim"): (x.unsqueeze, 1), ("sum", "dim"): (x.sum, 1), ("cumsum", "dim"): (x.cumsum, 1),
    ("sort", "dim"): (lambda v: F.sort(x, v), 1), ("cat", "dim"): (lambda v: F.cat([x, x], v), 1),
    ("split", "split_size_or_sections"): (x.split, 2), ("chunk", "chunks"): (x.chunk, 2),
    ("repeat", "repeats"): (x[0].repeat, 2), ("tile", "dims"): (x.tile, 2),
    ("repeat_interleave", "repeats"): (lambda v: F.repeat_interleave(x, v, 0), 2),
    ("flip", "dims"): (x.flip, 1), ("roll", "shifts"): (lambda v: F.roll(x, v, 0), 1),
    ("pad", "pad"): (lambda v: F.pad(x, (v, 0)), 1), ("diagonal", "offset"): (x.diagonal, 1),
    ("diag_embed", "offset"): (lambda v: F.diag_embed(x, v), 1), ("diag", "diagonal"): (lambda v: F.diag(x, v), 1),
    ("tril", "diagonal"): (x.tril, 1), ("triu", "diagonal"): (x.triu, 1), ("topk", "k"): (x.topk, 2),
    ("one_hot", "num_classes"): (lambda v: F.one_hot(labels, v), 3),
    ("tensordot", "dims"): (lambda v: F.tensordot(x, x, ((0, v), (0, v))), 1),
}
NAMES = [f"{operation}-{argument}" for operation, argument in CASES]


@pytest.mark.parametrize("wrong, told", [(1.0, "float"), (2.5, "float"), (True, "bool"), (np.float32(1), "float32"),
                                         (np.True_, "bool"), (Tensor(np.array(1.0)), "(Tensor|float)"), ("1", "str")], ids=str)
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_no_integer_is_refused(case, wrong, told):
    operation, argument = case
    with pytest.raises(TypeError, match=rf"^{operation}: {argument}(\[0\])?=.* must be an integer, not {told}.*; \w+"):
        CASES[case][0](wrong)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_integers_of_any_kind_are_taken(case):
    call, good = CASES[case]
    shapes = [[out.shape for out in ([result] if isinstance(result, Tensor) else result)]
              for result in map(call, (good, np.int32(good), np.array(good), Tensor(np.array(good))))]
    assert shapes == [shapes[0]] * 4


def test_sequences_name_the_place():
    with pytest.raises(TypeError, match=r"zeros: size\[1\]=2.5 must be an integer, not float; divide with // or round"):
        tinymm.zeros((2, 2.5))
    with pytest.raises(TypeError, match=r"split: split_size_or_sections\[0\]=1.0 must be an integer"):
        x.split([1.0, 3], 1)
    with pytest.raises(TypeError, match=r"repeat_interleave: repeats\[2\]=True must be an integer, not bool; write 1 or 0"):
        F.repeat_interleave(x, [1, 2, True], 0)
    assert [part.shape for part in x.split(np.array([1, 3]), 1)] == [(3, 1), (3, 3)]
    assert tinymm.zeros(Tensor(np.array([2, 3]))).shape == tinymm.zeros(np.array([2, 3])).shape == (2, 3)
    with pytest.raises(ValueError, match="tensordot: .*do not have the same lengths"):
        F.tensordot(x, x, ([0], [1]))
    with pytest.raises(IndexError, match="tensordot: dims=2 is out of range"):
        F.tensordot(x, x, ([2], [2]))


def test_the_helpers():
    assert integer("f", "n", np.uint8(3)) == 3 and type(integer("f", "n", np.uint8(3))) is int
    for least, said in ((1, "f: n=0 must be a positive integer"), (2, "f: n=0 must be an integer not less than 2")):
        with pytest.raises(ValueError, match=said):
            integer("f", "n", 0, least)
    assert listed(range(2)) == (0, 1) and listed(3) == (3,) and listed(np.array(3)) == (np.array(3),)
    assert integers("f", "n", (1, np.int64(2))) == (1, 2) and sizes("f", ([2, 3],)) == sizes("f", (2, 3)) == (2, 3)
    assert per_axis("f", "n", 2, 3) == per_axis("f", "n", [2], 3) == (2, 2, 2)
    assert per_axis("f", "n", (None, 2), 2, 1, or_none=True) == (None, 2)
    assert per_axis("f", "n", None, 2, or_none=True) == (None, None)
    with pytest.raises(ValueError, match=r"f: n=\(1, 2\) must be an integer, or 3 of them, one for each axis and not less than 1"):
        per_axis("f", "n", (1, 2), 3, 1)
    with pytest.raises(ValueError, match=r"f: n\[1\]=-1 must be an integer not less than 0"):
        per_axis("f", "n", (0, -1), 2, 0)
    with pytest.raises(TypeError, match="f: n=None must be an integer, not NoneType"):
        per_axis("f", "n", None, 1)


@pytest.mark.parametrize("huge", [2**63 - 1, 2**62, 2**49])
def test_sizes_beyond_any_axis_are_refused_before_they_wrap_around(huge):
    """NumPy's arange(2**63 - 1) is empty, and what counts with it would be, too."""
    image = tinymm.ones(1, 1, 4, 4)
    for operation, call in {"randperm": tinymm.randperm, "one_hot": lambda n: F.one_hot(labels, n), "eye": tinymm.eye,
                            "zeros": tinymm.zeros, "adaptive_max_pool2d": lambda n: F.adaptive_max_pool2d(image, (n, 2)),
                            "max_pool2d": lambda n: F.max_pool2d(image, 2, n)}.items():
        with pytest.raises(ValueError, match=f"^{operation}: .*={huge} is larger than any axis can be"):
            call(huge)
    for end in (huge, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="^arange: .*more than an axis holds"):
            tinymm.arange(end)


def test_integers_beyond_64_bits_are_refused():
    for operation, call in {"roll": lambda n: F.roll(x, n, 0), "diagonal": x.diagonal, "triu": x.triu, "sum": x.sum}.items():
        with pytest.raises(ValueError, match=f"^{operation}: .*={2**63} is no integer of 64 bits"):
            call(2**63)


@pytest.mark.parametrize("offset", [-2**63, -2**40, -2**31, -4, 5, 2**31 - 1, 2**31, 2**63 - 1])
def test_a_diagonal_beyond_the_matrix_is_empty(offset):
    """NumPy computes with 32 bits there, and reads outside of the array."""
    matrix = Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    for call in (matrix.diagonal, lambda k: F.diag(matrix, k)):
        taken = call(offset)
        assert taken.shape == (0,)
        (g,) = tinymm.grad(taken.sum(), matrix)
        assert g.tolist() == [[0.0] * 4] * 3
    below, above = matrix.tril(offset), matrix.triu(offset)
    kept, lost = (below, above) if offset > 0 else (above, below)
    np.testing.assert_array_equal(kept.detach().numpy(), matrix.detach().numpy())
    assert not lost.detach().numpy().any()
