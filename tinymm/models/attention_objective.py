"""What Show, Attend and Tell minimises (Xu et al. 2015, sections 4.1 and 4.2), for one batch of captions.

Soft attention, L_d of the slide:

    L_d = -log p(y|a) + lambda sum_i (tau - sum_t alpha_ti)^2

Hard attention climbs the bound L_s = sum_s p(s|a) log p(y|s,a) <= log p(y|a) with a sample s~ for each image:

    dL_s ~ d log p(y|s~,a) + lambda_r (log p(y|s~,a) - b) d log p(s~|a) + lambda_e dH[s~]

With lambda_r = 1 and lambda_e = 0 the expectation of the right-hand side is the gradient of L_s, for any
constant b; other values, and images with a soft context, bias it. b is the moving average of log p over the
batches before.
"""

from __future__ import annotations

import dataclasses

from .. import functional as F
from ..autograd import Tensor
from .caption_likelihood import caption_log_prob
from .show_attend_and_tell import Decoded


def doubly_stochastic_penalty(alpha: Tensor, mask: Tensor, tau: float = 1.0) -> Tensor:
    """sum_i (tau - sum_t alpha_ti)^2 for each image (B,): every place should get its share over the whole sentence.

    The attention of a caption of C words sums to C, so with L places the least value is L (tau - C/L)^2, at
    an even attention. The slide's "tau >= L/D" does not have the right unit; the authors' code has tau = 1.

    Args:
        alpha: (T, B, L).
        mask: (T, B) booleans, False after the end of a caption: such steps do not count.
        tau: the sum that is asked for.

    Raises:
        ValueError: a mask that does not fit.
    """
    _check_mask("doubly_stochastic_penalty", alpha, mask)
    total = (alpha * mask[:, :, None]).sum(0)                # (B, L)
    return ((tau - total) ** 2).sum(1)


def _check_mask(name: str, alpha: Tensor, mask: Tensor) -> None:
    """A mask of another shape could broadcast, and a wrong sum would look plausible."""
    if mask.shape != alpha.shape[:2]:
        raise ValueError(f"{name}: mask has shape {mask.shape}, alpha (T={alpha.shape[0]}, B={alpha.shape[1]}, "
                         f"L={alpha.shape[2]}); the mask must be (T, B), time first")


def _check_hard(name: str, decoded: Decoded, mask: Tensor) -> Tensor:
    """log alpha, which only hard attention has."""
    if decoded.log_alpha is None:
        raise ValueError(f"{name}: these captions were decoded with soft attention, which samples nothing; make the model with "
                         "hard=True")
    _check_mask(name, decoded.log_alpha, mask)
    return decoded.log_alpha


def attention_entropy(decoded: Decoded, mask: Tensor) -> Tensor:
    """H[s~] of each image in nats (B,): the entropies of alpha_t, summed along the path that was taken.

    Args:
        decoded: of a model with hard attention.
        mask: (T, B) booleans, False after the end of a caption.
    """
    log_alpha = _check_hard("attention_entropy", decoded, mask)
    entropy = -(decoded.alpha * log_alpha).sum(2)    # (T, B)
    return (entropy * mask).sum(0)


def path_log_prob(decoded: Decoded, mask: Tensor) -> Tensor:
    """log p(s~|a) of each image (B,): sum_t log alpha_{t, s_t}.

    Args:
        decoded: of a model with hard attention.
        mask: (T, B) booleans, False after the end of a caption.
    """
    log_alpha = _check_hard("path_log_prob", decoded, mask)
    assert decoded.locations is not None   # they come with log alpha
    where = Tensor(decoded.locations[:, :, None]).to(device=log_alpha.device)
    chosen = F.gather(log_alpha, 2, where)[:, :, 0]   # (T, B)
    return (chosen * mask).sum(0)


@dataclasses.dataclass
class MovingAverage:
    """b_k = decay b_{k-1} + (1 - decay) log p(y|s~_k, a); the slide's decay is 0.9, and b_0 = 0.

    ``value`` is used for batch k before ``update`` sees it.
    """

    decay: float = 0.9
    value: float = 0.0

    def update(self, log_prob: float) -> None:
        """Take in the mean log-probability of one more batch."""
        self.value = float(self.decay * self.value + (1 - self.decay) * log_prob)

    def state_dict(self) -> dict:
        """b for a checkpoint."""
        return {"value": self.value}

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from a checkpoint."""
        self.value = state_dict["value"]


def soft_objective(decoded: Decoded, targets: Tensor, mask: Tensor, lam: float = 1.0, tau: float = 1.0, pad: int = 0) -> Tensor:
    """L_d, averaged over the batch (a scalar).

    Args:
        decoded: what the model made of the words before each step.
        targets: (T, B) integers, the word to predict at each step; ``pad`` after the end.
        mask: (T, B) booleans, False after the end of a caption.
        lam, tau: lambda and tau of the penalty; 0 for lambda leaves it out.
    """
    loss = -caption_log_prob(decoded.logits, targets, pad).mean()
    return loss + lam * doubly_stochastic_penalty(decoded.alpha, mask, tau).mean() if lam else loss


def hard_objective(decoded: Decoded, targets: Tensor, mask: Tensor, baseline: float = 0.0, lambda_r: float = 1.0,
                   lambda_e: float = 0.0, pad: int = 0) -> tuple[Tensor, Tensor]:
    """A scalar whose gradient is minus the slide's estimate of dL_s, averaged over the batch, and log p(y|s~,a) (B,).

    The scalar's value means nothing: the reward log p - b is a number, no gradient flows into it.

    Args:
        decoded: of a model with hard attention; its ``sampled`` images get the score term.
        targets, mask: as for ``soft_objective``.
        baseline: b.
        lambda_r, lambda_e: weights of the score term and of the entropy.

    Raises:
        ValueError: a soft model's ``decoded``; shapes that do not fit.
    """
    _check_hard("hard_objective", decoded, mask)
    assert decoded.sampled is not None   # it comes with log alpha
    log_p = caption_log_prob(decoded.logits, targets, pad)                                       # (B,)
    reward = (log_p.detach() - baseline) * Tensor(decoded.sampled.astype(log_p.dtype)).to(device=log_p.device)
    estimate = log_p + lambda_r * reward * path_log_prob(decoded, mask)
    if lambda_e:
        estimate = estimate + lambda_e * attention_entropy(decoded, mask)
    return -estimate.mean(), log_p.detach()
