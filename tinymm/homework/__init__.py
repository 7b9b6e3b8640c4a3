"""The exercise checker: are a student's functions right, and if not, what is wrong, and where?

Three doors to one judgement: ``python -m tinymm check 04 my.py`` in a terminal, ``check("04")`` in a notebook, and
``pytest_cases("04", "my.py")`` for pytest. The first and the last have a file executed in a process of its own and judge in the
one that asks (``apart.py`` says what that holds, and what not); ``check`` does all in the process that asks. ``exercise.py`` says
what an exercise is made of; each lecture's is one file in ``exercises``, and having that file is all that it takes to be found.
"""

from typing import TYPE_CHECKING

from ..backend.lazy import lazily

if TYPE_CHECKING:
    from .apart import pytest_cases
    from .checker import check
    from .exercise import Case, Exercise, Mistake, Task
    from .report import FunctionResult, HomeworkError, Problem, Report
else:
    __getattr__, __dir__ = lazily(__name__, globals(), {   # the process that waits for another one needs no engine
        "apart": ["pytest_cases"],
        "checker": ["check"],
        "exercise": ["Case", "Exercise", "Mistake", "Task"],
        "report": ["FunctionResult", "HomeworkError", "Problem", "Report"]})

__all__ = ["check", "pytest_cases", "Report", "FunctionResult", "Problem", "HomeworkError", "Exercise", "Task", "Case",
           "Mistake"]
