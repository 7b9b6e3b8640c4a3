"""Whose fault it is, on what a verdict hangs, and sentences that say something and are true."""

import numpy as np
import pytest

from tests.homework.sources import EXERCISES, changed, handed_in
from tinymm.homework import check, reference
from tinymm.homework.exercise import find
from tinymm.homework.values import distinct, exchanged, floor_of

FORWARD, BACKWARD = "soft_attention_forward", "soft_attention_backward"
T = "    t = np.tanh(a @ W_a.T + (h @ W_h.T)[:, None, :])"
Z = "    z = (alpha[:, :, None] * a).sum(axis=1)"
MAX = "np.exp(e - e.max(axis=1, keepdims=True))"
RETURN = "return da, dh, dW_a, dW_h, du"


def judged(tmp_path, *changes, number="04", task="soft_attention"):
    """The results of one task of a changed solution, and each one's details as a text."""
    report = check(number, handed_in(tmp_path, changed(*changes, source=EXERCISES[number].solution)), only=task)
    return report, {result.function: "\n".join(result.details()) for result in report.results}


# ---------------------------------------------------------------------- whose fault

@pytest.mark.parametrize("noise", ["np.random.normal", "np.random.default_rng().normal"])
def test_random_numbers_in_the_forward_are_its_fault_alone(noise, tmp_path):
    report, told = judged(tmp_path, (T, f"    a = a + 0.1 * {noise}(size=a.shape)\n{T}"))
    assert [result.verdict for result in report.results] == ["wrong", "not checked"]
    assert told[FORWARD].startswith("a second call with the same arguments gives another result")
    assert "nothing to hold its gradient against" in told[BACKWARD]


def test_a_gradient_of_the_equation_passes_behind_a_wrong_forward(tmp_path):
    report, told = judged(tmp_path, (Z, Z.replace("sum", "mean")))
    assert [result.verdict for result in report.results] == ["wrong", "ok"]
    assert told[BACKWARD] == f"note: right for the lecture's equation, though not for your {FORWARD}, which is wrong (all)"


def test_a_gradient_of_ones_own_wrong_forward_passes(tmp_path):
    report, told = judged(tmp_path, ("np.tanh(a @ W_a.T + ", "np.tanh(2 * a @ W_a.T + 2 * "),
                          ("* u * (1 - t * t)", "* u * 2 * (1 - t * t)"))
    assert [result.verdict for result in report.results] == ["wrong", "ok"]
    assert told[BACKWARD].startswith(f"note: right for your {FORWARD}, which is wrong: finite differences of it give the same")


def test_a_gradient_of_neither_is_wrong_and_told_what_it_was_held_against(tmp_path):
    report, told = judged(tmp_path, (Z, Z.replace("sum", "mean")), ("    dh = ds @ W_h", "    dh = -ds @ W_h"))
    assert [result.verdict for result in report.results] == ["wrong", "wrong"] and "dh[" in told[BACKWARD]
    assert f"note: held against finite differences of your {FORWARD}, which is not right yet: mend that first" in told[BACKWARD]


@pytest.mark.parametrize("replaced, says", [("np.exp(e)", "exp overflows: subtract the largest score of each image"),
                                            ("np.exp(np.clip(e, -500, 500))", "wrong, by")])
def test_a_forward_that_is_wrong_in_one_case_leaves_the_backward_to_the_others(replaced, says, tmp_path):
    """The same hint is no cause where nothing overflows."""
    report, told = judged(tmp_path, (MAX, replaced))
    assert [result.verdict for result in report.results] == ["wrong", "ok"] and says in told[FORWARD]
    assert ("overflows" in told[FORWARD]) == ("nan" in told[FORWARD]) == (replaced == "np.exp(e)")
    assert told[BACKWARD] == f"note: not judged where {FORWARD} is not right yet: scores near 1000"
    assert told[FORWARD].count("(in the case: scores near 1000)") == 1


def test_a_later_call_that_raises_keeps_its_words(tmp_path):
    """The checker asks again with twice the gradient; the exception and the line are the student's."""
    first = "    a, h, W_a, W_h, u, t, alpha = cache\n"
    _, told = judged(tmp_path, (first, first + "    calls.append(0)\n    if len(calls) > 4:\n        raise KeyError('mine')\n"),
                     ("def soft_attention_backward", "calls = []\n\n\ndef soft_attention_backward"))
    assert "KeyError: 'mine'" in told[BACKWARD] and "raise KeyError('mine')" in told[BACKWARD]
    assert "mutant.py, line " in told[BACKWARD]


# ---------------------------------------------------------------------- results in other places

@pytest.mark.parametrize("order, says", [
    ("da, dh, dW_h, dW_a, du", "dW_a and dW_h are returned in each other's place: the order is da, dh, dW_a, dW_h, du"),
    ("dh, dW_a, da, dW_h, du", "da, dh, dW_a are right, but returned in another order: the order is da, dh, dW_a, dW_h, du")])
def test_results_exchanged_are_one_sentence(order, says, tmp_path):
    report, told = judged(tmp_path, (RETURN, f"return {order}"))
    result = report[BACKWARD]
    assert len(result.problems) == 1 and result.problems[0].text == says, told
    assert result.problems[0].code == f"return {order}"


def test_results_of_equal_shape_exchanged(tmp_path):
    report, told = judged(tmp_path, ("return m_next, c_next, cache", "return c_next, m_next, cache"), number="02", task="lstm_step")
    assert not report["lstm_step_forward"].ok and "should be" in told["lstm_step_forward"]


def test_one_gradient_returned_twice_is_named(tmp_path):
    _, told = judged(tmp_path, (RETURN, "return da, dh, dh, dW_h, du"))
    assert "dW_a has shape (3, 2) and should be (K=6, D=4)" in told[BACKWARD] and "likely: this is dh" in told[BACKWARD]


def test_exchanged():
    one, two, three = np.ones((2, 3)), np.full((3, 2), 2.0), np.full(4, 3.0)
    want = {"a": one, "b": two, "c": three}
    assert exchanged({"a": two, "b": one, "c": three}, want) == [("a", "b"), ("b", "a")]
    assert exchanged({"a": two, "b": three, "c": one}, want) == [("a", "b"), ("b", "c"), ("c", "a")]
    assert exchanged({"a": two, "b": two, "c": three}, want) == exchanged(want, want) == []
    assert exchanged({"a": two, "b": one * 0, "c": three}, want) == []


# ---------------------------------------------------------------------- the contract

@pytest.mark.parametrize("returned, says", [
    ("da, dh, dW_a, dW_h, None", "du is None and should be a NumPy array, (K=6,)"),
    ("da, dh, dW_a, dW_h, 3.0", "du is a single number and should be a NumPy array, (K=6,)"),
    ("da, dh, dW_a, dW_h, du.tolist()", "du is of type list and should be a NumPy array, (K=6,)"),
    ("da, dh, dW_a, [[1.0], [2.0]], du", "dW_h is of type list and should be a NumPy array, (K=6, H=2)"),
    ("da, dh, dW_a, dW_h, {'du': du}", "du is of type dict and should be a NumPy array, (K=6,)"),
    ("dict(da=da, du=du)", "it returns one value, of type dict, and should return the 5 values da, dh, dW_a, dW_h, du"),
    ("da", "it returns one value, an array of shape (3, 5, 4), and should return the 5 values da, dh, dW_a, dW_h, du")])
def test_what_is_returned_is_told_in_one_sentence_with_its_line(returned, says, tmp_path):
    report, _ = judged(tmp_path, (RETURN, f"return {returned}"))
    problems = report[BACKWARD].problems
    assert len(problems) == 1 and problems[0].text == says
    assert problems[0].code == f"return {returned}" and problems[0].where.startswith("mutant.py, line ")


def test_a_list_of_outputs_is_as_good_as_a_tuple_and_none_is_not(tmp_path):
    assert judged(tmp_path, ("return z, alpha, cache", "return [z, alpha, cache]"))[0].ok
    _, told = judged(tmp_path, ("    return z, alpha, cache\n", "    pass\n"))
    assert told[FORWARD] == "it returns nothing (None) and should return z, alpha, cache\nlikely: the return is missing"


def test_a_backward_that_raises_is_placed(tmp_path):
    report, _ = judged(tmp_path, ("    dh = ds @ W_h", "    dh = ds @ W_h.T"))
    problem = report[BACKWARD].problems[0]
    assert problem.text.startswith("ValueError") and problem.code.startswith("dh = ds @ W_h.T") and "line" in problem.where


# ---------------------------------------------------------------------- numbers

def test_numbers_that_differ_print_differently(tmp_path):
    assert distinct(0.5, 0.25) == ("0.5", "0.25") and distinct(1.0, 1.0) == ("1", "1")
    assert distinct(0.49003712, 0.49003698) == ("0.4900371", "0.490037") and len(set(distinct(1.0, 1.0 + 2e-16))) == 2
    _, told = judged(tmp_path, ("    du = (t * de", "    du = 1.0000001 * (t * de"))
    first = told[BACKWARD].splitlines()[0]
    assert "(6 of 6 elements are wrong, by 1e-05 %)" in first and "1 times" not in told[BACKWARD]
    numbers = [word for word in first.replace(",", " ").split() if word.startswith("0.5803")]
    assert len(set(numbers)) == 2


def test_a_mistake_that_an_earlier_case_excludes_is_no_cause(tmp_path):
    """The starts are right where a clip is longer than a window, so the tail is not what is lost."""
    starts = "starts = np.minimum(np.arange(0, frames, stride), frames - L) "
    _, told = judged(tmp_path, (starts, f"{starts}if frames > L else np.array([0]) "), number="01", task="window_average")
    assert "here the starts are 0, 0" in told["window_average"] and "tail" not in told["window_average"]


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_floor_hides_nothing_in_an_ordinary_case(exercise):
    """It is for what is tiny beside what it was computed from: a ten-millionth of the largest value at most."""
    for task in find(exercise).tasks:
        case = task.cases_drawn()[0]
        values = reference.values(task.reference, case)
        sizes = [np.abs(value).max() for value in values if value.size and value.dtype.kind == "f"]
        assert floor_of(case) < 1e-7 * min(sizes, default=1.0), task.name
        if task.backward:
            cotangents = reference.cotangents(values)
            found = reference.gradients(task.reference, task, case, cotangents)
            assert floor_of(case, cotangents) < 1e-7 * min(np.abs(g).max() for g in found), task.name
