"""gradcheck: what is said of a function or a backward that breaks the contract, or that contradicts itself."""

import numpy as np
import pytest

from tinymm import Function, Tensor, gradcheck
from tinymm.autograd.gradcheck.report import told_apart

X = np.linspace(-1.3, 1.7, 12).reshape(3, 4)


def nothing(x):
    x * 2


@pytest.mark.parametrize("func, says", [
    (lambda x: float((x * 2).sum().item()), "a Python float, which carries no gradient"),
    (lambda x: [1.0, 2.0], "a list of a Python float"),
    (lambda x: {"loss": x.detach().numpy() * 2}, "a dict of a NumPy array"),
    (lambda x: np.tanh(x.detach().numpy()), "a NumPy array, .*becomes a Function"),
    (nothing, r"None \(is there a `return`\?\).*\(line \d+ of test_gradcheck_contract.py: def nothing"),
])
def test_a_function_that_returns_no_tensor(func, says):
    with pytest.raises(TypeError, match=f"(?s)returned {says}"):
        gradcheck(func, [X])


def make(forward=None, backward=None):
    def plain(self, x):
        self.x = x
        return x * x

    return type("Square", (Function,), {"forward": forward or plain, "backward": backward or (lambda self, g: 2 * self.x * g)})


@pytest.mark.parametrize("forward, says", [
    (lambda self, x: None, r"returned NoneType; .*is there a `return`\?.*line \d+ of test_gradcheck_contract.py"),
    (lambda self, x: [x, x], "returned list; return an array, or a tuple of arrays"),
    (lambda self, x: {"y": x}, "returned dict; return an array"),
])
def test_a_forward_that_returns_no_array(forward, says):
    with pytest.raises(TypeError, match=says):
        gradcheck(make(forward).apply, [X])


def boom(self, g):
    return g * self.never_set


def test_the_line_of_a_backward_that_raises():
    report = gradcheck(make(backward=boom), [X], raise_exception=False)
    assert report["x"].verdict == "error"
    assert "no attribute 'never_set' (line" in report["x"].guess and "return g * self.never_set)" in report["x"].guess


@pytest.mark.parametrize("backward, says", [
    (lambda self, g: [[1.0]], "returned list as gradient 0"),
    (lambda self, g: {"x": g}, "returned dict as gradient 0"),
    (lambda self, g: (g, g), "returned 2 gradients for 1 arguments"),
])
def test_a_backward_that_returns_the_wrong_thing(backward, says):
    report = gradcheck(make(backward=backward), [X], raise_exception=False)
    assert report["x"].verdict == "error" and says in report["x"].guess and "of test_gradcheck_contract.py" in report["x"].guess


def test_none_for_a_gradient_that_is_needed():
    report = gradcheck(make(backward=lambda self, g: None), [X], raise_exception=False)
    assert "Square.backward returned None for x" in report["x"].guess


def test_a_later_call_that_raises_keeps_its_text():
    def backward(self, g):
        self.count = getattr(self, "count", 0) + 1
        if self.count > 1:
            raise RuntimeError("my own words")
        return 2 * self.x * g

    report = gradcheck(make(backward=backward), [X], raise_exception=False)
    assert any("my own words" in note for note in report.notes)
    calls = []

    def tired(self, g):
        calls.append(1)
        if len(calls) > 4:
            raise KeyError("no more")
        return 2 * self.x * g

    report = gradcheck(make(backward=tired), [X], raise_exception=False)
    assert "KeyError: 'no more'" in report["x"].guess and "raise KeyError" in report["x"].guess


def test_ctx_style_says_how_it_is_written_here():
    with pytest.raises(TypeError, match="forward is a @staticmethod with a ctx; here it is a method: def forward\\(self, x\\)"):
        class Static(Function):
            @staticmethod
            def forward(ctx, x):
                return x

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x

    with pytest.raises(AttributeError, match="has no save_for_backward: def forward\\(self, x\\)"):
        make(forward).apply(Tensor(X))


@pytest.mark.parametrize("forward, says", [
    (lambda self, x: x * np.random.random(), "it draws random numbers"),
    (lambda self, x: x * STREAM.random(), "or keeps state"),
])
def test_a_forward_that_contradicts_itself_is_seen_before_the_backward_is_blamed(forward, says):
    report = gradcheck(make(forward, lambda self, g: 7 * g), [X], raise_exception=False)
    assert report["x"].verdict == "non-deterministic" and says in report["x"].guess
    assert "the backward was not judged" in report["x"].guess


def test_a_forward_that_keeps_values_of_an_earlier_call():
    last = {}

    def forward(self, x):
        before, last["x"] = last.get("x", x), x
        return x * before

    report = gradcheck(make(forward, lambda self, g: g), [X], raise_exception=False)
    assert report["x"].verdict == "non-deterministic" and "values of an earlier call" in report["x"].guess


STREAM = np.random.default_rng(0)


def test_digits_until_two_numbers_differ():
    assert told_apart(0.4900371, 0.4900372, 6) == ("0.4900371", "0.4900372")
    assert told_apart(1.0, 2.0) == ("1", "2")
    first, second = told_apart(1.0, np.nextafter(1.0, 2))
    assert first != second
