"""Recurrent layers and cells, with PyTorch's parameter names."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from .. import functional as F
from ..autograd import Tensor
from ..autograd.integers import integer, whole
from ..backend.arrays import xp_of
from ..ops.checks import as_tensor
from . import init
from .linear import empty
from .module import Module


class _Recurrent(Module):
    """What RNN, LSTM and GRU share.

    Args:
        input_size: features D of an input step.
        hidden_size: units H.
        num_layers: layers, each fed with the outputs of the one below.
        bias: whether there are biases.
        batch_first: input and output are (B, T, D) instead of (T, B, D).
        dropout: probability of dropping an output of any layer but the last, in training.
        bidirectional: run a second set of weights from the end, and concatenate the outputs.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, ...: (gates * H, D), (gates * H, H), (gates * H,);
            the other direction's end in "_reverse". All uniform in +-1/sqrt(H).
    """

    gates = 1
    states = 1   # tensors in the state: h, or h and c

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
                 dropout: float = 0.0, bidirectional: bool = False, *, device: str | None = None, dtype=None):
        super().__init__()
        new = partial(empty, device=device, dtype=dtype)
        name = type(self).__name__
        input_size, hidden_size = whole(name, 1, input_size=input_size, hidden_size=hidden_size)
        num_layers = integer(name, "num_layers", num_layers, 1)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, float(dropout), bidirectional
        directions = 2 if bidirectional else 1
        for layer in range(num_layers):
            features = input_size if layer == 0 else hidden_size * directions
            for suffix in (f"_l{layer}", f"_l{layer}_reverse")[:directions]:
                setattr(self, "weight_ih" + suffix, new(self.gates * hidden_size, features))
                setattr(self, "weight_hh" + suffix, new(self.gates * hidden_size, hidden_size))
                if bias:
                    setattr(self, "bias_ih" + suffix, new(self.gates * hidden_size))
                    setattr(self, "bias_hh" + suffix, new(self.gates * hidden_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _run(self, function, input, hx, lengths, reset, **options):
        packed = None
        if isinstance(input, F.PackedSequence):
            if lengths is not None:
                raise ValueError(f"{type(self).__name__}: a PackedSequence has its lengths in it; leave out lengths=")
            packed = input
            input, lengths = F.pad_packed_sequence(packed, self.batch_first)
        alone = as_tensor(type(self).__name__, "input", input).ndim == 2   # (T, D): one sequence without a batch axis
        batch_axis = 0 if self.batch_first else 1
        if alone:
            input = input.unsqueeze(batch_axis)
            if reset is not None:
                reset = reset if isinstance(reset, Tensor) else np.asarray(reset)
                reset = reset[None] if self.batch_first else reset[:, None]
        if input.ndim != 3:
            raise ValueError(f"{type(self).__name__}: input has shape {input.shape}; it takes (T, B, D), (B, T, D) with "
                             "batch_first, or (T, D)")
        if hx is None:
            shape = (self.num_layers * (2 if self.bidirectional else 1), input.shape[batch_axis], self.hidden_size)
            zeros = Tensor(xp_of(input._data).zeros(shape, input.dtype))
            hx = (zeros,) * self.states
        else:
            hx = hx if isinstance(hx, tuple) else (hx,)
            hx = tuple(h.unsqueeze(1) for h in hx) if alone else hx
        state = hx if self.states == 2 else hx[0]
        out, *last = function(input, state, list(self._parameters.values()), self.bias, self.num_layers, self.dropout,
                              self.training, self.bidirectional, self.batch_first, lengths=lengths, reset=reset, **options)
        if alone:
            out, last = out.squeeze(batch_axis), [h.squeeze(1) for h in last]
        if packed is not None:
            rows = packed.sorted_indices
            out = F.pack_padded_sequence(out, lengths, self.batch_first, enforce_sorted=rows is None)
        return out, tuple(last) if self.states == 2 else last[0]

    def extra_repr(self) -> str:
        options = [f"{name}={getattr(self, name)}" for name, usual in
                   (("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0.0), ("bidirectional", False))
                   if getattr(self, name) != usual]
        return ", ".join([str(self.input_size), str(self.hidden_size), *options])


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with forget gates); gates ordered i, f, g, o.

    Args:
        output_tanh: False for h = o c, without the tanh (Show and Tell's slide); the others as in the base.
    """

    gates, states = 4, 2

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
                 dropout: float = 0.0, bidirectional: bool = False, *, output_tanh: bool = True,
                 device: str | None = None, dtype=None):
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device=device,
                         dtype=dtype)
        self.output_tanh = output_tanh

    def forward(self, input, hx: tuple[Tensor, Tensor] | None = None, *, lengths=None, reset=None):
        """Run over whole sequences.

        Args:
            input: (T, B, D), (B, T, D) with batch_first, (T, D), or a PackedSequence.
            hx: (h_0, c_0), each (layers * directions, B, H); zeros if None.
            lengths: (B,) real steps of each row; all T if None.
            reset: (T, B) booleans ((B, T) with batch_first, (T,) for one sequence), True where a new sequence
                starts in a stream that is read forward; in the padded form for a PackedSequence.

        Returns:
            output (T, B, directions * H) and (h_n, c_n).

        Raises:
            ValueError: shapes or lengths that do not fit, lengths for a PackedSequence, reset for two
                directions.
        """
        return self._run(F.lstm, input, hx, lengths, reset, output_tanh=self.output_tanh)

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.output_tanh else ", output_tanh=False")


class GRU(_Recurrent):
    """Gated recurrent unit (Cho et al. 2014); gates in the order r, z, n."""

    gates = 3

    def forward(self, input, hx: Tensor | None = None, *, lengths=None, reset=None):
        """As for LSTM, with one state h."""
        return self._run(F.gru, input, hx, lengths, reset)


class RNN(_Recurrent):
    """Elman's network, h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or with relu.

    Args:
        nonlinearity: "tanh" or "relu"; the other arguments as for LSTM.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
                 bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *,
                 device: str | None = None, dtype=None):
        check_nonlinearity("RNN", nonlinearity)
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device=device,
                         dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx: Tensor | None = None, *, lengths=None, reset=None):
        """As for LSTM, with one state h."""
        return self._run(F.rnn_tanh if self.nonlinearity == "tanh" else F.rnn_relu, input, hx, lengths, reset)


class _Cell(Module):
    """One step of a recurrent network; ``unroll`` takes the same weights over whole sequences.

    Args:
        input_size, hidden_size: D and H.
        bias: whether there are biases.
    """

    gates = 1
    states = 1

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: str | None = None, dtype=None):
        super().__init__()
        new = partial(empty, device=device, dtype=dtype)
        input_size, hidden_size = whole(type(self).__name__, 1, input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self.weight_ih = new(self.gates * hidden_size, input_size)
        self.weight_hh = new(self.gates * hidden_size, hidden_size)
        self.register_parameter("bias_ih", new(self.gates * hidden_size) if bias else None)
        self.register_parameter("bias_hh", new(self.gates * hidden_size) if bias else None)
        bound = 1 / math.sqrt(hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _weights(self):
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _start(self, input: Tensor, hx):
        """``hx``, or zeros (B, H) for each state."""
        if hx is not None:
            return hx
        input = as_tensor(type(self).__name__, "input", input)
        zeros = Tensor(xp_of(input._data).zeros((*input.shape[-2:-1], self.hidden_size), input.dtype))
        return (zeros, zeros) if self.states == 2 else zeros

    def _unroll(self, function, input, hx, lengths, reset, **options):
        hx = self._start(input, hx)
        hx = tuple(h.unsqueeze(0) for h in hx) if self.states == 2 else hx.unsqueeze(0)
        weights = [w for w in self._weights() if w is not None]
        out, *last = function(input, hx, weights, self.bias, 1, 0.0, self.training, False, False, lengths=lengths,
                              reset=reset, **options)
        last = [h.squeeze(0) for h in last]
        return out, tuple(last) if self.states == 2 else last[0]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class LSTMCell(_Cell):
    """One LSTM step: (x (B, D), (h, c)) -> (h, c), each (B, H).

    Args:
        output_tanh: False for h = o c, without the tanh; the others as in the base.
    """

    gates, states = 4, 2

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: str | None = None, dtype=None, *,
                 output_tanh: bool = True):
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.output_tanh = output_tanh

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None, *, reset=None) -> tuple[Tensor, Tensor]:
        """One step from (h, c), zeros if None; ``reset`` (B,) booleans, True where a row starts from zero."""
        return F.lstm_cell(input, self._start(input, hx), *self._weights(), output_tanh=self.output_tanh, reset=reset)

    def unroll(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None, *, lengths=None,
               reset=None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The step over whole sequences, in one call.

        Args:
            input: (T, B, D).
            hx: (h, c) before the first step, each (B, H); zeros if None.
            lengths, reset: as for ``LSTM``.

        Returns:
            output (T, B, H) and the last (h, c).
        """
        return self._unroll(F.lstm, input, hx, lengths, reset, output_tanh=self.output_tanh)

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.output_tanh else ", output_tanh=False")


class GRUCell(_Cell):
    """One GRU step: (x (B, D), h (B, H)) -> h."""

    gates = 3

    def forward(self, input: Tensor, hx: Tensor | None = None, *, reset=None) -> Tensor:
        """One step from h, zeros if None; ``reset`` as for ``LSTMCell``."""
        return F.gru_cell(input, self._start(input, hx), *self._weights(), reset=reset)

    def unroll(self, input: Tensor, hx: Tensor | None = None, *, lengths=None, reset=None) -> tuple[Tensor, Tensor]:
        """As for ``LSTMCell``, with one state h."""
        return self._unroll(F.gru, input, hx, lengths, reset)


class RNNCell(_Cell):
    """One step of Elman's network.

    Args:
        nonlinearity: "tanh" or "relu"; the others as in the base.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
                 device: str | None = None, dtype=None):
        check_nonlinearity("RNNCell", nonlinearity)
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None, *, reset=None) -> Tensor:
        """One step from h, zeros if None; ``reset`` as for ``LSTMCell``."""
        function = F.rnn_tanh_cell if self.nonlinearity == "tanh" else F.rnn_relu_cell
        return function(input, self._start(input, hx), *self._weights(), reset=reset)

    def unroll(self, input: Tensor, hx: Tensor | None = None, *, lengths=None, reset=None) -> tuple[Tensor, Tensor]:
        """As for ``LSTMCell``, with one state h."""
        return self._unroll(F.rnn_tanh if self.nonlinearity == "tanh" else F.rnn_relu, input, hx, lengths, reset)


def check_nonlinearity(layer: str, nonlinearity: str) -> None:
    """Raise ValueError unless it is "tanh" or "relu"."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"{layer}: nonlinearity={nonlinearity!r}; choose 'tanh' or 'relu'")
