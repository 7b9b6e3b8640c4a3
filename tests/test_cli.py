"""The doors: what the commands print, and what they say when something is missing."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

from tinymm.bench import cli as bench
from tinymm.bench import fresh
from tinymm.bench.compare import busy, summary
from tinymm.cli import COMMANDS, main
from tinymm.commands.doctor import findings


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0 and COMMANDS[command][1] in capsys.readouterr().out


def test_no_command_lists_them(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "command" in capsys.readouterr().err


def test_the_doctor_finds_what_is_wrong(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("tinymm.commands.doctor.cpu_count", lambda: 4)
    rows, wrong = findings()
    assert {"tinymm", "Python", "numpy", "cores", "kernels", "GPU"} <= {name for name, _ in rows}
    assert any("OPENBLAS_CORETYPE=Haswell pins" in w for w in wrong) and any("leaves 3 cores idle" in w for w in wrong)


def test_the_doctor_runs_as_a_command():
    result = subprocess.run([sys.executable, "-m", "tinymm", "doctor"], capture_output=True, text=True)
    assert result.returncode in (0, 1) and "kernel" in result.stdout, result.stderr


def test_bench_says_how_to_install_pytorch(monkeypatch, capsys):
    original = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "torch" else original(name, *a))
    assert main(["bench", "chain"]) == 2
    assert "pip install torch==2.13.0" in capsys.readouterr().err
    assert main(["bench", "sorting"]) == 2
    assert "unknown work 'sorting'; choose from lstm" in capsys.readouterr().err


def test_bench_times_both_sides_it_is_given(tmp_path, capsys):
    assert main(["bench", "chain", "--alone", "--rounds", "1", "--seconds", "0.01", "--json", str(tmp_path / "b.json")]) == 0
    report = json.loads((tmp_path / "b.json").read_text())
    assert report["works"]["chain"]["tinymm"]["median_ms"] > 0 and report["works"]["chain"]["target"] == 1.8
    assert "chain" in capsys.readouterr().out


def test_bench_measures_beside_other_processes(tmp_path, capsys):
    file = tmp_path / "b.json"
    assert main(["bench", "chain", "--alone", "--busy", "1", "--rounds", "1", "--seconds", "0.05", "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    found = report["works"]["chain"]
    alone, beside = (found[name]["tinymm"]["median_ms"] for name in ("alone", "beside"))
    assert report["loops"] == 1 and found["slower"] == {"tinymm": beside / alone} and 0 < alone
    assert "beside 1 endless loop in" in capsys.readouterr().out
    assert main(["bench", "chain", "--busy", "1", "--memory"]) == 2


def test_the_loops_beside_a_work_end_with_it():
    with pytest.raises(KeyError), busy(2) as loops:
        assert len(loops) == 2 and all(loop.poll() is None for loop in loops)
        raise KeyError
    assert all(loop.poll() is not None for loop in loops)


def test_bench_measures_memory_and_first_steps(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fresh, "STARTS", 2)
    file = tmp_path / "b.json"
    assert main(["bench", "adam", "--alone", "--memory", "--first-step", "--json", str(file)]) == 0
    found = json.loads(file.read_text())["works"]["adam"]
    assert set(found) == {"memory", "first_step"}   # and no times
    memory, step = found["memory"]["tinymm"], found["first_step"]["tinymm"]
    if sys.platform == "win32":
        assert memory is None
    else:   # five parameters of a million floats, their gradients and two moments each: 80 MB, and nothing like it twice
        assert 70e6 < memory["added"] < 160e6 and memory["process"] > memory["added"]
    assert 0 < step["step_low"] <= step["step"] <= step["step_high"] and step["step"] < step["with_imports"]
    assert capsys.readouterr().out.count("adam") == 2


def test_bench_compares_beams(tmp_path, capsys):
    file = tmp_path / "b.json"
    assert main(["bench", "--beam", "lecture_32", "--rounds", "1", "--seconds", "0.01", "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    found = report["works"]["lecture_32"]
    assert set(report["works"]) == {"lecture_32"} and found["pictures"] == 32 and found["target"] == 15.0
    ours, theirs = found["tinymm"]["median_ms"] / 32, found["one_by_one"]["median_ms"]   # of one picture
    assert found["ratio"] == pytest.approx(theirs / ours, rel=1e-9)
    assert f"{ours:.4g} (" in capsys.readouterr().out
    for wrong in (["chain"], ["--memory"], ["--alone"]):
        assert main(["bench", "--beam", *wrong]) == 2
    assert "unknown work 'chain'; choose from lecture_1" in capsys.readouterr().err


def test_ratios_of_memory_are_ours_over_pytorch_s(monkeypatch):
    answers = {"ours.py": {"before": 100, "peak": 150}, "theirs.py": {"before": 300, "peak": 500}}
    monkeypatch.setattr(fresh, "ask", lambda path, *arguments: answers[path.name])
    files = {"tinymm": pathlib.Path("ours.py"), "pytorch": pathlib.Path("theirs.py")}
    found = fresh.peak_memory(files, "chain")
    assert found["pytorch"] == {"added": 200, "process": 500} and found["ratio"] == 0.25 and found["process_ratio"] == 0.3
    answers["theirs.py"] = None   # a system that does not tell
    assert fresh.peak_memory(files, "chain") == {"tinymm": {"added": 50, "process": 150}, "pytorch": None}


def test_a_side_that_fails_is_named(tmp_path, capfd):
    (tmp_path / "side.py").write_text("WORKS = {}\ndef wake(): raise OSError('no memory')\n")
    with pytest.raises(RuntimeError, match=r"memory chain 5 of side.py failed \(exit code 1\)"):
        fresh.peak_memory({"tinymm": tmp_path / "side.py"}, "chain")
    assert "no memory" in capfd.readouterr().err


def test_the_twins_have_the_same_works():
    sides = {}
    for name in ("with_tinymm.py", "with_numpy.py"):
        spec = importlib.util.spec_from_file_location("side", bench.folder_of_twins() / name)
        sides[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sides[name])
    assert {frozenset(side.WORKS) for side in sides.values()} == {frozenset(bench.TARGETS)}
    for function in sides["with_tinymm.py"].WORKS.values():
        assert callable(function)


def test_summaries_are_medians_and_quartiles():
    assert summary([0.004, 0.001, 0.002, 0.003]) == {"median_ms": 2.5, "low_ms": 2.0, "high_ms": 4.0, "steps": 4}


def test_an_unknown_operation_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["gradcheck", "--op", "no_such_operation"])
    assert "no operation named no_such_operation; there are abs" in capsys.readouterr().err
