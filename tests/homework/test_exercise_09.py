"""Exercise 9: the solution is right by other means; test_exercises.py has what is common to all exercises."""

import math

import numpy as np
import pytest

from tests.homework.judged import worst_gap
from tests.homework.sources import EXERCISES, changed, handed_in, namespace
from tinymm import Tensor, functional as F
from tinymm.homework import check, reference
from tinymm.homework.exercise import find
from tinymm.models.dalle import (column_mask, conv_mask, dalle_loss, kl_to_uniform, logit_laplace_nll, map_pixels,
                                 row_mask)

SOLUTION = EXERCISES["09"].solution
RTOL = 1e-10   # two orders of the same float64 sums
SOFT, LAPLACE, MASKS, WEIGHTED = find(9).tasks


@pytest.fixture(scope="module")
def solution():
    return namespace(SOLUTION)


@pytest.fixture
def rng():
    return np.random.default_rng(9)


def test_other_right_answers_pass(tmp_path):
    """Noise on log probabilities, the Jacobian as a matrix, arctanh, loops over tokens, takes of log p, float for np.float64."""
    source = changed(
        ("z = np.exp(log_softmax((logits + g) / tau)) ", "z = np.exp(log_softmax((log_softmax(logits) + g) / tau)) "),
        ("    kl = (np.exp(log_q) * log_q).sum(axis=1).mean() + np.log(logits.shape[1])\n",
         "    kl = float(np.sum(np.exp(log_q) * (log_q - np.log(1 / logits.shape[1]))) / logits[:, 0].size)\n"),
        ("    through_z = z * (dz - (z * dz).sum(axis=1, keepdims=True)) / tau\n",
         "    K = z.shape[1]\n    rows, up = (np.moveaxis(a, 1, -1).reshape(-1, K) for a in (z, dz))\n"
         "    through_z = np.stack([(np.diag(p) - np.outer(p, p)) @ u / tau for p, u in zip(rows, up)])\n"
         "    through_z = np.moveaxis(through_z.reshape(z.shape[0], *z.shape[2:], K), -1, 1)\n"),
        ("a = np.log(y) - np.log(1 - y) - mu", "a = 2 * np.arctanh(2 * y - 1) - mu"),
        ("nll = (np.log(2) + ln_b + np.log(y * (1 - y)) + far).mean()",
         "nll = np.array(np.log(2 * np.exp(ln_b) * y * (1 - y)).mean() + far.mean())"),
        ("dmu = -np.sign(a) * np.exp(-ln_b)", "dmu = ((a < 0) * 1.0 - (a > 0)) / np.exp(ln_b)"),
        ("    row, column, conv = masks\n    return row, column, conv\n",
         "    row, column, conv = (np.array([[int(seen) for seen in line] for line in mask], np.int8) for mask in masks)\n"
         "    return [row, column, conv]\n"),
        ("        loss = loss - (weights * (log_p * one_hot).sum(axis=2)).sum()\n",
         "        for b, t in zip(*np.nonzero(there)):\n"
         "            loss -= share * log_p[b, t, tokens[b, t]] / np.count_nonzero(there)\n"), source=SOLUTION)
    report = check("09", handed_in(tmp_path, source))
    assert report.ok, repr(report)


@pytest.mark.parametrize("task, equation", [
    (SOFT, lambda logits, g, tau: (F.softmax((logits + g) / tau, dim=1), kl_to_uniform(logits).mean())),
    (LAPLACE, lambda x, decoded, eps: logit_laplace_nll(map_pixels(x, eps), decoded[:, :3], decoded[:, 3:]).mean()),
    (MASKS, lambda text, height, width, kernel: tuple(Tensor(mask * 1) for mask in (
        row_mask(text, height, width), column_mask(text, height, width), conv_mask(text, height, width, kernel)))),
    (WEIGHTED, lambda *arguments: dalle_loss(*arguments)[0])], ids=lambda value: getattr(value, "name", ""))
def test_the_lecture_computes_the_same(task, equation):
    """Values and gradients of the package, in every case."""
    for case in task.cases_drawn():
        right = reference.values(task.reference, case)
        for got, want in zip(reference.values(equation, case), right, strict=True):
            np.testing.assert_allclose(got, want, rtol=RTOL, atol=1e-12)
        cotangents = reference.cotangents(right)
        for got, want in zip(*(reference.gradients(of, task, case, cotangents) for of in (equation, task.reference)), strict=True):
            np.testing.assert_allclose(got, want, rtol=RTOL, atol=1e-9)      # tau = 1/16 and e^9 make large terms that cancel


# ---------------------------------------------------------------------- Gumbel-softmax and its KL

def test_the_largest_code_is_a_draw_from_q(solution, rng):
    """For every tau the arg-max of z has the frequencies of softmax(logits), within three standard deviations."""
    q, draws = np.array([0.5, 0.3, 0.15, 0.05]), 100_000
    logits, g = np.broadcast_to(np.log(q)[:, None, None], (1, 4, 1, draws)), rng.gumbel(size=(1, 4, 1, draws))
    counts = []
    for tau in (2.0, 1.0, 1 / 16):
        z, kl, _ = solution["gumbel_softmax_forward"](logits, g, tau)
        np.testing.assert_allclose(z.sum(axis=1), 1, rtol=1e-12)
        counts.append(np.bincount(z.argmax(axis=1).ravel(), minlength=4))
        assert (np.abs(counts[-1] / draws - q) < 3 * np.sqrt(q * (1 - q) / draws)).all()
        assert kl == pytest.approx((q * np.log(4 * q)).sum(), rel=1e-12)     # tau and noise are no part of it
    assert (counts[0] == counts[1]).all() and (counts[0] == counts[2]).all()


def test_kl_lies_between_0_and_ln_K(solution):
    kl = lambda logits: solution["gumbel_softmax_forward"](logits, 0 * logits, 1.0)[1]
    assert kl(np.full((2, 8, 3, 3), 5.0)) == pytest.approx(0, abs=1e-15)
    assert kl(1e4 * np.eye(8).reshape(8, 8, 1, 1)) == pytest.approx(math.log(8), rel=1e-15)


# ---------------------------------------------------------------------- the logit-Laplace likelihood

@pytest.mark.parametrize("mu, b", [(0.0, 1.0), (1.5, 0.3), (-2.0, 0.7), (0.4, 0.05), (-1.0, 1.6)])
def test_the_density_integrates_to_1(solution, mu, b):
    """By the trapezoidal rule along the logit, with its corner on a node and dy = y (1 - y) dlogit."""
    logit, step = np.linspace(mu - 12 * b, mu + 12 * b, 1201, retstep=True)  # errors: e^-12, and (1 / 50)^2 / 12
    y, eps, total = 1 / (1 + np.exp(-logit)), 1e-9, 0.0
    decoded = np.array([mu, mu, mu, *3 * [math.log(b)]]).reshape(1, 6, 1, 1)
    for value, weight in zip(y, [0.5, *1199 * [1], 0.5]):
        x = np.full((1, 3, 1, 1), (value - eps) / (1 - 2 * eps))
        total += weight * step * value * (1 - value) * math.exp(-solution["logit_laplace_nll_forward"](x, decoded, eps)[0])
    assert total == pytest.approx(1, abs=1e-4)


def test_the_best_spread_is_the_mean_distance(solution, rng):
    """Of one b for all values the NLL is least at b = mean |a|, and of one mu at the median."""
    x = rng.uniform(size=(1, 3, 5, 3))                                       # 45 values: the median is one of them
    logit = np.log((0.8 * x + 0.1) / (1 - (0.8 * x + 0.1)))
    mu = np.median(logit)
    decoded = np.concatenate([np.full_like(x, mu), np.full_like(x, np.log(np.abs(logit - mu).mean()))], axis=1)
    ddecoded = solution["logit_laplace_nll_backward"](1.0, solution["logit_laplace_nll_forward"](x, decoded, 0.1)[1])
    assert ddecoded[:, 3:].sum() == pytest.approx(0, abs=1e-14)
    assert ddecoded[:, :3].sum() == pytest.approx(0, abs=1e-14) and np.abs(ddecoded[:, :3]).min() == 0


# ---------------------------------------------------------------------- the masks

def test_how_many_image_tokens_are_seen(solution):
    """The row sums of a 4 x 4 grid, counted on the paper's figure; every image token sees all 6 text tokens."""
    row, column, conv = solution["dalle_masks"](6, 4, 4, 3)
    assert row[6:, 6:].sum(axis=1).tolist() == [1, 2, 3, 4, *12 * [5]]
    assert column[6:, 6:].sum(axis=1).tolist() == [*4 * [1], *4 * [2], *4 * [3], *4 * [4]]
    assert conv[6:, 6:].sum(axis=1).tolist() == [1, 2, 2, 3, 4, *11 * [5]]
    for mask in (row, column, conv):
        assert mask[6:, :6].all() and not np.triu(mask, 1).any() and np.diag(mask).all()


# ---------------------------------------------------------------------- the weighted loss

def test_what_pads_hold_does_not_matter(solution, rng):
    """Logits at pads change nothing, whatever they are, and have no gradient; nor has a caption more pads than it needs."""
    text, image = np.array([[3, 1, -1, -1], [0, -1, -1, -1]]), rng.integers(5, size=(2, 3))
    logits, of_image = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 5))
    loss, cache = solution["weighted_loss_forward"](logits, of_image, text, image)
    other = np.where(text[:, 1:, None] < 0, 99.0, logits)
    assert solution["weighted_loss_forward"](other, of_image, text, image)[0] == loss
    assert solution["weighted_loss_forward"](logits[:, :2], of_image, text[:, :3], image)[0] == pytest.approx(loss, rel=1e-15)
    dtext_logits, dimage_logits = solution["weighted_loss_backward"](1.0, cache)
    assert not dtext_logits[text[:, 1:] < 0].any() and dtext_logits[0, 0].all() and dimage_logits.all()


# ---------------------------------------------------------------------- PyTorch

def soft(torch, logits, g, tau):
    """torch's RelaxedOneHotCategorical draws by the same equation; its KL is of the categorical one."""
    each = logits.movedim(1, -1)
    q = torch.distributions.Categorical(logits=each)
    kl = torch.distributions.kl_divergence(q, torch.distributions.Categorical(logits=torch.zeros_like(each)))
    return torch.softmax((logits + g) / tau, dim=1), kl.mean()


def laplace(torch, x, decoded, eps):
    """A Laplace variable through torch's sigmoid, whose Jacobian torch knows."""
    d = torch.distributions
    base = d.Laplace(decoded[:, :3], decoded[:, 3:].exp())
    return -d.TransformedDistribution(base, [d.transforms.SigmoidTransform()]).log_prob((1 - 2 * eps) * x + eps).mean()


def masks(torch, text, height, width, kernel):
    """By convolution: a token sees what a kernel of ones reaches in raster order, rows following each other in one line."""
    n, half = height * width, kernel // 2

    def by(taps):
        line = torch.zeros(1, 1, max(max(taps), 0) + 1, dtype=torch.float64)
        line[0, 0, [len(line[0, 0]) - 1 - tap for tap in taps]] = 1
        padded = torch.nn.functional.pad(torch.eye(n, dtype=torch.float64)[:, None], (line.shape[2] - 1, 0))
        image = torch.nn.functional.conv1d(padded, line)[:, 0].T                          # (query, key)
        block = torch.cat([torch.ones(n, text), image], dim=1)
        return torch.cat([torch.tril(torch.ones(text, text + n)), block]).long()

    window = sorted({d * width + e for d in range(half + 1) for e in range(-half, half + 1) if d * width + e >= 0})
    return by(range(width + 1)), by(range(0, n, width)), by(window)


def weighted(torch, text_logits, image_logits, text, image):
    def mean(logits, tokens):
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten(), ignore_index=-1)
    targets = text[:, 1:]
    of_text = mean(text_logits, targets) if (targets >= 0).any() else 0 * text_logits.sum()      # torch's mean is 0 / 0
    return of_text / 8 + 7 * mean(image_logits, image) / 8


@pytest.mark.oracle
@pytest.mark.parametrize("task, equation", [(SOFT, soft), (LAPLACE, laplace), (MASKS, masks), (WEIGHTED, weighted)],
                         ids=lambda value: getattr(value, "name", ""))
def test_the_references_against_torch(task, equation):
    """Values and gradients of every reference, in every case, against PyTorch."""
    assert worst_gap(task, equation) < 1e-9


@pytest.mark.oracle
def test_gumbel_softmax_against_torchs_own_noise(solution):
    """torch.nn.functional.gumbel_softmax, with the noise that it drew: z and its gradient."""
    torch = pytest.importorskip("torch")
    logits = torch.randn(2, 5, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    torch.manual_seed(1)
    want = torch.nn.functional.gumbel_softmax(logits, tau=0.6, dim=1)
    torch.manual_seed(1)
    g = -torch.empty_like(logits).exponential_().log()
    z, _, cache = solution["gumbel_softmax_forward"](logits.detach().numpy(), g.detach().numpy(), 0.6)
    dz = np.random.default_rng(0).normal(size=z.shape)
    np.testing.assert_allclose(z, want.detach().numpy(), rtol=RTOL)
    np.testing.assert_allclose(solution["gumbel_softmax_backward"](dz, 0.0, cache),
                               torch.autograd.grad(want, logits, torch.tensor(dz))[0].numpy(), rtol=1e-9, atol=1e-12)
