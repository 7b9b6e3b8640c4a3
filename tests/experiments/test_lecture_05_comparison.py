"""The protocol of lecture 5's six tasks, on a task that is small enough to be followed by hand."""

import math

import numpy as np
import pytest

from tinymm import Tensor, nn
from tinymm import functional as F
from tinymm.data import TensorDataset
from tinymm.experiments.lecture_05.comparison import Endless, Task, best_rate, compare, steps_to, summary, trainer
from tinymm.data import DataLoader
from tests.train.small_training import interrupt


class Line(Task):
    """y = x w; "layer" is a second system with the same weights."""

    name, title, measure, higher, threshold, rates = "line", "a line", "error", False, 0.5, (1e-3, 1e-1)

    def __init__(self, scale="smoke", seed=0):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((50, 4))
        self.data = Tensor(x), Tensor(x @ [[1.0], [-2.0], [3.0], [0.5]])
        self.train, self.batch, self.steps, self.every, self.probe = TensorDataset(*self.data), 8, 40, 5, 10
        self.seen = []

    def model(self, norm):
        self.seen.append((norm, []))
        return nn.Linear(4, 1, bias=False).double()

    def loss(self, model, batch):
        x, y = batch
        self.seen[-1][1].append(x.numpy().tolist())
        return F.mse_loss(model(x), y)

    def measured(self, model, part):
        x, y = self.data
        return {"error": float(F.mse_loss(model(x), y)), "norm": float((model.weight**2).sum())}

    def finished(self, models):
        return {norm: model.weight.detach().numpy().tolist() for norm, model in models.items()}


def run(task, folder=None, resume=False, stop=None):
    stages = compare(task, 3, folder)
    number = 0
    while True:
        try:
            stage = next(stages)
        except StopIteration as end:
            return summary(end.value)
        if stop == number:
            interrupt(stage, 17)   # in the fourth stretch, in the third round of the data
        stage.fit(resume)
        number += 1


def timeless(result):
    """Without what no two runs have alike."""
    return {**result, "systems": {norm: {k: v for k, v in s.items() if k not in ("seconds", "measuring")}
                                  for norm, s in result["systems"].items()}}


def test_all_systems_get_the_same_weights_order_steps_and_rate():
    task = Line()
    result = run(task)
    seen = dict(task.seen[2:])   # after the two that chose the rate
    assert list(seen) == ["none", "layer"] and seen["none"] == seen["layer"] and len(seen["none"]) == 40
    none, layer = timeless(result)["systems"].values()
    assert none == layer and none["steps"] == [*range(0, 41, 5)] and len(none["curve"]) == len(none["norm"]) == 9
    assert result["finished"]["none"] == result["finished"]["layer"] and none["test"]["error"] == none["curve"][-1]
    assert task.seen[0][1] == seen["none"][:10]   # the runs that choose the rate have this order, too
    assert len({str(batch) for batch in seen["none"]}) > 35   # and each round another one


def test_the_plain_system_chooses_the_rate():
    task = Line()
    result = run(task)
    assert [norm for norm, _ in task.seen] == ["none", "none", "none", "layer"]
    assert set(result["rates"]) == {"0.001", "0.1"} and result["rates"]["0.1"] < result["rates"]["0.001"]
    assert result["rate"] == 0.1
    assert best_rate({1.0: 0.5, 2.0: 0.7, 3.0: math.nan}, True) == 2.0 and best_rate({1.0: 0.5, 2.0: 0.7}, False) == 1.0
    assert best_rate({2.0: 0.5, 1.0: 0.5}, True) == 1.0


def test_a_run_goes_on_to_identical_results(tmp_path):
    whole = run(Line(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(Line(), tmp_path / "broken", stop=3)   # in the second system
    assert timeless(run(Line(), tmp_path / "broken", resume=True)) == timeless(whole)
    seconds = whole["systems"]["layer"]["seconds"]
    assert seconds == sorted(seconds)


def test_steps_to_a_threshold():
    steps, curve = [0, 10, 20, 30], [0.1, 0.3, 0.7, 0.6]
    assert steps_to(steps, curve, 0.5, True) == pytest.approx(15)
    assert steps_to(steps, curve, 0.3, True) == pytest.approx(10) and steps_to(steps, curve, 0.05, True) == 0
    assert steps_to(steps, curve, 0.8, True) is None
    assert steps_to(steps, [4, 3, 1, 2], 1.5, False) == pytest.approx(17.5)
    assert steps_to(steps, [math.nan, 3, 1, 2], 3.5, False) == 10


def test_stretches_do_not_end_where_the_data_do():
    loader = Endless(DataLoader([1, 2, 3], 1), 2)
    batches = [next(loader).numpy()[0] for _ in range(7)]
    assert batches == [1, 2, 3, 1, 2, 3, 1] and len(loader) == 2
    with pytest.raises(ValueError, match="line: 40 steps are no multiple of 7"):
        trainer(Line(), nn.Linear(4, 1), 1e-2, 40, 7)
