"""Every optimiser and schedule against PyTorch, step for step."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, optim
from tinymm.backend.jit import use_kernels

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

RULES = [
    ("SGD", dict(lr=0.1)), ("SGD", dict(lr=0.1, momentum=0.9)), ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.3)),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)), ("SGD", dict(lr=0.1, weight_decay=0.1, maximize=True)),
    ("Adam", dict(lr=0.05)), ("Adam", dict(lr=0.05, betas=(0.5, 0.99), eps=1e-4, weight_decay=0.1)),
    ("Adam", dict(lr=0.05, amsgrad=True)), ("Adam", dict(lr=0.05, maximize=True)), ("AdamW", dict(lr=0.05)),
    ("AdamW", dict(lr=0.05, weight_decay=0.3, amsgrad=True)), ("Adamax", dict(lr=0.05, weight_decay=0.1)),
    ("RMSprop", dict(lr=0.05)), ("RMSprop", dict(lr=0.05, alpha=0.9, momentum=0.5, centered=True, weight_decay=0.1)),
    ("Adagrad", dict(lr=0.5, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.1)),
    ("Adadelta", dict(lr=0.5, rho=0.8, weight_decay=0.1)),
]
STARTS = [np.array([1.5, -0.7, 0.3]), np.arange(6.0).reshape(2, 3) / 5 - 0.4]


def loss_of(lib, a, b):
    return ((a * a).sum() * 0.5 + (b.sin() * b).sum() + (a * b).sum() * 0.3)


def run(lib, make, rule, options, dtype, steps=12, schedule=None):
    params = [make(start.astype(dtype)) for start in STARTS]
    optimiser = getattr(lib.optim, rule)(params, **options)
    scheduler = schedule(lib.optim.lr_scheduler, optimiser) if schedule else None
    rates = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss_of(lib, *params).backward()
        optimiser.step()
        if scheduler is not None:
            rates.append(optimiser.param_groups[0]["lr"])
            scheduler.step()
    return [p.detach().numpy() for p in params], rates


def ours(a):
    return Tensor(a.copy(), requires_grad=True)


def theirs(a):
    return torch.tensor(a, requires_grad=True)


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 3e-6)])
@pytest.mark.parametrize("rule, options", RULES, ids=[f"{r}-{i}" for i, (r, _) in enumerate(RULES)])
def test_update_rule(rule, options, dtype, tolerance, kernels):
    with use_kernels(kernels):
        got, _ = run(tinymm, ours, rule, options, dtype)
    want, _ = run(torch, theirs, rule, options, dtype)
    for g, w in zip(got, want):
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)


SCHEDULES = {
    "StepLR": lambda s, o: s.StepLR(o, 3, 0.5), "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5], 0.5),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9), "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 10, 0.01),
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda t: 1 / (1 + t)), "LinearLR": lambda s, o: s.LinearLR(o, 0.25, 0.9, 6),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name):
    got = run(tinymm, ours, "SGD", dict(lr=0.1), "float64", schedule=SCHEDULES[name])[1]
    want = run(torch, theirs, "SGD", dict(lr=0.1), "float64", schedule=SCHEDULES[name])[1]
    assert got == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("options", [dict(), dict(mode="max", patience=1, cooldown=2), dict(threshold_mode="abs", threshold=0.2),
                                     dict(min_lr=0.02, factor=0.5, patience=0)], ids=str)
def test_plateau(options):
    metrics = [1.0, 0.9, 0.95, 0.96, 0.97, 0.5, 0.6, 0.6, 0.6, 0.61, 0.62, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    rates = []
    for lib, make in ((tinymm, ours), (torch, theirs)):
        optimiser = lib.optim.SGD([make(STARTS[0])], lr=0.1)
        plateau = lib.optim.lr_scheduler.ReduceLROnPlateau(optimiser, **{"patience": 2, **options})
        rates.append([])
        for metric in metrics:
            plateau.step(metric)
            rates[-1].append(optimiser.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(rates[1])


@pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])
@pytest.mark.parametrize("history_size", [3, 100])
def test_lbfgs_on_rosenbrock(line_search_fn, history_size):
    found = []
    for lib, make in ((tinymm, ours), (torch, theirs)):
        x = make(np.array([-0.3, 0.8, 0.2]))
        optimiser = lib.optim.LBFGS([x], lr=1.0 if line_search_fn else 0.01, max_iter=8, history_size=history_size,
                                    line_search_fn=line_search_fn)

        def closure():
            optimiser.zero_grad()
            loss = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
            loss.backward()
            return loss

        for _ in range(4):
            loss = optimiser.step(closure)
        found.append((x.detach().numpy().copy(), float(loss)))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-6)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, float("inf")])
def test_clip_grad_norm(norm_type):
    results = []
    for lib, make, clip in ((tinymm, ours, optim.clip_grad_norm_), (torch, theirs, torch.nn.utils.clip_grad_norm_)):
        params = [make(start) for start in STARTS]
        loss_of(lib, *params).backward()
        total = clip(params, 0.5, norm_type)
        results.append([float(total), *(p.grad.numpy() for p in params)])
    for got, want in zip(*results):
        np.testing.assert_allclose(got, want, rtol=1e-12)
