"""Layer-normalised LSTM and GRU (Ba, Kiros and Hinton 2016, supplement): sequences and cells."""

from __future__ import annotations

import math

from .. import functional as F
from ..autograd import Tensor
from ..autograd.integers import whole
from ..backend.arrays import xp_of
from ..ops.checks import as_tensor
from . import init
from .linear import empty
from .module import Module


class _LayerNormRecurrent(Module):
    """What they share.

    Args:
        input_size, hidden_size: D and H.
        eps: added to the variance, inside the root.

    Attributes:
        weight_ih, weight_hh: (gates * H, D) and (gates * H, H), uniform in +-1/sqrt(H).
        gain_ih, gain_hh, bias_ih, bias_hh: (gates * H,) of the two normalisations, 1 and 0.
    """

    gates = 4

    def __init__(self, input_size: int, hidden_size: int, eps: float = 1e-5, dtype=None):
        super().__init__()
        input_size, hidden_size = whole(type(self).__name__, 1, input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size, self.eps = input_size, hidden_size, eps
        rows = self.gates * hidden_size
        self.weight_ih, self.weight_hh = empty(rows, input_size, dtype=dtype), empty(rows, hidden_size, dtype=dtype)
        bound = 1 / math.sqrt(hidden_size)
        for weight in (self.weight_ih, self.weight_hh):
            init.uniform_(weight, -bound, bound)
        self.bias_ih, self.bias_hh = empty(rows, dtype=dtype), empty(rows, dtype=dtype)
        self.gain_ih, self.gain_hh = (init.ones_(empty(rows, dtype=dtype)) for _ in range(2))

    def _weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, self.gain_ih, self.gain_hh

    def _zeros(self, input: Tensor) -> Tensor:
        if as_tensor(type(self).__name__, "input", input).ndim < 2:
            raise ValueError(f"{type(self).__name__}: input has shape {input.shape}; it must be (..., B, D), with a batch axis")
        return Tensor(xp_of(input._data).zeros((input.shape[-2], self.hidden_size), input.dtype))

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, eps={self.eps}"


class LayerNormLSTM(_LayerNormRecurrent):
    """(f, i, o, g) = LN(W_hh h) + LN(W_ih x); c' = s(f) c + s(i) tanh(g); h' = s(o) tanh(LN(c')); c' is carried as it is.

    Attributes:
        gain_c, bias_c: (H,) of the normalisation of the cell, 1 and 0; the others as in the base.
    """

    def __init__(self, input_size: int, hidden_size: int, eps: float = 1e-5, dtype=None):
        super().__init__(input_size, hidden_size, eps, dtype)
        self.gain_c, self.bias_c = init.ones_(empty(hidden_size, dtype=dtype)), empty(hidden_size, dtype=dtype)

    def _start(self, input: Tensor, hx: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        if hx:
            return hx
        zeros = self._zeros(input)
        return zeros, zeros

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None, *, lengths=None,
                reset: Tensor | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """input (T, B, D) and (h, c), each (B, H), zeros if None -> output (T, B, H) and the last (h, c)."""
        out, h, c = F.layer_norm_lstm(input, self._start(input, hx), *self._weights(), self.gain_c, self.bias_c,
                                      eps=self.eps, lengths=lengths, reset=reset)
        return out, (h, c)


class LayerNormLSTMCell(LayerNormLSTM):
    """One step of ``LayerNormLSTM``."""

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None, *,
                reset: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """input (B, D) and (h, c), each (B, H), zeros if None -> the new (h, c)."""
        return F.layer_norm_lstm_cell(input, self._start(input, hx), *self._weights(), self.gain_c, self.bias_c,
                                      eps=self.eps, reset=reset)


class LayerNormGRU(_LayerNormRecurrent):
    """(z, r) = s(LN(W_hh h) + LN(W_ih x)) over 2H; n = tanh(LN(W x) + r * LN(U h)); h' = (1 - z) h + z n."""

    gates = 3

    def forward(self, input: Tensor, hx: Tensor | None = None, *, lengths=None,
                reset: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """input (T, B, D) and h (B, H), zeros if None -> output (T, B, H) and the last h."""
        return F.layer_norm_gru(input, self._zeros(input) if hx is None else hx, *self._weights(), eps=self.eps,
                                lengths=lengths, reset=reset)


class LayerNormGRUCell(LayerNormGRU):
    """One step of ``LayerNormGRU``."""

    def forward(self, input: Tensor, hx: Tensor | None = None, *, reset: Tensor | None = None) -> Tensor:
        """input (B, D) and h (B, H), zeros if None -> the new h."""
        return F.layer_norm_gru_cell(input, self._zeros(input) if hx is None else hx, *self._weights(), eps=self.eps,
                                     reset=reset)
