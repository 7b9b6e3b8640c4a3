"""The functions of the file given by ``--student``, one test each; see conftest.py."""

import pytest


def test_homework(homework):
    if not homework.ok:
        pytest.fail(str(homework), pytrace=False)
