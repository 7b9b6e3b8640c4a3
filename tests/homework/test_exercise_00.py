"""Exercise 0: the report in the text is gradcheck's, the bug is found by it, and the right gradient passes it."""

import re

import numpy as np
import pytest

import tinymm
from tests.homework.sources import EXERCISES, namespace


@pytest.fixture(scope="module")
def solution():
    return namespace(EXERCISES["00"].solution)


def test_the_report_in_the_text_is_the_one_of_the_cell(solution):
    for argument in solution["found"].arguments:
        row, = re.findall(rf"^# {argument.name} +\(.*$", EXERCISES["00"].solution, re.M)
        assert argument.verdict in row and str([*argument.index]) in row
        analytic, numeric = map(float, re.findall(r"-?\d+\.\d{5,}", row))
        np.testing.assert_allclose([analytic, numeric], [argument.analytic, argument.numeric], rtol=1e-7)


def test_what_the_student_is_asked_to_run_passes(solution):
    assert tinymm.gradcheck(solution["Softmax"], [tinymm.tensor(np.random.default_rng(1).normal(size=(3, 4)))])


def test_the_right_line_makes_gradcheck_pass(solution):
    class Mended(solution["RMSNorm"]):
        def backward(self, dy):
            return solution["explain_bug"](dy, self.x, self.g)[1], super().backward(dy)[1]

    rng = np.random.default_rng(2)
    assert tinymm.gradcheck(Mended, [tinymm.tensor(rng.normal(size=shape)) for shape in ((2, 3), (3,))])


def test_the_bug_by_hand(solution):
    one = np.ones((1, 2))
    for dy, dx in ((one, [[0.0, 0.0]]), (np.array([[1.0, 0.0]]), [[0.5, -0.5]])):
        np.testing.assert_allclose(solution["explain_bug"](dy, one, one[0])[1], dx, atol=1e-15)
