"""The log-probability of captions, word by word by hand."""

import numpy as np

from tinymm import Tensor
from tinymm.models.caption_likelihood import caption_log_prob


def test_log_probability_of_a_caption():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(4, 3, 6)), rng.integers(1, 6, (4, 3))
    targets[2:, 1] = targets[3:, 2] = 0
    log_p = logits - np.log(np.exp(logits).sum(2, keepdims=True))
    wanted = [sum(log_p[t, b, targets[t, b]] for t in range(4) if targets[t, b]) for b in range(3)]
    np.testing.assert_allclose(caption_log_prob(Tensor(logits), Tensor(targets)).numpy(), wanted, rtol=1e-13)
    other = caption_log_prob(Tensor(logits), Tensor(np.where(targets == 0, 5, targets)), pad=5).numpy()
    assert (other >= wanted).all()   # with another padding, words 5 do not count
    assert not caption_log_prob(Tensor(logits), Tensor(0 * targets)).numpy().any()
