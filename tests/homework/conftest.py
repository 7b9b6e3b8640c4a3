"""A wide terminal for the tests: what a report says is asked for in one piece; test_report.py looks at a narrow one."""

import pytest


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
