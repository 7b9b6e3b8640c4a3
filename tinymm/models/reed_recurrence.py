"""The recurrences of char-CNN-RNN (Reed, Akata, Schiele and Lee 2016; their code), which start without a state.

    RNN:  h_1 = relu(W x_1 + b)       h_t = relu(W x_t + b + U h_{t-1} + d)
    GRU:  h_1 = tanh(W_c x_1 + b_c)
          u_t = sigmoid(W_u x_t + b_u + U_u h_{t-1} + d_u)            how much is new
          r_t = sigmoid(W_r x_t + b_r + U_r h_{t-1} + d_r)
          c_t = tanh(W_c x_t + b_c + U_c (r_t * h_{t-1}) + d_c)       the candidate
          h_t = u_t * c_t + (1 - u_t) * h_{t-1}

It is Cho's GRU of 2014: r multiplies the state. PyTorch's (and ``nn.GRU``) multiplies the product, r * (U h + d), and its z is
how much of the old state is kept, 1 - u. With the state zero at the first step they would still differ from these: there the
bias d and the gates act.
"""

from __future__ import annotations

import math

from .. import functional as F, nn
from ..autograd import Tensor
from ..autograd.integers import whole
from ..nn import init
from ..nn.linear import empty
from ..ops.checks import as_tensor


class _Reed(nn.Module):
    """What both share.

    Args:
        input_size, hidden_size: I and H.

    Attributes:
        weight_ih, weight_hh: (gates * H, I) and (gates * H, H); of the GRU in the order u, r, c.
        bias_ih, bias_hh: (gates * H,) b and d. All are uniform in +-1/sqrt(H).
    """

    gates = 1

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.input_size, self.hidden_size = whole(type(self).__name__, 1, input_size=input_size, hidden_size=hidden_size)
        rows = self.gates * self.hidden_size
        self.weight_ih, self.weight_hh = empty(rows, self.input_size), empty(rows, self.hidden_size)
        self.bias_ih, self.bias_hh = empty(rows), empty(rows)
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _check(self, x: Tensor) -> None:
        name = type(self).__name__
        if as_tensor(name, "x", x).ndim != 3 or not x.shape[0] or x.shape[2] != self.input_size:
            raise ValueError(f"{name}: x has shape {x.shape}; it must be (L, B, I={self.input_size}), time first, L at least 1")

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"


class ReedRNN(_Reed):
    """A rectified RNN whose first step knows no state, so neither U nor d."""

    def forward(self, x: Tensor) -> Tensor:
        """Run over a sequence.

        Args:
            x: (L, B, I), time first.

        Returns:
            (L, B, H), all h_t.

        Raises:
            ValueError: another shape, or no step.
        """
        self._check(x)
        h = F.relu(F.linear(x[:1], self.weight_ih, self.bias_ih))                       # (1, B, H)
        if x.shape[0] == 1:
            return h
        params = [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh]
        later, _ = F.rnn_relu(x[1:], h, params, True, 1, 0.0, self.training, False, False)   # (L - 1, B, H)
        return F.cat([h, later])


class ReedGRU(_Reed):
    """A GRU whose reset gate multiplies the state, and whose first step knows no state: no gates, no U, no d."""

    gates = 3

    def forward(self, x: Tensor) -> Tensor:
        """Run over a sequence.

        Args:
            x: (L, B, I), time first.

        Returns:
            (L, B, H), all h_t.

        Raises:
            ValueError: another shape, or no step.
        """
        self._check(x)
        H = self.hidden_size
        a = F.linear(x, self.weight_ih, self.bias_ih)                   # (L, B, 3 H), all that the inputs say, in one product
        U, d, U_c, d_c = self.weight_hh[:2 * H], self.bias_hh[:2 * H], self.weight_hh[2 * H:], self.bias_hh[2 * H:]
        gates, candidate = a[1:, :, :2 * H], a[..., 2 * H:]             # (L - 1, B, 2 H) of u and r, (L, B, H) of c
        h = candidate[0].tanh()                                         # (B, H)
        out = [h]
        for of_gates, of_c in zip(gates, candidate[1:]):
            u, r = F.sigmoid(of_gates + F.linear(h, U, d)).chunk(2, 1)
            c = (of_c + F.linear(r * h, U_c, d_c)).tanh()
            h = h + u * (c - h)                                         # u c + (1 - u) h
            out.append(h)
        return F.stack(out)
