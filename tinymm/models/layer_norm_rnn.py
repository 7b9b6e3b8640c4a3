"""The lecture's layer-normalised RNN (Ba, Kiros and Hinton 2016, equation 4; slide "Layer Normalized RNNs").

    a^t = W_hh h^{t-1} + W_xh x^t        h^t = f(g / sigma^t (a^t - mu^t) + b)

mu^t and sigma^t are those of the H summed inputs of one case at one step. One gain g and one bias b serve all steps, so a
sequence may be longer than any that was trained on. The slide leaves eps out; like the paper's code, it is added to the
variance here, inside the root.
"""

from __future__ import annotations

import math

import numpy as np

from .. import functional as F, nn
from ..autograd import Tensor
from ..autograd.integers import integer
from ..nn import init
from ..nn.linear import empty


class LayerNormRNN(nn.Module):
    """An Elman network whose summed inputs are normalised, step by step.

    Args:
        input_size, hidden_size: D and H.
        separate: normalise W_hh h and W_xh x each by itself, with a gain for each, as the paper's LSTM and GRU do; False is
            the slide's form, one normalisation of their sum.
        nonlinearity: f, "tanh" or "relu".
        eps: added to the variance, inside the root; at least 0.

    Attributes:
        weight_ih, weight_hh: (H, D) and (H, H), uniform in +-1/sqrt(H).
        gain, bias: (H,) g and b, 1 and 0.
        gain_ih: (H,) the gain of W_xh x where the two are apart, 1; then ``gain`` is that of W_hh h. Otherwise None.

    Raises:
        ValueError: another nonlinearity, or a negative eps.
    """

    def __init__(self, input_size: int, hidden_size: int, separate: bool = False, nonlinearity: str = "tanh",
                 eps: float = 1e-5):
        super().__init__()
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"LayerNormRNN: nonlinearity={nonlinearity!r}; choose 'tanh' or 'relu'")
        integer("LayerNormRNN", "hidden_size", hidden_size, 1)
        if not eps >= 0:
            raise ValueError(f"LayerNormRNN: eps={eps} must be at least 0; it is added to a variance, inside the root")
        self.input_size, self.hidden_size, self.nonlinearity, self.eps = input_size, hidden_size, nonlinearity, eps
        bound = 1 / math.sqrt(hidden_size)
        self.weight_ih, self.weight_hh = (init.uniform_(empty(hidden_size, n), -bound, bound) for n in (input_size, hidden_size))
        self.gain, self.bias = init.ones_(empty(hidden_size)), empty(hidden_size)
        self.gain_ih = init.ones_(empty(hidden_size)) if separate else None

    def step(self, x: Tensor, h: Tensor) -> Tensor:
        """h^t from x^t (B, D) and h^{t-1} (B, H)."""
        of_h, of_x, H = F.linear(h, self.weight_hh), F.linear(x, self.weight_ih), (self.hidden_size,)   # (B, H) each
        if self.gain_ih is None:
            a = F.layer_norm(of_h + of_x, H, self.gain, self.bias, self.eps)
        else:
            a = F.layer_norm(of_h, H, self.gain, self.bias, self.eps) + F.layer_norm(of_x, H, self.gain_ih, None, self.eps)
        return a.tanh() if self.nonlinearity == "tanh" else F.relu(a)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """input (T, B, D) and h^0 (B, H), zeros if None -> h^1 ... h^T (T, B, H) and h^T."""
        if input.ndim != 3 or not input.shape[0]:
            raise ValueError(f"LayerNormRNN: input has shape {input.shape}; it must be (T, B, D={self.input_size}), T at least 1")
        if hx is not None and hx.shape != (input.shape[1], self.hidden_size):
            raise ValueError(f"LayerNormRNN: h^0 has shape {hx.shape}; it must be (B={input.shape[1]}, H={self.hidden_size})")
        h = Tensor(np.zeros((input.shape[1], self.hidden_size), input.dtype)) if hx is None else hx
        out = []
        for x in input:
            h = self.step(x, h)
            out.append(h)
        return F.stack(out), h

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, separate={self.gain_ih is not None}, {self.nonlinearity}, eps={self.eps}"
