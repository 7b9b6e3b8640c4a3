"""The PyTorch twins in ``benchmarks/`` against our models: with copied weights the same losses, gradients and steps.

The twin was written from the paper's equations with PyTorch's own layers, so it judges the model; and that both agree is what
makes the bench's ratios a comparison of the same work.
"""

import importlib.util

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, nn, no_grad
from tinymm import functional as F
from tinymm.autograd.sampling import randn
from tinymm.backend.jit import use_kernels
from tinymm.backend.random import Stream
from tinymm.bench.cli import TARGETS, folder_of_twins
from tinymm.decode import greedy_search
from tinymm.experiments.lecture_01.activity import every_step
from tinymm.models.adversarial import discriminator_loss, generator_loss
from tinymm.models.attention_objective import hard_objective, soft_objective
from tinymm.models.attentive_reader import AttentiveReader
from tinymm.models.caption_likelihood import caption_log_prob
from tinymm.models.clip import CLIP, clip_loss, clip_temperature_
from tinymm.models.conv_encoder import ConvEncoder
from tinymm.models.dalle import DVAE, DALLETransformer, dalle_loss
from tinymm.models.draw import Draw
from tinymm.models.frame_encoder import FrameEncoder
from tinymm.models.lrcn import ActivityLRCN
from tinymm.models.order_embedding import OrderEmbedding
from tinymm.models.show_and_tell import ShowTell
from tinymm.models.show_attend_and_tell import ShowAttendTell
from tinymm.models.text_to_image_gan import Discriminator, Generator
from tinymm.models.visual_semantic import VisualSemanticAlignment

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

B, L, D, T, K = 5, 6, 7, 6, 9
SIZES = dict(features=D, vocabulary=K, embedding=4, hidden=6, attention=5)
SOFT = {"plain": (dict(), dict(lam=0.0)), "doubly stochastic": (dict(), dict(lam=0.7, tau=1.3)),
        "no gate": (dict(gate=False), dict(lam=1.0)), "the slide's output": (dict(output_tanh=False), dict(lam=0.0))}
HARD = {"the bound": dict(), "the authors'": dict(baseline=-3.0, lambda_r=0.1, lambda_e=0.002)}


def load(name):
    spec = importlib.util.spec_from_file_location(name, folder_of_twins() / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", autouse=True)
def one_thread_for_pytorch():
    """Its threads would wait for the cores that the kernels' hold, and these tests take ten times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def twin():
    return load("show_attend_and_tell_pytorch")


def copied(ours, theirs):
    """``theirs`` in float64 with the weights of ``ours``; each must have all names of the other."""
    theirs = theirs.double()
    theirs.load_state_dict({name: torch.tensor(t.detach().numpy().copy()) for name, t in ours.state_dict().items()})
    return theirs


def captions(rng):
    """Words before each step, words to predict, and their mask, (T, B): 2 to T words, 0 after the end."""
    lengths = rng.integers(2, T + 1, B)
    targets = np.where(np.arange(T)[:, None] < lengths, rng.integers(1, K, (T, B)), 0)
    return np.concatenate([np.zeros((1, B), np.int64), targets[:-1]]), targets, targets != 0


def adam(optim, params):
    return optim.Adam(params, lr=0.01)


def train(ours, theirs, losses, inert=(), steps=3, optimiser_of=adam):
    """Some clipped steps on both sides, with equal losses, gradients, norms and weights.

    Args:
        losses: makes the two losses.
        inert: parameters that the loss does not depend on. Their gradients are rounding errors, which Adam would make steps
            of, so they stay as they are; the gradients of all others must not be zero.
        optimiser_of: makes an optimiser from ``tinymm.optim`` or ``torch.optim`` and a list of parameters.
    """
    optimiser = optimiser_of(tinymm.optim, [p for name, p in ours.named_parameters() if name not in inert])
    optimiser_twin = optimiser_of(torch.optim, [p for name, p in theirs.named_parameters() if name not in inert])
    for _ in range(steps):
        ours.zero_grad(), theirs.zero_grad()
        loss, loss_twin = losses()
        assert loss.item() == pytest.approx(loss_twin.item(), rel=1e-9)
        loss.backward(), loss_twin.backward()
        wanted = {name.removesuffix("_l0"): p.grad for name, p in theirs.named_parameters()}   # of layer 0
        for name, p in ours.named_parameters():
            grad = wanted[name.removesuffix("_l0")]
            if grad is None:   # not in the graph
                assert p.grad is None and name in inert, name
                continue
            grad = grad.numpy()
            np.testing.assert_allclose(p.grad.numpy(), grad, rtol=1e-9, atol=1e-9, err_msg=name)
            assert name in inert or np.abs(grad).max() > 1e-4, f"{name}: a comparison of zeros says nothing"
        norm = nn.utils.clip_grad_norm_(ours.parameters(), 0.5)
        assert norm.item() == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5).item(), rel=1e-9)
        optimiser.step(), optimiser_twin.step()
    weights = {name.removesuffix("_l0"): t for name, t in theirs.state_dict().items()}
    for name, t in ours.state_dict().items():
        wanted = weights[name.removesuffix("_l0")].numpy()
        np.testing.assert_allclose(t.detach().numpy(), wanted, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
@pytest.mark.parametrize("case", SOFT)
def test_soft_attention(twin, case, kernels):
    (options, objective), rng = SOFT[case], np.random.default_rng(4)
    tinymm.manual_seed(4)
    ours = ShowAttendTell(**SIZES, **options).double()
    theirs = copied(ours, twin.ShowAttendTell(**SIZES, **options))
    a, (y, targets, mask) = rng.normal(size=(B, L, D)), captions(rng)

    def losses():
        decoded, decoded_twin = ours(Tensor(a), Tensor(y)), theirs(torch.tensor(a), torch.tensor(y))
        for name in ("logits", "alpha", "beta"):
            np.testing.assert_allclose(getattr(decoded, name).detach().numpy(),
                                       getattr(decoded_twin, name).detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=name)
        return (soft_objective(decoded, Tensor(targets), Tensor(mask), **objective),
                twin.soft_objective(decoded_twin, torch.tensor(targets), torch.tensor(mask), **objective))

    with use_kernels(kernels):
        train(ours, theirs, losses)


@pytest.mark.parametrize("case", HARD)
def test_hard_attention_on_our_samples(twin, case):
    options, rng = HARD[case], np.random.default_rng(5)
    tinymm.manual_seed(5)
    ours = ShowAttendTell(**SIZES, hard=True).double()
    theirs = copied(ours, twin.ShowAttendTell(**SIZES, hard=True))
    a, (y, targets, mask) = rng.normal(size=(B, L, D)), captions(rng)

    def losses():
        decoded = ours(Tensor(a), Tensor(y))
        assert 0 < decoded.sampled.sum() < B   # some images look at one place, some softly
        decoded_twin = theirs(torch.tensor(a), torch.tensor(y), torch.tensor(decoded.locations), torch.tensor(decoded.sampled))
        loss, log_p = hard_objective(decoded, Tensor(targets), Tensor(mask), **options)
        loss_twin, log_p_twin = twin.hard_objective(decoded_twin, torch.tensor(targets), torch.tensor(mask), **options)
        np.testing.assert_allclose(log_p.numpy(), log_p_twin.numpy(), rtol=1e-9)
        return loss, loss_twin

    train(ours, theirs, losses)


def test_the_twin_samples_where_it_looks(twin):
    """Its own samples have the probabilities alpha, and half of the images see the soft context."""
    torch.manual_seed(0)
    model = twin.ShowAttendTell(**SIZES, hard=True)
    n = 20_000
    a = torch.randn(1, L, D).expand(n, L, D)
    with torch.no_grad():
        decoded = model(a, torch.zeros(1, n, dtype=torch.int64))
    share = torch.bincount(decoded.locations[0], minlength=L) / n
    assert (share - decoded.alpha[0, 0]).abs().max() < 4 * 0.5 / n**0.5
    assert abs(decoded.sampled.float().mean() - 0.5) < 4 * 0.5 / n**0.5


SHOWN = {"usual": {}, "the slide's": dict(hidden=K, output_tanh=False, projection=False, bias=False),
         "no tanh": dict(output_tanh=False), "no biases": dict(bias=False), "every step": dict(image="every"),
         "normalised": dict(normalize=True)}


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
@pytest.mark.parametrize("case", SHOWN)
def test_show_and_tell(case, kernels):
    twin, options, rng = load("show_and_tell_pytorch"), {"hidden": 6, **SHOWN[case]}, np.random.default_rng(8)
    tinymm.manual_seed(8)
    ours = ShowTell(D, K, embedding=4, **options).double()
    theirs = copied(ours, twin.ShowTell(D, K, embedding=4, **options))
    f, (S, targets, _) = rng.normal(size=(B, D)), captions(rng)

    def losses():
        logits, logits_twin = ours(Tensor(f), Tensor(S)), theirs(torch.tensor(f), torch.tensor(S))
        np.testing.assert_allclose(logits.detach().numpy(), logits_twin.detach().numpy(), rtol=1e-9, atol=1e-12)
        return (-caption_log_prob(logits, Tensor(targets)).mean(), twin.caption_loss(logits_twin, torch.tensor(targets)))

    with use_kernels(kernels):
        train(ours, theirs, losses)


def test_the_encoder_classifies(twin):
    rng = np.random.default_rng(6)
    tinymm.manual_seed(6)
    ours = nn.ModuleList([ConvEncoder(2, (3, 4)), nn.Linear(4, 5)]).double()
    theirs = copied(ours, torch.nn.ModuleList([twin.ConvEncoder(2, (3, 4)), torch.nn.Linear(4, 5)]))
    x, labels = rng.normal(size=(B, 2, 12, 8)), rng.integers(0, 5, B)

    def losses():
        return (F.cross_entropy(ours[1](ours[0].feature_map(Tensor(x)).amax((2, 3))), Tensor(labels)),
                torch.nn.functional.cross_entropy(theirs[1](theirs[0].feature_map(torch.tensor(x)).amax((2, 3))),
                                                  torch.tensor(labels)))

    # a batch normalisation takes away whatever its convolution's bias adds
    train(ours, theirs, losses, inert=("0.layers.0.bias", "0.layers.4.bias"))


@pytest.mark.parametrize("coordinates", [True, False])
def test_encoder_and_decoder_together(twin, coordinates):
    rng = np.random.default_rng(7)
    tinymm.manual_seed(7)
    features = 4 + 2 * coordinates
    sizes = {**SIZES, "features": features}
    ours = nn.ModuleList([ConvEncoder(1, (3, 4), coordinates), ShowAttendTell(**sizes)]).double()
    theirs = copied(ours, torch.nn.ModuleList([twin.ConvEncoder(1, (3, 4), coordinates), twin.ShowAttendTell(**sizes)]))
    assert theirs[0].features == ours[0].features == features
    x, (y, targets, mask) = rng.normal(size=(B, 1, 12, 8)), captions(rng)

    def losses():
        return (soft_objective(ours[1](ours[0](Tensor(x)), Tensor(y)), Tensor(targets), Tensor(mask)),
                twin.soft_objective(theirs[1](theirs[0](torch.tensor(x)), torch.tensor(y)), torch.tensor(targets),
                                    torch.tensor(mask)))

    train(ours, theirs, losses, inert=("0.layers.0.bias", "0.layers.4.bias"))


TOWERS = {"Vision Transformer": dict(image_resolution=32, vision_layers=2, vision_width=12, vision_patch_size=16, vision_heads=3),
          "ResNet": dict(image_resolution=64, vision_layers=(1, 2, 1, 1), vision_width=4, vision_patch_size=None, vision_heads=2)}
TEXTS = np.array([[7, 1, 2, 8, 0, 0], [7, 3, 3, 4, 6, 8], [7, 8, 0, 0, 0, 0], [7, 5, 0, 2, 8, 1], [7, 6, 8, 0, 0, 0]])


def adamw(optim, params):
    """Weight decay for matrices only, as the bench has it."""
    return optim.AdamW([dict(params=[p for p in params if p.ndim > 1], weight_decay=0.2),
                        dict(params=[p for p in params if p.ndim < 2], weight_decay=0.0)], lr=0.01)


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
@pytest.mark.parametrize("tower", TOWERS)
def test_clip(tower, kernels):
    """From a temperature beyond its bound, to which both come back before each step."""
    twin, rng = load("clip_pytorch"), np.random.default_rng(9)
    sizes = dict(embed_dim=6, context_length=6, vocab_size=9, transformer_width=8, transformer_heads=2,
                 transformer_layers=2, **TOWERS[tower])
    tinymm.manual_seed(9)
    ours, image = CLIP(**sizes).double(), rng.normal(size=(B, 3, *2 * [sizes["image_resolution"]]))
    with no_grad():
        for p in ours.parameters():
            p += Tensor(rng.normal(size=p.shape) * 0.2)   # gains of 0 would leave a branch without gradients
        ours.logit_scale.fill_(4.7)
    theirs = copied(ours, twin.CLIP(**sizes))

    def losses():
        t, t_twin = clip_temperature_(ours.logit_scale), twin.clip_temperature_(theirs.logit_scale)
        assert t.item() == pytest.approx(t_twin.item(), rel=1e-12) and t.item() <= np.log(100)
        both, both_twin = ours(Tensor(image), Tensor(TEXTS)), theirs(torch.tensor(image), torch.tensor(TEXTS))
        for logits, logits_twin in zip(both, both_twin):
            np.testing.assert_allclose(logits.detach().numpy(), logits_twin.detach().numpy(), rtol=1e-9, atol=1e-9)
        return clip_loss(both[0]), twin.clip_loss(both_twin[0])

    with use_kernels(kernels):   # a bias that all keys share changes no weight of the attention
        train(ours, theirs, losses, inert=("visual.attnpool.k_proj.bias",), optimiser_of=adamw)


def same_size(ours, theirs):
    assert sum(p.numel() for p in theirs.parameters()) == sum(int(np.prod(p.shape)) for p in ours.parameters())


def stirred(model, rng, scale=0.2):
    """Gains that are not 1 and biases that are not 0."""
    with no_grad():
        for p in model.parameters():
            p += Tensor(rng.normal(size=p.shape) * scale)
    return model


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("score", ["order", "cosine"])
def test_order_embedding(monkeypatch, score, norm, kernels):
    monkeypatch.syspath_prepend(str(folder_of_twins()))
    twin, rng = load("order_embedding_pytorch"), np.random.default_rng(10)
    tinymm.manual_seed(10)
    sizes = dict(vocabulary=K, features=D, words=4, size=6, norm=norm, score=score)
    ours = stirred(OrderEmbedding(**sizes).double(), rng)
    theirs = copied(ours, twin.OrderEmbedding(**sizes))
    same_size(ours, theirs)
    lengths, features = rng.integers(1, T + 1, B), rng.normal(size=(B, D))
    lengths[0] = T
    words = np.where(np.arange(T)[:, None] < lengths, rng.integers(1, K, (T, B)), 0)

    def losses():
        return (ours.loss(Tensor(words), Tensor(lengths), Tensor(features)),
                theirs.loss(torch.tensor(words), torch.tensor(lengths), torch.tensor(features)))

    with use_kernels(kernels):
        train(ours, theirs, losses)


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
@pytest.mark.parametrize("norm", ["none", "layer"])
def test_attentive_reader(monkeypatch, norm, kernels):
    monkeypatch.syspath_prepend(str(folder_of_twins()))
    twin, rng = load("attentive_reader_pytorch"), np.random.default_rng(11)
    tinymm.manual_seed(11)
    sizes = dict(vocabulary=K, entities=3, embedding=4, hidden=6, norm=norm)
    ours = stirred(AttentiveReader(**sizes).double(), rng, 0.6)   # so that the attention has gradients
    theirs = copied(ours, twin.AttentiveReader(**sizes))
    same_size(ours, theirs)
    inputs, answers = [], rng.integers(0, 3, B)
    for steps in (T, 4):
        lengths = rng.integers(1, steps + 1, B)
        lengths[0] = steps
        inputs.append((np.where(np.arange(steps)[:, None] < lengths, rng.integers(1, K, (steps, B)), 0), lengths))
    (d, d_lengths), (q, q_lengths) = inputs

    def losses():
        read = ours(*map(Tensor, (d, q, d_lengths, q_lengths)))
        logits, s = theirs(*map(torch.tensor, (d, q, d_lengths, q_lengths)))
        np.testing.assert_allclose(read.s.detach().numpy(), s.detach().numpy(), rtol=1e-9, atol=1e-12)
        return F.cross_entropy(read.logits, Tensor(answers)), torch.nn.functional.cross_entropy(logits, torch.tensor(answers))

    with use_kernels(kernels):
        train(ours, theirs, losses)


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
@pytest.mark.parametrize("norm", ["none", "layer"])
def test_draw(norm, kernels):
    """On the same noise, which our model draws from its stream."""
    twin, rng = load("draw_pytorch"), np.random.default_rng(12)
    tinymm.manual_seed(12)
    sizes = dict(side=6, glimpses=3, hidden=5, latent=4, read=2, write=3, norm=norm)
    ours = stirred(Draw(**sizes).double(), rng)
    theirs = copied(ours, twin.Draw(**sizes))
    same_size(ours, theirs)
    x = rng.integers(0, 2, (B, 6, 6)).astype(np.float64)
    noise = randn(3, B, 4, dtype=np.float64, generator=Stream("noise", 1)).numpy().copy()

    def losses():
        drawn = ours(Tensor(x), Stream("noise", 1))
        canvas, kl = theirs(torch.tensor(x), torch.tensor(noise))
        np.testing.assert_allclose(drawn.canvases[-1].detach().numpy(), canvas.detach().numpy(), rtol=1e-9, atol=1e-12)
        bce, kl_ours = drawn.loss(Tensor(x))
        return (bce + kl_ours).mean(), twin.draw_loss(canvas, kl, torch.tensor(x))

    with use_kernels(kernels):
        train(ours, theirs, losses)


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
@pytest.mark.parametrize("layer, unit", [("fc6", "lstm"), ("fc7", "lstm"), ("fc7", "rnn")])
def test_lrcn_on_clips(monkeypatch, layer, unit, kernels):
    monkeypatch.syspath_prepend(str(folder_of_twins()))
    twin, rng = load("lrcn_pytorch"), np.random.default_rng(13)
    tinymm.manual_seed(13)
    frames = dict(in_channels=2, picture_size=(12, 8), channels=(3, 4), sizes=(9, 7))
    sizes = dict(features={"fc6": 9, "fc7": 7}[layer], classes=5, hidden=6, unit=unit, dropout=0.0)
    ours = nn.ModuleList([FrameEncoder(**frames), ActivityLRCN(**sizes)]).double()
    theirs = copied(ours, torch.nn.ModuleList([twin.FrameEncoder(**frames), twin.ActivityLRCN(**sizes)]))
    same_size(ours, theirs)
    x, labels = rng.normal(size=(T, B, 2, 12, 8)), rng.integers(0, 5, B)

    def losses():
        logits = ours[1](ours[0].of_clips(Tensor(x), layer))
        logits_twin = theirs[1](theirs[0].of_clips(torch.tensor(x), layer))
        np.testing.assert_allclose(logits.detach().numpy(), logits_twin.detach().numpy(), rtol=1e-9, atol=1e-12)
        every = torch.tensor(np.tile(labels, T))                                    # each step has its clip's label
        return every_step(logits, Tensor(labels)), torch.nn.functional.cross_entropy(logits_twin.flatten(0, 1), every)

    # a batch normalisation takes away a convolution's bias; with fc6, nothing reads fc7
    inert = ("0.conv.layers.0.bias", "0.conv.layers.4.bias", *(("0.W_7.weight", "0.W_7.bias") if layer == "fc6" else ()))
    with use_kernels(kernels):
        train(ours, theirs, losses, inert=inert)


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
def test_visual_semantic_alignment(kernels):
    """With regions and words that are not there."""
    twin, rng = load("visual_semantic_pytorch"), np.random.default_rng(12)
    tinymm.manual_seed(12)
    sizes, M = dict(features=D, vocabulary=K, words=4, size=6), 4
    ours = stirred(VisualSemanticAlignment(**sizes).double(), rng)
    theirs = copied(ours, twin.VisualSemanticAlignment(**sizes))
    same_size(ours, theirs)
    _, S, _ = captions(rng)
    phi, inside = rng.normal(size=(B, M, D)), np.arange(M) < rng.integers(1, M + 1, (B, 1))
    assert not inside.all() and not S.all()

    def losses():
        both = ours(Tensor(phi), Tensor(inside), Tensor(S)), theirs(torch.tensor(phi), torch.tensor(inside), torch.tensor(S))
        np.testing.assert_allclose(both[0].detach().numpy(), both[1].detach().numpy(), rtol=1e-9, atol=1e-12)
        return (ours.loss(Tensor(phi), Tensor(inside), Tensor(S)),
                theirs.loss(torch.tensor(phi), torch.tensor(inside), torch.tensor(S)))

    with use_kernels(kernels):
        train(ours, theirs, losses)


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
def test_gan_cls(kernels):
    """D's step and G's, with the running statistics of normalisation, and no gradients for D in G's step."""
    twin, rng = load("text_to_image_gan_pytorch"), np.random.default_rng(13)
    tinymm.manual_seed(13)
    sizes, n, text, noise = dict(embedding=5), 6, 7, 4
    pairs = [(stirred(Generator(text, (16, 8), noise, **sizes).double(), rng), twin.Generator(text, (16, 8), noise, **sizes)),
             (stirred(Discriminator(text, (8, 16), **sizes).double(), rng), twin.Discriminator(text, (8, 16), **sizes))]
    (G, G_twin), (D, D_twin) = pairs = [(ours, copied(ours, theirs)) for ours, theirs in pairs]
    for ours, theirs in pairs:
        same_size(ours, theirs)
    x, h, wrong = rng.uniform(-1, 1, (n, 3, 16, 16)), rng.normal(size=(n, text)), rng.normal(size=(n, text))

    def both(*arrays):
        return [Tensor(a) for a in arrays], [torch.tensor(a) for a in arrays]

    def losses_of_D():
        (x_, h_, wrong_, z_), theirs = both(x, h, wrong, rng.normal(size=(n, noise)))
        with no_grad(), torch.no_grad():
            fake, fake_twin = G(z_, h_), G_twin(theirs[3], theirs[1])
        np.testing.assert_allclose(fake.numpy(), fake_twin.numpy(), rtol=1e-9, atol=1e-12)
        return (discriminator_loss(D(x_, h_), D(x_, wrong_), D(fake, h_)),
                twin.discriminator_loss(D_twin, theirs[0], theirs[2], fake_twin, theirs[1]))

    def losses_of_G():
        (h_, z_), (h_twin, z_twin) = both(h, rng.normal(size=(n, noise)))
        return generator_loss(D(G(z_, h_), h_)), twin.generator_loss(D_twin, G_twin(z_twin, h_twin), h_twin)

    with use_kernels(kernels):
        train(D, D_twin, losses_of_D, inert=before_normalisation(D))
        for net in (D, D_twin):
            net.zero_grad()
            net.requires_grad_(False)
        train(G, G_twin, losses_of_G, inert=before_normalisation(G))
    assert all(p.grad is None for p in D.parameters())


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
def test_dvae(kernels):
    """On the same noise, which our model draws from its stream."""
    twin, rng = load("dalle_pytorch"), np.random.default_rng(14)
    tinymm.manual_seed(14)
    sizes, tau, beta = dict(vocab_size=7, n_hid=8, groups=2, n_init=6), 0.7, 3.0
    ours = stirred(DVAE(**sizes).double(), rng, 0.5)   # so that what the residual branches add is no rounding error
    theirs = copied(ours, twin.DVAE(**sizes))
    same_size(ours, theirs)
    x = rng.random((B, 3, 4, 6))
    noise = torch.tensor(-np.log(Stream("noise", 1).generator.standard_exponential((B, 7, 2, 3))))

    def losses():
        x_twin = torch.tensor(x)
        logits, logits_twin = ours.logits(Tensor(x)), theirs.encoder.blocks((1 - 2 * twin.EPS) * x_twin + twin.EPS)
        np.testing.assert_allclose(logits.detach().numpy(), logits_twin.detach().numpy(), rtol=1e-9, atol=1e-12)
        return ours.loss(Tensor(x), tau, beta, Stream("noise", 1))[0], theirs.loss(x_twin, tau, beta, noise)

    with use_kernels(kernels):
        train(ours, theirs, losses)


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
def test_dalle(kernels):
    """All kinds of layers, texts with pads; then the likeliest tokens one after the other, with keys and values kept."""
    twin, rng = load("dalle_pytorch"), np.random.default_rng(15)
    tinymm.manual_seed(15)
    sizes = dict(text_vocab=6, image_vocab=9, text_length=5, grid=(3, 4), d_model=8, layers=4, heads=2, kernel=3,
                 kinds=("row", "column", "full", "conv"))
    ours = stirred(DALLETransformer(**sizes).double(), rng)
    theirs = copied(ours, twin.DALLETransformer(**sizes))
    same_size(ours, theirs)
    text = np.where(np.arange(5) < rng.integers(1, 6, (B, 1)), rng.integers(0, 6, (B, 5)), -1)
    text[0], image = rng.integers(0, 6, 5), rng.integers(0, 9, (B, 12))

    def losses():
        both = ours(Tensor(text), Tensor(image)), theirs(torch.tensor(text), torch.tensor(image))
        for logits, logits_twin in zip(*both):
            np.testing.assert_allclose(logits.detach().numpy(), logits_twin.detach().numpy(), rtol=1e-9, atol=1e-9)
        return (dalle_loss(*both[0], Tensor(text), Tensor(image))[0],
                twin.dalle_loss(*both[1], torch.tensor(text), torch.tensor(image)))

    with use_kernels(kernels):
        train(ours, theirs, losses, optimiser_of=adamw)
        found = greedy_search(ours.step, ours.init_state(Tensor(text)), B, start=0, end=None, max_length=12)
    likeliest = theirs.sample(torch.tensor(text), lambda p: p.argmax(1, keepdim=True)).numpy()
    np.testing.assert_array_equal([h.tokens for h in found], likeliest)


def before_normalisation(network):
    """Names of the biases that batch normalisation takes out again with the mean."""
    found, before = set(), None
    for name, layer in network.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            found.add(f"{before}.bias")
        if not list(layer.children()):
            before = name
    return found


def test_both_sides_of_the_bench_take_their_steps(monkeypatch):
    monkeypatch.syspath_prepend(str(folder_of_twins()))
    sides = [load("with_tinymm"), load("with_pytorch")]
    assert [set(side.WORKS) for side in sides] == [set(TARGETS)] * 2
    for side in sides:
        side.wake()
        for work in ("additive_score", "conv_encoder", "attend_tell", "attend_tell_hard", "show_tell", "clip_vit", "clip_resnet",
                     "order_gru", "order_ln_gru", "reader_lstm", "reader_ln_lstm", "draw_plain", "draw_ln", "lrcn_fc6",
                     "alignment", "gan_cls", "dvae", "dalle", "dalle_sample"):
            side.WORKS[work]()()
