"""Lecture 5 at smoke scale: its report and pictures, the order of its claims, resume, and what it refuses."""

import json

import numpy as np
import pytest

from tinymm.backend.random import manual_seed
from tinymm.cli import main
from tinymm.experiments.lecture_05 import figures
from tinymm.experiments.lecture_05.comparison import TASKS, summary
from tinymm.experiments.lecture_05.experiment import PLAN, LayerNormalization
from tinymm.experiments.running import fit
from tests.train.small_training import interrupt


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A smoke run of the default variant, by the command."""
    out = tmp_path_factory.mktemp("lecture_05")
    assert main(["lecture", "5", "--scale", "smoke", "--out", str(out)]) == 0
    return out


def test_the_report_and_the_pictures(finished):
    report = json.loads((finished / "report.json").read_text())
    assert {"lecture": 5, "variant": "default", "scale": "smoke", "seed": 0}.items() <= report.items()
    assert [c["verdict"] for c in report["claims"]][:3] == ["holds"] * 3 and len(report["claims"]) == 8
    metrics = report["metrics"]
    assert list(metrics["tasks"]) == [*PLAN["default"]] and metrics["alone"]["layer"] == 0 < metrics["alone"]["batch"]
    for name, task in metrics["tasks"].items():
        assert task["rate"] == pytest.approx(float(best(task)))
        for system in task["systems"].values():
            assert len(system["steps"]) == len(system["curve"]) == len(system["seconds"]) == 3 and system["steps"][0] == 0
            assert task["measure"] in system["test"] and len(system["loss"]) == system["steps"][-1], name
    assert {"steps.png", "seconds.png", "table.png", "recall.png", "batch_4.png", "dynamics.png"} <= set(report["pictures"])
    assert {p.name for p in finished.glob("*.png")} == set(report["pictures"])


def best(task):
    """The rate with which the plain system was best."""
    return (max if task["higher"] else min)(task["rates"], key=task["rates"].get)


def test_a_run_can_be_resumed_in_the_middle(tmp_path):
    """Of the second system of the first task; the sentences that are drawn go on, too."""
    def run(folder, resume, stop=False):
        manual_seed(0)
        experiment = LayerNormalization(scale="smoke")
        experiment.prepare()
        experiment.tasks = experiment.tasks[:1]
        if not stop:
            return fit(experiment, folder, resume)[0].compared["ranking"]
        for stage in experiment.stages(folder, False):
            if stage.folder.name == "ranking_layer":
                interrupt(stage, 3)
            stage.fit(resume)

    whole = run(tmp_path / "whole", False)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", False, stop=True)
    again = run(tmp_path / "broken", True)
    for norm in whole.task.norms:
        assert again.trainers[norm].history["loss"] == whole.trainers[norm].history["loss"]
        assert again.trainers[norm].history["R@1"] == whole.trainers[norm].history["R@1"]
    assert summary(again)["systems"]["layer"]["test"] == summary(whole)["systems"]["layer"]["test"]


@pytest.mark.slow
@pytest.mark.parametrize("variant", [v for v in PLAN if v != "default"])
def test_the_other_variants_run(variant, tmp_path):
    assert main(["lecture", "5", "--scale", "smoke", "--variant", variant, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["metrics"]["tasks"]) == [*PLAN[variant]] and "invariances" not in report["metrics"]


def test_every_variant_has_its_tasks():
    assert set(PLAN) == set(LayerNormalization.variants) and {name for names in PLAN.values() for name in names} == set(TASKS)


def test_epochs_are_rounds_through_the_data():
    experiment = LayerNormalization(scale="smoke", epochs=3)
    experiment.prepare()
    steps = {task.name: (task.steps, task.every) for task in experiment.tasks}
    assert steps["ranking"] == (6, 2) and steps["digits"] == (27, 9) and steps["digits, batch 4"] == (900, 10)


def test_another_device_is_refused():
    experiment = LayerNormalization(scale="smoke")
    experiment.device = "cuda"
    with pytest.raises(ValueError, match="lecture 5: device='cuda'; its tasks make their batches on the processor"):
        experiment.prepare()


def test_curves_of_several_seeds_have_a_band():
    run = lambda offset: {"title": "t", "measure": "accuracy", "threshold": 0.5, "higher": True, "systems": {
        norm: {"steps": [0, 10, 20], "seconds": [0.0, 1.0, 2.0], "curve": [offset, offset + 0.2, offset + 0.4]}
        for norm in ("none", "layer")}}
    axes = figures.curves({"t": [run(0.0), run(0.1), run(0.5)]}).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.1, 0.3, 0.5])   # the median
    assert len(axes.collections) == 2
    low, high = axes.collections[0].get_paths()[0].get_extents().get_points()[:, 1]
    assert (low, high) == pytest.approx((0.0, 0.9))
    assert not figures.curves({"t": [run(0.0)]}).axes[0].collections
    for tasks, columns in ((2, 2), (3, 3), (4, 2), (6, 3)):   # no panel of four stands alone in its row
        drawn = figures.curves({str(i): [run(0.0)] for i in range(tasks)})
        assert drawn.axes[0].get_gridspec().ncols == columns
    assert figures.file_name("draw", "canvas.png") == "draw_canvas.png" and figures.file_name("a", "b c") == "a_b_c.png"
