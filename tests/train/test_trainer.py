"""The training loop: resume changes nothing, interruptions lose nothing, mistakes are explained."""

import errno
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import tinymm
import tinymm.train
from tests.train.small_training import before_step, checksum, trainer
from tinymm import Tensor, nn, optim
from tinymm.data import DataLoader, TensorDataset
from tinymm.train import CheckpointMismatch, Trainer, load_checkpoint, save_checkpoint
from tinymm.train.checkpoint import checkpoints


@pytest.fixture(scope="module")
def whole():
    training = trainer(None)
    training.fit()
    return checksum(training)


def stop_after(training, steps):
    """Make a training behave as after Ctrl-C in its step number ``steps``."""
    before_step(training, lambda: signal.raise_signal(signal.SIGINT) if training.steps == steps - 1 else None)
    with pytest.raises(KeyboardInterrupt):
        training.fit()


@pytest.mark.parametrize("steps", [1, 22, 23, 24, 40, 69])
def test_interrupted_and_resumed_is_the_same(tmp_path, whole, steps):
    first = trainer(tmp_path, every=1e9)
    stop_after(first, steps)
    assert first.steps == steps and checkpoints(tmp_path)[0].name == f"checkpoint-{steps:08d}"
    second = trainer(tmp_path, seed=7, every=1e9)   # the seed of the checkpoint counts
    history = second.fit(resume=True)
    assert checksum(second) == whole and len(history["loss"]) == 69 == len(history["average"])


def test_resume_of_a_finished_training_gives_its_result(tmp_path, whole):
    trainer(tmp_path).fit()
    again = trainer(tmp_path)
    again.fit(resume=True)
    assert checksum(again) == whole and again.steps == 69
    assert len(checkpoints(tmp_path)) == 2 and not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_resume_without_a_checkpoint_starts(tmp_path, whole):
    training = trainer(tmp_path / "new")
    training.fit(resume=True)
    assert checksum(training) == whole


def test_validation_is_once_an_epoch_in_evaluation_mode(tmp_path):
    modes = []

    def validate():
        modes.append((training.model.training, tinymm.is_grad_enabled()))
        return {"accuracy": 0.5}

    training = trainer(None, validate=validate)
    history = training.fit()
    assert modes == [(False, False)] * 3 and history["accuracy"] == [0.5] * 3 and training.model.training


def test_gradients_can_be_clipped_element_by_element():
    model = nn.Linear(3, 1, bias=False)
    before = model.weight.detach().numpy().copy()
    loader = DataLoader(TensorDataset(Tensor(np.array([[3.0, -0.5, -8.0]], np.float32))), 1)
    Trainer(model, optim.SGD(model.parameters(), lr=1.0), loader, lambda batch: model(batch[0]).sum(), 1, max_value=2.0,
            label=None).fit()
    np.testing.assert_allclose(before - model.weight.detach().numpy(), [[2.0, -0.5, -2.0]], atol=1e-6)


def test_after_every_step_parameters_can_be_bounded(tmp_path):
    """The bound holds at each step, when its gradient is taken, and at the end, in the checkpoint, too."""
    def bound():
        with tinymm.no_grad():
            weight.copy_(weight.clamp(-0.05, 0.05))

    training = trainer(tmp_path)
    weight, step, largest = training.model[0].weight, training.step, []

    def watched(batch):
        largest.append(np.abs(weight.detach().numpy()).max())
        return step(batch)

    training.step, training.after = watched, bound
    training.fit()
    limit = np.float32(0.05)
    assert len(largest) == 69 and largest[0] > limit >= max(largest[1:]) and np.abs(weight.detach().numpy()).max() == limit
    saved, _, _ = load_checkpoint(tmp_path)
    assert np.abs(saved["0.weight"]).max() == limit


def kill_at_random(folder, moments, whole, script="tests.train.small_training"):
    """Kill -9 a training again and again, each time at another moment; then let it finish."""
    kills = 0
    while True:
        process = subprocess.Popen([sys.executable, "-m", script, str(folder), "resume"], stdout=subprocess.PIPE, text=True)
        while kills == 0 and not checkpoints(folder) and process.poll() is None:
            time.sleep(0.005)   # the first kill shall fall into the training, not into the imports
        if kills < len(moments):
            try:
                out, _ = process.communicate(timeout=moments[kills])
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
                if checkpoints(folder):
                    load_checkpoint(checkpoints(folder)[0])   # the newest itself loads: no falling back
                continue
        else:
            out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert int(out) == whole
        return kills


def test_killed_at_any_moment_it_resumes_to_the_same(tmp_path, whole):
    rng, kills = random.Random(0), 0
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        kills += kill_at_random(folder, [rng.random() / 2, 0.5 + rng.random()], whole)
    assert kills


@pytest.mark.slow
def test_killed_at_twenty_moments(tmp_path, whole):
    rng, kills = random.Random(1), 0
    for attempt in range(400):   # on a fast machine many have ended by then
        kills += kill_at_random(tmp_path / str(attempt), [rng.random()], whole)
        if kills >= 20:
            return
    pytest.fail(f"only {kills} trainings were alive to be killed")


def test_a_killed_write_leaves_the_one_before(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, 1, {"w": Tensor(np.ones(3))}, {}, {"position": 1})
    real = os.rename

    def killed(a, b):
        raise SystemExit("killed")

    monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(SystemExit):
        save_checkpoint(tmp_path, 2, {"w": Tensor(np.zeros(3))}, {}, {"position": 2})
    monkeypatch.setattr(os, "rename", real)
    assert load_checkpoint(tmp_path)[2] == {"position": 1}
    save_checkpoint(tmp_path, 3, {"w": Tensor(np.zeros(3))}, {}, {"position": 3})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-00000001", "checkpoint-00000003"]   # no litter


def test_a_damaged_file_is_passed_over(tmp_path, capsys):
    for step in (1, 2):
        save_checkpoint(tmp_path, step, {"w": Tensor(np.full(3, step, float))}, {}, {"position": step})
    file = tmp_path / "checkpoint-00000002" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    assert load_checkpoint(tmp_path)[2] == {"position": 1}
    assert "checkpoint-00000002 does not load" in capsys.readouterr().err
    (tmp_path / "checkpoint-00000001" / "state.json").write_text("{")
    with pytest.raises(ValueError, match="no checkpoint in .* loads"):
        load_checkpoint(tmp_path)
    with pytest.raises(FileNotFoundError, match="no checkpoint in"):
        load_checkpoint(tmp_path / "nowhere")


def test_a_checkpoint_is_ordinary_files(tmp_path):
    from safetensors.numpy import load_file

    training = trainer(tmp_path, epochs=1)
    training.fit()
    newest = checkpoints(tmp_path)[0]
    assert set(load_file(newest / "model.safetensors")) == set(training.model.state_dict())
    assert json.loads((newest / "state.json").read_text())["epoch"] == 1


def test_another_configuration_is_refused(tmp_path):
    trainer(tmp_path, config={"hidden": 64, "epochs": 3}).fit()
    with pytest.raises(ValueError, match="hidden is 64 there and 32 here"):
        trainer(tmp_path, config={"hidden": 32, "epochs": 3}).fit(resume=True)


def test_mistakes_are_explained(tmp_path):
    training = trainer(tmp_path)
    training.step = lambda batch: Tensor(np.array(np.nan))
    with pytest.raises(FloatingPointError, match="the loss of step 1 is nan; a smaller learning rate"):
        training.fit()
    training.step = lambda batch: Tensor(np.zeros(2))
    with pytest.raises(TypeError, match=r"Tensor of shape \(2,\); it must return a scalar"):
        training.fit()
    for epochs in (2.5, True):
        with pytest.raises(TypeError, match=f"Trainer: epochs={epochs} must be an integer"):
            trainer(None, epochs=epochs)
    with pytest.raises(ValueError, match="epochs=0 must be a positive integer"):
        trainer(None, epochs=0)
    training.loader.dataset = tinymm.data.Subset(training.loader.dataset, [])
    with pytest.raises(ValueError, match="the loader has no batches"):
        tinymm.train.Trainer(training.model, training.optimizer, training.loader, training.step, 1)


def test_it_trains_in_another_thread():
    done = []
    thread = threading.Thread(target=lambda: done.append(trainer(None, epochs=1).fit()))
    thread.start()
    thread.join()
    assert len(done[0]["loss"]) == 23


def test_a_second_ctrl_c_stops_at_once():
    training, before = trainer(None), signal.getsignal(signal.SIGINT)   # a process in the background may ignore it

    def step(batch):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    training.step = step
    with pytest.raises(KeyboardInterrupt):
        training.fit()
    assert training.steps == 0 and signal.getsignal(signal.SIGINT) is before


def test_folders_of_checkpoints_can_be_moved(tmp_path, whole):
    stop_after(trainer(tmp_path / "here", every=1e9), 30)
    shutil.move(tmp_path / "here", tmp_path / "there")
    training = trainer(tmp_path / "there")
    training.fit(resume=True)
    assert checksum(training) == whole


def test_gradients_left_by_an_earlier_training_do_not_count(whole):
    """An encoder that was trained before keeps its last gradient; it must not enter the norm that is clipped."""
    training = trainer(None)
    left = tinymm.nn.Linear(3, 3)
    training.model[0].add_module("trained_before", left)
    left.weight.grad = Tensor(np.full((3, 3), 100.0, np.float32))
    history = training.fit()
    again = trainer(None).fit()
    assert history["loss"] == again["loss"] and left.weight.grad is None


def test_a_new_training_does_not_mix_with_an_old_one(tmp_path):
    trainer(tmp_path).fit()
    before = {p.name for p in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match="holds checkpoints of an earlier training; continue it with resume=True"):
        trainer(tmp_path).fit()
    assert {p.name for p in tmp_path.iterdir()} == before


def test_a_foreign_checkpoint_is_refused(tmp_path):
    save_checkpoint(tmp_path, 5, {}, {}, {"something": "else"})
    with pytest.raises(ValueError, match="not written by a Trainer of this version; it lacks batch, carried"):
        trainer(tmp_path).fit(resume=True)


def save_again_and_again(folder, number, count, errors):
    for _ in range(count):
        try:
            save_checkpoint(folder, number, {"w": tinymm.full((50, 50), number)}, {"who": number}, {"who": number})
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")


def read_again_and_again(folder, stop, errors, seen):
    while not stop.is_set():
        try:
            model, optimizer, state = load_checkpoint(folder)
            seen.append(state["who"])
            if not model["w"].numpy().min() == model["w"].numpy().max() == optimizer["who"] == state["who"]:
                errors.append(f"mixed: {model['w'].numpy().max()}, {optimizer}, {state}")
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")


def test_two_savers_take_turns_and_readers_see_whole_checkpoints(tmp_path):
    """Another process, two threads of this one, all of the same few steps; the reader meets checkpoints that go."""
    errors, stop, seen = [], threading.Event(), []
    save_checkpoint(tmp_path, 1, {"w": tinymm.full((50, 50), 1)}, {"who": 1}, {"who": 1})
    code = ("import sys; from tests.train.test_trainer import save_again_and_again; errors = []; "
            "save_again_and_again(sys.argv[1], 3, 25, errors); print(errors)")
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    reader = threading.Thread(target=read_again_and_again, args=(tmp_path, stop, errors, seen))
    savers = [threading.Thread(target=save_again_and_again, args=(tmp_path, number, 25, errors)) for number in (2, 3)]
    for thread in (reader, *savers):
        thread.start()
    for saver in savers:
        saver.join()
    out, _ = other.communicate(timeout=120)
    stop.set()
    reader.join()
    assert out == "[]\n" and errors == [] and len(seen) > 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-00000002", "checkpoint-00000003"]


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_step_that_is_saved_again_is_there_at_every_moment(tmp_path, monkeypatch, renames):
    """Killed before each of its three renames: the old one, or the new one."""
    save_checkpoint(tmp_path, 1, {}, {}, {"position": "old"})
    left, real = [renames], os.rename

    def killed(a, b):
        if not left[0]:
            raise SystemExit("killed")
        left[0] -= 1
        real(a, b)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", killed)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)   # a killed process does not tidy up
        with pytest.raises(SystemExit):
            save_checkpoint(tmp_path, 1, {}, {}, {"position": "new"})
    assert load_checkpoint(tmp_path)[2]["position"] == ("new" if renames == 2 else "old")
    newest, = checkpoints(tmp_path)
    assert load_checkpoint(newest)[2] == load_checkpoint(tmp_path)[2]
    save_checkpoint(tmp_path, 1, {}, {}, {"position": "third"})
    assert load_checkpoint(tmp_path)[2] == {"position": "third"} and len(list(tmp_path.iterdir())) == 1


def test_two_trainings_in_one_folder(tmp_path):
    """The second is refused while the first is at work; when it has ended, its folder is free again."""
    first, second = trainer(tmp_path, epochs=1), trainer(tmp_path, epochs=1)
    step, refused = first.step, []

    def meanwhile(batch):
        if not refused:
            with pytest.raises(FileExistsError, match=f"is in use by another training .process {os.getpid()}.*another folder"):
                second.fit(resume=True)
            refused.append(True)
        return step(batch)

    first.step = meanwhile
    first.fit()
    assert refused and second.steps == 0
    second.fit(resume=True)
    assert second.steps == 23


@pytest.mark.parametrize("config, other", [
    ({"size": (32, 64)}, {"size": (32, 65)}), ({"widths": {1: 8}}, {"widths": {2: 8}}), ({"limit": float("nan")}, {"limit": 1.0}),
    ({"lr": np.float32(0.1)}, {"lr": 0.1}), ({"folder": pathlib.Path("a")}, {"folder": "b"}), ({"n": np.int64(3)}, {"n": "3"}),
    ({}, {"new": 1}), (None, {"new": False})], ids=str)
def test_a_configuration_is_the_same_after_its_journey(tmp_path, config, other):
    trainer(tmp_path, epochs=1, config=config).fit()
    trainer(tmp_path, epochs=1, config=config).fit(resume=True)
    with pytest.raises(CheckpointMismatch, match=f"{next(iter(other))} is .* there and .* here"):
        trainer(tmp_path, epochs=1, config=other).fit(resume=True)


def test_what_cannot_be_saved_is_refused_before_the_training(tmp_path):
    for config, name in (({"a": {1, 2}}, "set"), ({"a": Tensor([1.0])}, "Tensor"), ({"a": np.zeros(2)}, "ndarray")):
        with pytest.raises(TypeError, match=rf"Trainer: config\['a'\] is a {name}, which JSON does not keep"):
            trainer(tmp_path, config=config)
    training = trainer(tmp_path)
    training.carried["average"].state_dict = lambda: {"value": Tensor([1.0])}
    with pytest.raises(TypeError, match=r"Trainer: the state of carried\['average'\]\['value'\] is a Tensor"):
        training.fit()
    training.carried["average"].state_dict = lambda: {"counts": {3: 1}}   # another dict when it comes back
    with pytest.raises(TypeError, match=r"carried\['average'\]\['counts'\] has the key 3, a int"):
        training.fit()
    assert training.steps == 0 and not checkpoints(tmp_path)
    with pytest.raises(TypeError, match=r"save_checkpoint: state\['x'\] is a set"):
        save_checkpoint(tmp_path, 1, {}, {}, {"x": {1}})
    assert not list(tmp_path.iterdir())


def edit_state(folder, change):
    file = checkpoints(folder)[0] / "state.json"
    state = json.loads(file.read_text())
    change(state)
    file.write_text(json.dumps(state))


@pytest.mark.parametrize("change, message", [
    (lambda s: s.update(scheduler=None), "is of another training: no scheduler there, one here"),
    (lambda s: s.update(carried={}), r"carried is \[\] there and \['average'\] here"),
    (lambda s: s.update(carried=None), r"carried is \[\] there and \['average'\] here"),
    (lambda s: s["carried"].update(average={}), "does not fit this training: it lacks 'value'. Resume with the same model"),
    (lambda s: s.update(random=3), "does not fit this training"),
    (lambda s: s["random"].update(seed="x"), "does not fit this training"),
    (lambda s: s.update(loader={"order": [1], "done": 0}), "does not fit this training: DataLoader: the state is of a"),
    (lambda s: s.update(history=[]), "does not fit this training"), (lambda s: s.update(epoch="two"), "does not fit this training"),
    (lambda s: s.update(history={"loss": ["x"]}), "does not fit this training"),
    (lambda s: s.update(config=[1]), r"config is \[1\] there"),
    (lambda s: s.update(steps_an_epoch=7), "7 steps an epoch there, 23 here"),
    (lambda s: s.pop("history"), "lacks history")])
def test_a_state_that_does_not_fit(tmp_path, change, message):
    trainer(tmp_path, epochs=1).fit()
    edit_state(tmp_path, change)
    with pytest.raises(CheckpointMismatch, match=message):
        trainer(tmp_path, epochs=1).fit(resume=True)


def test_weights_that_do_not_fit(tmp_path, capsys):
    trainer(tmp_path, epochs=1).fit()
    newest = checkpoints(tmp_path)[0]
    model, optimizer, _ = load_checkpoint(newest)
    tinymm.save({**model, "0.weight": model["0.weight"][:3]}, newest / "model.safetensors")
    with pytest.raises(CheckpointMismatch, match=f"{newest.name}, does not fit this training: .*0.weight"):
        trainer(tmp_path, epochs=1).fit(resume=True)
    tinymm.save({**model, "0.bias": model["0.bias"] * np.nan}, newest / "model.safetensors")
    with pytest.raises(CheckpointMismatch, match=f"0.bias in the newest checkpoint in .* has NaN; remove {newest.name} there"):
        trainer(tmp_path, epochs=1).fit(resume=True)
    tinymm.save(model, newest / "model.safetensors")
    for wrong in ({}, {"state": {}}, {**optimizer, "param_groups": []}):
        tinymm.save(wrong, newest / "optimizer.safetensors")
        with pytest.raises(CheckpointMismatch, match="does not fit this training"):
            trainer(tmp_path, epochs=1).fit(resume=True)
    tinymm.save([1], newest / "optimizer.safetensors")   # no state dict at all: as damaged as a cut file
    trainer(tmp_path, epochs=1).fit(resume=True)
    assert "optimizer.safetensors holds a list; expected a state dict); going on from checkpoint-0000002" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["[1]", "3", "", "{", "\x00" * 50])
def test_a_damaged_state_is_passed_over(tmp_path, damage, capsys):
    for step in (1, 2):
        save_checkpoint(tmp_path, step, {}, {}, {"position": step})
    (tmp_path / "checkpoint-00000002" / "state.json").write_text(damage)
    assert load_checkpoint(tmp_path)[2] == {"position": 1}
    assert "checkpoint-00000002 does not load" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "checkpoint-00000002")
    (tmp_path / "checkpoint-00000002").write_text("a file")
    assert load_checkpoint(tmp_path)[2] == {"position": 1}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")], ids=["Ctrl-C", "full"])
def test_a_save_that_is_broken_off_anywhere_leaves_whole_checkpoints(tmp_path, error, monkeypatch):
    """At each of its calls of the system, until one save comes through: the old one or the new one, and no halves."""
    left, calls = [0], ["fsync", "rename", "replace", "mkdir"]

    def breaking(real):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                raise error
            return real(*args, **kwargs)
        return call

    save_checkpoint(tmp_path, 1, {"w": Tensor(np.full(3, 0.0))}, {}, {"position": 0})
    broken = before = 0
    for attempt in range(1, 40):
        left[0] = attempt
        with monkeypatch.context() as patch:
            for name in calls:
                patch.setattr(os, name, breaking(getattr(os, name)))
            try:
                save_checkpoint(tmp_path, 1, {"w": Tensor(np.full(3, float(attempt)))}, {}, {"position": attempt})
            except (KeyboardInterrupt, OSError):
                broken += 1
        through = left[0] > 0
        model, _, state = load_checkpoint(tmp_path)
        assert state["position"] in (before, attempt) and model["w"].tolist() == [state["position"]] * 3
        before = state["position"]
        if through:
            break
    assert broken > 8 and before == attempt and [p.name for p in tmp_path.iterdir()] == ["checkpoint-00000001"]


def test_a_full_disk_ends_the_training_and_keeps_its_checkpoints(tmp_path, monkeypatch, whole):
    first = trainer(tmp_path, every=1e9)
    step = first.step

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def step_on_a_full_disk(batch):
        if first.steps == 30:
            monkeypatch.setattr(os, "fsync", full)
        return step(batch)

    first.step = step_on_a_full_disk
    with pytest.raises(OSError, match="checkpoint of step 46 could not be written .No space left on device.; those before stay"):
        first.fit()
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-00000023"]
    second = trainer(tmp_path, every=1e9)
    second.fit(resume=True)
    assert checksum(second) == whole


def test_without_a_standard_error(tmp_path, monkeypatch, capsys):
    closed = open(tmp_path / "closed", "w")
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "stdout", stream)
        folder = tmp_path / str(stream is None)
        training = trainer(folder, epochs=1)
        training.label = "training"
        training.fit()
        newest = checkpoints(folder)[0]
        save_checkpoint(folder, 24, {}, {}, {})
        (folder / "checkpoint-00000024" / "state.json").write_text("{")
        assert load_checkpoint(folder)[2]["epoch"] == 1 and newest.exists()   # its remark goes nowhere
