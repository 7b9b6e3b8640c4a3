"""Long short-term memory over whole sequences (the step: ``lstm_cell.py``; the sweep over time: ``sweep.py``)."""

from __future__ import annotations

from ...autograd.registry import register
from ...autograd.tensor import Tensor
from .lstm_cell import LSTMCell
from .lstm_tiles import TiledLSTM, suitable
from .samples import sample_calls, sample_options
from .stack import check_hx, stacked
from .sweep import unroll


class LSTM(LSTMCell):
    """(all h_t, last h, last c) of one layer in one direction."""

    name = "lstm"
    is_cell = False

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, h, c, w_ih, w_hh, b_ih, b_hh, **options):
        return unroll(LSTMCell.definition, x, (h, c), (w_ih, w_hh, b_ih, b_hh), **options)

    # ------------------------------------------------------------------ rung 3: whole sequences in tiles, or the sweep

    def forward_numba(self, *args, lengths=None, reset=None, reverse=False, output_tanh=True):
        x, w_hh = args[0], args[4]
        if not suitable(*x.shape[:2], w_hh.shape[1]):
            self.tiled = None
            return super().forward_numba(*args, lengths=lengths, reset=reset, reverse=reverse, output_tanh=output_tanh)
        self.tiled = TiledLSTM(*args, lengths, reset, reverse, output_tanh)
        return self.tiled.outputs()

    def backward_numba(self, *grads):
        return self.tiled.backward(*grads, self.needs) if self.tiled else super().backward_numba(*grads)


def lstm(input: Tensor, hx: tuple[Tensor, Tensor], params, has_biases: bool, num_layers: int, dropout: float,
         train: bool, bidirectional: bool, batch_first: bool, *, lengths=None, reset: Tensor | None = None,
         output_tanh: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """LSTM layers over a batch of sequences; the signature of ``torch.lstm``, which ``nn.LSTM`` calls.

    Gradient: that of ``lstm_cell``, step by step from the last to the first; those of the weights are summed
    over time.

    Args:
        input: (T, B, D), or (B, T, D) with ``batch_first``.
        hx: the states (h0, c0) before the first step, each (num_layers * directions, B, H).
        params: for each layer, and each direction in it, the weights w_ih (4H, features), w_hh (4H, H) and, with
            ``has_biases``, b_ih and b_hh (4H,); gates in the order i, f, g, o.
        has_biases: whether ``params`` holds biases.
        num_layers: layers, each of which reads the output of the one below.
        dropout: probability with which, in training, an output of a layer below the last is zeroed.
        train: whether this is training.
        bidirectional: a second set of weights reads each sequence from its end.
        batch_first: the batch comes before time in ``input``, ``reset`` and the output.
        lengths: (B,) integers, the real length of each row of a padded batch; what lies beyond is never read and is
            zero in the output, and the last states are those of the row's last real step.
        reset: (T, B) booleans ((B, T) with ``batch_first``); True where a new sequence starts in a stream: the state is
            zero before that step, and no gradient flows across (LRCN's ``cont``, inverted).
        output_tanh: False for h = o c, Show and Tell's slide.

    Returns:
        output (T, B, directions * H) of the last layer (batch first if asked), and the last h and c, each
        (num_layers * directions, B, H).

    Raises:
        ValueError: shapes or lengths that do not fit; the message names the axes.
    """
    return stacked("lstm", LSTM, 4, input, check_hx("lstm", hx, "hc"), params, has_biases, num_layers, dropout, train,
                   bidirectional, batch_first, lengths, reset, output_tanh=bool(output_tanh))


register("lstm", lstm, sample_calls(4, 2), torch="lstm", fused=LSTM)
register("lstm:options", lstm, sample_options(4, 2), fused=LSTM)
register("lstm:output_tanh", lstm, sample_options(4, 2, output_tanh=False), fused=LSTM)
