"""The doors: what the commands print, and what they say when something is missing."""

import importlib.util
import json
import subprocess
import sys

import pytest

from tinymm.bench import cli as bench
from tinymm.bench.compare import summary
from tinymm.cli import COMMANDS, main
from tinymm.doctor import findings


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
    monkeypatch.setattr("tinymm.doctor.cpu_count", lambda: 4)
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
