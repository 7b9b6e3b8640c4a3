"""Layer-normalised GRU (Ba, Kiros and Hinton 2016, supplement, equations 23-25; lecture "Layer Normalization").

    (z, r) = LN(W_h h; a1, b1) + LN(W_x x; a2, b2)                      normalised over the 2H units of both gates
    n = tanh(LN(W x; a3, b3) + s(r) LN(U h; a4, b4))
    h' = (1 - s(z)) h + s(z) n

Here w_ih stacks W_x and W, w_hh stacks W_h and U: rows z, r, n. The gate z has the opposite sense of PyTorch's GRU.
"""

from __future__ import annotations

import numpy as np

from ...autograd.choice import where
from ...autograd.elementwise import sigmoid, tanh
from ...autograd.registry import Sample, register
from ...autograd.tensor import Tensor, wrap
from .gru_cell import GRUCell
from ..checks import added_to_variance
from .normalised_recurrence import NormalisedRecurrence, layer_norm_formula
from .stack import check_cell, check_hx, check_normalisation, check_sequence
from .sweep import unroll


class LayerNormGRUCell(NormalisedRecurrence, GRUCell):
    """h' from (x, h), the weights, the biases and the gains."""

    name = "layer_norm_gru_cell"
    groups = ((0, 2), (2, 3))
    reset_first, sign = False, -1   # rows z, r, n, and 1 - s(z) = s(-z) is what GRUSteps calls z

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, h, w_ih, w_hh, b_ih, b_hh, a_ih, a_hh, eps=1e-5, reset=None):
        if reset is not None:
            h = where(wrap(reset[:, None]), 0, h)
        H = h.shape[1]
        part = lambda v, rows: None if v is None else v[rows]
        both = lambda a, gain, bias, rows: layer_norm_formula(a[:, rows], part(gain, rows), part(bias, rows), eps)
        gates, new = slice(0, 2 * H), slice(2 * H, 3 * H)
        from_x, from_h = x @ w_ih.T, h @ w_hh.T   # (B, 3H) each
        zr = both(from_h, a_hh, b_hh, gates) + both(from_x, a_ih, b_ih, gates)
        z, r = sigmoid(zr[:, :H]), sigmoid(zr[:, H:])
        n = tanh(both(from_x, a_ih, b_ih, new) + r * both(from_h, a_hh, b_hh, new))
        return (1 - z) * h + z * n


class LayerNormGRU(LayerNormGRUCell):
    """(all h_t, last h) over a sequence."""

    name = "layer_norm_gru"
    is_cell = False

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, h, *weights, **options):
        return unroll(LayerNormGRUCell.definition, x, (h,), weights, **options)


def layer_norm_gru_cell(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
                        b_hh: Tensor | None = None, gain_ih: Tensor | None = None, gain_hh: Tensor | None = None,
                        eps: float = 1e-5, *, reset: Tensor | None = None) -> Tensor:
    """One step of a layer-normalised GRU.

        z, r = LN(w_hh h) + LN(w_ih x)                            (Ba, Kiros and Hinton 2016, equations 23-25)
        n = tanh(LN(w_ih x) + sigmoid(r) * LN(w_hh h))    h' = (1 - sigmoid(z)) * h + sigmoid(z) * n

    Gradient: that of ``gru_cell`` with z and 1 - z exchanged, and that of ``layer_norm`` in front of each
    product.

    Args:
        input: (B, D).
        hx: the state h, (B, H).
        w_ih: (3H, D), rows z, r, n.
        w_hh: (3H, H).
        b_ih, b_hh: (3H,) the biases of the normalisations of W_ih x and W_hh h, or None for 0; usually 0 at first.
        gain_ih, gain_hh: (3H,) their gains, usually 1 at first; None leaves that product without normalisation.
        eps: added to the variance, inside the root.
        reset: (B,) booleans; where True the state is zero before the step, and no gradient flows to it.

    Returns:
        The new state, (B, H).

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    name = "layer_norm_gru_cell"
    tensors, reset = check_cell(name, 3, input, check_hx(name, hx, "h"), (w_ih, w_hh, b_ih, b_hh), reset)
    gains = check_normalisation(name, tensors[0].dtype, 3 * w_hh.shape[1], gain_ih=gain_ih, gain_hh=gain_hh)
    return LayerNormGRUCell.apply(*tensors, *gains, eps=added_to_variance("layer_norm_gru_cell", eps), reset=reset)


def layer_norm_gru(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
                   b_hh: Tensor | None = None, gain_ih: Tensor | None = None, gain_hh: Tensor | None = None,
                   eps: float = 1e-5, *, reverse: bool = False, lengths=None,
                   reset: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A layer-normalised GRU over a batch of sequences.

    Gradient: that of ``layer_norm_gru_cell``, step by step from the last to the first; those of the weights
    are summed over time.

    Args:
        input: (T, B, D).
        hx: the state before the first step, (B, H).
        w_ih, w_hh, b_ih, b_hh, gain_ih, gain_hh, eps: as in ``layer_norm_gru_cell``.
        reverse: read each sequence from its end.
        lengths, reset: as in ``lstm``.

    Returns:
        output (T, B, H) and the last state (B, H).

    Raises:
        ValueError: shapes or lengths that do not fit; the message names the axes.
    """
    name = "layer_norm_gru"
    tensors, lengths, reset = check_sequence(name, 3, input, check_hx(name, hx, "h"), (w_ih, w_hh, b_ih, b_hh), lengths,
                                             reset, reverse)
    gains = check_normalisation(name, tensors[0].dtype, 3 * w_hh.shape[1], gain_ih=gain_ih, gain_hh=gain_hh)
    eps = added_to_variance("layer_norm_gru", eps)
    return LayerNormGRU.apply(*tensors, *gains, eps=eps, lengths=lengths, reset=reset, reverse=reverse)


def _weights(draw, D, H):
    return (draw.normal(3 * H, D), draw.normal(3 * H, H), draw.normal(3 * H), draw.normal(3 * H),
            draw.uniform(3 * H, low=0.5, high=1.5), draw.uniform(3 * H, low=0.5, high=1.5))


def _cells(draw):
    for B, D, H in ((3, 5, 4), (1, 3, 6), (18, 6, 40), (0, 3, 2)):
        yield Sample(draw.normal(B, D), draw.normal(B, H), *_weights(draw, D, H))
    w = _weights(draw, 5, 4)
    yield Sample(draw.normal(3, 5), draw.normal(3, 4), *w, eps=1e-2, reset=np.array([True, False, False]))
    yield Sample(draw.normal(3, 5), draw.normal(3, 4), *w[:2], gain_ih=w[4], b_hh=w[3])
    yield Sample(draw.normal(3, 5), draw.normal(3, 4), *w[:4], gain_hh=w[5])


def _sequences(draw):
    T, B, D, H = 4, 3, 5, 4
    for options in ({}, dict(lengths=[4, 0, 2]), dict(reverse=True, lengths=[1, 4, 3]),
                    dict(reset=draw.mask(T, B, p=0.4))):
        yield Sample(draw.normal(T, B, D), draw.normal(B, H), *_weights(draw, D, H), **options)
    yield Sample(draw.normal(2, 40, 6), draw.normal(40, 50), *_weights(draw, 6, 50))


register("layer_norm_gru_cell", layer_norm_gru_cell, _cells, fused=LayerNormGRUCell)
register("layer_norm_gru", layer_norm_gru, _sequences, fused=LayerNormGRU)
