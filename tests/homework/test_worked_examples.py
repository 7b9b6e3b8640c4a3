"""The worked examples in the docstrings of the exercises, computed by the solutions."""

import doctest

import pytest

from tests.homework.sources import EXERCISES, namespace

# number -> functions with an example, a forward and its backward together
WRITTEN = {"00": 1, "02": 4, "03": 4, "04": 4, "07": 4, "08": 4, "09": 4}


@pytest.mark.parametrize("number, functions", WRITTEN.items())
def test_the_numbers_are_what_the_solution_gives(number, functions):
    names, parser = namespace(EXERCISES[number].solution), doctest.DocTestParser()
    names["__name__"] = "solution"
    written = [*EXERCISES[number].functions, *(["Softmax"] if number == "00" else [])]
    found = [parser.get_doctest(names[name].__doc__ or "", names, name, None, None) for name in written]
    found = [test for test in found if test.examples]
    assert len(found) == functions
    for test in found:
        said: list[str] = []
        doctest.DocTestRunner().run(test, out=said.append)
        assert not said, "".join(said)
