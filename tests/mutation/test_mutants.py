"""The gradient checker rejects every broken backward, names what is broken, and accepts every right one."""

import numpy as np
import pytest

from tests.mutation.families import FAMILIES, inputs_of
from tests.mutation.mutants import MUTANTS
from tinymm import gradcheck


def judge(mutant, seed=0):
    """Reject ``mutant``; the report must name the argument, the element and the mistake."""
    report = gradcheck(mutant.make(), inputs_of(mutant.family, seed), raise_exception=False, seed=seed,
                       float32=mutant.float32, curve=False)
    assert not report.ok, report
    assert {a.name for a in report.failures} == set(mutant.argument), report
    for name in mutant.argument:
        found = report[name]
        assert found.verdict == mutant.verdict, report
        if mutant.index is not None:
            assert found.index == mutant.index, report
        if mutant.axis is not None:
            assert found.index[mutant.axis[0]] in mutant.axis[1], report
    return report


def test_there_are_enough_mutants():
    assert len(MUTANTS) >= 60
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)
    assert {m.family for m in MUTANTS} == set(FAMILIES)   # every family is broken somewhere


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.family}-{m.name}")
def test_mutant_is_rejected_and_named(mutant):
    report = judge(mutant)
    for name in mutant.argument:
        assert mutant.says in report[name].guess


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.family != "HugeSquare"],
                         ids=lambda m: f"{m.family}-{m.name}")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mutant_is_rejected_whatever_the_seed(mutant, seed):
    judge(mutant, seed)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.family}-{m.name}")
def test_mutant_is_rejected_over_twenty_seeds(mutant):
    for seed in range(4, 24):
        judge(mutant, seed)


@pytest.mark.parametrize("name", FAMILIES)
def test_right_backward_is_accepted_over_twenty_seeds(name):
    for seed in range(2 if name == "HugeSquare" else 20):
        report = gradcheck(FAMILIES[name].function(), inputs_of(name, seed), seed=seed, float32=True, curve=False)
        assert all(a.verdict == "ok" for a in report.arguments), report


@pytest.mark.parametrize("index", [0, 1, 499, 998, 999])
@pytest.mark.parametrize("error", [1e-4, -1.0, 1e3])
def test_one_wrong_element_in_a_thousand_is_found_wherever_it_is(index, error):
    def backward(self, g):
        dx = 2 * self.x * g
        dx[index] += error * dx[index]
        return dx

    report = gradcheck(FAMILIES["LongSquare"].function(backward), inputs_of("LongSquare"), raise_exception=False)
    assert report["x"].verdict == "wrong" and report["x"].index == (index,)
    assert report["x"].analytic == pytest.approx((1 + error) * report["x"].numeric, rel=1e-6)


def test_the_numeric_value_is_the_true_derivative():
    x = inputs_of("Tanh")
    report = gradcheck(FAMILIES["Tanh"].function(lambda self, g: 0 * g), x, raise_exception=False)
    found = report["x"]
    slope = 1 - np.tanh(x[0][found.index]) ** 2
    assert 0.5 * slope <= abs(found.numeric) <= 1.5 * slope   # times the cotangent
    assert found.precision < 1e-9
