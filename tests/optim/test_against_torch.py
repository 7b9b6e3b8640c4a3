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


def arrays(value):
    """PyTorch's state with NumPy's arrays in the place of its tensors."""
    if isinstance(value, dict):
        return {k: arrays(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(arrays(v) for v in value)
    return value.numpy().copy() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("rule, options", [*RULES, ("LBFGS", dict(lr=0.05, max_iter=2)),
                                           ("LBFGS", dict(max_iter=2, line_search_fn="strong_wolfe"))], ids=str)
def test_a_state_of_pytorchs(rule, options):
    """Training that PyTorch has begun goes on here with the same numbers; the state has the same names."""
    theirs_ = [theirs(start) for start in STARTS]
    judge = getattr(torch.optim, rule)(theirs_, **options)

    def closure_of(lib, optimiser, params):
        def closure():
            optimiser.zero_grad()
            loss = loss_of(lib, *params)
            loss.backward()
            return loss
        return closure

    for _ in range(3):
        judge.step(closure_of(torch, judge, theirs_))
    params = [ours(p.detach().numpy()) for p in theirs_]
    mine = getattr(optim, rule)(params, **options)
    mine.load_state_dict(arrays(judge.state_dict()))
    for _ in range(3):
        judge.step(closure_of(torch, judge, theirs_))
        mine.step(closure_of(tinymm, mine, params))
    for p, q in zip(params, theirs_):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-10)
    for number, state in judge.state_dict()["state"].items():
        assert set(mine.state_dict()["state"][number]) == set(state) - {"prev_loss", "al"}


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


CHAINS = {   # functions of (the module of schedules, an optimiser) that make one schedule or several
    "LambdaLR": lambda s, o: [s.LambdaLR(o, lambda t: 1 / (1 + t))],
    "LambdaLR of two": lambda s, o: [s.LambdaLR(o, [lambda t: 1 / (1 + t), lambda t: 0.5**t])],
    "StepLR": lambda s, o: [s.StepLR(o, 7, 0.5)], "StepLR of 1": lambda s, o: [s.StepLR(o, 1, 1.1)],
    "MultiStepLR": lambda s, o: [s.MultiStepLR(o, [30, 2, 5, 5, 0], 0.5)], "ExponentialLR": lambda s, o: [s.ExponentialLR(o, 0.9)],
    "CosineAnnealingLR": lambda s, o: [s.CosineAnnealingLR(o, 10, 0.01)], "of 1": lambda s, o: [s.CosineAnnealingLR(o, 1)],
    "of 40": lambda s, o: [s.CosineAnnealingLR(o, 40)], "above": lambda s, o: [s.CosineAnnealingLR(o, 6, 0.5)],
    "LinearLR": lambda s, o: [s.LinearLR(o, 0.25, 0.9, 6)], "to 0": lambda s, o: [s.LinearLR(o, 1.0, 0.0, 20)],
    "of 0 steps": lambda s, o: [s.LinearLR(o, total_iters=0)], "of 1 step": lambda s, o: [s.LinearLR(o, total_iters=1)],
    "linear, exponential": lambda s, o: [s.LinearLR(o, 0.1, total_iters=4), s.ExponentialLR(o, 0.9)],
    "exponential, linear": lambda s, o: [s.ExponentialLR(o, 0.9), s.LinearLR(o, 0.1, total_iters=4)],
    "linear, cosine": lambda s, o: [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingLR(o, 12, 0.001)],
    "cosine, step": lambda s, o: [s.CosineAnnealingLR(o, 12, 0.001), s.StepLR(o, 5, 0.5)],
    "step, many steps": lambda s, o: [s.StepLR(o, 5, 0.5), s.MultiStepLR(o, [3, 5, 20], 2.0)],
    "function, exponential": lambda s, o: [s.LambdaLR(o, lambda t: 1 / (1 + t)), s.ExponentialLR(o, 0.9)],
    "exponential, function": lambda s, o: [s.ExponentialLR(o, 0.9), s.LambdaLR(o, lambda t: 1 / (1 + t))],
    "three": lambda s, o: [s.LinearLR(o, 0.5, total_iters=9), s.CosineAnnealingLR(o, 50), s.StepLR(o, 10, 0.3)],
}


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("name", CHAINS)
def test_schedules_chain(name, by_hand):
    """45 steps of two groups; by hand, a rate is set and a group is added on the way."""
    found = []
    for lib, make in ((tinymm, ours), (torch, theirs)):
        params = [make(STARTS[0]) for _ in range(3)]
        optimiser = lib.optim.SGD([{"params": [params[0]]}, {"params": [params[1]], "lr": 0.5}], lr=0.1)
        schedules = CHAINS[name](lib.optim.lr_scheduler, optimiser)
        found.append([])
        for t in range(45):
            if by_hand and t == 7:
                optimiser.param_groups[1]["lr"] = 0.123
            if by_hand and t == 15 and "LambdaLR" not in map(lambda s: type(s).__name__, schedules):
                optimiser.add_param_group({"params": [params[2]], "lr": 0.7})
                if any("Cosine" in type(s).__name__ for s in schedules):   # PyTorch counts groups by their initial rates there
                    optimiser.param_groups[2]["initial_lr"] = 0.7
                    for s in schedules:
                        s.base_lrs.append(0.7)
            found[-1] += [group["lr"] for group in optimiser.param_groups]
            found[-1] += [lr for s in schedules for lr in s.get_last_lr()]
            optimiser.step()
            for schedule in schedules:
                schedule.step()
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("options", [dict(), dict(mode="max", patience=1, cooldown=2), dict(threshold_mode="abs", threshold=0.2),
                                     dict(min_lr=0.02, factor=0.5, patience=0), dict(min_lr=[0.03], factor=0.0, patience=0),
                                     dict(eps=0.02, factor=0.7)], ids=str)
def test_plateau(options):
    nan, inf = float("nan"), float("inf")
    metrics = [1.0, 0.9, 0.95, 0.96, 0.97, 0.5, 0.6, 0.6, 0.6, 0.61, 0.62, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, nan, -0.5, inf,
               -0.6, -inf, -inf, -1.0]
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


# ---------------------------------------------------------------------- gradients at the ends of float32

SIZES = [0, 1e-45, 1e-40, 1e-38, 1e-30, 1e-23, 1e-19, 1e-10, 1, 1e10, 1e18, 1e19, 3e19, 1e20, 1e21, 1e25, 1e30, 1e37, 3e38,
         np.inf, -np.inf, np.nan]
EXTREME = np.array([(a, b, c) for a in SIZES for b in (0, 1, 1e20, np.inf, np.nan, 3e38, 1e-40) for c in (1, a)], np.float32).T


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
@pytest.mark.parametrize("start", [1.0, np.inf])
@pytest.mark.parametrize("rule, options", RULES, ids=[f"{r}-{i}" for i, (r, _) in enumerate(RULES)])
def test_extreme_gradients(rule, options, start, kernels):
    """Three steps of each: the same numbers, infinities and NaN."""
    x, y = ours(np.full(EXTREME.shape[1], start, np.float32)), theirs(np.full(EXTREME.shape[1], start, np.float32))
    mine, judge = getattr(optim, rule)([x], **options), getattr(torch.optim, rule)([y], **options)
    for g in EXTREME:
        x.grad, y.grad = Tensor(g.copy()), torch.tensor(g)
        judge.step()
        with use_kernels(kernels):
            mine.step()
    np.testing.assert_allclose(x.detach().numpy(), y.detach().numpy(), rtol=1e-5, atol=1e-6)


def lbfgs_in_both(loss, start, steps, **options):
    """Where L-BFGS ends, and how often it asked for the loss: [ours, PyTorch's]."""
    found = []
    for make, library in ((ours, optim), (theirs, torch.optim)):
        x, calls = make(start), []
        optimiser = library.LBFGS([x], **options)

        def closure():
            optimiser.zero_grad()
            value = loss(x)
            value.backward()
            calls.append(1)
            return value

        for _ in range(steps):
            optimiser.step(closure)
        found.append([*x.detach().numpy(), len(calls)])
    return found


@pytest.mark.parametrize("start", [1e30, np.inf, np.nan, -1e25])
@pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])
def test_lbfgs_of_losses_that_overflow(line_search_fn, start):
    found = lbfgs_in_both(lambda x: (x * x).sum(), np.array([start, 0.5], np.float32), 2, max_iter=5,
                          line_search_fn=line_search_fn)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_lbfgs_line_searches_have_the_evaluations_that_are_left():
    found = lbfgs_in_both(lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2, np.array([-1.2, 1.0]), 3, lr=1e-6,
                          max_iter=6, max_eval=9, line_search_fn="strong_wolfe")
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e10])
@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3, float("inf"), "inf", -float("inf")])
@pytest.mark.parametrize("max_norm", [0, 0.5, 1e6, float("inf")])
def test_clip_grad_norm_of_odd_numbers(bad, norm_type, max_norm):
    found = []
    for make, clip in ((ours, optim.clip_grad_norm_), (theirs, torch.nn.utils.clip_grad_norm_)):
        params = [make(start.astype(np.float32)) for start in STARTS]
        for i, p in enumerate(params):
            g = np.full(p.shape, 0.5 + i, np.float32)
            g.flat[0] = bad
            p.grad = Tensor(g) if make is ours else torch.tensor(g)
        found.append([float(clip(params, max_norm, norm_type)), *(v for p in params for v in p.grad.numpy().ravel())])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
