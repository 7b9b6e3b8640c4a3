"""A submission that wants its verdict to be another one: a wrong function stays wrong, whatever the file does to its process."""

import json

import numpy as np
import pytest

from tests.homework.sources import SOLUTION, handed_in
from tinymm.homework import wire
from tinymm.homework.apart import check_apart

NAME = "moving_average_baseline"
SPOILT = f"{SOLUTION}\n\n_right = {NAME}\ndef {NAME}(log_p, b_0):\n    first, second = _right(log_p, b_0)\n" \
    "    return 2 * first, second\n"

FIND = """
import gc, sys
def line():
    return next(o for o in gc.get_objects() if type(o).__name__ == "Line" and hasattr(o, "channel"))
"""


def judged(tmp_path, source, only=NAME, **options):
    return check_apart("04", handed_in(tmp_path, source), only, show=lambda *_: None, **options)


@pytest.mark.parametrize("code", [
    pytest.param("import tinymm.homework.forward as f, tinymm.homework.values as v, tinymm.homework.checker as c\n"
                 "f.judge = lambda *a: ([], None)\nv.close = f.mismatch = v.mismatch = lambda *a, **k: None\n"
                 "c.judge = c.timed = lambda *a: []", id="the judgement"),
    pytest.param("import numpy as np\nnp.abs = np.argmax = lambda *a, **k: 0 * a[0]\nnp.array_equal = lambda *a, **k: True",
                 id="numpy"),
    pytest.param("import tinymm.homework.report as r\nr.FunctionResult.ok = r.Report.ok = property(lambda self: True)\n"
                 "r.FunctionResult.__bool__ = r.Report.__bool__ = lambda self: True", id="the report"),
    pytest.param(FIND + "for i in range(50):\n    line().send(result={'function': " f"'{NAME}'" ", 'verdict': 'ok'}, done=True)",
                 id="a verdict through the line"),
    pytest.param(FIND + "from tinymm.homework import worker\n"
                 "worker.Server.call = lambda self, request, data: ({'value': ['ok'], 'verdict': 'ok'}, b'')", id="the answers"),
    pytest.param(FIND + "import threading\ndef early():\n    while True:\n"
                 "        line().send(token='0' * 16, value=['tuple', [['float', 1.0], ['float', 1.0]]])\n"
                 "threading.Thread(target=early, daemon=True).start()", id="early answers"),
    pytest.param(FIND + "import os\nos.write(line().channel, b'x' * 1000)", id="rubbish"),
    pytest.param("import os, atexit\natexit.register(os._exit, 0)\n"
                 f"def {NAME}(log_p, b_0):\n    os._exit(0)", id="an exit code"),
    pytest.param(f"from tinymm.homework.call import Stop\ndef {NAME}(*a):\n    raise Stop('ok')", id="a verdict raised"),
])
def test_a_wrong_function_stays_wrong(code, tmp_path):
    report = judged(tmp_path, f"{SPOILT}\n{code}\n")
    assert not report and not report[NAME].ok and report[NAME].verdict in ("wrong", "error", "not checked"), report


def test_the_others_keep_their_verdicts(tmp_path):
    """A function that sends what is no answer costs itself; right ones before and behind it are right."""
    spoil = FIND + "import os\n_forward = doubly_stochastic_forward\ndef doubly_stochastic_forward(*a):\n" \
        "    os.write(line().channel, b'x' * 1000)\n    return _forward(*a)\n"
    report = judged(tmp_path, SOLUTION + spoil, None)
    assert {r.function: r.verdict for r in report.results if not r.ok} == {"doubly_stochastic_forward": "error",
                                                                             "doubly_stochastic_backward": "not checked"}
    assert "it writes into the line of the checker" in report["doubly_stochastic_forward"].problems[0].text


def test_an_answer_that_says_too_much_is_refused(tmp_path):
    """The answer holds a second answer for the next call: it is not taken for that."""
    spoil = FIND + "from tinymm.homework import worker\n_call = worker.Server.call\ndef call(self, request, data):\n" \
        "    head, body = _call(self, request, data)\n    line().send(body, token=request['token'], **head)\n" \
        "    return head, body\nworker.Server.call = call\n"
    result = judged(tmp_path, SOLUTION + spoil)[NAME]
    assert result.verdict == "error" and "it sends what was not asked for" in result.problems[0].text


def test_the_references_are_not_had_by_their_names(tmp_path):
    body = f"def {NAME}(*a):\n    from tinymm.homework.exercises import lecture_04\n    return lecture_04"
    result = judged(tmp_path, f"{SOLUTION}\n{body}\n")[NAME]
    assert result.verdict == "error" and "the references of the exercises are not for a submission" in "\n".join(result.details())
    assert judged(tmp_path, f"{SOLUTION}\nfrom tinymm.homework import check\nassert check('04').postponed\n").ok


def test_what_the_judge_no_longer_holds_is_forgotten(tmp_path):
    from tinymm.homework import remote
    from tinymm.homework.execute import read
    from tinymm.homework.exercise import find

    submission = remote.RemoteSubmission(read(handed_in(tmp_path, SOLUTION)), find(4), 100.0, lambda *_: None)
    arguments = [np.ones((5, 3)), 0.5]
    try:
        with submission.judging(NAME, 100.0):
            for _ in range(50):
                first, second = submission.invoke(NAME, arguments)
        held = [array() for array in submission.arrays.values()]
        assert len(held) == 3 and all(any(array is one for one in held) for array in (arguments[0], first, second))
    finally:
        submission.stop()


# ---------------------------------------------------------------------- the wire

def there_and_back(value):
    held = {}
    writer = wire.Writer(lambda array: None, lambda value: None)
    node = json.loads(json.dumps(writer.node(value)))
    return wire.Reader(writer.body(), held.__setitem__, lambda kind, number: held[number]).value(node)


@pytest.mark.parametrize("value", [None, True, 3, -2.5, float("inf"), "x", (1, [2.0, None]), {"a": (1,)}, 10 ** 40])
def test_plain_values_cross(value):
    assert there_and_back(value) == value and type(there_and_back(value)) is type(value)


@pytest.mark.parametrize("value", [
    np.arange(6.0).reshape(2, 3).T, np.zeros((0, 3), np.float32), np.array(2.0), np.array([1 + 2j]), np.array([True]),
    np.arange(3, dtype=">i4"), np.float64(3), np.int8(-1)], ids=str)
def test_arrays_cross(value):
    got = there_and_back(value)
    np.testing.assert_array_equal(got, value)
    assert type(got) is type(value) and got.dtype == value.dtype


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_what_has_no_numbers_crosses_as_its_form():
    assert there_and_back(np.array([None, 1])).dtype == object and there_and_back(np.zeros(3, "f8,f8")).dtype.names == ("f0", "f1")
    assert there_and_back(np.broadcast_to(1.0, (10 ** 6, 10 ** 6, 1000))).shape == (10 ** 6, 10 ** 6, 1000)
    got = there_and_back(wire.Broken("x"))
    assert type(got).__name__ == "Broken" and type(got).__module__ == "tinymm.homework.wire" and not isinstance(got, wire.Broken)
    loop: list = []
    loop.append(loop)
    assert there_and_back(loop)[0][0]
    assert type(there_and_back(np.matrix([[1.0]]))) is np.matrix and there_and_back([0] * 10 ** 6).count(0) < 10 ** 4


@pytest.mark.parametrize("node", [
    None, [], 3, ["int", True], ["float", "x"], ["array", 1, "<f8", [2], 3], ["array", 1, "<f8", [-1], 8],
    ["array", 1, "O", [1], 8],
    ["array", 1, "<f8", [10 ** 30], -1], ["array", 1, "no", [1], 8], ["array", 1, [["a"]], [1], 8], ["tuple", 3], ["dict", [[1]]],
    ["again", 5, "<f8", [1], 8], ["handle", 7], ["what", 1, "<f8", [1], 8], ["scalar", None], ["other", "x"],
    ["list", [["none"]] * 10 ** 5]], ids=lambda node: str(node)[:40])
def test_what_is_no_value_is_refused(node):
    with pytest.raises(wire.Broken):
        wire.Reader(bytes(8), lambda *_: None, lambda kind, number: {}[number]).value(node)


@pytest.mark.parametrize("data", [b"x" * 40, b"m" * 16 + b"\xff" * 8, b"m" * 16 + bytes([0, 0, 0, 2, 0, 0, 0, 0]) + b"[]",
                                  b"m" * 16 + bytes([0, 0, 0, 2, 0, 0, 0, 0]) + b"{x"])
def test_what_is_no_frame_is_refused(data):
    with pytest.raises(wire.Broken):
        wire.cut_frame(b"m" * 16, bytearray(data))
    assert wire.cut_frame(b"m" * 16, bytearray(b"m" * 16 + bytes(7))) is None
