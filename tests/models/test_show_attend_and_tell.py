"""Show, Attend and Tell's decoder: against its equations written out, against PyTorch, at its limits, and in use."""

import itertools

import numpy as np
import pytest
from scipy import stats

import tinymm
from tests.device_double import StrictArray
from tinymm import Tensor, gradcheck, no_grad, optim
from tinymm.backend import arrays as backend_arrays
from tinymm.backend.arrays import to_host
from tinymm.backend.random import Stream
from tinymm.decode import beam_search, greedy_search, take
from tinymm.models.attention_objective import doubly_stochastic_penalty, hard_objective, soft_objective
from tinymm.models.caption_likelihood import caption_log_prob
from tinymm.models.show_attend_and_tell import ShowAttendTell

SIZES = dict(features=5, vocabulary=7, embedding=4, hidden=6, attention=3)
END = 1
# (T, B): three captions of 5, 3 and 2 words with their end, padded; and the words before each step
TARGETS = np.array([[3, 2, 6], [5, 5, END], [2, END, 0], [4, 0, 0], [END, 0, 0]])
WORDS = np.concatenate([np.zeros((1, 3), int), np.where(TARGETS == END, 0, TARGETS)[:-1]])
MASK = TARGETS != 0
GIVEN = np.array([[0, 3, 1], [2, 2, 0], [3, 0, 0], [0, 1, 2], [1, 0, 0]])   # locations (T, B)
OPTIONS = [pytest.param(dict(gate=gate, output_tanh=tanh, hard=hard),
                        id=f"{'hard' if hard else 'soft'}{'' if gate else '-ungated'}{'' if tanh else '-linear'}")
           for hard in (False, True) for gate in (True, False) for tanh in (True, False)]


def build(seed=0, dtype="float64", **options):
    """A small model; the scores are stretched so that the attention is far from even."""
    tinymm.manual_seed(seed)
    model = ShowAttendTell(**{**SIZES, **options})
    with no_grad():
        model.u *= 3
    return model.to(dtype=dtype)


def twin(model, **options):
    """A model with other options and the same parameters."""
    other = build(dtype=model.u.dtype, **options)
    other.load_state_dict(model.state_dict(), strict=options.get("gate", True))
    return other


def picture(seed=0, B=3, L=4, D=SIZES["features"]):
    return np.random.default_rng(seed).normal(size=(B, L, D))


def run(model, a, words=WORDS, **options):
    return model(Tensor(a), Tensor(words), **options)


def arrays(decoded):
    return [t.detach().numpy() for t in (decoded.logits, decoded.alpha, decoded.beta)]


# ---------------------------------------------------------------------- the equations

def by_hand(model, a, words, locations=None):
    """logits, alpha, beta by the lecture's equations: one image after another, one word after another, NumPy only."""
    p = {name: value.numpy() for name, value in model.state_dict().items()}
    sigma = lambda x: 1 / (1 + np.exp(-x))
    steps, images = words.shape
    logits, alphas = np.zeros((steps, images, model.vocabulary)), np.zeros((steps, images, a.shape[1]))
    betas = np.zeros((steps, images))
    for b in range(images):
        mean = sum(a[b]) / len(a[b])
        h = np.tanh(p["f_init_h.weight"] @ mean + p["f_init_h.bias"])
        c = np.tanh(p["f_init_c.weight"] @ mean + p["f_init_c.bias"])
        for t in range(steps):
            Ey = np.zeros(p["E.weight"].shape[1]) if t == 0 or words[t, b] == 0 else p["E.weight"][words[t, b]]
            e = np.array([p["u"] @ np.tanh(p["W_a.weight"] @ a_i + p["W_a.bias"] + p["W_h.weight"] @ h) for a_i in a[b]])
            alpha = np.exp(e) / np.exp(e).sum()
            beta = sigma((p["f_beta.weight"] @ h + p["f_beta.bias"])[0]) if model.gate else 1.0
            if locations is None:
                z = beta * sum(weight * a_i for weight, a_i in zip(alpha, a[b]))
            else:
                z = beta * a[b, locations[t, b]]
            gates = p["lstm.weight_ih"] @ np.concatenate([Ey, z]) + p["lstm.bias_ih"] + p["lstm.weight_hh"] @ h + p["lstm.bias_hh"]
            i, f, g, o = np.split(gates, 4)
            c = sigma(f) * c + sigma(i) * np.tanh(g)
            h = sigma(o) * np.tanh(c)
            n = Ey + p["L_h.weight"] @ h + p["L_h.bias"] + p["L_z.weight"] @ z
            logits[t, b] = p["L_o.weight"] @ (np.tanh(n) if model.output_tanh else n) + p["L_o.bias"]
            alphas[t, b], betas[t, b] = alpha, beta
    return logits, alphas, betas


@pytest.mark.parametrize("options", OPTIONS)
def test_same_as_the_equations_step_by_step(options):
    model, a = build(**options), picture()
    locations = GIVEN if options["hard"] else None
    decoded = run(model, a, locations=locations)
    for found, wanted in zip(arrays(decoded), by_hand(model, a, WORDS, locations)):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)
    assert decoded.logits.shape == (5, 3, 7) and decoded.alpha.shape == (5, 3, 4) and decoded.beta.shape == (5, 3)
    if options["hard"]:
        np.testing.assert_allclose(decoded.log_alpha.detach().numpy(), np.log(decoded.alpha.detach().numpy()), rtol=0, atol=1e-12)
        assert (decoded.locations == GIVEN).all() and decoded.sampled.all() and decoded.sampled.shape == (3,)
    else:
        assert decoded.log_alpha is decoded.locations is decoded.sampled is None


def test_float32_stays_float32_and_near_float64():
    model, a = build(dtype="float32"), picture()
    tensor = Tensor(a.astype(np.float32), requires_grad=True)
    decoded = model(tensor, Tensor(WORDS))
    for found, wanted in zip(arrays(decoded), by_hand(model.double(), a, WORDS)):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-6)
    model.float()
    soft_objective(model(tensor, Tensor(WORDS)), Tensor(TARGETS), Tensor(MASK)).backward()
    assert {p.grad.dtype for p in (tensor, *model.parameters())} == {np.dtype("float32")}


def test_the_start():
    tinymm.manual_seed(0)
    model = ShowAttendTell(**SIZES, pad=2)
    assert not model.E.weight[2].detach().numpy().any() and model.E.weight[0].detach().numpy().all()
    assert 0 < np.abs(model.u.detach().numpy()).max() <= 3**-0.5
    assert {p.dtype for p in model.parameters()} == {np.dtype("float32")}


@pytest.mark.parametrize("hard", [False, True])
def test_the_first_loss_is_the_log_of_the_vocabulary(hard):
    tinymm.manual_seed(1)
    K = 200
    model = ShowAttendTell(16, K, hard=hard)
    rng = np.random.default_rng(0)
    words, targets = rng.integers(1, K, size=(2, 8, 64))
    decoded = model(Tensor(picture(B=64, L=9, D=16).astype(np.float32)), Tensor(words))
    per_word = -float(caption_log_prob(decoded.logits, Tensor(targets)).mean()) / 8
    assert np.log(K) < per_word < np.log(K) + 0.15


# ---------------------------------------------------------------------- PyTorch

def torch_model(model, torch):
    """The decoder in PyTorch, with the same names and weights; it returns (logits, e, beta)."""
    nn = torch.nn

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            D, K, m, n, A = SIZES.values()
            self.E = nn.Embedding(K, m, padding_idx=0)
            self.f_init_h, self.f_init_c = nn.Linear(D, n), nn.Linear(D, n)
            self.W_a, self.W_h = nn.Linear(D, A), nn.Linear(n, A, bias=False)
            self.u = nn.Parameter(torch.zeros(A))
            self.lstm = nn.LSTMCell(m + D, n)
            self.L_h, self.L_z, self.L_o = nn.Linear(n, m), nn.Linear(D, m, bias=False), nn.Linear(m, K)
            if model.gate:
                self.f_beta = nn.Linear(n, 1)

        def forward(self, a, y, locations=None):
            h, c = torch.tanh(self.f_init_h(a.mean(1))), torch.tanh(self.f_init_c(a.mean(1)))
            outputs = []
            for t in range(len(y)):
                e = torch.tanh(self.W_a(a) + self.W_h(h).unsqueeze(1)) @ self.u
                if locations is None:
                    z = torch.einsum("bl,bld->bd", torch.softmax(e, 1), a)
                else:
                    z = a[torch.arange(len(a)), locations[t]]
                beta = torch.sigmoid(self.f_beta(h)) if model.gate else torch.ones(len(a), 1, dtype=a.dtype)
                h, c = self.lstm(torch.cat([self.E(y[t]), beta * z], 1), (h, c))
                n = self.E(y[t]) + self.L_h(h) + self.L_z(beta * z)
                outputs.append((self.L_o(torch.tanh(n) if model.output_tanh else n), e, beta[:, 0]))
            return [torch.stack(part) for part in zip(*outputs)]

    other = Decoder().double()
    other.load_state_dict({name: torch.from_numpy(value.numpy().copy()) for name, value in model.state_dict().items()})
    return other


@pytest.mark.oracle
@pytest.mark.parametrize("tau", [1.0, 0.4])
@pytest.mark.parametrize("options", OPTIONS)
def test_forward_and_every_gradient_are_pytorchs(options, tau):
    """L4-C1: values, losses and gradients (of a, too) within 1e-9; with the penalty, lambda = 1."""
    torch = pytest.importorskip("torch")
    model, locations = build(**options), GIVEN if options["hard"] else None
    other, mask = torch_model(model, torch), torch.tensor(MASK)
    a, there = Tensor(picture(), requires_grad=True), torch.tensor(picture(), requires_grad=True)
    decoded = model(a, Tensor(WORDS), locations=locations)
    logits, e, beta = other(there, torch.tensor(WORDS), None if locations is None else torch.tensor(locations))
    alpha = torch.softmax(e, 2)
    for found, wanted in zip(arrays(decoded), (logits, alpha, beta)):
        np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=0, atol=1e-12)
    log_p = -torch.nn.functional.cross_entropy(logits.permute(1, 2, 0), torch.tensor(TARGETS).T, ignore_index=0,
                                               reduction="none").sum(1)
    if options["hard"]:
        log_alpha = torch.log_softmax(e, 2)
        path = (log_alpha.gather(2, torch.tensor(locations)[:, :, None])[:, :, 0] * mask).sum(0)
        entropy = (torch.distributions.Categorical(logits=e).entropy() * mask).sum(0)
        wanted = -(log_p + 0.7 * (log_p.detach() + 3) * path + 0.3 * entropy).mean()
        found, reward = hard_objective(decoded, Tensor(TARGETS), Tensor(MASK), baseline=-3.0, lambda_r=0.7, lambda_e=0.3)
        np.testing.assert_allclose(reward.numpy(), log_p.detach().numpy(), rtol=0, atol=1e-12)
    else:
        total = (alpha * mask.unsqueeze(2)).sum(0)
        wanted = (-log_p + ((tau - total) ** 2).sum(1)).mean()
        found = soft_objective(decoded, Tensor(TARGETS), Tensor(MASK), lam=1.0, tau=tau)
    wanted.backward(), found.backward()
    assert float(found) == pytest.approx(wanted.item(), abs=1e-9)
    np.testing.assert_allclose(a.grad.numpy(), there.grad.numpy(), rtol=0, atol=1e-9)
    names = dict(other.named_parameters())
    assert set(names) == {name for name, _ in model.named_parameters()}
    for name, p in model.named_parameters():
        gradient = np.zeros(p.shape) if names[name].grad is None else names[name].grad.numpy()
        np.testing.assert_allclose(p.grad.numpy(), gradient, rtol=0, atol=1e-9, err_msg=name)


# ---------------------------------------------------------------------- gradients by finite differences

@pytest.mark.parametrize("options", [OPTIONS[i] for i in (0, 3, 4, 7)])
def test_gradcheck_of_the_whole_model(options):
    model, locations = build(**options), GIVEN if options["hard"] else None
    words = WORDS.copy()
    words[0] = [4, 5, 6]   # the row of <pad> is a constant, so no differences must be taken of it: it is met only after the end

    def loss(a):
        decoded = model(a, Tensor(words), locations=locations)
        if not options["hard"]:
            return soft_objective(decoded, Tensor(TARGETS), Tensor(MASK), lam=0.8, tau=0.6)
        reward = Tensor(np.array([-1.5, 0.5, 2.0]))   # a number to the gradient, so it must be one to the differences
        path = (decoded.log_alpha * Tensor((np.arange(4) == GIVEN[:, :, None]) & MASK[:, :, None])).sum((0, 2))
        entropy = -(decoded.alpha * decoded.log_alpha * Tensor(MASK[:, :, None])).sum()
        return caption_log_prob(decoded.logits, Tensor(TARGETS)).sum() + (reward * path).sum() + 0.3 * entropy

    report = gradcheck(loss, [Tensor(picture(), requires_grad=True)], parameters=model, curve=False)
    assert all(argument.verdict == "ok" for argument in report.arguments), report
    assert len(report.arguments) == 1 + len(list(model.parameters()))


# ---------------------------------------------------------------------- limits

@pytest.mark.parametrize("gate", [True, False])
def test_one_location_makes_attention_inert(gate):
    soft, a = build(gate=gate), picture(L=1)
    hard = twin(soft, hard=True, gate=gate)
    found, other = run(soft, a), run(hard, a)
    for x, y in zip(arrays(found), arrays(other)):
        np.testing.assert_array_equal(x, y)
    assert (found.alpha.detach().numpy() == 1).all() and not other.locations.any()
    soft_objective(found, Tensor(TARGETS), Tensor(MASK)).backward()
    for p in (soft.u, soft.W_a.weight, soft.W_a.bias, soft.W_h.weight):
        assert not p.grad.numpy().any()
    assert soft.L_z.weight.grad.numpy().all()


def test_without_scores_attention_is_even():
    model, a = build(), picture()
    with no_grad():
        model.u *= 0
    decoded = run(model, a)
    assert (decoded.alpha.detach().numpy() == 0.25).all()
    mean = np.broadcast_to(a.mean(1, keepdims=True), a.shape)
    np.testing.assert_allclose(run(model, mean).logits.detach().numpy(), decoded.logits.detach().numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("hard", [False, True])
def test_the_order_of_the_locations_does_not_matter(hard):
    model, a, order = build(hard=hard), picture(), np.array([2, 0, 3, 1])
    place = np.argsort(order)   # where each location went
    decoded = run(model, a, locations=GIVEN if hard else None)
    moved = run(model, a[:, order], locations=place[GIVEN] if hard else None)
    np.testing.assert_allclose(moved.alpha.detach().numpy(), decoded.alpha.detach().numpy()[:, :, order], rtol=0, atol=1e-14)
    np.testing.assert_allclose(moved.logits.detach().numpy(), decoded.logits.detach().numpy(), rtol=0, atol=1e-13)
    assert np.ptp(decoded.alpha.detach().numpy(), axis=2).min() > 0.05   # there was something to permute


def test_gate_wide_open_is_no_gate():
    gated = build()
    with no_grad():
        gated.f_beta.bias += 100.0
    bare, a = twin(gated, gate=False), picture()
    for x, y in zip(arrays(run(gated, a)), arrays(run(bare, a))):
        np.testing.assert_array_equal(x, y)
    assert "f_beta.bias" not in bare.state_dict()


def test_gate_shut_hides_the_picture():
    """Given h: the state that the picture sets up is the same, what is looked at afterwards is not."""
    model, here, there = build(), picture(0), picture(1)
    h, c = model.initial_state(Tensor(here))
    logs = {}
    for bias in (0.0, -6.0, -12.0, -1000.0):
        with no_grad():
            model.f_beta.bias[0] = bias
        for name, a in (("here", here), ("there", there)):
            state, logs[name] = (h, c, Tensor(a), model.W_a(Tensor(a))), []
            for word in WORDS:
                log_p, state = model.step(word, state)
                logs[name].append(log_p.detach().numpy())
        logs[bias] = np.abs(np.array(logs["here"]) - np.array(logs["there"])).max()
    assert logs[0.0] > 0.1 and logs[-6.0] < 0.02 and logs[-12.0] < 5e-5 and logs[-1000.0] == 0


def test_the_gate_is_one_number_a_step_and_needs_the_state_before():
    model, a = build(), picture()
    h, _ = model.initial_state(Tensor(a))
    decoded = run(model, a)
    first = (h @ model.f_beta.weight.T + model.f_beta.bias).sigmoid()[:, 0]
    np.testing.assert_allclose(decoded.beta[0].detach().numpy(), first.detach().numpy(), rtol=0, atol=1e-14)
    assert (build(gate=False)(Tensor(a), Tensor(WORDS)).beta.numpy() == 1).all()


def test_attention_has_not_seen_the_word_before():
    """alpha_t and beta_t come from h_{t-1}: word y_{t-1} moves the logits of its own step, and attention one step later."""
    model, a, other = build(), picture(), WORDS.copy()
    other[2] = [6, 4, 3]
    plain, changed = arrays(run(model, a)), arrays(run(model, a, other))
    close = {"rtol": 1e-5, "atol": 1e-6}   # a product's last bits depend on where its arrays lie in memory
    np.testing.assert_allclose(plain[0][:2], changed[0][:2], **close)
    assert (plain[0][2] != changed[0][2]).any(-1).all()
    for k in (1, 2):
        np.testing.assert_allclose(plain[k][:3], changed[k][:3], **close)
        assert (plain[k][3] != changed[k][3]).all()


def test_expected_logits_are_the_normalised_geometric_mean():
    """L4-C11 by enumeration of s_1: softmax(E[logits]) = prod_s p(y|s)^p(s), normalised.

    Where the output is linear in z given h (the paper's case), the soft context alone gives it, too.
    """
    model, a = build(hard=True, output_tanh=False), picture(B=1)
    each = run(model, np.repeat(a, 4, 0), np.zeros((1, 4), int), locations=np.arange(4)[None])
    logits, alpha = each.logits.detach().numpy()[0], each.alpha.detach().numpy()[0, 0]   # (4, K), (4,)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    mean = np.prod(p ** alpha[:, None], axis=0)
    expected = alpha @ logits
    np.testing.assert_allclose(np.exp(expected) / np.exp(expected).sum(), mean / mean.sum(), rtol=1e-13)
    h, _ = model.initial_state(Tensor(a))
    z = [model.context(Tensor(w[None]), Tensor(a), h)[0] for w in (*np.eye(4), alpha)]   # the four places, and their mean
    Ey = model.E(Tensor(np.array([3])))
    n = np.array([model.words(Ey, h, one).detach().numpy()[0] for one in z])
    np.testing.assert_allclose(n[4], alpha @ n[:4], rtol=0, atol=1e-13)
    p = np.exp(n) / np.exp(n).sum(1, keepdims=True)
    mean = np.prod(p[:4] ** alpha[:, None], axis=0)
    np.testing.assert_allclose(p[4], mean / mean.sum(), rtol=1e-12)


# ---------------------------------------------------------------------- ragged batches

@pytest.mark.parametrize("hard", [False, True])
def test_ragged_batch_is_every_caption_alone(hard):
    model, a = build(hard=hard), picture()

    def objective(rows, steps):
        part = slice(rows, rows + 1) if rows is not None else slice(None)
        tensor = Tensor(a[part], requires_grad=True)
        decoded = model(tensor, Tensor(WORDS[:steps, part]), locations=GIVEN[:steps, part] if hard else None)
        rest = Tensor(TARGETS[:steps, part]), Tensor(MASK[:steps, part])
        model.zero_grad()
        loss = hard_objective(decoded, *rest, baseline=-4.0, lambda_e=0.5)[0] if hard else soft_objective(decoded, *rest)
        loss.backward()
        return float(loss), tensor.grad.numpy(), {name: p.grad.numpy() for name, p in model.named_parameters()}

    loss, da, gradients = objective(None, 5)
    alone = [objective(b, int(MASK[:, b].sum())) for b in range(3)]
    assert [int(n) for n in MASK.sum(0)] == [5, 3, 2] and loss == pytest.approx(sum(one[0] for one in alone) / 3, rel=1e-12)
    np.testing.assert_allclose(3 * da, np.concatenate([one[1] for one in alone]), rtol=0, atol=1e-12)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(3 * gradient, sum(one[2][name] for one in alone), rtol=0, atol=1e-12, err_msg=name)


def test_images_of_a_batch_do_not_mix():
    model, a = build(), picture()
    whole = arrays(run(model, a))
    for b in range(3):
        for alone, together in zip(arrays(run(model, a[b:b + 1], WORDS[:, b:b + 1])), whole):
            np.testing.assert_allclose(alone[:, 0], together[:, b], rtol=0, atol=1e-13)


# ---------------------------------------------------------------------- sampled locations

def repeated(count=2000, soft_share=0.0, **options):
    """The hard model and one image, often, with a word before each of three steps."""
    model = build(hard=True, **options)
    model.soft_share = soft_share
    a = np.repeat(picture(B=1), count, 0)
    return model, a, np.repeat([[0], [4], [2]], count, 1)


def test_samples_follow_the_attention_along_the_path():
    """Chi-square of all 64 paths of three steps against p(s) = prod alpha_{t, s_t}, which depends on the steps before."""
    model, a, words = repeated(6000)
    counts = np.zeros((4, 4, 4))
    np.add.at(counts, tuple(run(model, a, words).locations), 1)
    paths = np.array(list(itertools.product(range(4), repeat=3))).T   # (3, 64)
    each = run(model, a[:64], words[:, :64], locations=paths)
    p = np.exp(np.take_along_axis(each.log_alpha.detach().numpy(), paths[:, :, None], 2).sum((0, 2)))
    assert p.sum() == pytest.approx(1, abs=1e-12) and np.ptp(p) > 0.02
    assert stats.chisquare(counts.ravel(), 6000 * p).pvalue > 1e-3
    first = np.bincount(run(model, a, words).locations[0], minlength=4)
    assert stats.chisquare(first, 6000 * each.alpha.detach().numpy()[0, 0]).pvalue > 1e-3


def test_half_of_the_images_see_the_soft_context():
    model, a, words = repeated(soft_share=0.5)
    decoded = run(model, a, words)
    assert build(hard=True).soft_share == 0.5   # the default
    assert stats.binomtest(int(decoded.sampled.sum()), 2000, 0.5).pvalue > 1e-3
    soft = run(twin(model), a[:1], words[:, :1]).logits.detach().numpy()
    rows = ~decoded.sampled
    logits = decoded.logits.detach().numpy()
    np.testing.assert_allclose(logits[:, rows], np.broadcast_to(soft, logits[:, rows].shape), rtol=0, atol=1e-12)
    again = run(model, a, words, locations=decoded.locations)
    np.testing.assert_allclose(logits[:, ~rows], again.logits.detach().numpy()[:, ~rows], rtol=0, atol=1e-12)
    model.soft_share = 1.0
    assert not run(model, a, words).sampled.any()


def test_only_a_soft_context_passes_gradients_to_the_attention():
    model, a, words = repeated(40, soft_share=0.5)
    decoded = run(model, a, words)
    per_image = [tinymm.grad(decoded.logits[:, b].sum(), [model.u], retain_graph=True)[0].numpy() for b in range(40)]
    moved = np.array([g.any() for g in per_image])
    assert (moved == ~decoded.sampled).all() and 0 < moved.sum() < 40


def test_sampling_follows_the_seed_and_its_own_stream():
    model, a, words = repeated(50, soft_share=0.3)

    def draws(**options):
        decoded = run(model, a, words, **options)
        return decoded.locations.tolist(), decoded.sampled.tolist()

    tinymm.manual_seed(5)
    first, second = draws(), draws()
    tinymm.manual_seed(5)
    assert draws() == first != second
    assert draws(generator=Stream("mine", 3)) == draws(generator=Stream("mine", 3)) != draws(generator=Stream("mine", 4))
    assert draws() == second   # another stream took nothing from this one


def test_in_evaluation_it_looks_at_the_most_probable_place():
    model, a = build(hard=True).eval(), picture()
    decoded = run(model, a)
    assert (decoded.locations == decoded.alpha.detach().numpy().argmax(2)).all() and decoded.sampled.all()
    assert len(np.unique(decoded.locations)) > 1
    same = run(model.train(), a, locations=decoded.locations)
    assert (same.logits.detach().numpy() == decoded.logits.detach().numpy()).all()


def test_dropout_only_in_training():
    model, a = build(dropout=0.5), picture()
    plain = arrays(run(twin(model), a))
    tinymm.manual_seed(3)
    first, second = arrays(run(model, a)), arrays(run(model, a))
    assert (first[0] != second[0]).any() and (first[0] != plain[0]).any()
    assert (first[1] == plain[1]).all()   # before L_o, not on the way to the next step
    for found, wanted in zip(arrays(run(model.eval(), a)), plain):
        np.testing.assert_array_equal(found, wanted)


# ---------------------------------------------------------------------- decoding

@pytest.mark.parametrize("options", OPTIONS)
def test_step_by_step_is_the_same_as_forward(options):
    """Teacher forcing through ``start`` and ``step``, with the hypotheses reordered and repeated on the way."""
    model, a = build(dropout=0.5, **options).eval(), picture()
    whole = run(model, a).logits.log_softmax(-1).detach().numpy()
    state, rows = model.start(Tensor(a)), np.arange(3)
    for t, word in enumerate(WORDS):
        log_p, state = model.step(word[rows], state)
        np.testing.assert_allclose(log_p.detach().numpy(), whole[t, rows], rtol=0, atol=1e-12)
        keep = [np.array([2, 0, 0, 1]), np.array([3, 1, 2, 0, 0]), np.array([4, 1]), np.array([0, 1])][min(t, 3)]
        rows, state = rows[keep], take(state, keep)


@pytest.mark.parametrize("hard", [False, True])
def test_searches_run_on_it_and_agree_with_enumeration(hard):
    model, a = build(hard=hard).eval(), picture()
    greedy = greedy_search(model.step, model.start(Tensor(a)), 3, start=0, end=END, max_length=3)
    best = beam_search(model.step, model.start(Tensor(a)), 3, start=0, end=END, max_length=3, beam_size=40)
    others = [word for word in range(7) if word != END]
    sentences = [(*s, END) for n in range(3) for s in itertools.product(others, repeat=n)]   # all that end within 3 words
    for b in range(3):
        words, targets = np.zeros((3, len(sentences)), int), np.zeros((3, len(sentences)), int)
        for j, s in enumerate(sentences):
            targets[:len(s), j], words[1:len(s), j] = s, s[:-1]
        inside = np.arange(3)[:, None] < np.array([len(s) for s in sentences])
        logs = run(model, np.repeat(a[b:b + 1], len(sentences), 0), words).logits.log_softmax(-1).detach().numpy()
        total = (np.take_along_axis(logs, targets[:, :, None], 2)[:, :, 0] * inside).sum(0)
        scores = dict(zip(sentences, total))
        assert best[b][0].finished and (*best[b][0].tokens, END) == max(scores, key=scores.get)
        assert best[b][0].log_prob == pytest.approx(total.max(), abs=1e-12)
        if greedy[b].finished:
            assert greedy[b].log_prob == pytest.approx(scores[(*greedy[b].tokens, END)], abs=1e-12)


# ---------------------------------------------------------------------- training

@pytest.mark.parametrize("hard", [False, True])
def test_one_batch_can_be_learned_by_heart(hard):
    tinymm.manual_seed(0)
    model = ShowAttendTell(5, 7, embedding=16, hidden=32, attention=8, hard=hard)
    optimizer, a = optim.Adam(model.parameters(), lr=0.02), picture().astype(np.float32)
    for _ in range(150):
        decoded = run(model, a)
        loss = hard_objective(decoded, Tensor(TARGETS), Tensor(MASK), baseline=-2.0, lambda_r=0.1)[0] if hard else \
            soft_objective(decoded, Tensor(TARGETS), Tensor(MASK))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    assert -float(caption_log_prob(run(model, a).logits, Tensor(TARGETS)).mean()) < 0.1
    said = greedy_search(model.step, model.start(Tensor(a)), 3, start=0, end=END, max_length=6)
    assert [list(h.tokens) for h in said] == [[3, 5, 2, 4], [2, 5], [6]]
    assert not model.E.weight[0].detach().numpy().any()   # E y_0 is still zero


def test_the_penalty_spreads_the_attention():
    """L4-C6: with lambda = 1 the entropy of sum_t alpha_t, normalised, is higher after the same training."""
    def coverage(lam):
        model, a = build(seed=2), picture(seed=5)
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        for _ in range(60):
            optimizer.zero_grad()
            soft_objective(run(model, a), Tensor(TARGETS), Tensor(MASK), lam=lam).backward()
            optimizer.step()
        decoded = run(model, a)
        share = (decoded.alpha.detach().numpy() * MASK[:, :, None]).sum(0) / MASK.sum(0)[:, None]
        penalty = doubly_stochastic_penalty(decoded.alpha, Tensor(MASK))
        return -(share * np.log(share)).sum(1).mean(), float(penalty.mean())

    without, with_it = coverage(0.0), coverage(1.0)
    assert with_it[0] > without[0] + 0.05 and with_it[1] < without[1]


# ---------------------------------------------------------------------- devices and errors

@pytest.mark.parametrize("options", OPTIONS)
def test_it_stays_on_the_device(options, monkeypatch):
    monkeypatch.setitem(backend_arrays._DEVICES, StrictArray, "cuda:7")   # .to() knows only such names as positional
    model, a, results = build(**options), picture(), []
    for device in ("cpu", "cuda:7"):
        place = (lambda x: x) if device == "cpu" else (lambda x: StrictArray(np.array(x)))
        model.to(device=device)
        tinymm.manual_seed(8)
        decoded = model(Tensor(place(a)), Tensor(place(WORDS)))
        rest = Tensor(place(TARGETS)), Tensor(place(MASK))
        loss = hard_objective(decoded, *rest, lambda_e=0.1)[0] if options["hard"] else soft_objective(decoded, *rest)
        model.zero_grad()
        loss.backward()
        log_p, _ = model.step(WORDS[1], model.start(Tensor(place(a))))
        tensors = [loss, decoded.logits, decoded.alpha, decoded.beta, log_p, *(p.grad for p in model.parameters())]
        assert {t.device for t in tensors} == {device}
        results.append([to_host(t._data) for t in tensors])
        if options["hard"]:
            results[-1].append(decoded.locations)
    for x, y in zip(*results):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("a, words, message", [
    ((3, 4, 6), (5, 3), r"a has shape \(3, 4, 6\); it takes annotation vectors \(B, L, D=5\)"),
    ((3, 5), (5, 3), r"a has shape \(3, 5\)"),
    ((3, 4, 5), (3, 5), r"y has shape \(3, 5\); it takes words \(T, B=3\), time first"),
    ((3, 4, 5), (3,), r"y has shape \(3,\)")])
def test_shapes_that_do_not_fit(a, words, message):
    with pytest.raises(ValueError, match="ShowAttendTell: " + message):
        build()(Tensor(np.zeros(a)), Tensor(np.zeros(words, int)))


@pytest.mark.parametrize("locations", [np.zeros((3, 5), int), np.full((5, 3), 4), np.full((5, 3), -1), np.zeros(5, int)])
def test_locations_that_do_not_fit(locations):
    with pytest.raises(ValueError, match=r"ShowAttendTell: locations of shape .* must be \(T=5, B=3\) integers from 0 to 3"):
        run(build(hard=True), picture(), locations=locations)


def test_words_outside_the_vocabulary():
    with pytest.raises((ValueError, IndexError), match="embedding"):
        run(build(), picture(), np.full((2, 3), 7))
