"""Perplexity: against PyTorch's cross-entropy, by hand, and at its limits."""

import numpy as np
import pytest

from tests.device_double import StrictArray
from tinymm import Tensor
from tinymm.metrics import perplexity, perplexity_of_corpus


def batch(seed=0, T=7, B=5, K=11, pad=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, T + 1, B)
    targets = np.where(np.arange(T)[:, None] < lengths, rng.integers(1, K, (T, B)), pad)
    return (3 * rng.normal(size=(T, B, K))).astype(dtype), targets


@pytest.mark.oracle
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 5e-6)])
@pytest.mark.parametrize("ignore", [0, 3, -100])
def test_exp_of_pytorchs_cross_entropy(ignore, dtype, tolerance):
    """L2-C9."""
    torch = pytest.importorskip("torch")
    for seed in range(5):
        logits, targets = batch(seed, pad=4 if ignore == -100 else ignore, dtype=dtype)
        mean = torch.nn.functional.cross_entropy(torch.tensor(logits).flatten(0, 1), torch.tensor(targets).flatten(),
                                                 ignore_index=ignore)
        assert perplexity(logits, targets, ignore_index=ignore) == pytest.approx(mean.exp().item(), rel=tolerance)
        assert perplexity(Tensor(logits), Tensor(targets), ignore) == perplexity(logits, targets, ignore)


def test_by_hand_in_bits():
    """Words of probability 1/2, 1/4 and 1/8: 1, 2 and 3 bits, so H = 2; a fourth one is left out."""
    with np.errstate(divide="ignore"):
        log_p = np.log([[.5, .25, .125, .125], [.25, .25, .25, .25], [.5, .375, .125, 0], [0, 0, 0, 1]])
    assert perplexity(log_p, np.array([0, 1, 2, 3]), ignore_index=3) == pytest.approx(4, rel=1e-15)
    assert perplexity(log_p + [[5], [-3], [700], [1]], np.array([0, 1, 2, 3]), 3) == pytest.approx(4, rel=1e-12)   # logits


def test_limits():
    K = 9
    assert perplexity(np.zeros((2, 3, K)), np.ones((2, 3), int)) == pytest.approx(K, rel=1e-15)
    certain = np.where(np.arange(K) == 4, 0.0, -np.inf)
    assert perplexity(certain, np.array(4)) == 1
    assert perplexity(np.tile(certain, (3, 1)), np.array([4, 4, 2])) == np.inf
    assert perplexity(np.array([[0.0, 2000.0]]), np.array([0])) == np.inf   # beyond float64, and no warning


def test_a_corpus_in_batches():
    """Words are averaged, not batches."""
    (a, x), (b, y) = batch(1), batch(2, T=3)
    total = words = 0
    for logits, targets in ((a, x), (b, y)):
        n = int((targets != 0).sum())
        total, words = total - n * np.log(perplexity(logits, targets, 0)), words + n
    both = np.concatenate([a.reshape(-1, 11), b.reshape(-1, 11)]), np.concatenate([x.ravel(), y.ravel()])
    assert perplexity_of_corpus(total, words) == pytest.approx(perplexity(*both, 0), rel=1e-12)
    assert perplexity_of_corpus(total, words) != pytest.approx((perplexity(a, x, 0) + perplexity(b, y, 0)) / 2, rel=1e-3)


def test_logits_on_a_device():
    logits, targets = batch()
    found = perplexity(Tensor(StrictArray(logits)), Tensor(StrictArray(targets)), ignore_index=0)
    assert found == pytest.approx(perplexity(logits, targets, ignore_index=0), rel=1e-12)


def test_it_leaves_no_graph():
    logits, targets = batch()
    logits = Tensor(logits, requires_grad=True)
    assert isinstance(perplexity(logits, Tensor(targets), 0), float) and logits.grad is None


def test_input_that_does_not_fit():
    logits, targets = batch()
    with pytest.raises(ValueError, match=r"perplexity: targets of shape \(5, 7\) do not fit logits of shape \(7, 5, 11\)"):
        perplexity(logits, targets.T)
    with pytest.raises(ValueError, match="perplexity: words=0: there must be at least one word that counts"):
        perplexity(logits, np.zeros_like(targets), ignore_index=0)
    with pytest.raises(IndexError, match="cross_entropy"):
        perplexity(logits, targets + 11)
