"""How likely a captioner finds given captions: what both captioning lectures learn by, and are measured by.

    log p(S|I) = sum_t log p(S_t | I, S_0 ... S_{t-1})          (Vinyals et al. 2015, equation 2)
"""

from __future__ import annotations

from .. import functional as F
from ..autograd import Tensor


def caption_log_prob(logits: Tensor, targets: Tensor, pad: int = 0) -> Tensor:
    """log p(y|a) of each caption in nats (B,): the sum over its words, the end included.

    Args:
        logits: (T, B, K).
        targets: (T, B) integers, the word to predict at each step; ``pad`` after the end.

    Raises:
        ValueError: targets that do not fit the logits.
    """
    T, B, K = logits.shape
    if targets.shape != (T, B):
        raise ValueError(f"caption_log_prob: targets have shape {targets.shape}, logits (T={T}, B={B}, K={K}); targets must be "
                         "(T, B), time first")
    nll = F.cross_entropy(logits.reshape(T * B, K), targets.reshape(T * B), ignore_index=pad, reduction="none")
    return -nll.reshape(T, B).sum(0)
