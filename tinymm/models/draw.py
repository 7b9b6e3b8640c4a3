"""DRAW (Gregor et al. 2015), a recurrent picture writer, with or without layer normalisation of its cells.

The equations of one glimpse t of T (sigma is the logistic function; the picture has A x A pixels, numbered 1 to A):

    xhat_t = x - sigma(c_{t-1})                                              what is still missing
    r_t = gamma [F_Y x F_X', F_Y xhat_t F_X'],  F from h^dec_{t-1}           read, N x N each
    h^enc_t = LSTM([r_t, h^dec_{t-1}], h^enc_{t-1})
    z_t = mu_t + exp(s_t) eps,  (mu_t, s_t) = W h^enc_t,  eps ~ N(0, 1)      latent
    h^dec_t = LSTM(z_t, h^dec_{t-1})
    c_t = c_{t-1} + (1/gamma) F_Y' w_t F_X,  w_t and F from h^dec_t          write, N x N
    bound = BCE(x, sigma(c_T)) + sum_t KL_t,  KL_t = sum_j 1/2 (mu_tj^2 + exp(2 s_tj) - 2 s_tj - 1)

    F[i, a] ~ exp(-(a - mu_i)^2 / (2 s^2)),  mu_i = g + (i - N/2 - 1/2) delta,  i = 1 .. N

The paper prints the constant of the KL once a glimpse (-T/2); the -1 belongs to each latent number, as here.
Layer normalisation (Ba, Kiros and Hinton 2016, section 6.4) is that of the cell inside the output's tanh:
h = sigma(o) tanh(LN(c)); the gates and the carried c stay as they are.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from .. import functional as F
from .. import nn
from ..autograd import Tensor, get_default_dtype
from ..autograd.creation import arange, zeros
from ..autograd.integers import integer
from ..autograd.sampling import randn
from ..backend.random import Stream
from ..nn import init
from .checks import check_norm

EDGE = 1e-4   # added to a filter's sum before the division: a filter far off the canvas fades instead of dividing by 0


@dataclasses.dataclass
class Glimpse:
    """Where an attention window lies, one number a picture; pixels are counted from 1.

    Attributes:
        x, y: (B, 1) centre of the grid.
        delta: (B, 1) pixels between its filters.
        variance: (B, 1) of each filter, in pixels squared.
        gamma: (B, 1) intensity.
    """

    x: Tensor
    y: Tensor
    delta: Tensor
    variance: Tensor
    gamma: Tensor

    def filters(self, N: int, A: int) -> tuple[Tensor, Tensor]:
        """F_Y and F_X, each (B, N, A)."""
        return filterbank(self.y, self.delta, self.variance, N, A), filterbank(self.x, self.delta, self.variance, N, A)


@dataclasses.dataclass
class Drawn:
    """What the model did with B pictures in T glimpses.

    Attributes:
        canvases: T + 1 of (B, A, A), the logits c_0 to c_T.
        kl: T of (B,), nats.
        reads: T Glimpses; empty when it draws from the prior.
        writes: T Glimpses.
    """

    canvases: list[Tensor]
    kl: list[Tensor] = dataclasses.field(default_factory=list)
    reads: list[Glimpse] = dataclasses.field(default_factory=list)
    writes: list[Glimpse] = dataclasses.field(default_factory=list)

    def loss(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The two parts of the bound in nats, (B,) each: BCE(x, sigma(c_T)), and the sum of KL_t."""
        bce = F.binary_cross_entropy_with_logits(self.canvases[-1], x, reduction="none").sum((1, 2))   # (B,)
        return bce, F.stack(self.kl).sum(0)


def filterbank(g: Tensor, delta: Tensor, variance: Tensor, N: int, A: int) -> Tensor:
    """N Gaussian filters over A pixels, with their centres at g + (i - N/2 - 1/2) delta for i = 1 .. N.

    Args:
        g, delta, variance: (..., 1) centre of the grid, distance of its filters and their variance; pixels are
            counted from 1.
        N, A: filters and pixels.

    Returns:
        (..., N, A). Each row is divided by its sum + 1e-4: it adds up to nearly 1 on the canvas, unless it is so
        narrow that it falls between two pixels, and to nearly 0 far off it.
    """
    offsets = arange(1, N + 1, dtype=g.dtype, device=g.device) - (N / 2 + 0.5)
    mu = (g + offsets * delta)[..., None]                                  # (..., N, 1)
    a = arange(1, A + 1, dtype=g.dtype, device=g.device)
    weights = (-(a - mu)**2 / (2 * variance[..., None])).exp()             # (..., N, A)
    return weights / (weights.sum(-1, keepdim=True) + EDGE)


def gaussian_kl(mu: Tensor, log_sigma: Tensor) -> Tensor:
    """KL(N(mu, sigma^2) || N(0, 1)) of independent numbers, summed over the last axis: (..., z) -> (...), nats."""
    return 0.5 * (mu**2 + (2 * log_sigma).exp() - 2 * log_sigma - 1).sum(-1)


class OutputNormLSTMCell(nn.Module):
    """An LSTM cell whose output may be normalised: h = sigma(o) tanh(LN(c)), with a gain and no bias; c is carried as it is.

    Args:
        input_size, hidden_size: D and H.
        norm: "layer", or "none" for h = sigma(o) tanh(c). Both draw the same first weights.

    Attributes:
        weight_ih, weight_hh: (4H, D) and (4H, H), rows f, i, o, g, uniform in +-1/sqrt(H).
        bias: (4H,), 1 for the forget gates, else 0.
        gain_c: (H,), 1; None without normalisation.
    """

    def __init__(self, input_size: int, hidden_size: int, norm: str = "layer"):
        super().__init__()
        check_norm("OutputNormLSTMCell", norm)
        H, dtype = hidden_size, get_default_dtype()
        self.hidden_size, bound = H, 1 / math.sqrt(H)
        self.weight_ih = init.uniform_(nn.Parameter(np.empty((4 * H, input_size), dtype)), -bound, bound)
        self.weight_hh = init.uniform_(nn.Parameter(np.empty((4 * H, H), dtype)), -bound, bound)
        self.bias = nn.Parameter(np.repeat([1, 0, 0, 0], H).astype(dtype))
        self.register_parameter("gain_c", nn.Parameter(np.ones(H, dtype)) if norm == "layer" else None)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """input (B, D) and (h, c), each (B, H) -> the new (h, c)."""
        return F.layer_norm_lstm_cell(input, hx, self.weight_ih, self.weight_hh, gain_c=self.gain_c, bias=self.bias)


class Draw(nn.Module):
    """DRAW with selective attention, for square pictures of one channel.

    Args:
        side: A, pixels a side.
        glimpses: T.
        hidden: units of each LSTM.
        latent: numbers in z_t.
        read, write: N of the two windows.
        norm: "layer" normalises the cells inside the output's tanh; "none" does not.

    Attributes:
        c_0: (A, A), the canvas before the first glimpse, learned.
        h_enc, h_dec: (hidden,), the two LSTMs' first outputs, learned; their cells start at 0.
    """

    def __init__(self, side: int = 8, glimpses: int = 6, hidden: int = 64, latent: int = 8, read: int = 2, write: int = 3,
                 norm: str = "none"):
        super().__init__()
        check_norm("Draw", norm)
        for name, number in (("side", side), ("glimpses", glimpses), ("hidden", hidden), ("latent", latent), ("read", read),
                             ("write", write)):
            integer("Draw", name, number, 1)
        self.side, self.glimpses, self.hidden, self.latent, self.read_size, self.write_size = (
            side, glimpses, hidden, latent, read, write)
        self.c_0 = nn.Parameter(np.zeros((side, side), get_default_dtype()))
        self.h_enc = nn.Parameter(np.zeros(hidden, get_default_dtype()))
        self.h_dec = nn.Parameter(np.zeros(hidden, get_default_dtype()))
        self.encoder = OutputNormLSTMCell(2 * read**2 + hidden, hidden, norm)
        self.decoder = OutputNormLSTMCell(latent, hidden, norm)
        self.look_read, self.look_write = nn.Linear(hidden, 5), nn.Linear(hidden, 5)
        self.code = nn.Linear(hidden, 2 * latent)
        self.patch = nn.Linear(hidden, write**2)

    # ------------------------------------------------------------------ the equations

    def look(self, numbers: Tensor, N: int) -> Glimpse:
        """A window from five numbers a picture (B, 5): its centre, and the logs of variance, distance and intensity.

        At zero it covers the whole picture.
        """
        A = self.side
        x, y, variance, delta, gamma = numbers.split(1, 1)                   # (B, 1) each
        return Glimpse((A + 1) / 2 * (x + 1), (A + 1) / 2 * (y + 1), (A - 1) / max(N - 1, 1) * delta.exp(), variance.exp(),
                    gamma.exp())

    def read(self, x: Tensor, missing: Tensor, h_dec: Tensor) -> tuple[Tensor, Glimpse]:
        """r_t (B, 2 N^2) of the picture and of what is missing, each (B, A, A), and where it looked."""
        N = self.read_size
        look = self.look(self.look_read(h_dec), N)
        F_Y, F_X = (f[:, None] for f in look.filters(N, self.side))        # (B, 1, N, A)
        both = F.stack([x, missing], 1)                                    # (B, 2, A, A)
        patches = F_Y @ both @ F_X.swapaxes(2, 3)                          # (B, 2, N, N)
        return look.gamma * patches.reshape(x.shape[0], 2 * N * N), look

    def write(self, h_dec: Tensor) -> tuple[Tensor, Glimpse]:
        """What is added to the canvas (B, A, A), and where."""
        N = self.write_size
        look = self.look(self.look_write(h_dec), N)
        F_Y, F_X = look.filters(N, self.side)                              # (B, N, A)
        patch = (self.patch(h_dec) / look.gamma).reshape(-1, N, N)         # (B, N, N)
        return F_Y.swapaxes(1, 2) @ patch @ F_X, look

    # ------------------------------------------------------------------ pictures

    def forward(self, x: Tensor, generator: Stream | str | None = None) -> Drawn:
        """Look at pictures and draw them again.

        Args:
            x: (B, A, A) floats in [0, 1].
            generator: the random stream of eps (default "sampling").

        Raises:
            ValueError: pictures of another shape.
        """
        if x.ndim != 3 or x.shape[1:] != (self.side, self.side):
            raise ValueError(f"Draw: x has shape {x.shape}; it takes pictures (B, A={self.side}, A={self.side})")
        if x.dtype.kind != "f":
            raise TypeError(f"Draw: x must be floating point, not {x.dtype}; use .float()")
        canvas, enc, dec = self._start(x.shape[0])
        drawn = Drawn([canvas])
        eps = randn(self.glimpses, x.shape[0], self.latent, dtype=x.dtype, device=x.device, generator=generator)
        for t in range(self.glimpses):
            r, look = self.read(x, x - canvas.sigmoid(), dec[0])
            drawn.reads.append(look)
            enc = self.encoder(F.cat([r, dec[0]], 1), enc)
            mu, log_sigma = self.code(enc[0]).split(self.latent, 1)        # (B, z) each
            drawn.kl.append(gaussian_kl(mu, log_sigma))
            dec = self.decoder(mu + log_sigma.exp() * eps[t], dec)
            canvas = self._put(canvas, dec[0], drawn)
        return drawn

    def sample(self, count: int, generator: Stream | str | None = None) -> Drawn:
        """Draw ``count`` pictures from the prior: z_t ~ N(0, 1), nothing is read."""
        canvas, _, dec = self._start(count)
        drawn = Drawn([canvas])
        for z in randn(self.glimpses, count, self.latent, dtype=canvas.dtype, device=canvas.device, generator=generator):
            dec = self.decoder(z, dec)
            canvas = self._put(canvas, dec[0], drawn)
        return drawn

    def _start(self, B: int) -> tuple[Tensor, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """c_0 for each picture, and the two LSTMs' states."""
        empty = zeros(B, self.hidden, dtype=self.c_0.dtype, device=self.c_0.device)
        return F.broadcast_to(self.c_0, (B, self.side, self.side)), (empty + self.h_enc, empty), (empty + self.h_dec, empty)

    def _put(self, canvas: Tensor, h_dec: Tensor, drawn: Drawn) -> Tensor:
        added, look = self.write(h_dec)
        drawn.writes.append(look)
        drawn.canvases.append(canvas + added)
        return drawn.canvases[-1]
