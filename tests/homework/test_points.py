"""What the functions of an exercise are worth."""

import dataclasses

import pytest

from tinymm.homework.exercise import find, numbers


@pytest.mark.parametrize("number", numbers())
def test_two_functions_of_work_carry_the_points_and_extras_few(number):
    exercise = find(number)
    extra = sum(sum(task.points) for task in exercise.tasks if task.extra)
    assert exercise.possible == 20 and extra <= 5
    assert len([task for task in exercise.tasks if not task.extra]) == 2


@pytest.mark.parametrize("points", [(), (1,), (1, 2, 3), (1, 0), (1, 2.5), (1, True)])
def test_points_are_one_positive_integer_for_each_function(points):
    with pytest.raises(ValueError, match="soft_attention has the points .* for each of soft_attention_forward, soft_attention_b"):
        dataclasses.replace(find(4).tasks[0], points=points)
