"""Gated recurrent units over whole sequences (the step: ``gru_cell.py``; the sweep over time: ``sweep.py``)."""

from __future__ import annotations

from ...autograd.registry import register
from ...autograd.tensor import Tensor
from .gru_cell import GRUCell
from .samples import sample_calls, sample_options
from .stack import check_hx, stacked
from .sweep import unroll


class GRU(GRUCell):
    """(all h_t, last h) of one layer in one direction."""

    name = "gru"
    is_cell = False

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, h, w_ih, w_hh, b_ih, b_hh, **options):
        return unroll(GRUCell.definition, x, (h,), (w_ih, w_hh, b_ih, b_hh), **options)


def gru(input: Tensor, hx: Tensor, params, has_biases: bool, num_layers: int, dropout: float, train: bool,
        bidirectional: bool, batch_first: bool, *, lengths=None, reset: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """GRU layers over a batch of sequences; the signature of ``torch.gru``, which ``nn.GRU`` calls.

    Gradient: that of ``gru_cell``, step by step from the last to the first; those of the weights are summed
    over time.

    Args:
        input: (T, B, D), or (B, T, D) with ``batch_first``.
        hx: the state h0 before the first step, (num_layers * directions, B, H).
        params: for each layer, and each direction in it, the weights w_ih (3H, features), w_hh (3H, H) and, with
            ``has_biases``, b_ih and b_hh (3H,); gates in the order r, z, n.
        has_biases, num_layers, dropout, train, bidirectional, batch_first, lengths, reset: as in ``lstm``.

    Returns:
        output (T, B, directions * H) of the last layer (batch first if asked), and the last h,
        (num_layers * directions, B, H).

    Raises:
        ValueError: shapes or lengths that do not fit; the message names the axes.
    """
    return stacked("gru", GRU, 3, input, check_hx("gru", hx, "h"), params, has_biases, num_layers, dropout, train,
                   bidirectional, batch_first, lengths, reset)


register("gru", gru, sample_calls(3, 1), torch="gru", fused=GRU)
register("gru:options", gru, sample_options(3, 1), fused=GRU)
