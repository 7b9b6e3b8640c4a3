"""A slice of ``fuzz_shapes.py`` in child processes: what does not fit is refused, or gives what the definition gives."""

import numpy as np
import pytest

from tests import fuzz_shapes
from tests.fuzzing import guard, judges
from tests.fuzzing.calls import Call


def faults(first, last):
    return [f"{words}: {verdict}: {why}" for _, verdict, why, words in fuzz_shapes.run(3, first, last)
            if verdict in fuzz_shapes.FAULTS]


def test_a_slice_of_changed_calls():
    assert faults(0, 250) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(250, 20_250, 5000))
def test_changed_calls(first):
    assert faults(first, first + 5000) == []


def test_a_call_follows_from_its_seed_and_number():
    told = [fuzz_shapes.plan(1, number)[3] for number in range(20)]
    assert told == [fuzz_shapes.plan(1, number)[3] for number in range(20)]
    assert told != [fuzz_shapes.plan(2, number)[3] for number in range(20)]


def test_a_write_beside_an_array_is_noticed():
    guard.damaged()
    with guard.margins():
        x = np.empty((2, 3), np.float32)
        x[...] = 1
    assert guard.damaged() == 0
    with guard.margins():
        x = np.empty((2, 3), np.float32)
    beyond = np.lib.stride_tricks.as_strided(x, (2, 4))
    beyond[1, 3] = 1
    assert guard.damaged() == 1


@pytest.mark.parametrize(("function", "verdict"), [
    (lambda x: x * 2, "legal"),
    (lambda x: {}[x], "foreign"),
    (lambda x: x.reshape(7), "refused"),
])
def test_verdicts(function, verdict, monkeypatch):
    call = Call("twice", function, (np.ones((2, 3)),), {})
    monkeypatch.setattr(fuzz_shapes, "plan", lambda seed, number: (call, call.args, {}, "nothing changed"))
    assert fuzz_shapes.judged(1, 0)[0] == verdict


def test_outcomes_that_differ():
    one = judges.Outcome(None, [np.ones(3)], [np.zeros(3)])
    assert judges.difference(one, judges.Outcome(None, [np.ones(3)], [None])) == ""
    assert "value 0 has shape (3,), not (1,)" in judges.difference(one, judges.Outcome(None, [np.ones(1)], [None]))
    assert judges.difference(one, judges.Outcome(None, [np.zeros(3)], [None])) == "value 0 differs"
    assert judges.difference(one, judges.Outcome(None, [np.ones(3)], [np.ones(3)])) == "gradient 0 differs"


def test_a_child_that_dies_or_hangs_is_reported(tmp_path, monkeypatch):
    answers = ("0", '[0, "legal", "", ""]', "1")
    lines = "import os, time\n" + "".join(f"print({answer!r}, flush=True)\n" for answer in answers)
    for end, verdict in (("os.abort()", "signal"), ("time.sleep(60)", "hang")):
        child = tmp_path / "child.py"
        child.write_text(lines + end)
        monkeypatch.setattr(fuzz_shapes, "__file__", str(child))
        assert [answer[:2] for answer in fuzz_shapes.run(1, 0, 2, patience=2.0)] == [(0, "legal"), (1, verdict)]
