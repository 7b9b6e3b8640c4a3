"""The discrete VAE: its layers against OpenAI's own, its loss against its equation, its tokens, gradients, and a training."""

import json
import math
import pathlib

import numpy as np
import pytest

import tinymm
from tests.golden.make_dvae import SIZES, TOKENS, pictures, weights
from tinymm import Tensor, gradcheck, no_grad, optim
from tinymm.backend.random import Stream
from tinymm.models.dalle import DVAE, DVAEDecoder, DVAEEncoder, half_cosine, kl_to_uniform

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden" / "dvae.json").read_text())
SMALL = dict(vocab_size=12, n_hid=8, groups=3, n_init=6)


def build(seed=0, dtype="float64", **options):
    tinymm.manual_seed(seed)
    return DVAE(**{**SMALL, **options}).to(dtype=dtype)


def drawn(*shape, seed=0, dtype="float64"):
    """Pictures in [0, 1]."""
    return Tensor(np.random.default_rng(seed).uniform(size=shape).astype(dtype))


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# ---------------------------------------------------------------------- the layers

@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_openais_own_numbers_and_names(half):
    model = DVAEEncoder(**SIZES) if half == "encoder" else DVAEDecoder(**SIZES)
    golden, state = GOLDEN[half], model.state_dict()
    assert [name.removesuffix("eight").removesuffix("ias") for name in state] == golden["names"]   # theirs end in .w and .b
    model.load_state_dict({name: Tensor(w) for name, w in zip(state, weights([t.shape for t in state.values()]))})
    with no_grad():
        out = model(Tensor(pictures())) if half == "encoder" else model.embed(Tensor(TOKENS))
    assert out.shape == tuple(golden["shape"])
    wanted = np.array(golden["values"]).reshape(out.shape)
    # float32 sums of some thousand terms; PyTorch's own are as far from float64's
    np.testing.assert_allclose(out.numpy(), wanted, rtol=0, atol=1e-6 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize("groups, n_blk_per_group", [(1, 1), (3, 2), (4, 2)])
def test_the_branch_of_a_block_starts_small(groups, n_blk_per_group):
    """Its gain is 1 / (number of blocks)^2; the first weights are N(0, 1 / inputs), the biases 0."""
    model = build(groups=groups, n_blk_per_group=n_blk_per_group, n_hid=32)
    gains = [m.post_gain for m in model.modules() if hasattr(m, "post_gain")]
    assert gains == [1 / (groups * n_blk_per_group) ** 2] * (2 * groups * n_blk_per_group)
    w = dict(model.named_parameters())["encoder.blocks.group_1.block_1.res_path.conv_1.weight"].detach().numpy()
    assert w.std() == pytest.approx((32 * 9) ** -0.5, rel=0.1)   # 2,304 numbers: their deviation is known to 1.5 %
    assert all((p.detach().numpy() == 0).all() for name, p in model.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize("groups", [1, 2, 3, 4])
def test_compression_follows_from_the_shapes(groups):
    """A token stands for 3 stride^2 values: 192 for the published four groups, 48 for three."""
    model, stride = build(groups=groups), 2 ** (groups - 1)
    x = drawn(2, 3, 8, 16)
    with no_grad():
        tokens = model.tokens(x)
    assert model.stride == stride and tokens.shape == (2, 8 // stride, 16 // stride) and tokens.dtype == np.int64
    assert x.numel() // tokens.numel() == 3 * stride**2 == {1: 3, 2: 12, 3: 48, 4: 192}[groups]
    with no_grad():
        assert model.decode(tokens).shape == x.shape


# ---------------------------------------------------------------------- tokens and pictures

def test_tokens_are_the_most_probable_codes_and_have_no_noise():
    model, x = build(), drawn(3, 3, 8, 8)
    with no_grad():
        tokens = model.tokens(x).numpy()
        np.testing.assert_array_equal(tokens, model.logits(x).numpy().argmax(1))
        np.testing.assert_array_equal(tokens, model.tokens(x).numpy())
        np.testing.assert_array_equal(model(x).numpy(), model.logits(x).numpy())
    assert len(np.unique(tokens)) > 1


def test_decoding_tokens_is_decoding_one_hot_codes():
    model, tokens = build(), np.random.default_rng(0).integers(0, 12, (2, 3, 2))
    one_hot = np.ascontiguousarray(np.eye(12)[tokens].transpose(0, 3, 1, 2))
    with no_grad():
        statistics, picked = model.decoder(Tensor(one_hot)).numpy(), model.decoder.embed(Tensor(tokens)).numpy()
        picture = model.decode(Tensor(tokens)).numpy()
    np.testing.assert_allclose(picked, statistics, rtol=0, atol=1e-14)
    median = (1 / (1 + np.exp(-statistics[:, :3])) - 0.1) / 0.8        # the slide's map, without ln b
    np.testing.assert_allclose(picture, median.clip(0, 1), rtol=0, atol=1e-14)


# ---------------------------------------------------------------------- the KL and the loss

def test_kl_to_uniform():
    """Against its sum, and between its bounds 0 (uniform) and ln K (certain)."""
    K, logits = 7, np.random.default_rng(0).normal(size=(4, 7, 2, 3)) * 3
    q = softmax(logits, 1)
    kl = kl_to_uniform(Tensor(logits)).numpy()
    np.testing.assert_allclose(kl, (q * np.log(q * K)).sum(1), rtol=1e-12)
    assert kl.shape == (4, 2, 3) and (0 < kl).all() and (kl < math.log(K)).all()
    assert kl_to_uniform(Tensor(np.full((1, K), 3.0))).item() == pytest.approx(0, abs=1e-15)
    assert kl_to_uniform(Tensor(np.eye(K)[:1] * 1e4)).item() == pytest.approx(math.log(K), rel=1e-15)   # no 0 ln 0
    np.testing.assert_allclose(kl_to_uniform(Tensor(q), dim=-1).numpy(), kl_to_uniform(Tensor(np.moveaxis(q, -1, 1))).numpy())
    assert gradcheck(kl_to_uniform, [Tensor(logits[:1], requires_grad=True)])


@pytest.mark.parametrize("tau, beta", [(1.0, 1.6), (0.25, 6.6), (1 / 16, 0.0)])
def test_the_loss_is_its_equation(tau, beta):
    """With the noise drawn again from its stream: soft codes into the decoder, sums over values and tokens, one division."""
    model, x = build(), drawn(2, 3, 8, 12, seed=1)
    loss, numbers = model.loss(x, tau, beta, generator=Stream("noise", 3))
    with no_grad():
        logits = model.logits(x).numpy()                                                        # (2, 12, 2, 3)
        gumbel = -np.log(Stream("noise", 3).generator.standard_exponential(logits.shape))
        z = softmax((logits + gumbel) / tau, 1)
        statistics = model.decoder(Tensor(z)).numpy()
    mu, b, mapped = statistics[:, :3], np.exp(statistics[:, 3:]), 0.8 * x.numpy() + 0.1
    nll = np.abs(np.log(mapped / (1 - mapped)) - mu) / b + np.log(2 * b * mapped * (1 - mapped))
    q = softmax(logits, 1)
    kl = (q * np.log(q * 12)).sum(1)
    assert ((0.01 < z) & (z < 0.99)).any()   # soft
    assert loss.item() == pytest.approx((nll.sum() + beta * kl.sum()) / x.numel(), rel=1e-12)
    assert numbers == {"NLL": pytest.approx(nll.mean(), rel=1e-12), "KL": pytest.approx(kl.mean(), rel=1e-10)}
    assert loss.item() == pytest.approx(numbers["NLL"] + beta / 48 * numbers["KL"], rel=1e-12)   # 3 * 4 * 4 values a token


def test_at_first_the_loss_is_that_of_a_decoder_that_says_nothing():
    """mu and ln b are near 0, codes nearly uniform: each value costs |logit x| + ln 2 x (1 - x)."""
    model, x = build(vocab_size=64, n_hid=16, n_init=32), drawn(16, 3, 16, 16)
    loss, numbers = model.loss(x, 1.0, 1.6)
    mapped = 0.8 * x.numpy() + 0.1
    nothing = (np.abs(np.log(mapped / (1 - mapped))) + np.log(2 * mapped * (1 - mapped))).mean()
    assert numbers["NLL"] == pytest.approx(nothing, abs=0.05) and 0 < numbers["KL"] < 0.25
    assert loss.item() == pytest.approx(nothing, abs=0.05)


def test_the_gradient_with_the_noise_held_fixed():
    """By differences, of the pictures and of every parameter of both halves: the relaxation is differentiable, so all have one."""
    model = build(vocab_size=5, n_hid=4, groups=2, n_init=3, n_blk_per_group=1)
    for p in model.parameters():   # biases too
        p.requires_grad_(False)
        p.copy_(np.random.default_rng(p.numel()).normal(size=p.shape) * 0.5)
        p.requires_grad_(True)
    loss = lambda x: model.loss(x, 0.7, 1.6, generator=Stream("noise", 1))[0]
    x = Tensor(0.2 + 0.6 * drawn(1, 3, 4, 4).numpy(), requires_grad=True)   # so that no difference leaves [0, 1]
    assert gradcheck(loss, [x], parameters=model, curve=False, max_elements=12)
    model.zero_grad()
    loss(x).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.numpy().any()] == []


# ---------------------------------------------------------------------- a training

def halves(count, seed=0):
    """Pictures (count, 3, 8, 8) of two colours side by side, with grain."""
    draw = np.random.default_rng(seed)
    x = draw.choice([0.15, 0.85], (count, 3, 1, 2)).repeat(8, 2).repeat(4, 3)
    return Tensor((x + draw.uniform(-0.05, 0.05, x.shape)).astype(np.float32))


def test_one_batch_is_learned_by_heart():
    """Decoded from its codes alone, without the relaxation, at a quarter of what the mean picture errs."""
    model, x = build(vocab_size=32, n_hid=16, n_init=32, groups=2, dtype="float32"), halves(8)
    optimizer, steps = optim.AdamW(model.parameters()), 300
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = half_cosine(step, 6e-3, 3e-4, steps)
        optimizer.zero_grad()
        tau, beta = half_cosine(step, 1, 1 / 16, 240), half_cosine(step, 0, 0.4, 20)   # 6.6 / 192 of the 12 values a token has
        model.loss(x, tau, beta)[0].backward()
        optimizer.step()
    with no_grad():
        tokens = model.tokens(x)
        error = ((model.decode(tokens) - x) ** 2).mean().item()
    assert error < 0.25 * ((x - x.mean(0)) ** 2).mean().item()


# ---------------------------------------------------------------------- what does not fit

@pytest.mark.parametrize("call, kind, message", [
    (lambda m: m.loss(drawn(1, 3, 8, 8), 0, 1), ValueError, "DVAE.loss: tau=0 and beta=1; tau must be above 0"),
    (lambda m: m.loss(drawn(1, 3, 8, 8), float("nan"), 1), ValueError, "DVAE.loss: tau=nan"),
    (lambda m: m.loss(drawn(1, 3, 8, 8), 1, -0.1), ValueError, "beta at least 0"),
    (lambda m: m.tokens(drawn(1, 3, 8, 8) * 255), ValueError, r"pixels run from .* must lie in \[0, 1\]: divide bytes by 255"),
    (lambda m: m.tokens(drawn(1, 3, 8, 10)), ValueError, r"DVAEEncoder: .*\(1, 3, 8, 10\): W=10 is no multiple of 4"),
    (lambda m: m.tokens(drawn(1, 3, 6, 8)), ValueError, "H=6 is no multiple of 4"),
    (lambda m: m.tokens(drawn(1, 8, 8, 3)), ValueError, r"it takes \(N, 3, H, W\), channels first"),
    (lambda m: m.tokens(drawn(3, 8, 8)), ValueError, r"shape \(3, 8, 8\); it takes"),
    (lambda m: m.tokens(np.zeros((1, 3, 8, 8))), TypeError, "x is a ndarray, not a Tensor"),
    (lambda m: m.decode(Tensor(np.array([[[0, 12]]]))), ValueError, "tokens run from 0 to 12; the vocabulary has 0 to 11"),
    (lambda m: m.decode(Tensor(np.array([[[-1, 3]]]))), ValueError, "tokens run from -1 to 3"),
    (lambda m: m.decode(Tensor(np.zeros((2, 4), np.int64))), ValueError, r"shape \(2, 4\); it takes \(N, h, w\)"),
    (lambda m: m.decode(drawn(1, 2, 2)), TypeError, "tokens of float64; it takes integers"),
    (lambda m: m.decoder(drawn(1, 11, 2, 2)), ValueError, r"DVAEDecoder: z has shape \(1, 11, 2, 2\); it takes \(N, K=12, h, w\)"),
    (lambda m: DVAE(n_hid=10), ValueError, "n_hid=10 must be a multiple of 4"),
    (lambda m: DVAEEncoder(vocab_size=0), ValueError, "DVAEEncoder: vocab_size"),
    (lambda m: DVAEDecoder(groups=0), ValueError, "DVAEDecoder: groups")])
def test_what_does_not_fit_is_refused_by_name(call, kind, message):
    with pytest.raises(kind, match=message):
        call(build())


def test_an_empty_batch_gives_nothing():
    model = build()
    with no_grad():
        tokens = model.tokens(drawn(0, 3, 8, 8))
        assert tokens.shape == (0, 2, 2) and model.decode(tokens).shape == (0, 3, 8, 8)
