"""The exercise checker: are a student's functions right, and if not, what is wrong, and where?

Three doors to one judgement: ``python -m tinymm check 04 my.py`` in a terminal, ``check("04")`` in a notebook, and
``pytest_cases("04", "my.py")`` for pytest. ``exercise.py`` says what an exercise is made of; each lecture's is one file in
``exercises``, and having that file is all that it takes to be found.
"""

from .checker import check, pytest_cases
from .exercise import Case, Exercise, Mistake, Task
from .report import FunctionResult, HomeworkError, Problem, Report

__all__ = ["check", "pytest_cases", "Report", "FunctionResult", "Problem", "HomeworkError", "Exercise", "Task", "Case",
           "Mistake"]
