"""Files and notebooks as they come from editors and disks: encodings, line ends, magics, damage; and how they are executed."""

import json
import sys

import numpy as np
import pytest

from tests.homework.sources import SOLUTION, handed_in
from tinymm import get_default_dtype
from tinymm.homework import check
from tinymm.homework.notebook import NotANotebook, cells, python


def of_bytes(tmp_path, data: bytes, name: str = "my.py"):
    path = tmp_path / name
    path.write_bytes(data)
    return check("04", path)


def of_cells(tmp_path, *sources):
    return of_bytes(tmp_path, as_notebook(*sources), "my.ipynb")


def as_notebook(*sources) -> bytes:
    return json.dumps({"cells": [{"cell_type": "code", "source": source} for source in sources], "nbformat": 4}).encode()


# ---------------------------------------------------------------------- bytes

@pytest.mark.parametrize("data", [
    pytest.param(b"\xef\xbb\xbf" + SOLUTION.encode(), id="mark"),
    pytest.param(SOLUTION.replace("\n", "\r").encode(), id="cr"),
    pytest.param(SOLUTION.replace("\n", "\r\n").encode(), id="crlf"),
    pytest.param(b"# -*- coding: latin-1 -*-\n" + SOLUTION.encode() + b"\nassert '\xe9' == chr(233)\n", id="latin-1"),
    pytest.param(SOLUTION.encode() + b"\n\x0c\ndef g():\n\treturn 1\n", id="form feed and tab"),
])
def test_bytes_that_are_python_are_read(data, tmp_path):
    report = of_bytes(tmp_path, data)
    assert report.ok and not report.notes


@pytest.mark.parametrize("data, says", [
    (SOLUTION.encode("utf-16"), "it as UTF-8"), (SOLUTION.encode() + b"\0", "damaged, or no text"),
    (SOLUTION.encode() + b"\nx = '\xe9'\n", "the file is not saved as UTF-8"), (b"# coding: xyz\n", "unknown encoding: xyz"),
    (SOLUTION.encode() + b"\ndef g():\n\tx = 1\n        return x\n", "TabError"), (b"return 1\n", "'return' outside function"),
    (SOLUTION.encode() + b"\nx = (1,\n", "was never closed"),
])
def test_bytes_that_are_no_python_are_explained(data, says, tmp_path):
    report = of_bytes(tmp_path, data)
    assert not report and says in "\n".join(report.problems[0].lines())
    assert {r.verdict for r in report.results} == {"not checked"}


def test_an_empty_file_lacks_every_function(tmp_path):
    report = of_bytes(tmp_path, b"")
    assert not report and not report.problems and {r.verdict for r in report.results} == {"missing"}


# ---------------------------------------------------------------------- statement by statement

def test_a_file_executed_by_statements_is_a_module(tmp_path):
    source = '"""The first."""\nfrom __future__ import annotations\n' + SOLUTION + '''
"""Another string."""
import dataclasses, pickle, sys
def f(x: undefined): return x
@dataclasses.dataclass
class D:
    x: undefined
assert __doc__ == "The first." and pickle.loads(pickle.dumps(D(1))) == D(1) and __name__ in sys.modules; late = 1
assert late == 1
_right = moving_average_baseline
def moving_average_baseline(log_p, b_0):
    @dataclasses.dataclass
    class Inside:
        x: undefined
    assert pickle.loads(pickle.dumps(D(1))) == D(1)
    return _right(log_p, b_0)
'''
    before = set(sys.modules)
    report = of_bytes(tmp_path, source.encode())
    assert report.ok, report
    assert "student_file" not in set(sys.modules) - before


def test_what_a_file_replaces_is_put_back(tmp_path):
    before = np.abs, sys.path[:], list(sys.meta_path), sys.getrecursionlimit(), get_default_dtype(), sys.stdin
    report = of_bytes(tmp_path, SOLUTION.encode() + b"\nimport sys\nnp.abs = None\nsys.path.clear()\nsys.meta_path.clear()\n"
                      b"sys.setrecursionlimit(400)\nsys.modules.pop('json')\nsys.stdin = None\n")
    assert report.ok and report.notes == ["the file replaces numpy.abs, which all others use, too; the check went on with what "
                                          "was there before"]
    assert (np.abs, sys.path, sys.meta_path, sys.getrecursionlimit(), get_default_dtype(), sys.stdin) == before
    assert sys.modules["json"] is json


def test_ctrl_c_ends_a_check_in_this_process(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        of_bytes(tmp_path, b"raise KeyboardInterrupt\n")


# ---------------------------------------------------------------------- notebooks

@pytest.mark.parametrize("source, plain", [
    ("%matplotlib inline\nx = 1", "pass\nx = 1"), ("!ls (\nx = 1", "pass\nx = 1"), ("  %cd x\ny", "  pass\ny"),
    ("np.dot?", "pass"), ("?np.dot", "pass"), ("np.dot??", "pass"), ("%time?", "pass"),
    ("%time x = f()", "x = f()"), ("%time", "pass"), ("%timeit f()", "pass"),
    ("files = !ls *.py", "files = None"), ("a, b = %magic x", "a, b = None"), ("x = y != 2", "x = y != 2"),
    ('s = """\n%matplotlib\n!ls\n?x\nx?\n"""\n%cd', 's = """\n%matplotlib\n!ls\n?x\nx?\n"""\npass'),
    ("s = '''\n\"\"\" '\n%a\n'''\n%b", "s = '''\n\"\"\" '\n%a\n'''\npass"),
    ("x = (7\n % b)\n%c", "x = (7\n % b)\npass"), ("x = 7 \\\n % b\n%c", "x = 7 \\\n % b\npass"),
    ("s = 'a \\\n%b'\n%c", "s = 'a \\\n%b'\npass"), ("# it's (\n%c", "# it's (\npass"), ("s = '# ('\n%c", "s = '# ('\npass"),
    ("s = '\\''\n%c", "s = '\\''\npass"), ("!echo a \\\n b\nx", "pass\n\nx"), ("x = [\n'('\n]\n%c", "x = [\n'('\n]\npass"),
    ("%%time\nx = 1", "\nx = 1"), ("\n\n%%capture out\nx = 1", "\n\n\nx = 1"), ("%%bash\nls (", ""), ("\n%%html\n<b>", ""),
    ("x = 1\r\n%a\ry = '\u2028'\x0c\n", "x = 1\npass\ny = '\u2028'\x0c\n"), ("", ""), ("# what?", "# what?"),
])
def test_what_is_for_the_notebook_alone_is_left_out(source, plain):
    assert python(source) == plain + "\n"


@pytest.mark.parametrize("data, says", [
    (b"", "the file is empty"), (b" \n", "the file is empty"), (b"[]", "no list of cells"), (b"3", "no list of cells"),
    (b"{}", "no list of cells"), (b'{"cells": null}', "no list of cells"), (b'{"cells": [1]}', "cell 1 has no cell_type"),
    (b'{"cells": [{"cell_type": "code", "source": 3}]}', "cell 1 is neither text"),
    (b'{"cells": [{"cell_type": "code", "source": [3]}]}', "cell 1 is neither text"), (b"[" * 100_000, "RecursionError"),
    (as_notebook(SOLUTION)[:500], "line 1 column"), (bytes(range(128, 256)), "UnicodeDecodeError"),
])
def test_damage_is_named_with_its_place(data, says):
    with pytest.raises(NotANotebook, match=says):
        cells(data)


@pytest.mark.parametrize("data", [
    pytest.param(b"\xef\xbb\xbf" + as_notebook("x = 1"), id="mark"),
    pytest.param(as_notebook("x = 1").decode().encode("utf-16"), id="utf-16"),
    pytest.param(b'{"worksheets": [{"cells": [{"cell_type": "code", "input": ["x ", "= 1"]}]}]}', id="format 3"),
    pytest.param(b'{"cells": [{"cell_type": "raw", "source": 3}, {"cell_type": "code", "source": ["x ", "= 1"]}]}', id="lines"),
])
def test_notebooks_of_every_kind_are_read(data):
    assert cells(data) == ["x = 1"]
    assert cells(b'{"cells": [{"cell_type": "code"}]}') == [""] and cells(b'{"cells": []}') == []


def test_cells_that_await_fail_or_are_prose_leave_the_others(tmp_path):
    report = of_cells(tmp_path, "import asyncio\nq = await asyncio.sleep(0, 5)", "assert q == 5", "# Title\nsome *prose* here",
                      "1 / 0", "x = '\0'", SOLUTION)
    assert report.ok and len(report.notes) == 3
    for note, says in zip(report.notes, ["cell 3, line 2:  some *prose* here", "cell 4, line 1:  1 / 0", "null bytes"]):
        assert says in note


def test_a_notebook_by_another_suffix_of_case(tmp_path):
    assert of_bytes(tmp_path, as_notebook(SOLUTION), "MY.IPYNB").ok
    assert not check("04", handed_in(tmp_path, "", "empty.ipynb"))
