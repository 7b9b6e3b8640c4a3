"""What a student would do wrong with the model of lecture 4, and what is said then."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor
from tinymm.models import attention_objective as objective
from tinymm.models.caption_likelihood import caption_log_prob
from tinymm.models.show_attend_and_tell import ShowAttendTell

A, Y = Tensor(np.zeros((2, 3, 4), np.float32)), Tensor(np.zeros((5, 2), np.int64))
TARGETS, MASK = Tensor(np.ones((5, 2), np.int64)), Tensor(np.ones((5, 2), bool))
soft, hard = ShowAttendTell(4, 6, 5, 7, 3), ShowAttendTell(4, 6, 5, 7, 3, hard=True)


def transposed(t):
    return Tensor(np.ascontiguousarray(t.numpy().T))


@pytest.mark.parametrize("call, message", [
    (lambda: soft(A[:, :, :3], Y), r"takes annotation vectors \(B, L, D=4\)"),
    (lambda: soft(A, transposed(Y)), r"takes words \(T, B=2\), time first"),
    (lambda: soft(A, Y[:0]), "T at least 1"),
    (lambda: soft(A, Y, locations=np.zeros((5, 2), int)), "locations are for a model with hard=True"),
    (lambda: hard(A, Y, locations=np.zeros((5, 2))), r"dtype float64; they must be \(T=5, B=2\) integers from 0 to 2"),
    (lambda: hard(A, Y, locations=np.full((5, 2), 3)), "integers from 0 to 2"),
    (lambda: caption_log_prob(soft(A, Y).logits, transposed(TARGETS)), r"targets must be \(T, B\), time first"),
    (lambda: objective.soft_objective(soft(A, Y), TARGETS, transposed(MASK)), r"the mask must be \(T, B\), time first"),
    (lambda: objective.hard_objective(soft(A, Y), TARGETS, MASK), "decoded with soft attention.*hard=True"),
    (lambda: objective.hard_objective(hard(A, Y), TARGETS, transposed(MASK)), r"the mask must be \(T, B\)"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_each_recurrent_matrix_starts_orthogonal():
    for gate in np.split(soft.lstm.weight_hh.detach().numpy(), 4):
        np.testing.assert_allclose(gate @ gate.T, np.eye(7), atol=1e-5)


def test_all_parameters_have_the_default_dtype():
    before = tinymm.get_default_dtype()
    tinymm.set_default_dtype(np.float64)
    try:
        assert {p.dtype for p in ShowAttendTell(4, 6).parameters()} == {np.dtype("float64")}
    finally:
        tinymm.set_default_dtype(before)


def test_the_callers_locations_are_not_kept():
    locations = np.zeros((5, 2), np.int32)
    decoded = hard(A, Y, locations=locations)
    locations[:] = 2
    assert decoded.locations.dtype == np.int64 and not decoded.locations.any()
