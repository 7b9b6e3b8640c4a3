"""Norms of states and Jacobians of the layer-normalised RNN: against formulas, against backpropagation, and what they show."""

import numpy as np
import pytest

from tinymm import Tensor, grad
from tinymm.experiments.lecture_05 import dynamics


@pytest.fixture(scope="module")
def measured():
    return dynamics.measure(seed=0)


def numbers(seed=1, H=7, D=4, T=6):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((H, H)), rng.standard_normal((H, D)), rng.standard_normal((T, D)), rng.standard_normal(H)


@pytest.mark.parametrize("name", dynamics.SETUPS)
def test_the_jacobian_is_that_of_backpropagation_through_time(name):
    """dh_T/dh_0 a row at a time, through all steps at once."""
    W_hh, W_xh, x, h = numbers()
    step = dynamics.recurrence(dynamics.SETUPS[name], 0.7, W_hh, W_xh)
    start = Tensor(h[None], requires_grad=True)
    state = start
    for x_t in x:
        state = step(Tensor(x_t[None]), state)
    rows = [grad(state[0, i], start, retain_graph=True)[0].numpy()[0] for i in range(len(h))]
    of_state, of_jacobian = dynamics.norms(step, x, h)
    assert of_jacobian[-1] == pytest.approx(np.linalg.norm(np.array(rows), 2), rel=1e-9)
    assert of_state[-1] == pytest.approx(np.linalg.norm(state.detach().numpy()), rel=1e-9)


def test_the_jacobian_by_the_formula():
    """One step of the slide's form: diag(1 - h^2) (I - 1 1^T / H - n n^T / H) W_hh / sigma, with n the normalised sums."""
    W_hh, W_xh, x, h = numbers()
    H, product, found = len(h), np.eye(len(h)), []
    for x_t in x:
        a = W_hh @ h + W_xh @ x_t
        n = (a - a.mean()) / a.std()
        h = np.tanh(n)
        product = np.diag(1 - h * h) @ (np.eye(H) - np.full((H, H), 1 / H) - np.outer(n, n) / H) @ W_hh / a.std() @ product
        found.append((np.linalg.norm(h), np.linalg.norm(product, 2)))
    step = dynamics.recurrence(dynamics.SETUPS["only W_hh"], 1.0, W_hh, W_xh)
    np.testing.assert_allclose(np.array(dynamics.norms(step, x, numbers()[3])).T, found, rtol=1e-9)


@pytest.mark.parametrize("name", ["undriven", "both scaled", "two norms"])
def test_the_scale_of_the_weights_does_not_matter(measured, name):
    assert dynamics.change(measured, name) < 1e-10


def test_scaling_the_recurrent_weights_alone_does_matter_where_inputs_share_the_normalisation(measured):
    at_the_end = {s: curves[1][-1] for s, curves in measured["only W_hh"].items()}
    assert at_the_end[0.1] < 1e-100 < at_the_end[1.0] < 1e-15 and at_the_end[10.0] > 1


def test_layer_normalisation_does_not_prevent_vanishing(measured):
    """Driven, at every scale, though the states' norms stay where they were; and the plain network both vanishes and explodes."""
    for s, (of_state, of_jacobian) in measured["both scaled"].items():
        assert of_jacobian[-1] < 1e-15 and 2 < of_state.min() and of_state.max() < 6, s
    assert measured["plain"][0.1][1][-1] < 1e-90 and measured["plain"][10.0][1][-1] > 1e9


def test_eps_is_why_it_is_only_nearly_invariant_in_practice():
    exact, usual = (dynamics.measure(scales=(1.0, 0.1), steps=20, eps=eps) for eps in (0.0, 1e-5))
    assert dynamics.change(exact, "undriven") < 1e-10 < 1e-6 < dynamics.change(usual, "undriven") < 0.1


def test_the_figure_and_the_summary(measured):
    figure = dynamics.figure(measured)
    assert len(figure.axes) == 2 * len(dynamics.SETUPS)
    assert [len(axes.lines) for axes in figure.axes] == [len(dynamics.SCALES)] * 10
    plain = dynamics.summary(measured)
    assert plain["undriven"]["0.1"]["dh/dh0"] == measured["undriven"][0.1][1][-1]
