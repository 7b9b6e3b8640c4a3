"""Clips: how windows, streams and steps are averaged, what is trained on what, a smoke run, resume, first losses, overfitting."""

import json
import math

import numpy as np
import pytest

from tinymm import Tensor, nn, optim
from tinymm.backend.random import manual_seed
from tinymm.cli import main
from tinymm.data.worlds.tracked_clips import CLASSES, TrackedClips
from tinymm.experiments.lecture_01 import activity, clip_networks
from tinymm.experiments.lecture_01.activity import COLUMNS, FC6, FC7, ORDER_ROWS, SINGLE, Activity, ActivitySplits
from tinymm.experiments.lecture_01.clip_networks import (ClipNetwork, as_input, clip_probabilities, clips_of, every_step, fused,
                                                         random_window, shuffled, step_probabilities, time_first)
from tinymm.experiments.lecture_01.experiment import LongTermRecurrentConvolutionalNetworks
from tinymm.experiments.running import run
from tinymm.metrics import accuracy
from tinymm.models import ActivityLRCN, FrameEncoder
from tests.train.small_training import interrupt

EPOCHS = 2   # of each LRCN in the smoke runs here


# ---------------------------------------------------------------------- averages, by hand

class Read(nn.Module):
    """Its logits are its input, so that every average can be computed beside it."""

    def forward(self, x):
        assert not self.training
        return x * 1


def probabilities_of(logits):
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_a_clip_is_the_mean_of_probabilities_over_steps_and_windows():
    """20 frames: windows at 0, 4 and 4 again; means of logits, a last window that counts once, and a lost tail differ."""
    clips = 3 * np.random.default_rng(0).standard_normal((70, 20, 4))
    found = clip_probabilities(Read(), clips, lambda x: x)
    p = probabilities_of(clips)
    first, last = p[:, :16].mean(1), p[:, 4:].mean(1)
    np.testing.assert_allclose(found, (first + 2 * last) / 3, rtol=1e-12)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)
    logits = probabilities_of((clips[:, :16].mean(1) + 2 * clips[:, 4:].mean(1)) / 3)
    for wrong in ((first + last) / 2, first, p.mean(1), logits):
        assert np.abs(wrong - found).max() > 0.01


def test_what_a_network_says_of_a_clip_does_not_depend_on_the_others():
    """More clips than are read at a time; no state goes from one to the next; the mode is put back."""
    manual_seed(0)
    network = ActivityLRCN(5, 3, hidden=4).double()
    clips = np.random.default_rng(1).standard_normal((clip_networks.CHUNK + 6, 7, 5))
    together = step_probabilities(network, clips, lambda x: x)
    assert network.training and together.shape == (len(clips), 7, 3)
    for i in (0, clip_networks.CHUNK - 1, clip_networks.CHUNK, len(clips) - 1):
        np.testing.assert_allclose(step_probabilities(network, clips[i:i + 1], lambda x: x)[0], together[i], rtol=1e-12)


def test_the_weight_is_that_of_rgb():
    rgb, flow = np.array([[0.6, 0.4]]), np.array([[0.0, 1.0]])
    assert fused(rgb, flow, COLUMNS["1/3, 2/3"]).tolist() == [[pytest.approx(0.2), pytest.approx(0.8)]]
    assert fused(rgb, flow, COLUMNS["1/2, 1/2"]).tolist() == [[pytest.approx(0.3), pytest.approx(0.7)]]
    assert np.array_equal(fused(rgb, flow, COLUMNS["RGB"]), rgb) and np.array_equal(fused(rgb, flow, COLUMNS["Flow"]), flow)


def test_every_step_learns_the_label_of_its_own_clip():
    logits, labels = np.random.default_rng(0).standard_normal((5, 3, 4)), np.array([2, 0, 3])
    p = probabilities_of(logits)
    by_hand = -np.mean([math.log(p[t, b, labels[b]]) for t in range(5) for b in range(3)])
    assert every_step(Tensor(logits), Tensor(labels)).item() == pytest.approx(by_hand, rel=1e-12)


def test_shuffled_clips_keep_their_frames():
    clips = np.arange(50 * 6).reshape(50, 6, 1)
    mixed = shuffled(clips, np.random.default_rng(0))
    assert np.array_equal(np.sort(mixed, 1), clips) and len({tuple(np.argsort(c)) for c in mixed[..., 0]}) > 25


def test_windows_of_the_training_are_anywhere():
    clips = np.arange(40)[:, None] * 100 + np.arange(18)
    starts = [window[0] % 100 for window in random_window(clips, np.random.default_rng(0))]
    assert set(starts) == {0, 1, 2}
    for clip, window in zip(clips, random_window(clips, np.random.default_rng(0))):
        assert np.array_equal(window, clip[window[0] % 100:][:16])


def test_inputs_of_the_streams():
    assert as_input("RGB", np.array([0, 255], np.uint8)).tolist() == [0, 1]
    assert as_input("Flow", np.array([128, 0, 192], np.uint8)).tolist() == [0, -1, 0.5]
    x = np.arange(24).reshape(2, 3, 4)
    assert np.array_equal(time_first(x)[2, 1], x[1, 2])


# ---------------------------------------------------------------------- what is trained on what

def test_each_lrcn_starts_from_the_cnn_of_the_single_frames():
    """Of its own stream, as that is when it is trained; and they do not share weights from then on."""
    study = Activity("activity", "smoke", 0, "cpu", {})
    seen, networks = [], {}
    stages = study.stages(lambda name: {"folder": None, "label": name})
    while True:
        try:
            stage = next(stages)
        except StopIteration as end:
            trained = end.value
            break
        seen.append(stage.label)
        if isinstance(stage.model, ClipNetwork):
            stream, row = stage.label.split(", ")
            networks[stream, row] = stage.model
            if row == SINGLE:
                stage.fit()
                assert stage.model.encoder.dropout.p == activity.DROPOUT
            else:
                mine, cnn = (networks[stream, name].encoder.state_dict() for name in (row, SINGLE))
                assert all(np.array_equal(mine[name].numpy(), cnn[name].numpy()) for name in cnn)
                assert stage.model.encoder is not networks[stream, SINGLE].encoder and stage.model.layer == row[-3:]
    assert seen == ["order, CNN", f"order, {SINGLE}", *(f"order, {row}" for row in ORDER_ROWS), "RGB, CNN", f"RGB, {SINGLE}",
                    f"RGB, {FC6}", f"RGB, {FC7}", f"Flow, {SINGLE}", f"Flow, {FC6}", f"Flow, {FC7}"]
    assert set(trained.order) == {SINGLE, *ORDER_ROWS} and list(trained.networks[0]) == ["RGB", "Flow"]


def given(stage, batch) -> np.ndarray:
    """What the network of a stage is given of a batch."""
    seen, forward = [], stage.model.forward
    stage.model.forward = lambda x: (seen.append(x.numpy()), forward(x))[1]
    stage.step(batch)
    stage.model.forward = forward
    return seen[0]


def test_networks_are_given_clips_time_first(smoke):
    """Features in their order, or in another for the row that is trained on shuffled ones; windows of pictures for the table."""
    experiment, _ = smoke
    trainers, rng = experiment.trained.trainers, np.random.default_rng(0)
    for row, (layer, _, mixed) in ORDER_ROWS.items():
        features = rng.standard_normal((5, 16, experiment.trained.reader.features[layer])).astype(np.float32)
        x = given(trainers[f"order, {row}"], (Tensor(features), Tensor(np.arange(5) % 4)))
        assert x.shape == (16, *features.shape[::2])
        for b in range(5):
            same = [np.flatnonzero((features[b] == frame).all(1)).item() for frame in x[:, b]]
            assert sorted(same) == list(range(16)) and (same != list(range(16))) == mixed
    world = experiment.study.tracked[0]["train"]
    for name in ("RGB", "Flow"):
        clips = clips_of(world, name)[:7]
        for row in (FC6, FC7):
            x = given(trainers[f"{name}, {row}"], (Tensor(clips), Tensor(world.labels[:7])))
            for b, clip in enumerate(clips):
                assert any(np.array_equal(x[:, b], as_input(name, clip[start:start + 16])) for start in range(len(clip) - 15))
        x = given(trainers[f"{name}, {SINGLE}"], (Tensor(clips[:, 0]), Tensor(world.labels[:7])))
        assert np.array_equal(x, as_input(name, clips[None, :, 0]))     # seven frames of one step


def test_the_frozen_cnn_stays_as_it_is(smoke):
    """The order-only rows train nothing but what reads its features."""
    experiment, _ = smoke
    trained = experiment.trained
    kept = {id(p) for p in trained.reader.parameters()}
    for row in trained.order:
        of_row = {id(p) for group in trained.trainers[f"order, {row}"].optimizer.param_groups for p in group["params"]}
        assert of_row and not of_row & kept
    x = experiment.study.order["test"].frames[:2]
    again = experiment.study.features(trained.reader, "fc6", x)
    assert again.shape == (2, 16, 128) and np.array_equal(again, experiment.study.features(trained.reader, "fc6", x))


def test_one_batch_can_be_overfitted():
    world = TrackedClips("train", 12, 0)
    manual_seed(0)
    encoder = FrameEncoder(3, (24, 24), channels=(8, 16))
    network = ClipNetwork(encoder, "fc6", ActivityLRCN(encoder.features["fc6"], len(CLASSES), dropout=0.0))
    optimizer = optim.Adam(network.parameters(), lr=3e-3)
    x, labels = Tensor(time_first(as_input("Flow", world.flow))), Tensor(world.labels)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = every_step(network(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(len(CLASSES)), abs=0.2) and losses[-1] < 0.1


# ---------------------------------------------------------------------- runs

@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """A smoke run: its Experiment and its folder."""
    out = tmp_path_factory.mktemp("lecture_01")
    experiment = LongTermRecurrentConvolutionalNetworks(scale="smoke", epochs=EPOCHS)
    experiment.prepare()
    run(experiment, out, progress=False)
    return experiment, out


def test_the_report_and_the_pictures(smoke):
    experiment, out = smoke
    report = json.loads((out / "report.json").read_text())
    assert {"lecture": 1, "variant": "activity", "scale": "smoke", "seed": 0}.items() <= report.items()
    metrics = report["metrics"]
    assert list(metrics["table"]) == [SINGLE, FC6, FC7] and all(list(row) == list(COLUMNS) for row in metrics["table"].values())
    assert set(metrics["order"]) == {SINGLE, *ORDER_ROWS}
    assert all(len(found["p(true)"]) == 16 for row in metrics["order"].values() for found in row.values())
    assert list(metrics["long"]) == ["16", "17", "24", "40", "60"] and len(report["claims"]) == 13
    assert report["pictures"] == ["clip.png", "confusion.png", "foldings.png", "order.png", "streams.png", "table.png"]
    assert {p.name for p in out.glob("*.png")} == set(report["pictures"])


def test_the_table_is_that_of_the_networks(smoke):
    experiment, out = smoke
    world, networks = experiment.study.tracked[0]["test"], experiment.trained.networks[0]
    p = {name: clip_probabilities(networks[name][FC7], clips_of(world, name), lambda x, name=name: as_input(name, x))
         for name in ("RGB", "Flow")}
    found = json.loads((out / "report.json").read_text())["metrics"]["table"][FC7]
    assert found["RGB"] == accuracy(p["RGB"].argmax(1), world.labels)
    assert found["1/3, 2/3"] == accuracy((p["RGB"] + 2 * p["Flow"]).argmax(1), world.labels)


def test_first_losses_are_those_of_a_guess(smoke):
    experiment, _ = smoke
    for name, loss in experiment.measured.metrics["first loss"].items():
        guess = math.log(10) + math.log(16) if name.endswith("CNN") else math.log(4 if name.startswith("order") else 12)
        assert loss == pytest.approx(guess, rel=0.05), name


def test_a_run_can_be_resumed_twice(smoke, tmp_path):
    """Where windows, and where orders of frames, are drawn on the way."""
    _, out = smoke

    def again(stop=None):
        manual_seed(0)
        experiment = LongTermRecurrentConvolutionalNetworks(scale="smoke", epochs=EPOCHS)
        experiment.prepare()
        stages = experiment.stages(tmp_path, False)
        while True:
            try:
                stage = next(stages)
            except StopIteration as end:
                return experiment.evaluate(end.value).metrics
            if stage.folder.name == stop:
                interrupt(stage, 1)
            stage.fit(resume=True)

    for stop in ("order, LSTM on fc6, trained on shuffled", "RGB, LRCN-fc6"):
        with pytest.raises(KeyboardInterrupt):
            again(stop)
    assert json.loads(json.dumps(again())) == json.loads((out / "report.json").read_text())["metrics"]


@pytest.mark.slow
def test_the_splits_run(tmp_path):
    assert main(["lecture", "1", "--scale", "smoke", "--variant", "activity_splits", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    table, splits = report["metrics"]["table"], report["metrics"]["splits"]
    assert list(table) == ["Single frame (all splits)", "LRCN-fc6 (all splits)"] and len(report["claims"]) == 5
    for row, columns in splits.items():
        for column, found in columns.items():
            assert len(found) == 3 and table[f"{row} (all splits)"][column] == pytest.approx(np.mean(found))
    assert report["pictures"] == ["confusion.png", "streams.png", "table.png"]


def test_the_splits_are_of_the_originals():
    study = ActivitySplits("activity_splits", "smoke", 0, "cpu", {})
    assert len(study.tracked) == 3 and not study.order
    digits = [world["test"].flow.tobytes() for world in study.tracked]
    assert len(set(digits)) == 3 and all(np.array_equal(world["test"].labels, study.tracked[0]["test"].labels)
                                         for world in study.tracked)   # other originals, and nothing else


# ---------------------------------------------------------------------- claims

def good() -> dict:
    """Measurements that bear every claim out."""
    line = lambda accuracy, p=(0.25,) * 16: {"accuracy": accuracy, "p(true)": list(p)}
    order = {row: {"in order": line(0.97), "shuffled": line(0.25)} for row in ORDER_ROWS}
    order["LSTM on fc6"]["in order"] = line(0.97, [0.5] * 8 + [0.95] * 8)
    order[SINGLE] = {"in order": line(0.25), "shuffled": line(0.25)}
    table = {row: dict(zip(COLUMNS, (0.25, 0.33, 0.95, 0.95))) for row in (FC6, FC7)}
    return {"order": order, "table": {SINGLE: dict(zip(COLUMNS, (0.25, 0.25, 0.5, 0.5))), **table}}


WORSE = [(("order", SINGLE, "in order", "accuracy"), 0.31), (("order", "LSTM on fc6", "in order", "accuracy"), 0.94),
         (("order", "LSTM on fc7", "in order", "accuracy"), 0.94), (("order", "RNN on fc7", "in order", "accuracy"), 0.94),
         (("order", "LSTM on fc6", "shuffled", "accuracy"), 0.33),
         (("order", "LSTM on fc6, trained on shuffled", "shuffled", "accuracy"), 0.33),
         (("order", "LSTM on fc6", "in order", "p(true)", 7), 0.6), (("order", "LSTM on fc6", "in order", "p(true)", 15), 0.9),
         (("table", FC6, "RGB"), 0.51), (("table", FC6, "Flow"), 0.51), (("table", FC6, "1/2, 1/2"), 0.89),
         (("table", FC6, "1/3, 2/3"), 0.89), (("table", SINGLE, "Flow"), 0.29)]


@pytest.mark.parametrize("number", range(len(WORSE)))
def test_each_claim_can_fail(number):
    metrics = good()
    assert all(claim.holds for claim in Activity.claims(metrics)) and len(Activity.claims(metrics)) == len(WORSE)
    *path, last = WORSE[number][0]
    place = metrics
    for key in path:
        place = place[key]
    place[last] = WORSE[number][1]
    assert [i for i, claim in enumerate(Activity.claims(metrics)) if not claim.holds] == [number]


def test_claims_of_the_splits_can_fail():
    table = {f"{row} (all splits)": numbers for row, numbers in good()["table"].items()}
    assert all(claim.holds for claim in ActivitySplits.claims({"table": table}))
    table["LRCN-fc6 (all splits)"] = dict(zip(COLUMNS, (0.6, 0.6, 0.8, 0.8)))
    table["Single frame (all splits)"]["Flow"] = 0.58
    assert not any(claim.holds for claim in ActivitySplits.claims({"table": table}))
