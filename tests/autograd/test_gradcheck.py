"""gradcheck: verdicts, what it can check, what it reports, and what it leaves as it was."""

import json

import numpy as np
import pytest

from tinymm import Function, Tensor, get_default_dtype, grad, gradcheck, gradgradcheck
from tinymm.autograd import elementwise as e
from tinymm.autograd.gradcheck import GradcheckError
from tinymm.backend import random


class Square(Function):
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, g):
        return 2 * self.x * g


class HalfSquare(Square):
    def backward(self, g):
        return self.x * g


class Affine:
    """A module by its looks: parameters, a buffer, a call."""

    def __init__(self, path=False):
        self.weight = Tensor(np.float32([[1, 2, 3], [4, 5, 6]]), requires_grad=True)
        self.bias = Tensor(np.float32([0.5, -0.5]), requires_grad=True)
        self.calls = Tensor(np.float32([0.0]))
        self.broken = path

    def named_parameters(self):
        yield "inner.weight", self.weight
        yield "inner.bias", self.bias

    def named_buffers(self):
        yield "calls", self.calls

    def forward(self, features):
        self.calls._data += 1
        bias = self.bias.detach() if self.broken else self.bias
        return e.tanh(features @ self.weight.T + bias)

    __call__ = forward


X = np.linspace(-1.3, 1.7, 12).reshape(3, 4)


# ---------------------------------------------------------------------- verdicts

def test_right_and_wrong():
    assert gradcheck(Square.apply, [X])
    with pytest.raises(GradcheckError, match="x: a constant factor: 1/2") as info:
        gradcheck(HalfSquare.apply, [X])
    found = info.value.report["x"]
    assert not info.value.report and found.verdict == "wrong"
    assert found.analytic == pytest.approx(found.numeric / 2) and found.error == pytest.approx(0.5)


def test_kink_is_not_a_mistake_but_a_wrong_subgradient_is():
    x = np.array([0.0, 1.0, -2.0])
    report = gradcheck(e.relu, [x])
    assert report.ok and report["input"].verdict == "kink" and report["input"].index == (0,)
    assert gradcheck(e.abs, [x]).ok   # 0 is also what the central difference gives

    class Abs(Function):
        def forward(self, x):
            self.x = x
            return np.abs(x)

        def backward(self, g):
            return g * np.where(self.x == 0, 1.5, np.sign(self.x))

    report = gradcheck(Abs, [x], raise_exception=False)
    assert report["x"].verdict == "wrong" and report["x"].index == (0,) and "between" in report["x"].guess


@pytest.mark.parametrize("distance", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
def test_a_kink_nearby_does_not_disturb(distance):
    x = np.array([distance, -distance, 1.0])
    assert gradcheck(e.relu, [x])["input"].verdict == "ok"
    assert gradcheck(lambda x: e.abs(x) * e.exp(x), [x])["x"].verdict == "ok"


def test_wrong_beside_a_kink_is_still_wrong():
    report = gradcheck(lambda x: e.relu(x) + HalfSquare.apply(x), [np.array([0.0, 1e-4, 2.0])], raise_exception=False)
    assert report["x"].verdict == "wrong" and report["x"].index == (2,)


def test_jump_and_edge_of_the_domain():
    report = gradcheck(e.floor, [np.array([1.0, 2.5])])
    assert report["input"].verdict == "kink" and "jump" in report["input"].guess
    report = gradcheck(e.sqrt, [np.array([0.0, 2.0])])
    assert report["input"].verdict == "kink" and "not defined" in report["input"].guess


def test_below_precision():
    report = gradcheck(e.tanh, [np.array([18.0, -18.5])])   # the slope is 1e-15
    assert report.ok and report["input"].verdict == "below precision"
    from tinymm.autograd.gradcheck.report import VERDICTS
    assert VERDICTS["below precision"] in repr(report).replace("\n  ", " ")
    assert gradcheck(e.tanh, [np.array([18.0, 0.5])])["input"].verdict == "ok"


def test_ill_conditioned_forward_is_accepted():
    assert gradcheck(lambda x: (x + 1e6) - 1e6, [X]).ok
    assert gradcheck(lambda x: e.exp(x * 8) * 1e8, [X]).ok
    assert gradcheck(e.sin, [np.array([1e3, -2e4])]).ok
    assert gradcheck(e.log, [np.array([1e-7, 1e-3, 5e4])]).ok
    assert gradcheck(lambda x: e.exp(1 / x), [np.array([0.05, 0.2])]).ok


def test_large_arguments_with_kinks_are_accepted():
    x = np.random.default_rng(0).normal(size=20_000)
    x[[3, 700]] = 0, 3e-6
    report = gradcheck(lambda x: e.relu(x) * 2.0, [x])
    assert report.ok and report["x"].verdict in ("ok", "kink")


def test_detached_branch():
    report = gradcheck(lambda x, w: x * w.detach(), [X, X + 1], raise_exception=False)
    assert report["x"].ok and report["w"].verdict == "wrong" and "no gradient arrives" in report["w"].guess
    assert not gradcheck(lambda x: x.detach() * 2, [X], raise_exception=False)
    report = gradcheck(lambda x: x * x.detach(), [X], raise_exception=False)
    assert "detach() in line" in report["x"].guess and "test_gradcheck.py cuts it off" in report["x"].guess


def test_constant_and_unused_arguments_are_right():
    assert gradcheck(e.sign, [X + 0.01]).ok
    report = gradcheck(lambda x, unused: x * 2, [X, X])
    assert report["unused"].verdict == "ok" and report["unused"].numeric == 0


# ---------------------------------------------------------------------- what can be checked

def test_float32_inputs_are_checked_in_float64_and_integers_pass():
    def rows(x, index):
        assert x.dtype == np.float64 and index.dtype == np.int64 and get_default_dtype() == np.float64
        return x.index_select(0, index) * 3

    report = gradcheck(rows, [Tensor(X.astype(np.float32)), np.array([0, 2, 2])])
    assert [a.name for a in report.arguments] == ["x"] and "float32" in report.notes[0]
    assert get_default_dtype() == np.float32


def test_requires_grad_chooses():
    a, b = Tensor(X, requires_grad=True), Tensor(X + 1)
    assert [x.name for x in gradcheck(lambda a, b: a * b, [a, b]).arguments] == ["a"]
    assert [x.name for x in gradcheck(lambda a, b: a * b, [b, b]).arguments] == ["a", "b"]
    assert a.grad is None and a.dtype == np.float64


def test_nested_inputs_and_names():
    def total(parts, scale=2.0):
        return parts[0] * parts[1][0] * scale

    report = gradcheck(total, [[X, [X + 1, 7]], 3.0])
    assert [a.name for a in report.arguments] == ["parts[0]", "parts[1][0]"]
    assert gradcheck(Square, X, names=["width"])["width"].ok
    with pytest.raises(KeyError, match="it has width"):
        gradcheck(Square, X, names=["width"])["height"]


def test_several_outputs_dicts_and_skipped_ones():
    report = gradcheck(lambda x: {"a": x * 2, "b": (x.sum(), x.detach()), "c": x > 0}, [X])
    assert report.ok and any("output 2" in note for note in report.notes)


def test_module_and_its_parameters():
    layer = Affine()
    weight, data = layer.weight, layer.weight._data
    report = gradcheck(layer, [X[:, :3]])
    assert [a.name for a in report.arguments] == ["features", "inner.weight", "inner.bias"]
    assert layer.weight is weight and weight._data is data and data.dtype == np.float32 and weight.grad is None
    assert layer.calls.item() == 0
    report = gradcheck(Affine(path=True), [X[:, :3]], raise_exception=False)
    assert [a.name for a in report.failures] == ["inner.bias"]


def test_whole_model_as_a_closure():
    layer, target = Affine(), Tensor(X[:, :2])

    def loss():
        error = layer(Tensor(X[:, :3])) - target
        return (error * error).mean()

    report = gradcheck(loss, parameters=layer, second_order=True)
    assert [a.name for a in report.arguments] == ["inner.weight", "inner.bias"]
    assert report.second.ok and report.second["inner.weight"].verdict == "ok"
    assert gradcheck(loss, parameters={"w": layer.weight})["w"].ok
    assert gradcheck(loss, parameters=[layer.weight])["parameter 0"].ok


def test_random_streams_give_the_same_noise_and_are_put_back():
    before = random.state_dict()

    def noisy(x):
        return x * Tensor(random.stream("gradcheck-test").generator.normal(size=x.shape))

    report = gradcheck(noisy, [X], second_order=True)
    assert report.ok and "random numbers" in report.notes[0]
    assert random.state_dict()["seed"] == before["seed"]
    assert {k: v for k, v in random.state_dict()["streams"].items() if k in before["streams"]} == before["streams"]


def test_infinite_inputs_and_outputs():
    mask = np.array([0.0, -np.inf, 1.0])
    report = gradcheck(lambda x: e.exp(x), [mask])
    assert report.ok and report["x"].checked == "2 elements"
    report = gradcheck(lambda x: e.log(x), [np.array([0.0, 2.0])], raise_exception=False)
    assert any("not finite" in note for note in report.notes)


def test_writes_names_what_may_change():
    def running(x, mean):
        mean._data += 1
        return x * 2

    inputs = [Tensor(X, requires_grad=True), Tensor(X)]
    assert gradcheck(running, inputs, raise_exception=False)["mean"].verdict == "input mutated"
    assert gradcheck(running, inputs, writes=["mean"])


def test_functions_that_use_grad_inside():
    def penalty(x):
        y = (x * x * x).sum()
        g, = grad(y, x, create_graph=True)
        return (g * g).sum()

    assert gradcheck(penalty, [Tensor(X, requires_grad=True)])


def test_empty_and_single_elements():
    assert gradcheck(Square, [np.zeros((0, 3))])["x"].checked == "no element"
    assert gradcheck(Square, [np.array(1.5)])["x"].index == ()


def test_refusals():
    with pytest.raises(ValueError, match="nothing to differentiate"):
        gradcheck(lambda x: x, [np.array([1, 2])])
    with pytest.raises(ValueError, match="returned no floating-point"):
        gradcheck(lambda x: x > 0, [X])
    with pytest.raises(ValueError, match="1 names for 2 inputs"):
        gradcheck(lambda x, y: x, [X, X], names=["x"])
    assert get_default_dtype() == np.float32


def test_everything_is_put_back_after_an_exception():
    layer = Affine()
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda: 1 / 0, parameters=layer)
    assert layer.weight.dtype == np.float32 and get_default_dtype() == np.float32


# ---------------------------------------------------------------------- float32

def test_float32_is_compared_in_ulps():
    report = gradcheck(Square, [X], float32=True)
    assert report["x"].ulps <= 2 and "float32 ulps" in repr(report)


# ---------------------------------------------------------------------- second derivatives

def test_second_derivatives():
    assert gradgradcheck(lambda x, y: e.exp(x * y) + e.sin(x), [X, X + 1])
    report = gradgradcheck(e.tanh, [X])
    assert [a.name for a in report.arguments] == ["input", "grad_output[0]"]


def test_second_derivative_that_is_wrong_is_found():
    class Cube(Function):
        def forward(self, x):
            self.x = x
            return x**3

        def backward(self, g):
            return 3 * self.x**2 * g

        @staticmethod
        def definition(x):
            return x * x * x.detach() * 1.5   # right value of the first derivative only

    assert gradcheck(Cube, [X])
    report = gradgradcheck(Cube, [X], raise_exception=False)
    assert report["x"].verdict == "wrong"
    with pytest.raises(GradcheckError, match="gradient of Cube"):
        gradcheck(Cube, [X], second_order=True)


def test_an_operation_without_a_definition_is_an_error():
    with pytest.raises(GradcheckError, match="needs an operation with a `definition`"):
        gradgradcheck(Square, [X])


# ---------------------------------------------------------------------- the report

def test_the_curve_is_a_u():
    curve = gradcheck(e.exp, [np.array([1.1])])["input"].curve
    steps, errors = [h for h, _ in curve], [abs(d / np.exp(1.1)) for _, d in curve]
    assert steps[0] == pytest.approx(1e-2) and steps[-1] == pytest.approx(1e-9)
    scale = errors[7]
    errors = [abs(v / scale - 1) for v in errors]
    assert min(errors[5:9]) < 1e-2 * errors[0] and min(errors[5:9]) < errors[-1]


def test_report_in_terminal_notebook_and_json():
    report = gradcheck(HalfSquare, [X], raise_exception=False, second_order=False)
    text = repr(report)
    for part in ("FAILED", "wrong", "a constant factor: 1/2", "the same numeric value came for every step h", "5.0e-01"):
        assert part in text
    html = report._repr_html_()
    assert "<svg" in html and "<table>" in html and "http" not in html and "<script" not in html
    data = json.loads(json.dumps(report.as_dict()))
    assert data["ok"] is False and data["arguments"][0]["verdict"] == "wrong"


def test_html_escapes():
    report = gradcheck(lambda x: x * 2, [X], names=["<b>"])
    assert "&lt;b&gt;" in report._repr_html_() and "<b>" not in report._repr_html_().split("<table>")[1]


def test_same_seed_same_report():
    a, b = (gradcheck(e.tanh, [X], seed=5) for _ in range(2))
    assert a.as_dict() == b.as_dict()
    assert gradcheck(e.tanh, [X], seed=6)["input"].analytic != a["input"].analytic
