"""DRAW: its filters, its KL, its cell and its bound against what they should be; gradients; in use."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, gradcheck, nn, no_grad, optim
from tinymm.backend.random import Stream
from tinymm.data.worlds.digits import load_digits
from tinymm.models.draw import Draw, OutputNormLSTMCell, filterbank, gaussian_kl

NORMS = ["none", "layer"]
SIZES = dict(side=4, glimpses=3, hidden=6, latent=2, read=2, write=3)


def build(norm="layer", dtype="float64", seed=0, **options):
    tinymm.manual_seed(seed)
    return Draw(**{**SIZES, **options}, norm=norm).to(dtype=dtype)


def digits(count):
    return (load_digits()[0][:count] > 0.5).astype(np.float32)


def filters(g, delta, variance, N, A):
    return filterbank(*(Tensor(np.array([[float(v)]])) for v in (g, delta, variance)), N, A).numpy()[0]


# ---------------------------------------------------------------------- the filters

def test_filters_of_one_grid_by_hand():
    """N = 2 filters around g = 2.5, one pixel apart: centres at 2 and 3 of the pixels 1 to 4."""
    weights = np.exp(-(np.arange(1, 5) - np.array([[2.0], [3.0]]))**2 / (2 * 0.5))
    np.testing.assert_allclose(filters(2.5, 1, 0.5, 2, 4), weights / (weights.sum(1, keepdims=True) + 1e-4), rtol=1e-12)


@pytest.mark.parametrize("N", [1, 2, 3, 5])
def test_the_grid_is_centred_on_g_and_delta_apart(N):
    rows = filters(10.3, 2.5, 0.8, N, 20)
    centres = (rows * np.arange(1, 21)).sum(1) / rows.sum(1)
    np.testing.assert_allclose(centres, 10.3 + 2.5 * (np.arange(N) - (N - 1) / 2), atol=1e-3)


@pytest.mark.parametrize("g", [1, 2.5, 4.3, 8])
@pytest.mark.parametrize("variance", [0.25, 1.0, 9.0])
def test_rows_sum_to_one_inside_the_canvas(g, variance):
    total = filters(g, 1, variance, 1, 8).sum(1)
    assert (1 - 2e-4 <= total).all() and (total < 1).all()


def test_rows_fade_far_off_the_canvas():
    assert filters(-4, 1, 1, 1, 8).sum() < 0.1
    assert filters(-40, 1, 1, 1, 8).sum() == 0   # no division by 0


@pytest.mark.oracle
def test_one_filter_on_each_axis_is_a_gaussian_blur():
    """N = 1 at each pixel of the inner part is SciPy's filter, up to what the 1e-4 takes."""
    from scipy.ndimage import gaussian_filter
    picture, sigma = np.random.default_rng(0).random((21, 21)), 1.3
    blurred = gaussian_filter(picture, sigma, truncate=7)
    for row, column in ((10, 10), (10, 11), (11, 9)):
        found = filters(row + 1, 1, sigma**2, 1, 21) @ picture @ filters(column + 1, 1, sigma**2, 1, 21).T
        np.testing.assert_allclose(found.item(), blurred[row, column], rtol=1e-4)


def test_reading_with_narrow_filters_on_the_pixels_cuts_out_a_patch():
    """And writing the patch with the same filters puts it there: up to the 1e-4."""
    picture = np.random.default_rng(1).random((6, 6))
    F_Y, F_X = filters(3, 1, 1e-3, 3, 6), filters(4, 1, 1e-3, 3, 6)
    patch = F_Y @ picture @ F_X.T
    np.testing.assert_allclose(patch, picture[1:4, 2:5], rtol=3e-4)
    canvas = np.zeros((6, 6))
    canvas[1:4, 2:5] = patch
    np.testing.assert_allclose(F_Y.T @ patch @ F_X, canvas, rtol=3e-4, atol=1e-12)


# ---------------------------------------------------------------------- KL, cell, bound

def test_kl_against_monte_carlo():
    """Of two latents; the constant -1/2 belongs to each of them (once for both would give 0.5 more)."""
    mu, log_sigma = np.array([[0.3, -0.4]]), np.array([[-0.2, 0.1]])
    z = mu + np.exp(log_sigma) * np.random.default_rng(0).normal(size=(400_000, 2))
    log_ratio = (-0.5 * ((z - mu) / np.exp(log_sigma))**2 - log_sigma + 0.5 * z**2).sum(1)
    deviation = log_ratio.std() / np.sqrt(len(z))
    assert gaussian_kl(Tensor(mu), Tensor(log_sigma)).item() == pytest.approx(log_ratio.mean(), abs=4 * deviation)
    assert 4 * deviation < 0.01
    assert gaussian_kl(Tensor(np.zeros((1, 2))), Tensor(np.zeros((1, 2)))).item() == 0


@pytest.mark.oracle
@pytest.mark.parametrize("norm", NORMS)
def test_the_cell_against_torch(norm):
    """PyTorch's LSTM step, with its LayerNorm only inside the output's tanh; c is carried as it is."""
    import torch
    tinymm.manual_seed(3)
    cell = OutputNormLSTMCell(3, 5, norm).to(dtype="float64")
    with no_grad():
        cell.bias += Tensor(np.random.default_rng(0).normal(size=20))
        if norm == "layer":
            cell.gain_c *= Tensor(np.linspace(0.5, 2, 5))
    x, h, c = (np.random.default_rng(k).normal(size=(4, n)) for k, n in ((1, 3), (2, 5), (3, 5)))
    p = {name: torch.from_numpy(value.detach().numpy().copy()) for name, value in cell.named_parameters()}
    gates = torch.from_numpy(x) @ p["weight_ih"].T + torch.from_numpy(h) @ p["weight_hh"].T + p["bias"]
    f, i, o, g = gates.chunk(4, 1)
    new_c = torch.sigmoid(f) * torch.from_numpy(c) + torch.sigmoid(i) * torch.tanh(g)
    inside = torch.nn.functional.layer_norm(new_c, (5,), p["gain_c"]) if norm == "layer" else new_c
    found = cell(Tensor(x), (Tensor(h), Tensor(c)))
    for ours, theirs in zip(found, (torch.sigmoid(o) * torch.tanh(inside), new_c)):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.numpy(), rtol=0, atol=1e-12)


def test_both_norms_start_from_the_same_weights():
    plain, normalised = (dict(build(norm).named_parameters()) for norm in NORMS)
    assert set(normalised) - set(plain) == {"encoder.gain_c", "decoder.gain_c"}
    assert all(np.array_equal(plain[name].numpy(force=True), normalised[name].numpy(force=True)) for name in plain)


@pytest.mark.parametrize("norm", NORMS)
def test_the_model_by_its_equations(norm):
    """One picture, each glimpse written out in NumPy; only the cells are the package's."""
    model, x = build(norm), (np.random.default_rng(0).random((1, 4, 4)) > 0.5).astype(float)
    for p in model.parameters():
        p.requires_grad_(False)
    p = {name: value.numpy() for name, value in model.state_dict().items()}
    model_p = lambda name, h: p[f"{name}.weight"] @ h + p[f"{name}.bias"]
    eps = Stream("eps", 5).generator.standard_normal((3, 1, 2))
    drawn = model(Tensor(x), Stream("eps", 5))

    def window(numbers, N):
        gx, gy = 2.5 * (numbers[0] + 1), 2.5 * (numbers[1] + 1)
        delta, variance = 3 / (N - 1) * np.exp(numbers[3]), np.exp(numbers[2])
        return filters(gy, delta, variance, N, 4), filters(gx, delta, variance, N, 4), np.exp(numbers[4])

    canvas, kl = p["c_0"], 0.0
    enc, dec = ((Tensor(p[name][None]), Tensor(np.zeros((1, 6)))) for name in ("h_enc", "h_dec"))
    for t in range(3):
        h_dec = dec[0].numpy()[0]
        F_Y, F_X, gamma = window(model_p("look_read", h_dec), 2)
        missing = x[0] - 1 / (1 + np.exp(-canvas))
        r = gamma * np.concatenate([(F_Y @ x[0] @ F_X.T).ravel(), (F_Y @ missing @ F_X.T).ravel()])
        enc = model.encoder(Tensor(np.concatenate([r, h_dec])[None]), enc)
        mu, s = np.split(model_p("code", enc[0].numpy()[0]), 2)
        kl += 0.5 * (mu**2 + np.exp(2 * s) - 2 * s - 1).sum()
        dec = model.decoder(Tensor((mu + np.exp(s) * eps[t, 0])[None]), dec)
        h_dec = dec[0].numpy()[0]
        F_Y, F_X, gamma = window(model_p("look_write", h_dec), 3)
        canvas = canvas + F_Y.T @ model_p("patch", h_dec).reshape(3, 3) @ F_X / gamma
    probability = 1 / (1 + np.exp(-canvas))
    bce, total = drawn.loss(Tensor(x))
    assert bce.item() == pytest.approx(-np.log(np.where(x[0] == 1, probability, 1 - probability)).sum(), rel=1e-10)
    assert total.item() == pytest.approx(kl, rel=1e-10)


@pytest.mark.parametrize("norm", NORMS)
def test_gradcheck_of_the_whole_model(norm):
    model, x = build(norm), Tensor((np.random.default_rng(0).random((2, 4, 4)) > 0.5).astype(float))

    def loss():
        bce, kl = model(x).loss(x)
        return (bce + kl).mean()

    report = gradcheck(loss, parameters=model, curve=False)
    assert all(argument.verdict == "ok" for argument in report.arguments), report
    assert len(report.arguments) == len(list(model.parameters()))


# ---------------------------------------------------------------------- in use

@pytest.mark.parametrize("norm", NORMS)
def test_the_first_loss_is_a_coin_for_each_pixel(norm):
    """The first canvas is 0 and little is added to it: A^2 ln 2; each of the 48 latent numbers is close to its prior."""
    x = Tensor(digits(100))
    with no_grad():
        bce, kl = build(norm, "float32", side=8, hidden=64, latent=8, glimpses=6)(x).loss(x)
    assert bce.numpy().mean() == pytest.approx(64 * np.log(2), rel=0.05)
    assert 0 < kl.numpy().mean() / 48 < 0.1


@pytest.mark.parametrize("norm", NORMS)
def test_one_batch_can_be_overfitted(norm):
    """Eight digits, with the same eps each time: the bound falls to a quarter of what independent pixels cost there."""
    pictures = digits(8)
    model, x, p = build(norm, "float32", side=8, hidden=32, latent=8, glimpses=4), Tensor(pictures), pictures.mean(0)
    q = p.clip(1e-9, 1 - 1e-9)
    independent = -(p * np.log(q) + (1 - p) * np.log1p(-q))
    optimizer = optim.Adam(model.parameters(), lr=2e-2)
    for step in range(200):
        bce, kl = model(x, Stream("eps", 0)).loss(x)
        loss = (bce + kl).mean()
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    assert loss.item() < independent.sum() / 4


def test_samples_come_from_the_stream_that_is_given():
    model = build(dtype="float32")
    with no_grad():
        one, same, other = (model.sample(2, Stream("s", seed)).canvases[-1].numpy() for seed in (0, 0, 1))
    assert one.shape == (2, 4, 4) and np.array_equal(one, same) and not np.array_equal(one, other)


def test_what_it_keeps_of_the_glimpses():
    drawn = build()(Tensor(np.zeros((2, 4, 4))))
    assert len(drawn.canvases) == 4 and len(drawn.reads) == len(drawn.writes) == len(drawn.kl) == 3
    assert drawn.reads[0].x.shape == drawn.writes[0].delta.shape == (2, 1) and drawn.kl[0].shape == (2,)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"takes pictures \(B, A=4, A=4\)"):
        build()(Tensor(np.zeros((2, 1, 4, 4))))
    for make in (lambda: Draw(norm="batch"), lambda: OutputNormLSTMCell(2, 3, "LN")):
        with pytest.raises(ValueError, match="choose from none, layer"):
            make()


def test_the_cell_is_a_module_with_its_gain_only_where_it_is_used():
    assert isinstance(OutputNormLSTMCell(2, 3, "none"), nn.Module)
    assert [name for name, _ in OutputNormLSTMCell(2, 3, "none").named_parameters()] == ["weight_ih", "weight_hh", "bias"]
