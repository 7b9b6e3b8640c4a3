"""Every exercise: its solution passes, and every planted mistake in it is found, named and placed."""

import itertools

import numpy as np
import pytest

from tests.homework import (mutants_00, mutants_01, mutants_02, mutants_03, mutants_04, mutants_05, mutants_07, mutants_08,
                            mutants_09)
from tests.homework.sources import EXERCISES, FOLDER, HANDOUTS, changed, handed_in
from tinymm.homework import check, reference
from tinymm.homework.exercise import find, numbers
from tinymm.homework.values import close

MUTANTS = {"00": mutants_00.MUTANTS, "01": mutants_01.MUTANTS, "02": mutants_02.MUTANTS, "03": mutants_03.MUTANTS,
           "04": mutants_04.MUTANTS, "05": mutants_05.MUTANTS, "07": mutants_07.MUTANTS, "08": mutants_08.MUTANTS,
           "09": mutants_09.MUTANTS}
PLANTED = [pytest.param(number, mutant, id=f"{number}-{mutant.name}") for number, mutants in MUTANTS.items() for mutant in mutants]
DECIDED: dict[tuple[str, str], set[str]] = {}   # (exercise, mutant) -> the cases in which it was found
every_exercise = pytest.mark.parametrize("source", EXERCISES.values(), ids=lambda source: source.number)


def test_every_exercise_is_tested():
    assert sorted(EXERCISES) == sorted(MUTANTS) == [f"{number:02d}" for number in numbers()]


@every_exercise
def test_the_solution_passes(source):
    report = check(source.number, FOLDER / "solutions" / f"{source.name}.py")
    assert report and report.passed == len(source.functions), repr(report)
    assert tuple(r.function for r in report.results) == source.functions
    assert not report.problems and not report.notes and not any(r.problems or r.notes for r in report.results)


@every_exercise
def test_the_untouched_student_file_is_all_to_do(source):
    report = check(source.number, HANDOUTS / f"{source.name}.py")
    assert not report and [r.verdict for r in report.results] == ["to do"] * len(source.functions) and not report.problems


@pytest.mark.parametrize("number, mutant", PLANTED)
def test_a_mistake_is_found_and_named(number, mutant, tmp_path):
    task = next(task for task in find(number).tasks if set(mutant.broken) <= set(task.functions))
    source = changed(*mutant.changes, source=EXERCISES[number].solution)
    report = check(number, handed_in(tmp_path, source), only=task.name)
    problems = "\n".join(problem.text for result in report.results for problem in result.problems)
    DECIDED[number, mutant.name] = {case.name for case in task.cases_drawn() if f"(in the case: {case.name})" in problems}
    assert {r.function for r in report.results if not r.ok} == set(mutant.broken), repr(report)
    for function, says in mutant.broken.items():
        told = "\n".join(report[function].details())
        assert all(part in told for part in says.split("\n")), report[function]
        assert report[function].verdict == mutant.verdict or mutant.verdict is None, report[function]
        assert report[function].where.startswith("mutant.py, line "), report[function]


@every_exercise
def test_a_case_that_shall_catch_a_mistake_catches_one(source):
    """A case with a hint is the first in which some planted mistake shows: without it, that one would pass."""
    mutants = [(source.number, mutant.name) for mutant in MUTANTS[source.number]]
    if not set(mutants) <= set(DECIDED):
        pytest.skip("not all planted mistakes of this exercise have just been judged")
    decided = set().union(*(DECIDED[mutant] for mutant in mutants))
    idle = {f"{task.name}: {case.name}" for task in find(source.number).tasks for case in task.cases_drawn()
            if case.hint and case.name not in decided}
    assert not idle, idle


def answers(task, variant) -> list[list]:
    """What a reference or a variant of it gives in each case: values, and gradients if the task has a backward."""
    found = []
    for case in task.cases_drawn():
        right = reference.values(task.reference, case)
        with np.errstate(all="ignore"):   # some variants overflow where the right answer does not
            gradients = reference.gradients(variant, task, case, reference.cotangents(right)) if task.backward else None
            found.append([*reference.values(variant, case), *(gradients or [])])
    return found


@every_exercise
def test_usual_mistakes_are_told_apart(source):
    """Each differs in some case from the right answer, and from every other mistake of its task."""
    for task in find(source.number).tasks:
        known = [("right", answers(task, task.reference))]
        for mistake in task.mistakes:
            answer = answers(task, mistake.variant)
            for text, other in known:
                same = all(len(a) == len(b) and all(map(close, a, b)) for a, b in zip(answer, other))
                assert not same, f"{task.name}: {mistake.text!r} looks like {text!r}"
            known.append((mistake.text, answer))


@pytest.mark.filterwarnings("error::RuntimeWarning")   # they would be printed among the student's messages
@pytest.mark.parametrize("number", ["01", "02", "03", "07", "08", "09"])   # a variant of 04 overflows, unseen by students
def test_references_and_mistakes_are_computed_without_warnings(number):
    for task in find(number).tasks:
        for case, mistake in itertools.product(task.cases_drawn(), task.mistakes):
            cotangents = reference.cotangents(reference.values(task.reference, case))
            reference.values(mistake.variant, case)
            if task.backward:
                reference.gradients(mistake.variant, task, case, cotangents)


@pytest.mark.parametrize("number, function", [pytest.param(source.number, function, id=f"{source.number}-{function}")
                                              for source in EXERCISES.values() if source.number != "00"   # methods of a class
                                              for function in source.functions])
def test_one_function_left_to_do_leaves_the_others(number, function, tmp_path):
    """The signature's docstring is followed at once by a raise; a backward without its forward cannot be checked."""
    solution = EXERCISES[number].solution
    body = solution.index("### BEGIN SOLUTION", solution.index(f"def {function}("))
    report = check(number, handed_in(tmp_path, solution[:body] + "raise NotImplementedError\n    " + solution[body:]))
    left = {r.function: r.verdict for r in report.results if not r.ok}
    expected = {function: "to do"}
    if function.endswith("forward"):
        expected[function.replace("forward", "backward")] = "not checked"
    assert left == expected
