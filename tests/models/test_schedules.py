"""Half a cosine: the paper's schedules at their ends and in their middle."""

import math

import pytest

from tinymm.models.dalle import half_cosine


@pytest.mark.parametrize("schedule", [(0.0, 6.6, 5_000), (1.0, 1 / 16, 150_000), (1e-4, 1.25e-6, 1_200_000)])   # beta, tau, step
def test_the_papers_schedules(schedule):
    start, end, steps = schedule
    assert half_cosine(0, *schedule) == start
    assert half_cosine(steps // 2, *schedule) == pytest.approx((start + end) / 2, rel=1e-12)
    assert half_cosine(steps // 4, *schedule) == pytest.approx(start + (end - start) * (1 - math.sqrt(0.5)) / 2, rel=1e-12)
    assert {half_cosine(step, *schedule) for step in (steps, steps + 1, 9 * steps)} == {end}   # to the last bit


def test_numbers_worked_out_by_hand():
    assert half_cosine(2_500, 0, 6.6, 5_000) == pytest.approx(3.3, rel=1e-12)
    assert half_cosine(75_000, 1, 1 / 16, 150_000) == pytest.approx((1 + 1 / 16) / 2, rel=1e-12)


def test_it_goes_one_way():
    values = [half_cosine(step, 1, 1 / 16, 50) for step in range(60)]
    assert all(a > b for a, b in zip(values[:50], values[1:51])) and len(set(values[50:])) == 1


@pytest.mark.parametrize("step, steps, message", [(-1, 10, "step"), (0, 0, "steps"), (0.5, 10, "step")])
def test_bad_arguments(step, steps, message):
    with pytest.raises((ValueError, TypeError), match=f"half_cosine: {message}"):
        half_cosine(step, 0, 1, steps)
