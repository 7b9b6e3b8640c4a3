"""The discrete VAE against others: transformers' FLAVA codebook (the encoder), PyTorch's layers (the decoder and the loss).

The decoder is written here once more from the paper's words, since no library but OpenAI's own, not installable, has it; its
numbers are in tests/golden. Full size: as published, run and not only counted.
"""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, no_grad
from tinymm.backend.random import Stream
from tinymm.models.dalle import DVAE, DVAEDecoder, DVAEEncoder

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")
SMALL = dict(vocab_size=512, n_hid=64)   # the smallest that the released classes take
PUBLISHED = dict(vocab_size=8192, n_hid=256)


@pytest.fixture(scope="module", autouse=True)
def one_thread_for_pytorch():
    """Its threads would wait for the cores that the kernels' hold."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pictures(*shape, seed=0):
    """Mapped pixels."""
    return np.random.default_rng(seed).uniform(0.1, 0.9, shape).astype(np.float32)


def flava(vocab_size, n_hid, seed=0):
    """transformers' codebook with published first weights and with biases, and ours with the same."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(seed)
    theirs = transformers.FlavaImageCodebook(transformers.FlavaImageCodebookConfig(hidden_size=n_hid, vocab_size=vocab_size)).eval()
    theirs.requires_grad_(True)   # it comes frozen
    with torch.no_grad():
        for p in theirs.parameters():
            p.normal_(std=p[0].numel() ** -0.5 if p.ndim > 1 else 0.1)
    state = {name.replace(".group.", ".").replace(".path.", "."): Tensor(t.numpy()) for name, t in theirs.state_dict().items()}
    ours = tinymm.nn.utils.skip_init(DVAEEncoder, vocab_size, n_hid)
    ours.load_state_dict(state, assign=True)
    return ours, theirs


def run(x, state, kernels, rescale, groups, blocks=2):
    """Either half in PyTorch's functions."""
    conv = lambda x, name: torch.nn.functional.conv2d(x, state[f"blocks.{name}.weight"], state[f"blocks.{name}.bias"],
                                                      padding=state[f"blocks.{name}.weight"].shape[-1] // 2)
    x = conv(x, "input")
    for g in range(1, groups + 1):
        for b in range(1, blocks + 1):
            name, r = f"group_{g}.block_{b}", x
            for i, kernel in enumerate(kernels, 1):
                assert state[f"blocks.{name}.res_path.conv_{i}.weight"].shape[-1] == kernel
                r = conv(r.relu(), f"{name}.res_path.conv_{i}")
            x = (conv(x, f"{name}.id_path") if f"blocks.{name}.id_path.weight" in state else x) + r / (groups * blocks) ** 2
        x = rescale(x) if g < groups else x
    return conv(x.relu(), "output.conv")


def encoded(x, state, groups=4):
    return run(x, state, (3, 3, 3, 1), lambda x: torch.nn.functional.max_pool2d(x, 2), groups)


def decoded(z, state, groups=4):
    return run(z, state, (1, 3, 3, 3), lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3), groups)


def part(state, name):
    return {key.removeprefix(name): t for key, t in state.items() if key.startswith(name)}


def torch_state(model, dtype=torch.float32):
    return {name: torch.tensor(t.detach().numpy(), dtype=dtype) for name, t in model.state_dict().items()}


def with_biases(model, seed=1):
    """So that none is inert."""
    draw = np.random.default_rng(seed)
    with no_grad():
        for p in model.parameters():
            if p.ndim == 1:
                p.copy_(0.1 * draw.normal(size=p.shape))
    return model


def close(got, wanted, tolerance):
    """Absolutely, and relative to the largest number where that is more than 1."""
    wanted = wanted.numpy() if isinstance(wanted, torch.Tensor) else wanted
    np.testing.assert_allclose(got.numpy(), wanted, rtol=0, atol=tolerance * max(1, np.abs(wanted).max()))


# ---------------------------------------------------------------------- the encoder

def test_encoder_against_flava():
    """float32 to 1e-6: either is some 8e-7 from float64, where they agree to 1e-13. The codes are the same."""
    ours, theirs = flava(**SMALL)
    x = pictures(2, 3, 32, 48)
    with no_grad(), torch.no_grad():
        got, wanted = ours(Tensor(x)), theirs.blocks(torch.from_numpy(x))
        close(got, wanted, 1e-6)
        np.testing.assert_array_equal(got.numpy().argmax(1), theirs.get_codebook_indices(torch.from_numpy(x)).numpy())
        close(ours.double()(Tensor(x.astype(np.float64))), theirs.double().blocks(torch.from_numpy(x).double()), 1e-13)


def test_encoder_gradients_against_flava():
    ours, theirs = flava(**SMALL)
    ours, theirs = ours.double(), theirs.double()
    x = pictures(1, 3, 16, 16).astype(np.float64)
    a, b = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    c = np.random.default_rng(2).normal(size=(1, 512, 2, 2))
    (ours(a) * Tensor(c)).sum().backward()
    (theirs.blocks(b) * torch.from_numpy(c)).sum().backward()
    close(a.grad, b.grad, 1e-12)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters()):
        assert q.grad.abs().max() > 1e-6, f"{name}: a comparison of zeros says nothing"
        close(p.grad, q.grad, 1e-11)


# ---------------------------------------------------------------------- the decoder

def test_decoder_against_pytorch():
    tinymm.manual_seed(0)
    ours = with_biases(DVAEDecoder(**SMALL))
    z = torch.softmax(torch.tensor(np.random.default_rng(0).normal(size=(2, 512, 2, 3)) * 3), 1)
    with no_grad(), torch.no_grad():
        close(ours(Tensor(z.float().numpy())), decoded(z.float(), torch_state(ours)), 1e-6)
        tokens = np.random.default_rng(1).integers(0, 512, (2, 3, 2))
        one_hot = torch.nn.functional.one_hot(torch.from_numpy(tokens), 512).permute(0, 3, 1, 2)
        close(ours.embed(Tensor(tokens)), decoded(one_hot.float(), torch_state(ours)), 1e-6)
        ours.double()
        close(ours(Tensor(z.numpy())), decoded(z, torch_state(ours, torch.float64)), 1e-13)


# ---------------------------------------------------------------------- the whole

@pytest.mark.parametrize("tau, beta", [(1.0, 1.6), (0.2, 0.0)])
def test_loss_and_gradients_against_pytorch(tau, beta):
    """PyTorch's autograd and distributions, the same noise: the loss to 1e-12, all gradients to 1e-11."""
    tinymm.manual_seed(0)
    model = with_biases(DVAE(vocab_size=20, n_hid=8, groups=3, n_init=6).double())
    x = np.random.default_rng(3).uniform(size=(3, 3, 8, 12))
    loss, numbers = model.loss(Tensor(x), tau, beta, generator=Stream("noise", 5))
    loss.backward()
    state = {name: t.requires_grad_() for name, t in torch_state(model, torch.float64).items()}
    mapped = torch.from_numpy(0.8 * x + 0.1)
    logits = encoded(mapped, part(state, "encoder."), groups=3)
    gumbel = -np.log(Stream("noise", 5).generator.standard_exponential(tuple(logits.shape)))
    z = torch.softmax((logits + torch.from_numpy(gumbel)) / tau, 1)
    mu, ln_b = decoded(z, part(state, "decoder."), groups=3).chunk(2, 1)
    density = torch.distributions.TransformedDistribution(torch.distributions.Laplace(mu, ln_b.exp()),
                                                          [torch.distributions.SigmoidTransform()])
    nll = -density.log_prob(mapped)
    q = torch.distributions.Categorical(logits=logits.movedim(1, -1))
    kl = torch.distributions.kl_divergence(q, torch.distributions.Categorical(logits=torch.zeros_like(q.logits)))
    wanted = (nll.sum() + beta * kl.sum()) / x.size
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-12)
    assert numbers == {"NLL": pytest.approx(nll.mean().item(), rel=1e-12), "KL": pytest.approx(kl.mean().item(), rel=1e-10)}
    for name, p in model.named_parameters():
        assert state[name].grad.abs().max() > 1e-7, name
        close(p.grad, state[name].grad, 1e-11)


# ---------------------------------------------------------------------- as published

@pytest.mark.slow
def test_full_size_encoder():
    """53,786,240 parameters, a picture of 256 x 256 pixels to 32 x 32 tokens."""
    ours, theirs = flava(**PUBLISHED)
    assert sum(p.numel() for p in ours.parameters()) == 53_786_240
    x = pictures(1, 3, 256, 256)
    with no_grad(), torch.no_grad():
        got, wanted = ours(Tensor(x)), theirs.blocks(torch.from_numpy(x))
    assert got.shape == (1, 8192, 32, 32)
    close(got, wanted, 1e-4)
    largest = np.sort(wanted.numpy(), 1)[:, -2:]
    sure = largest[:, 1] - largest[:, 0] > 2e-4   # where rounding cannot change the code
    assert sure.mean() > 0.95
    np.testing.assert_array_equal(got.numpy().argmax(1)[sure], wanted.numpy().argmax(1)[sure])


@pytest.mark.slow
def test_full_size_decoder():
    """43,829,766 parameters, 32 x 32 tokens to a picture of 256 x 256 pixels, by the embedding and by one-hot codes."""
    tinymm.manual_seed(0)
    ours = with_biases(DVAEDecoder())
    assert sum(p.numel() for p in ours.parameters()) == 43_829_766
    tokens = np.random.default_rng(0).integers(0, 8192, (1, 32, 32))
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(tokens), 8192).permute(0, 3, 1, 2).float()
    with no_grad(), torch.no_grad():
        got, wanted = ours.embed(Tensor(tokens)), decoded(one_hot, torch_state(ours))
        assert got.shape == (1, 6, 256, 256)
        close(got, wanted, 1e-4)
        close(ours(Tensor(one_hot.numpy())), wanted, 1e-4)
