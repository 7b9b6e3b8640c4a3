"""Schedules: by their formulas, two on one optimiser, set by hand, groups added later, checkpoints, wrong arguments."""

import math

import numpy as np
import pytest

import tinymm
from tinymm import optim
from tinymm.optim import lr_scheduler as S

MAKERS = {
    "LambdaLR": lambda o, **k: S.LambdaLR(o, lambda t: 1 / (1 + t), **k),
    "StepLR": lambda o, **k: S.StepLR(o, 3, 0.5, **k),
    "MultiStepLR": lambda o, **k: S.MultiStepLR(o, [5, 2, 5], 0.5, **k),
    "ExponentialLR": lambda o, **k: S.ExponentialLR(o, 0.9, **k),
    "CosineAnnealingLR": lambda o, **k: S.CosineAnnealingLR(o, 7, 0.01, **k),
    "LinearLR": lambda o, **k: S.LinearLR(o, 0.25, 0.9, 6, **k),
    "WarmupCosineLR": lambda o, **k: S.WarmupCosineLR(o, 4, 15, **k),
}
FORMULAS = {   # the rate at t over the initial one of 1
    "LambdaLR": lambda t: 1 / (1 + t),
    "StepLR": lambda t: 0.5 ** (t // 3),
    "MultiStepLR": lambda t: 0.5 ** ((t >= 2) + 2 * (t >= 5)),
    "ExponentialLR": lambda t: 0.9**t,
    "CosineAnnealingLR": lambda t: 0.01 + 0.99 * (1 + math.cos(math.pi * t / 7)) / 2,
    "LinearLR": lambda t: 0.25 + 0.65 * min(t, 6) / 6,
    "WarmupCosineLR": lambda t: (t + 1) / 5 if t < 4 else (1 + math.cos(math.pi * min(t - 4, 11) / 11)) / 2,
}
LEAST = {name: 0.01 if name == "CosineAnnealingLR" else 0 for name in MAKERS}   # not multiplied
CHAINED = [name for name in MAKERS if name != "LambdaLR"]   # which sets the rates anew


def parameter():
    return tinymm.nn.Parameter(tinymm.zeros(2))


def optimiser(lr=1.0, groups=1):
    return optim.SGD([{"params": [parameter()], "lr": lr * (i + 1)} for i in range(groups)], lr=lr)


def rates(o):
    return [group["lr"] for group in o.param_groups]


def run(o, steps, *schedules):
    found = []
    for _ in range(steps):
        found.append(rates(o))
        for schedule in schedules:
            schedule.step()
    return np.array(found)   # (steps, groups)


@pytest.mark.parametrize("name", MAKERS)
def test_a_schedule_follows_its_formula_for_each_group(name):
    o = optimiser(groups=2)
    found = run(o, 45, MAKERS[name](o))
    want = np.array([FORMULAS[name](t) for t in range(45)])
    np.testing.assert_allclose(found[:, 0], want, rtol=1e-9, atol=1e-15)
    if not LEAST[name]:
        np.testing.assert_allclose(found[:, 1], 2 * want, rtol=1e-9, atol=1e-15)


def test_a_warm_up_to_a_cosine_with_a_least_rate():
    o = optimiser()
    found = run(o, 20, S.WarmupCosineLR(o, 3, 13, 0.1))[:, 0]
    want = [(t + 1) / 4 if t < 3 else 0.1 + 0.9 * (1 + math.cos(math.pi * min(t - 3, 10) / 10)) / 2 for t in range(20)]
    np.testing.assert_allclose(found, want, rtol=1e-12)


@pytest.mark.parametrize("first", [name for name in CHAINED if not LEAST[name]])
@pytest.mark.parametrize("second", ["StepLR", "ExponentialLR", "LinearLR"])
def test_two_schedules_multiply(first, second):
    o = optimiser()
    found = run(o, 45, MAKERS[first](o), MAKERS[second](o))[:, 0]
    np.testing.assert_allclose(found, [FORMULAS[first](t) * FORMULAS[second](t) for t in range(45)], rtol=1e-9, atol=1e-15)


def test_a_function_sets_the_rate_anew_and_another_schedule_adds_its_change():
    o = optimiser()
    found = run(o, 10, S.LambdaLR(o, lambda t: 1 / (1 + t)), S.ExponentialLR(o, 0.9))[:, 0]
    np.testing.assert_allclose(found, [0.9 ** min(t, 1) / (1 + t) for t in range(10)], rtol=1e-12)


@pytest.mark.parametrize("name", CHAINED)
def test_a_rate_set_by_hand_survives(name):
    found, least = [], LEAST[name]
    for factor in (1, 0.5):
        o = optimiser()
        schedule = MAKERS[name](o)
        run(o, 4, schedule)
        o.param_groups[0]["lr"] = (rates(o)[0] - least) * factor + least
        found.append(run(o, 4, schedule)[:, 0])
    np.testing.assert_allclose(found[1] - least, (found[0] - least) / 2, rtol=1e-9)


@pytest.mark.parametrize("lr", [tinymm.tensor(0.5), np.float32(0.5), np.array(0.5)], ids=["tensor", "scalar", "array"])
def test_a_rate_set_to_another_kind_of_number(lr):
    o = optimiser()
    schedule = S.ExponentialLR(o, 0.5)
    o.param_groups[0]["lr"] = lr
    p = o.param_groups[0]["params"][0]
    p.grad = tinymm.ones(2)
    o.step()
    np.testing.assert_array_equal(p.detach().numpy(), np.full(2, -0.5, np.float32))
    schedule.step()
    assert rates(o) == [0.25] and type(rates(o)[0]) is float


@pytest.mark.parametrize("name", MAKERS)
def test_a_group_added_later_is_scheduled(name):
    o = optimiser()
    schedule = MAKERS[name](o)
    run(o, 2, schedule)
    o.add_param_group({"params": [parameter()], "lr": 10.0})
    found = run(o, 6, schedule)
    if name == "LambdaLR":
        np.testing.assert_allclose(found[:, 1], [10.0] + [10 * FORMULAS[name](t) for t in range(3, 8)], rtol=1e-12)
    else:
        change = (found - LEAST[name]) / (found[0] - LEAST[name])
        np.testing.assert_allclose(change[:, 1], change[:, 0], rtol=1e-9)
    assert len(schedule.get_last_lr()) == len(schedule.state_dict()["base_lrs"]) == 2


def test_functions_for_each_group_refuse_one_more():
    o = optimiser(groups=2)
    schedule = S.LambdaLR(o, [lambda t: 1.0, lambda t: 0.5])
    assert rates(o) == [1.0, 1.0]
    o.add_param_group({"params": [parameter()]})
    with pytest.raises(ValueError, match="2 functions for 3 parameter groups"):
        schedule.step()
    with pytest.raises(ValueError, match="1 functions for 2"):
        S.LambdaLR(optimiser(groups=2), [lambda t: 1.0])


@pytest.mark.parametrize("order", ["optimiser first", "schedule first"])
@pytest.mark.parametrize("name", MAKERS)
def test_resuming_goes_on_with_the_same_numbers(name, order):
    o = optimiser(groups=2)
    schedule = MAKERS[name](o)
    decay = S.ExponentialLR(o, 0.95)
    run(o, 9, schedule, decay)
    saved = o.state_dict(), schedule.state_dict(), decay.state_dict()
    want = run(o, 20, schedule, decay)
    again = optimiser(lr=0.3, groups=2)
    resumed, resumed_decay = MAKERS[name](again), S.ExponentialLR(again, 0.95)
    loads = [lambda: again.load_state_dict(saved[0]), lambda: resumed.load_state_dict(saved[1]),
             lambda: resumed_decay.load_state_dict(saved[2])]
    for load in loads if order == "optimiser first" else loads[::-1]:
        load()
    assert resumed.last_epoch == 9 and resumed.get_last_lr() == saved[1]["_last_lr"]
    np.testing.assert_array_equal(run(again, 20, resumed, resumed_decay), want)


@pytest.mark.parametrize("name", MAKERS)
def test_last_epoch_goes_on_from_a_loaded_optimiser(name):
    o = optimiser()
    schedule = MAKERS[name](o)
    run(o, 6, schedule)   # t = 6: a step of StepLR, whose change must not be made twice
    saved = o.state_dict()
    want = run(o, 20, schedule)
    again = optimiser(lr=0.3)
    again.load_state_dict(saved)
    np.testing.assert_array_equal(run(again, 20, MAKERS[name](again, last_epoch=5)), want)
    with pytest.raises(ValueError, match="no \"initial_lr\""):
        MAKERS[name](optimiser(), last_epoch=5)


def test_a_subclass_with_get_lr_as_in_pytorch():
    class Halve(S.LRScheduler):
        def get_lr(self):
            return [base / 2**self.last_epoch for base in self.base_lrs]

    o = optimiser(groups=2)
    np.testing.assert_array_equal(run(o, 3, Halve(o)), [[1, 2], [0.5, 1], [0.25, 0.5]])


def test_last_rates_are_those_of_this_schedule():
    o = optimiser()
    first, second = S.ExponentialLR(o, 0.5), S.ExponentialLR(o, 0.1)
    first.step()
    second.step()
    assert first.get_last_lr() == [0.5] and second.get_last_lr() == pytest.approx([0.05])
    first.get_last_lr()[0] = 7
    assert first.get_last_lr() == [0.5]


WRONG = [
    lambda o: S.StepLR(o, 0), lambda o: S.StepLR(o, -3), lambda o: S.StepLR(o, 2.5), lambda o: S.StepLR(o, True),
    lambda o: S.StepLR(o, "3"), lambda o: S.StepLR(o, 3, "0.1"), lambda o: S.StepLR(o, 3, True), lambda o: S.StepLR(o, None),
    lambda o: S.MultiStepLR(o, [2, 2.5]), lambda o: S.MultiStepLR(o, [-1]), lambda o: S.MultiStepLR(o, "25"),
    lambda o: S.ExponentialLR(o, None), lambda o: S.ExponentialLR(o, math.nan), lambda o: S.CosineAnnealingLR(o, 0),
    lambda o: S.CosineAnnealingLR(o, -5), lambda o: S.CosineAnnealingLR(o, 10.0), lambda o: S.CosineAnnealingLR(o, False),
    lambda o: S.CosineAnnealingLR(o, 10, [0.1]), lambda o: S.LinearLR(o, 0.0), lambda o: S.LinearLR(o, 1.5),
    lambda o: S.LinearLR(o, 0.5, -0.1), lambda o: S.LinearLR(o, 0.5, 1.5), lambda o: S.LinearLR(o, total_iters=-1),
    lambda o: S.LinearLR(o, total_iters=2.5), lambda o: S.LinearLR(o, total_iters=True), lambda o: S.WarmupCosineLR(o, 5, 5),
    lambda o: S.WarmupCosineLR(o, -1, 5), lambda o: S.WarmupCosineLR(o, 0, 0), lambda o: S.WarmupCosineLR(o, 1.5, 5),
    lambda o: S.WarmupCosineLR(o, False, 5), lambda o: S.LambdaLR(o, 0.5), lambda o: S.LambdaLR(o, [0.5]),
    lambda o: S.StepLR(o, 3, last_epoch=-2), lambda o: S.StepLR(o, 3, last_epoch=0.5), lambda o: S.StepLR(o.param_groups, 3),
    lambda o: S.ReduceLROnPlateau(o, factor=1.0), lambda o: S.ReduceLROnPlateau(o, factor=-0.1),
    lambda o: S.ReduceLROnPlateau(o, factor=True), lambda o: S.ReduceLROnPlateau(o, "least"), lambda o: S.ReduceLROnPlateau(None),
    lambda o: S.ReduceLROnPlateau(o, patience=-1), lambda o: S.ReduceLROnPlateau(o, patience=1.5),
    lambda o: S.ReduceLROnPlateau(o, cooldown=True), lambda o: S.ReduceLROnPlateau(o, min_lr=[0.1, 0.2]),
    lambda o: S.ReduceLROnPlateau(o, min_lr=[]), lambda o: S.ReduceLROnPlateau(o, min_lr="0.1"),
    lambda o: S.ReduceLROnPlateau(o, threshold_mode="relative"), lambda o: S.ReduceLROnPlateau(o, eps=None),
]


@pytest.mark.parametrize("make", WRONG, ids=range(len(WRONG)))
def test_wrong_arguments_are_refused_at_once(make):
    o = optimiser()
    with pytest.raises((ValueError, TypeError), match=f"^({'|'.join(MAKERS)}|ReduceLROnPlateau): "):
        make(o)
    assert rates(o) == [1.0]


def test_integers_may_be_numpys_or_a_tensor():
    for size in (np.int64(2), np.array(2), tinymm.tensor(2)):
        o = optimiser()
        assert run(o, 4, S.StepLR(o, size, 0.5))[:, 0].tolist() == [1, 1, 0.5, 0.5]


def test_a_warm_up_of_no_steps_stays_at_its_start():
    o = optimiser()
    assert run(o, 3, S.LinearLR(o, 0.5, total_iters=0))[:, 0].tolist() == [0.5, 0.5, 0.5]   # PyTorch's answer


@pytest.mark.parametrize("state", [
    None, {}, {"last_epoch": 3}, {"last_epoch": 3, "base_lrs": [1.0, 2.0]}, {"last_epoch": 2.5, "base_lrs": [1.0]},
    {"last_epoch": -1, "base_lrs": [1.0]}, {"last_epoch": 3, "base_lrs": ["1"]},
    {"last_epoch": 3, "base_lrs": [1.0], "_last_lr": [1.0, 1.0]}], ids=str)
def test_a_foreign_state_is_refused_and_changes_nothing(state):
    o = optimiser()
    schedule = S.StepLR(o, 3)
    schedule.step()
    before = schedule.state_dict()
    with pytest.raises((ValueError, TypeError), match="^StepLR.load_state_dict: "):
        schedule.load_state_dict(state)
    assert schedule.state_dict() == before


def test_a_state_of_an_earlier_version_loads():
    o = optimiser()
    schedule = S.StepLR(o, 3)
    schedule.load_state_dict({"last_epoch": 2, "base_lrs": [1.0]})   # without the last rates
    schedule.step()
    assert rates(o) == [0.1]


def test_plateau_with_a_least_rate_for_each_group():
    o = optimiser(groups=2)
    plateau = S.ReduceLROnPlateau(o, factor=0.1, patience=0, min_lr=[0.5, 0.01])
    for _ in range(4):
        plateau.step(tinymm.tensor(1.0))
    assert rates(o) == pytest.approx([0.5, 0.01])
    assert plateau.get_last_lr() == rates(o)
    o.add_param_group({"params": [parameter()]})
    with pytest.raises(ValueError, match="min_lr has 2 rates for 3 parameter groups"):
        plateau.step(1.0)
    one = S.ReduceLROnPlateau(o, factor=0.1, patience=0, min_lr=0.3)
    o.add_param_group({"params": [parameter()]})
    for _ in range(3):
        one.step(1.0)
    assert rates(o)[-2:] == pytest.approx([0.3, 0.3])


def test_plateau_resumes_and_refuses_foreign_states():
    metrics = [1.0, 0.9, 0.95, math.nan, 0.97, 0.5, 0.6, 0.6, 0.6, math.inf, 0.62, 0.3, 0.3]
    make = lambda o: S.ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=1)
    o = optimiser()
    plateau = make(o)
    for metric in metrics[:6]:
        plateau.step(metric)
    saved, at = plateau.state_dict(), o.state_dict()
    again = optimiser()
    again.load_state_dict(at)
    resumed = make(again)
    resumed.load_state_dict(saved)
    for metric in metrics[6:]:
        plateau.step(metric)
        resumed.step(metric)
        assert rates(o) == rates(again)
    assert rates(o)[0] < 0.2
    for wrong in (None, {}, {**saved, "unknown": 1}, {k: v for k, v in saved.items() if k != "best"}):
        with pytest.raises(ValueError, match="ReduceLROnPlateau.load_state_dict"):
            resumed.load_state_dict(wrong)
    assert resumed.state_dict() == plateau.state_dict()
