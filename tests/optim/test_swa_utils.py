"""Averages of weights: the formulas, against PyTorch, and as part of a training's checkpoint."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, nn, optim
from tinymm.data import DataLoader
from tinymm.optim.swa_utils import AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn
from tinymm.train import Trainer, load_checkpoint

WAYS = {"equal": {}, "ema": dict(multi_avg_fn=get_ema_multi_avg_fn(0.9)), "ema, one by one": dict(avg_fn=get_ema_avg_fn(0.9)),
        "buffers": dict(multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True)}


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def drawn(model, seed):
    """The model with other parameters and statistics."""
    draw = np.random.default_rng(seed)
    with tinymm.no_grad():
        for t in [*model.parameters(), *model.buffers()]:
            t.copy_(draw.uniform(0.5, 1.5, t.shape) if t.dtype.kind == "f" else 10 * seed)
    return model


def values(model):
    return {name: t.detach().numpy().copy() for name, t in model.state_dict().items()}


def test_exponential_moving_average_is_the_sum_of_the_past():
    """After n updates w_1 has the weight d^(n-1) and a later w_k (1 - d) d^(n-k)."""
    model, d, n = network(), 0.7, 5
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(d))
    seen = []
    for k in range(n):
        ema.update_parameters(drawn(model, k + 1))
        seen.append(model[0].weight.detach().numpy().copy())
    shares = [d**(n - 1), *((1 - d) * d**(n - k) for k in range(2, n + 1))]
    assert sum(shares) == pytest.approx(1)
    wanted = sum(share * w.astype(np.float64) for share, w in zip(shares, seen))
    np.testing.assert_allclose(ema.module[0].weight.detach().numpy(), wanted, atol=1e-6)   # float32
    np.testing.assert_array_equal(ema.module[1].running_mean.numpy(), model[1].running_mean.numpy())   # buffers are the last ones
    assert ema.n_averaged.item() == n


def test_by_default_all_models_weigh_the_same():
    model = network()
    average = AveragedModel(model)
    seen = []
    for k in range(4):
        average.update_parameters(drawn(model, k))
        seen.append(model[2].bias.detach().numpy().copy())
    np.testing.assert_allclose(average.module[2].bias.detach().numpy(), np.mean(seen, 0), atol=1e-6)


def test_the_copy_is_apart():
    """The average neither follows the model nor changes it, and answers with its own parameters."""
    model, x = network().eval(), tinymm.ones(2, 3)
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9)).eval()
    ema.update_parameters(model)
    before, said = values(model), ema(x).detach().numpy()
    np.testing.assert_array_equal(said, model(x).detach().numpy())
    drawn(model, 1)
    np.testing.assert_array_equal(ema(x).detach().numpy(), said)
    changed = values(model)
    ema.update_parameters(model)
    assert all((values(model)[name] == changed[name]).all() for name in before)
    assert (ema(x).detach().numpy() != said).any()


class Numbers:
    """Pairs (x, y) for a regression."""

    def __len__(self):
        return 24

    def __getitem__(self, i):
        return np.float32([i % 5, i % 3, 1]), np.float32([i % 7, 1])


def training(folder, stop=None):
    tinymm.manual_seed(3)
    model = network()
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))

    def step(batch):
        x, y = batch
        if stop is not None and trainer.steps == stop:
            raise RuntimeError("the power fails")
        return ((model(x) - y) ** 2).mean()

    trainer = Trainer(nn.ModuleDict({"model": model, "ema": ema}), optim.AdamW(model.parameters(), lr=0.01),
                      DataLoader(Numbers(), 4, shuffle=True), step, 3, after=lambda: ema.update_parameters(model), folder=folder,
                      label=None)
    return trainer, ema


def test_it_belongs_to_the_checkpoint(tmp_path):
    """A training that was cut off goes on to the same average, bit for bit, and the file has it under its own names."""
    trainer, whole = training(tmp_path / "whole")
    trainer.fit()
    assert whole.n_averaged.item() == trainer.steps == 18
    trainer, _ = training(tmp_path / "cut", stop=8)   # two steps after a checkpoint
    with pytest.raises(RuntimeError, match="power"):
        trainer.fit()
    trainer, resumed = training(tmp_path / "cut")
    trainer.fit(resume=True)
    for name, value in values(whole).items():
        np.testing.assert_array_equal(values(resumed)[name], value, err_msg=name)
    weights, _, _ = load_checkpoint(tmp_path / "cut")
    again = network()
    again.load_state_dict({name.removeprefix("ema.module."): t for name, t in weights.items() if name.startswith("ema.module.")})
    assert all((value == values(whole.module)[name]).all() for name, value in values(again).items())
    assert (values(again)["0.weight"] != weights["model.0.weight"].numpy()).any()


def test_bad_arguments():
    model = network()
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="get_ema_multi_avg_fn: decay"):
            get_ema_multi_avg_fn(wrong)
    with pytest.raises(ValueError, match="both given"):
        AveragedModel(model, avg_fn=get_ema_avg_fn(), multi_avg_fn=get_ema_multi_avg_fn())
    ema = AveragedModel(model)
    with pytest.raises(ValueError, match=r"update_parameters: parameters differ .* at 0\.bias"):
        ema.update_parameters(nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(4), nn.Linear(4, 2)))
    assert ema.n_averaged.item() == 0


@pytest.mark.oracle
@pytest.mark.parametrize("way", WAYS)
def test_against_pytorch(way):
    torch = pytest.importorskip("torch")
    from torch.optim import swa_utils as theirs

    options = {**WAYS[way]}
    if "multi_avg_fn" in options:
        options["multi_avg_fn"] = theirs.get_ema_multi_avg_fn(0.9 if way == "ema" else 0.5)
    if "avg_fn" in options:
        options["avg_fn"] = theirs.get_ema_avg_fn(0.9)
    model = network()
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    mine, wanted = AveragedModel(model, **WAYS[way]), theirs.AveragedModel(other, **options)
    for k in range(6):
        drawn(model, k)
        other.load_state_dict({name: torch.from_numpy(value) for name, value in values(model).items()})
        mine.update_parameters(model)
        wanted.update_parameters(other)
    assert list(mine.state_dict()) == sorted(wanted.state_dict(), key=list(mine.state_dict()).index)
    for name, value in wanted.state_dict().items():   # float32, six roundings
        np.testing.assert_allclose(values(mine)[name], value.numpy(), rtol=0, atol=2e-6, err_msg=name)
    assert isinstance(mine.n_averaged, Tensor)
