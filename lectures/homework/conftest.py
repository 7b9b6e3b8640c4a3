"""``pytest lectures/homework --student FILE``: a student's file, one test for each function."""

import re
import pathlib

import pytest


def pytest_addoption(parser):
    parser.addoption("--student", metavar="FILE", help="the student's .py or .ipynb file")
    parser.addoption("--exercise", metavar="NN", help="of which lecture (default: the number that the file's name begins with)")


def pytest_configure(config):
    """Judge the file once; the tests report."""
    path, number = config.getoption("--student", None), config.getoption("--exercise", None)
    if path is None:
        return
    from tinymm.homework import pytest_cases

    begins = re.match(r"\d+", pathlib.Path(path).name)
    if number is None and begins is None:
        raise pytest.UsageError(f"{path} does not begin with the number of a lecture; give --exercise NN")
    try:
        config.homework_cases = pytest_cases(number or begins[0], path)
    except (ValueError, OSError) as error:
        raise pytest.UsageError(str(error))


def pytest_ignore_collect(collection_path, config):
    """Without a file there is nothing to test."""
    return True if collection_path.name == "test_homework.py" and not hasattr(config, "homework_cases") else None


def pytest_generate_tests(metafunc):
    if "homework" in metafunc.fixturenames:
        metafunc.parametrize("homework", metafunc.config.homework_cases)


def pytest_terminal_summary(terminalreporter, config):
    if not hasattr(config, "homework_cases"):
        terminalreporter.write_line("homework: give the student's file: pytest lectures/homework --student FILE")
