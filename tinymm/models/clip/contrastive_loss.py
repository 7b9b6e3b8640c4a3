"""The contrastive loss of CLIP (Radford et al. 2021, figure 3) and the bound on its temperature.

Of n pictures and n texts, the n pairs of one index belong together; each picture has to find its text among
n, and each text its picture. Slips of the pseudo-code:

*   "t - learned temperature parameter": t is the logarithm of the *inverse* temperature. It starts at
    ln(1 / 0.07), and e^t is kept at 100 or less (section 2.5), which the pseudo-code leaves out.
*   ``loss_i`` has ``axis=0``: with rows as pictures, that normalises over the pictures *for each text*, where
    one would call it the texts' loss. The mean of both does not care.
*   "T[n, 1]" is T[n, l], l the length of a text.
"""

from __future__ import annotations

import math
import warnings

from ... import functional as F
from ...autograd import Tensor, no_grad
from ...autograd.creation import arange
from ...ops.checks import as_tensor

INITIAL_T = math.log(1 / 0.07)
LARGEST_T = math.log(100)


def cross_entropy_loss(logits: Tensor, labels: Tensor, axis: int) -> Tensor:
    """-mean of ln softmax(logits) at the labels, with the softmax along ``axis`` of an (n, n) matrix."""
    return F.cross_entropy(logits if axis == 1 else logits.T, labels)


def contrastive_loss(I_f: Tensor, T_f: Tensor, W_i: Tensor, W_t: Tensor, t: Tensor) -> Tensor:
    """The lecture's pseudo-code, line by line.

    Args:
        I_f: (n, d_i), features of n pictures.
        T_f: (n, d_t), features of their texts.
        W_i: (d_i, d_e), W_t: (d_t, d_e), the projections into the common space.
        t: (), the logarithm of the inverse temperature.

    Returns:
        The loss, a number.
    """
    I_e = F.normalize(I_f @ W_i, dim=1)                                      # (n, d_e): after the projection
    T_e = F.normalize(T_f @ W_t, dim=1)                                      # (n, d_e)
    logits = (I_e @ T_e.T) * F.exp(t)                                        # (n, n): rows pictures, columns texts
    return clip_loss(logits)


def clip_loss(logits_per_image: Tensor) -> Tensor:
    """The last four lines of the pseudo-code: the mean of both cross-entropies.

    Args:
        logits_per_image: (n, n), e^t times the cosine of picture (row) and text (column); ``CLIP.forward``'s
            first result.

    Returns:
        The loss, a number; ln n where nothing tells the pairs apart.

    Raises:
        ValueError: not a square matrix.
        TypeError: no Tensor.
    """
    logits = as_tensor("clip_loss", "logits_per_image", logits_per_image)
    if logits.ndim != 2 or logits.shape[0] != logits.shape[1] or not logits.shape[0]:
        raise ValueError(f"clip_loss: logits of shape {logits.shape}; it takes (n, n), a row a picture and a column a text")
    n = logits.shape[0]
    if n == 1:
        warnings.warn("clip_loss: one pair has nothing to be told apart from; the loss and every gradient are 0", stacklevel=2)
    labels = arange(n, device=logits.device)
    loss_i = cross_entropy_loss(logits, labels, axis=0)                      # each text among the pictures
    loss_t = cross_entropy_loss(logits, labels, axis=1)                      # each picture among the texts
    return (loss_i + loss_t) / 2


def clip_temperature_(t: Tensor, largest: float = LARGEST_T) -> Tensor:
    """Set t back to ``largest`` if a step went beyond; call it after every step of the optimiser.

    The value is bounded, not its gradient: at the bound, t can still come back. t belongs in a parameter
    group without weight decay, which would pull the temperature towards 1.

    Args:
        t: the logarithm of the inverse temperature (``CLIP.logit_scale``); changed in place.
        largest: ln 100, as in the paper.

    Returns:
        t.
    """
    with no_grad():
        return t.copy_(t.clamp(max=largest))
