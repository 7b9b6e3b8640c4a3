"""The synthesis network: its mixture against SciPy and an integral, its window, its equations; gradients; in use."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, gradcheck, no_grad, optim
from tinymm.backend.random import Stream
from tinymm.data.worlds.letters import ALPHABET, write_line
from tinymm.models.handwriting import Handwriting, PenMixture

NORMS = ["none", "layer"]
SIZES = dict(alphabet=3, hidden=5, layers=3, window=2, mixtures=2)
TEXT = np.array([[0, 2, 1], [1, 1, -1]])


def build(norm="layer", dtype="float64", seed=0, **options):
    tinymm.manual_seed(seed)
    return Handwriting(**{**SIZES, **options}, norm=norm).to(dtype=dtype)


def points(T=4, B=2, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(size=(T, B, 2)), rng.random((T, B, 1)) < 0.3], 2)


def mixture(M=4, seed=0, shape=(), r=1.0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(*shape, 6 * M + 1))
    y[..., 3 * M + 1:5 * M + 1] *= 0.3
    y[..., 5 * M + 1:] *= r
    return PenMixture.of(Tensor(y), M)


# ---------------------------------------------------------------------- the mixture

def test_the_mixture_integrates_to_one():
    """On a grid that is fine and wide for these Gaussians (their means lie within 3 and their deviations within 0.4 and 2.5)."""
    made, axis = mixture(), np.linspace(-14, 14, 561)
    sigma = np.exp(made.log_sigma.numpy())
    assert np.abs(made.mu.numpy()).max() < 3 and 0.4 < sigma.min() and sigma.max() < 2.5
    at = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    total = np.exp(made.log_density(Tensor(at)).numpy()).sum() * (axis[1] - axis[0])**2
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("r", [1.0, 3.0])
def test_nll_against_scipy(r):
    from scipy.special import expit, logsumexp
    from scipy.stats import multivariate_normal
    made, x = mixture(5, 1, (20,), r), points(20, 1, seed=2)[:, 0]
    expected = []
    for t in range(20):
        logs = []
        for j in range(5):
            s, rho = np.exp(made.log_sigma.numpy()[t, j]), np.tanh(made.r.numpy()[t, j])
            covariance = [[s[0]**2, rho * s[0] * s[1]], [rho * s[0] * s[1], s[1]**2]]
            logs.append(made.log_pi.numpy()[t, j] + multivariate_normal(made.mu.numpy()[t, j], covariance).logpdf(x[t, :2]))
        e = expit(made.end.numpy()[t])
        expected.append(-logsumexp(logs) - np.log(e if x[t, 2] else 1 - e))
    np.testing.assert_allclose(made.nll(Tensor(x)).numpy(), expected, rtol=1e-7)


@pytest.mark.parametrize("r", [12.0, -12.0])
def test_points_on_the_line_of_a_correlation_of_almost_one(r):
    """float32's tanh(12) is 1; in the exact formula the density of (1, 1) stays that of one normal number, times cosh(r)."""
    one = [Tensor(np.array(v, np.float32)) for v in ([0.0], [[0, 0]], [[0, 0]], [r])]
    made = PenMixture(*one, Tensor(np.float32(0)))
    found = made.log_density(Tensor(np.array([1, np.sign(r)], np.float32))).item()
    turned = np.cosh(12.0) - np.sinh(12.0)
    assert found == pytest.approx(np.log(np.cosh(12.0)) - (turned**2 + 1) / 2 - np.log(2 * np.pi), abs=0.02)


def test_drawn_points_have_the_mixtures_moments():
    made = mixture(3, 4)
    many = PenMixture(*(Tensor(np.broadcast_to(v.numpy(), (40_000, *v.shape)).copy()) for v in vars(made).values()))
    drawn = many.draw(np.random.default_rng(0))
    pi, mu, sigma, rho = np.exp(made.log_pi.numpy()), made.mu.numpy(), np.exp(made.log_sigma.numpy()), np.tanh(made.r.numpy())
    mean = pi @ mu
    product = pi @ (rho * sigma.prod(1) + mu.prod(1)) - mean.prod()
    np.testing.assert_allclose(drawn[:, :2].mean(0), mean, atol=5 * drawn[:, :2].std(0).max() / 200)
    assert np.cov(drawn[:, 0], drawn[:, 1])[0, 1] == pytest.approx(product, abs=0.05)
    assert drawn[:, 2].mean() == pytest.approx(1 / (1 + np.exp(-made.end.item())), abs=0.015)


def test_a_bias_narrows_the_gaussians_and_sharpens_their_shares():
    y = np.random.default_rng(0).normal(size=13)
    plain, biased = PenMixture.of(Tensor(y), 2), PenMixture.of(Tensor(y), 2, bias=1.5)
    np.testing.assert_allclose(biased.log_sigma.numpy(), plain.log_sigma.numpy() - 1.5)
    np.testing.assert_allclose(np.diff(biased.log_pi.numpy()), 2.5 * np.diff(plain.log_pi.numpy()))


# ---------------------------------------------------------------------- the window and the network

@pytest.mark.parametrize("norm", NORMS)
def test_the_window_only_moves_forward(norm):
    kappa = build(norm)(Tensor(points(30)), Tensor(TEXT)).kappa.detach().numpy()
    assert kappa.shape == (30, 2, 2) and (np.diff(kappa, axis=0, prepend=0) > 0).all()


def test_the_window_of_one_point_by_hand():
    model, h, kappa = build(), np.random.default_rng(0).normal(size=(1, 5)), np.array([[0.4, 1.1]])
    c = np.eye(3)[None, [2, 0]]
    numbers = np.exp(model.W_window.weight.detach().numpy() @ h[0] + model.W_window.bias.detach().numpy())
    alpha, beta, move = numbers[:2], numbers[2:4], numbers[4:]
    place = kappa[0] + move
    phi = [sum(alpha[k] * np.exp(-beta[k] * (place[k] - u)**2) for k in range(2)) for u in (1, 2)]
    w, found, new = model.look(Tensor(h), Tensor(kappa), Tensor(c))
    np.testing.assert_allclose(found.detach().numpy()[0], phi, rtol=1e-12)
    np.testing.assert_allclose(new.detach().numpy()[0], place, rtol=1e-12)
    np.testing.assert_allclose(w.detach().numpy()[0], [phi[1], 0, phi[0]], rtol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_the_network_step_by_step(norm):
    """What forward computes for whole lines above the window, one point at a time, as sampling does."""
    model, x, c = build(norm), points(5), np.eye(3)[np.maximum(TEXT, 0)] * (TEXT >= 0)[..., None]
    written = model(Tensor(x), Tensor(TEXT))
    w, kappa, states = Tensor(np.zeros((2, 3))), Tensor(np.zeros((2, 2))), [None] * 3
    before = np.concatenate([np.broadcast_to([[0, 0, 1.0]], (1, 2, 3)), x[:-1]])
    for t in range(5):
        point = Tensor(before[t])
        states[0] = model.first(tinymm.cat([point, w], 1), states[0])
        w, phi, kappa = model.look(states[0][0], kappa, Tensor(c))
        hidden = [states[0][0]]
        for k in (1, 2):
            out, states[k] = model.above[k - 1](tinymm.cat([point, hidden[-1], w], 1)[None], states[k])
            hidden.append(out[0])
        made = PenMixture.of(model.output(tinymm.cat(hidden, 1)), 2)
        np.testing.assert_allclose(written.phi[t].detach().numpy(), phi.detach().numpy(), rtol=1e-12)
        for name, value in vars(made).items():
            np.testing.assert_allclose(getattr(written.mixture, name)[t].detach().numpy(), value.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_a_point_does_not_see_itself_or_later_ones(norm):
    model, x = build(norm), points(6)
    changed = x.copy()
    changed[3:] += 1
    before, after = (model(Tensor(v), Tensor(TEXT)).mixture.mu.detach().numpy() for v in (x, changed))
    np.testing.assert_array_equal(before[:4], after[:4])
    assert np.abs(before[4] - after[4]).min() > 0


def test_padding_of_texts_changes_nothing():
    model, x = build(), points(5, 1)
    short, long = (model(Tensor(x), Tensor(np.array([text]))).mixture.mu.detach().numpy() for text in ([1, 1], [1, 1, -1, -1]))
    np.testing.assert_allclose(short, long, rtol=0, atol=1e-13)


@pytest.mark.parametrize("norm", NORMS)
def test_gradcheck_of_the_whole_model(norm):
    model, x, text = build(norm, hidden=3, layers=2, mixtures=1), Tensor(points(2)), Tensor(TEXT)
    report = gradcheck(lambda: model(x, text).mixture.nll(x).mean(), parameters=model, curve=False)
    assert all(argument.verdict == "ok" for argument in report.arguments), report
    assert len(report.arguments) == len(list(model.parameters()))


# ---------------------------------------------------------------------- in use

def line(text, seed=0):
    """One line of the world in units of its own deviation: points (T, 1, 3) and letters (1, U)."""
    made = write_line(text, np.random.default_rng(seed)).points.copy()
    made[:, :2] /= made[:, :2].std(0)
    return made[:, None], np.array([[ALPHABET.index(c) for c in text]])


@pytest.mark.parametrize("norm", NORMS)
def test_the_first_loss_is_that_of_a_standard_normal_and_a_coin(norm):
    """ln 2 pi + (1 + 1) / 2 of offsets with deviation 1, and ln 2."""
    x, text = line("icswg" * 3)
    with no_grad():
        nats = build(norm, "float32", alphabet=5, hidden=64)(Tensor(x), Tensor(text)).mixture.nll(Tensor(x)).numpy().mean()
    assert nats == pytest.approx(np.log(2 * np.pi) + 1 + np.log(2), abs=0.3)


@pytest.mark.parametrize("norm", NORMS)
def test_one_line_can_be_overfitted(norm):
    """One text of about 600 points, in ten pieces: below a Gaussian with full covariance, with the line's own share of
    stroke ends (L5-C15, on a line of the embedded world)."""
    pieces = [line("wgscgi", seed) for seed in range(10)]
    longest = max(len(x) for x, _ in pieces)
    x, mask = np.zeros((longest, 10, 3), np.float32), np.zeros((longest, 10), np.float32)
    for b, (piece, _) in enumerate(pieces):
        x[:len(piece), b], mask[:len(piece), b] = piece[:, 0], 1
    real = x[mask > 0]
    assert 500 < len(real) < 800
    covariance, p = np.cov(real[:, :2].T, bias=True), real[:, 2].mean()
    single = np.log(2 * np.pi) + 0.5 * np.linalg.slogdet(covariance)[1] + 1 - p * np.log(p) - (1 - p) * np.log1p(-p)
    model = build(norm, "float32", alphabet=5, hidden=24, layers=2)
    optimizer, text = optim.Adam(model.parameters(), lr=1e-2), Tensor(np.concatenate([t for _, t in pieces]))
    x, mask = Tensor(x), Tensor(mask)
    for step in range(20):
        loss = (model(x, text).mixture.nll(x) * mask).sum() / mask.sum()
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    assert loss.item() < single - 1


def test_samples_end_by_themselves_or_at_the_limit():
    model, text = build(dtype="float32", rate=1.5), Tensor(TEXT)
    (first, second), phis = model.sample(text, 40, generator=Stream("s", 0))
    assert first.shape[1] == 3 and 0 < len(second) < len(first) < 40   # the shorter text is over sooner
    assert [phi.shape for phi in phis] == [(len(first), 3), (len(second), 2)]
    again, _ = model.sample(text, 40, generator=Stream("s", 0))
    np.testing.assert_array_equal(first, again[0])
    assert len(model.sample(text, 2, generator=Stream("s", 0))[0][0]) == 2


def test_mistakes_are_named():
    model = build()
    for call, message in [
            (lambda: model(Tensor(points()[0]), Tensor(TEXT)), r"takes points \(T, B, 3\)"),
            (lambda: model(Tensor(points()[:0]), Tensor(TEXT)), "T at least 1"),
            (lambda: model(Tensor(points()), Tensor(TEXT[:1])), r"takes letters \(B=2, U\)"),
            (lambda: model(Tensor(points()), Tensor(TEXT + 1)), "from 0 to 2, and -1 after its end"),
            (lambda: model(Tensor(points()), Tensor(TEXT * 1.0)), "must be integers"),
            (lambda: Handwriting(3, norm="batch"), "choose from none, layer"),
            (lambda: Handwriting(3, layers=1), "so 2 or more")]:
        with pytest.raises(ValueError, match=message):
            call()
