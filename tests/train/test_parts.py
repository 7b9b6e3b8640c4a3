"""Networks that take turns in one Trainer: each update is its own, and all of them are in the checkpoint."""

import json

import numpy as np
import pytest

import tinymm
from tests.train.adversaries import adversaries
from tests.train.small_training import checksum, interrupt, trainer
from tests.train.test_trainer import edit_state, kill_at_random, stop_after
from tinymm import optim
from tinymm.train import CheckpointMismatch, Trainer, load_checkpoint
from tinymm.train.checkpoint import checkpoints


@pytest.fixture(scope="module")
def whole():
    training = adversaries(None)
    training.fit()
    return checksum(training)


def by_hand(rest: int):
    """The same training as one writes it in PyTorch, without a Trainer; returns what it learned and its losses."""
    made = adversaries(None, rest=rest)
    D, G, optimizer, losses = made.model["D"], made.model["G"], made.optimizer, {"D loss": [], "G loss": []}
    for _ in range(3):
        for batch in made.loader:
            for name, network in (("D", D), ("G", G)):
                optimizer[name].zero_grad()
                loss = made.step[name](batch)
                if loss is None:
                    continue
                loss = loss[0] if isinstance(loss, tuple) else loss
                loss.backward()
                optim.clip_grad_norm_(network.parameters(), 5.0)
                optimizer[name].step()
                losses[f"{name} loss"].append(loss.item())
                if name == "G":
                    made.scheduler["G"].step()
            made.batch += 1
    return made.model.state_dict(), losses


@pytest.mark.parametrize("rest", [1, 3])
def test_it_is_the_loop_that_one_writes_by_hand(rest):
    training = adversaries(None, rest=rest)
    history = training.fit()
    learned, losses = by_hand(rest)
    for name, value in training.model.state_dict().items():
        assert np.array_equal(value.numpy(), learned[name].numpy()), name
    assert {name: history[name] for name in losses} == losses and len(history["G loss"]) == -(-69 // rest)
    assert len(history["D loss"]) == len(history["real"]) == 69 and "loss" not in history


def test_a_part_changes_its_own_network_only():
    training = adversaries(None, epochs=1)
    seen, step = [], dict(training.step)

    def watched(name, other):
        def of_part(batch):
            assert not any(p.requires_grad for p in training.model[other].parameters())
            assert all(p.requires_grad for p in training.model[name].parameters())
            assert all(p.grad is None for p in training.model[name].parameters())
            before = {n: p.detach().numpy().copy() for n, p in training.model[other].named_parameters()}
            seen.append((name, other, before))
            return step[name](batch)
        return of_part

    def compare():
        name, other, before = seen[-1]
        assert all(np.array_equal(before[n], p.detach().numpy()) for n, p in training.model[other].named_parameters())
        assert all(p.grad is not None for p in training.model[name].parameters())

    training.step = {"D": watched("D", "G"), "G": watched("G", "D")}
    training.after = compare
    training.fit()
    assert [name for name, *_ in seen] == ["D", "G"] * 23
    assert all(p.requires_grad for p in training.model.parameters())


def test_parameters_are_as_they_were_after_an_error():
    training = adversaries(None)
    training.model["D"][0].bias.requires_grad_(False)   # what was held before stays so
    training.step["G"] = lambda batch: tinymm.tensor(np.nan)
    with pytest.raises(FloatingPointError, match="the G loss of step 1 is nan"):
        training.fit()
    frozen = [name for name, p in training.model.named_parameters() if not p.requires_grad]
    assert frozen == ["D.0.bias"]


def test_parts_may_share_parameters():
    """A shared trunk belongs to both turns."""
    training = adversaries(None, epochs=1)
    shared = training.model["D"][0].weight
    training.optimizer["G"].add_param_group({"params": [shared]})
    before = shared.detach().numpy().copy()
    training.step["D"] = lambda batch: None   # only G's turns change it now
    training.fit()
    assert not np.array_equal(before, shared.detach().numpy())


@pytest.mark.parametrize("steps", [1, 22, 23, 24, 69])
def test_interrupted_and_resumed_is_the_same(tmp_path, whole, steps):
    first = adversaries(tmp_path, every=1e9)
    stop_after(first, steps)
    second = adversaries(tmp_path, seed=7, every=1e9)
    second.fit(resume=True)
    assert first.steps == steps and checksum(second) == whole


def test_stopped_between_two_turns_it_goes_on_from_the_checkpoint_before(tmp_path, whole):
    training = adversaries(tmp_path)
    interrupt(training, 30, "G")
    with pytest.raises(KeyboardInterrupt):
        training.fit()
    again = adversaries(tmp_path)
    again.fit(resume=True)
    assert checksum(again) == whole


def test_killed_at_any_moment_it_resumes_to_the_same(tmp_path, whole):
    assert kill_at_random(tmp_path, [0.2, 0.9], whole, "tests.train.adversaries") >= 0


def test_the_checkpoint_has_every_part(tmp_path):
    adversaries(tmp_path, epochs=1).fit()
    _, optimizer, state = load_checkpoint(tmp_path)
    assert list(optimizer) == state["parts"] == ["D", "G"] and list(state["scheduler"]) == ["G"]
    assert all(len(optimizer[name]["state"]) == count for name, count in (("D", 4), ("G", 6)))


@pytest.mark.parametrize("change, message", [
    (lambda s: s.update(parts=["G", "D"]), r"its step has \['G', 'D'\] parts there and \['D', 'G'\] here"),
    (lambda s: s.update(parts=None), r"its step has no parts there and \['D', 'G'\] here"),
    (lambda s: s.update(scheduler={}), r"a scheduler for \[\] there and \['G'\] here"),
    (lambda s: s.update(scheduler=None), "no scheduler there, one here"),
    (lambda s: s.update(scheduler={"G": {}}), "does not fit this training")])
def test_another_training_is_refused(tmp_path, change, message):
    adversaries(tmp_path, epochs=1).fit()
    edit_state(tmp_path, change)
    with pytest.raises(CheckpointMismatch, match=message):
        adversaries(tmp_path, epochs=1).fit(resume=True)


def test_one_loss_does_not_continue_parts(tmp_path):
    adversaries(tmp_path / "parts", epochs=1).fit()
    with pytest.raises(CheckpointMismatch, match=r"its step has \['D', 'G'\] parts there and none here"):
        trainer(tmp_path / "parts", epochs=1).fit(resume=True)
    trainer(tmp_path / "one", epochs=1).fit()
    with pytest.raises(CheckpointMismatch, match="its step has no parts there"):
        adversaries(tmp_path / "one", epochs=1).fit(resume=True)


def test_checkpoints_from_before_there_were_parts_go_on(tmp_path):
    whole = trainer(None)
    whole.fit()
    training = trainer(tmp_path, every=1e9)
    stop_after(training, 30)
    edit_state(tmp_path, lambda s: s.pop("parts"))
    again = trainer(tmp_path)
    again.fit(resume=True)
    assert checksum(again) == checksum(whole)
    assert json.loads((checkpoints(tmp_path)[0] / "state.json").read_text())["parts"] is None


@pytest.mark.parametrize("change, error, message", [
    ({"step": lambda batch: None}, TypeError, "optimizer is a dict and step a function; .* both are dicts with the same names"),
    ({"optimizer": None}, TypeError, "optimizer is a NoneType and step a dict"),
    ({"step": {}}, TypeError, "at least one, named by text"),
    ({"step": {1: None}}, TypeError, "at least one, named by text"),
    ({"step": {"D": None}}, ValueError, r"optimizer has the parts \['D', 'G'\], step has \['D'\]; each part needs both"),
    ({"optimizer": {"D": None, "G": None}}, TypeError, r"optimizer\['D'\] is a NoneType, no Optimizer"),
    ({"scheduler": 3}, TypeError, r"scheduler is a int, and the step has the parts \['D', 'G'\]"),
    ({"scheduler": {"E": 3}}, ValueError, r"scheduler has the parts \['E'\], which step does not have")])
def test_parts_that_do_not_fit_are_refused(change, error, message):
    made = adversaries(None)
    given = {"optimizer": made.optimizer, "step": made.step, "scheduler": made.scheduler, **change}
    with pytest.raises(error, match=f"Trainer: .*{message}"):
        Trainer(made.model, given["optimizer"], made.loader, given["step"], 1, scheduler=given["scheduler"])


def test_other_mistakes_are_explained():
    made = adversaries(None)
    both = {"D": made.optimizer["D"], "G": made.optimizer["D"]}
    with pytest.raises(ValueError, match="have the same optimizer; give each its own"):
        Trainer(made.model, both, made.loader, made.step, 1)
    with pytest.raises(TypeError, match="scheduler is a dict of 'G', and optimizer is a single one"):
        Trainer(made.model, made.optimizer["D"], made.loader, made.step["D"], 1, scheduler=made.scheduler)
    made.step["D"] = lambda batch: 3.0
    with pytest.raises(TypeError, match=r"step\['D'\] returned a float; it must return a scalar Tensor"):
        made.fit()
    one = trainer(None)
    one.step = lambda batch: None
    with pytest.raises(TypeError, match="step returned a NoneType; it must return a scalar Tensor"):
        one.fit()
