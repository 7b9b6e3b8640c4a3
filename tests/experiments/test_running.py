"""The protocol of the lectures: reports, resume, claims, and what their commands say."""

import json
import math
import os

import numpy as np
import pytest

from tinymm.cli import main
from tinymm.experiments import LECTURES, find
from tinymm.experiments.claims import Claim, table
from tinymm.experiments.experiment import Experiment, Measured
from tinymm.experiments.running import OccupiedFolder, fit, folder_of, run, unfinished
from tinymm.train.checkpoint import checkpoints
from tests.train.small_training import checksum, interrupt, trainer


class Small(Experiment):
    """A lecture of two small trainings."""

    number, title = 99, "A small lecture"
    variants = {"one": "the first", "two": "the second"}
    stop_in = None

    def stages(self, folder, progress):
        trainers = []
        for name in ("first", "second"):
            training = trainer(folder and folder / name, every=1e9, config=self.config)
            if name == self.stop_in:
                interrupt(training, 30)
            trainers.append(training)
            yield training
        return trainers

    def evaluate(self, trained):
        return Measured({"checksums": [checksum(t) for t in trained]})

    def claims(self, metrics):
        return [Claim("there are two trainings", len(metrics["checksums"]), "=", 2), Claim("there are three", 2, ">=", 3)]

    def figures(self, trained, measured):
        from tinymm import plot

        return {"bars.png": plot.bars({"a": 1.0})}

    @classmethod
    def compare(cls, metrics):
        same = len({json.dumps(m) for m in metrics.values()}) == 1
        return [Claim("variants agree", float(same), "=", 1)] if len(metrics) > 1 else []


def test_a_run_writes_its_report_and_pictures(tmp_path):
    report = run(Small(seed=3), tmp_path, progress=False)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert {"lecture": 99, "variant": "one", "scale": "lecture", "seed": 3}.items() <= report.items()
    assert [c["verdict"] for c in report["claims"]] == ["holds", "failed"] and report["claims"][1]["threshold"] == ">= 3"
    assert (tmp_path / "bars.png").read_bytes()[:4] == b"\x89PNG"
    assert {p.name for p in tmp_path.iterdir()} == {"report.json", "bars.png", "checkpoints"}
    assert run(Small(seed=3), tmp_path, progress=False)["metrics"] == report["metrics"]   # over again, in the same folder
    assert run(Small(seed=3), None, progress=False)["metrics"] == report["metrics"]       # and without one


def test_two_runs_in_one_folder(tmp_path):
    """The second is refused, with or without --resume; the first ends as if nothing had been."""
    class Disturbed(Small):
        def evaluate(self, trained):
            before = {p.name for p in tmp_path.iterdir()}
            for resume in (False, True):
                with pytest.raises(OccupiedFolder, match=f"another run .process {os.getpid()}.*choose another folder"):
                    run(Small(), tmp_path, resume, progress=False)
            assert {p.name for p in tmp_path.iterdir()} == before
            return super().evaluate(trained)

    report = run(Disturbed(), tmp_path, progress=False)
    assert {p.name for p in tmp_path.iterdir()} == {"report.json", "bars.png", "checkpoints"}
    assert report["metrics"] == run(Small(), None, progress=False)["metrics"]


@pytest.mark.parametrize("stage", ["first", "second"])
def test_an_interrupted_run_is_resumed_to_the_same(tmp_path, stage):
    whole = run(Small(), tmp_path / "whole", progress=False)["metrics"]
    broken = Small()
    broken.stop_in = stage
    out = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        run(broken, out, progress=False)
    assert unfinished(out) and checkpoints(out / "checkpoints" / stage)
    with pytest.raises(OccupiedFolder, match="continue it with python -m tinymm lecture 99"):
        run(Small(), out, progress=False)
    assert run(Small(), out, resume=True, progress=False)["metrics"] == whole
    assert not unfinished(out)


def test_a_variant_with_stages_of_its_own_is_not_resumed_in_anothers_folder(tmp_path):
    """No checkpoint there is any of its stages', so that no Trainer would object; a damaged one is the Trainer's to refuse."""
    class Own(Small):
        def stages(self, folder, progress):
            yield trainer(folder and folder / "own", every=1e9, config=self.config)

    broken = Small("one")
    broken.stop_in = "first"
    with pytest.raises(KeyboardInterrupt):
        run(broken, tmp_path, progress=False)
    with pytest.raises(OccupiedFolder, match=r"other options \(variant is 'one' there and 'two' here\); choose another folder"):
        run(Own("two"), tmp_path, resume=True, progress=False)
    assert {stage.name for stage in (tmp_path / "checkpoints").iterdir()} == {"first"}
    (checkpoints(tmp_path / "checkpoints" / "first")[0] / "state.json").write_text("{")
    with pytest.raises(Exception, match="state.json|damaged|no checkpoint") as error:
        run(Small("one"), tmp_path, resume=True, progress=False)
    assert not isinstance(error.value, OccupiedFolder)


def test_what_was_trained_and_measured_is_kept():
    """For a notebook, which goes on with the models."""
    experiment = Small()
    report = run(experiment, None, progress=False)
    assert [checksum(t) for t in experiment.trained] == experiment.measured.metrics["checksums"] == report["metrics"]["checksums"]


def test_fitting_returns_what_was_trained_and_its_seconds(tmp_path):
    trained, seconds = fit(Small(), tmp_path)
    assert len(trained) == 2 and seconds == sum(t.seconds for t in trained) > 0
    again, before = fit(Small(), tmp_path, resume=True)   # all is trained: nothing but what was kept
    assert [checksum(t) for t in again] == [checksum(t) for t in trained] and before == seconds


def test_resuming_with_other_options_is_refused(tmp_path):
    run(Small(), tmp_path, progress=False)
    with pytest.raises(ValueError, match="seed is 0 there and 1 here"):
        run(Small(seed=1), tmp_path, resume=True, progress=False)


@pytest.mark.parametrize("options, message", [
    ({"variant": "three"}, "no variant 'three'; choose from one, two"), ({"scale": "huge"}, "choose from smoke, lecture"),
    ({"epochs": 0}, "epochs=0 must be a positive integer"),
    ({"data": "coco"}, "does not read the dataset 'coco'; it has its own data only"),
    ({"root": "."}, "needs both its name")])
def test_wrong_options_are_explained(options, message):
    with pytest.raises(ValueError, match=message):
        Small(**options)


@pytest.mark.parametrize("name, value", [("epochs", 2.5), ("epochs", True), ("seed", 1.5)])
def test_numbers_that_are_no_integers_are_refused(name, value):
    with pytest.raises(TypeError, match=f"lecture 99: {name}={value} must be an integer"):
        Small(**{name: value})


def test_every_lecture_is_found_by_its_number():
    for number in LECTURES:
        assert find(number).number == number
    with pytest.raises(ValueError, match="there is no lecture 77; there are 0, 1, 2, 3, 4, 5, 7, 8, 9"):
        find(77)


def test_claims_compare_and_print():
    claims = [Claim("a", 1.0, ">=", 1.0), Claim("b", math.nan, "<", 2.0), Claim("c", np.float64(3.0), "<=", 2.5)]
    assert [c.holds for c in claims] == [True, False, False]
    text = table([c.as_dict() for c in claims])
    assert "holds   a: 1 (>= 1)" in text and "FAILED  c: 3 (<= 2.5)" in text


def test_folders_are_named_after_what_is_run(tmp_path):
    assert folder_of(Small()).parts == ("runs", "lecture_99")
    assert folder_of(Small("two", seed=4)).name == "lecture_99_two_seed4"


def test_the_claims_command_runs_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tinymm.commands.claims.find", lambda number: Small)
    assert main(["claims", "4", "--variants", "all", "--seeds", "0", "1", "--json", "claims.json"]) == 1   # one claim fails
    out = capsys.readouterr().out
    assert "FAILED  there are three: 2 (>= 3)" in out and "Over the seeds" in out and "10 claims, 4 failed" in out
    assert "variants agree" in out
    found = json.loads((tmp_path / "claims.json").read_text())
    assert len(found) == 10 and {"lecture", "variant", "seed", "statement", "measured", "threshold", "verdict"} == set(found[0])
    assert (tmp_path / "runs" / "lecture_99_two_seed1" / "report.json").is_file()
    monkeypatch.setattr("tinymm.experiments.running.run", lambda *a: pytest.fail("reports that are there are read"))
    assert main(["claims", "4", "--seeds", "1"]) == 1


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tinymm.commands.lecture.find", lambda number: Small)
    monkeypatch.setattr(Small, "stop_in", "second")
    assert main(["lecture", "4", "--out", str(tmp_path)]) == 130
    assert f"the checkpoint is in {tmp_path}, continue with the same command and --resume" in capsys.readouterr().err
    assert main(["lecture", "4", "--out", str(tmp_path)]) == 2
    assert "holds a training that was interrupted; continue it with python" in capsys.readouterr().err
    monkeypatch.setattr(Small, "stop_in", None)
    assert main(["lecture", "4", "--out", str(tmp_path), "--resume"]) == 0
    monkeypatch.setattr(Small, "prepare", lambda self: (_ for _ in ()).throw(KeyboardInterrupt()))
    assert main(["lecture", "4", "--out", str(tmp_path / "new")]) == 130
    assert "there is no checkpoint yet" in capsys.readouterr().err


def test_nothing_of_others_is_removed(tmp_path):
    (tmp_path / "checkpoints" / "mine").mkdir(parents=True)
    (tmp_path / "checkpoints" / "mine" / "precious.txt").write_text("precious")
    run(Small(), tmp_path, progress=False)
    run(Small(), tmp_path, progress=False)   # over again
    assert (tmp_path / "checkpoints" / "mine" / "precious.txt").read_text() == "precious"
    with pytest.raises(OccupiedFolder, match="a run with other options .*scale is 'lecture' there"):
        run(Small(scale="smoke"), tmp_path, progress=False)
    (tmp_path / "report.json").write_text('{"mine": 1}')
    with pytest.raises(OccupiedFolder, match="was not written by a lecture"):
        run(Small(), tmp_path, progress=False)
    assert json.loads((tmp_path / "report.json").read_text()) == {"mine": 1}


def test_what_could_not_be_measured_is_null(tmp_path):
    class Nothing(Small):
        def evaluate(self, trained):
            return Measured({"checksums": [1, 2], "share": math.nan, "places": [0.5, math.nan]})

        def claims(self, metrics):
            return [Claim("there is a share", metrics["share"], ">", 0.0)]

    report = run(Nothing(), tmp_path, progress=False)
    assert report["metrics"]["share"] is None and report["metrics"]["places"] == [0.5, None]
    assert report["claims"][0]["measured"] is None and report["claims"][0]["verdict"] == "failed"
    assert "not measurable (> 0)" in table(report["claims"]) and json.loads((tmp_path / "report.json").read_text()) == report


def test_numbers_are_not_lost_for_a_picture(tmp_path):
    class Unlucky(Small):
        def figures(self, trained, measured):
            raise RuntimeError("no ink")

    with pytest.raises(RuntimeError, match="no ink"):
        run(Unlucky(), tmp_path, progress=False)
    assert len(json.loads((tmp_path / "report.json").read_text())["claims"]) == 2


def test_the_folder_of_a_quick_look_is_its_own():
    assert folder_of(Small(scale="smoke", epochs=2)).name == "lecture_99_smoke_epochs2"
