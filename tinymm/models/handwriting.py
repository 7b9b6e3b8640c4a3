"""Handwriting synthesis (Graves 2013, section 5), with or without layer normalisation of its LSTMs.

A pen's points are x_t = (dx, dy, end); the text is c_1 .. c_U, one-hot. For each point t:

    h1_t = LSTM([x_{t-1}, w_{t-1}], h1_{t-1})
    (alpha, beta, d)_t = exp(W h1_t + b),   kappa_t = kappa_{t-1} + d_t                          K each
    phi(t, u) = sum_k alpha_tk exp(-beta_tk (kappa_tk - u)^2),   w_t = sum_u phi(t, u) c_u       window
    h2_t = LSTM([x_{t-1}, h1_t, w_t], h2_{t-1}), and likewise h3 from h2                         skips
    y_t = W [h1_t; h2_t; ...] + b  ->  pi, mu, sigma, rho of M Gaussians, and e
    p(x_t) = sum_j pi_j N(dx, dy | mu_j, sigma_j, rho_j) * (e if end else 1 - e)

pi is a softmax, sigma an exponential, rho a tanh. Here e = sigma(e^), the logistic function; the paper has
1 / (1 + exp(e^)), which is the same with the other sign of e^. With rho = tanh(r), 1 / (1 - rho^2) is cosh(r)^2
and the exponent of N is a sum of two squares,

    ((z_1 cosh r - z_2 sinh r)^2 + z_2^2) / 2,   z = (x - mu) / sigma,

so that nothing cancels where rho is nearly 1.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from .. import functional as F
from .. import nn
from ..autograd import Tensor, no_grad
from ..autograd.creation import arange, zeros
from ..autograd.host import to_numpy
from ..autograd.integers import integer
from ..backend.arrays import to_device
from ..backend.random import Stream, stream
from .checks import check_norm


@dataclasses.dataclass
class PenMixture:
    """p(x_t), M bivariate Gaussians and the end of a stroke, for any leading shape (...).

    Attributes:
        log_pi: (..., M).
        mu: (..., M, 2).
        log_sigma: (..., M, 2).
        r: (..., M); the correlation is tanh(r).
        end: (...), the logit of e.
    """

    log_pi: Tensor
    mu: Tensor
    log_sigma: Tensor
    r: Tensor
    end: Tensor

    @classmethod
    def of(cls, y: Tensor, M: int, bias: float = 0.0) -> PenMixture:
        """From the network's outputs y (..., 6M + 1): e, then pi, mu, sigma, rho.

        Args:
            bias: b of Graves's section 5.4: sigma is divided by exp(b), and the logits of pi are multiplied by 1 + b.
        """
        end, pi, mu, sigma, r = y.split([1, M, 2 * M, 2 * M, M], -1)
        pairs = (*y.shape[:-1], M, 2)
        return cls((pi * (1 + bias)).log_softmax(-1), mu.reshape(pairs), sigma.reshape(pairs) - bias, r, end[..., 0])

    def log_density(self, at: Tensor) -> Tensor:
        """ln of the mixture at offsets (..., 2) -> (...)."""
        z = (at[..., None, :] - self.mu) * (-self.log_sigma).exp()         # (..., M, 2)
        first, second = z[..., 0], z[..., 1]
        up, down = self.r.exp(), (-self.r).exp()
        turned = first * (up + down) / 2 - second * (up - down) / 2        # z_1 cosh r - z_2 sinh r
        log_cosh = F.logaddexp(self.r, -self.r) - math.log(2)              # -1/2 ln(1 - rho^2)
        each = log_cosh - (turned**2 + second**2) / 2 - self.log_sigma.sum(-1) - math.log(2 * math.pi)
        return (self.log_pi + each).logsumexp(-1)

    def nll(self, x: Tensor) -> Tensor:
        """-ln p(x_t) in nats of points x (..., 3) -> (...)."""
        return F.binary_cross_entropy_with_logits(self.end, x[..., 2], reduction="none") - self.log_density(x[..., :2])

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """One point for each of (B,) mixtures: (B, 3)."""
        pi = to_numpy(self.log_pi.exp())                                   # (B, M)
        chosen = (random.random((len(pi), 1)) * pi.sum(1, keepdims=True) >= pi.cumsum(1)).sum(1)
        rows = np.arange(len(pi)), chosen
        rho, normal = np.tanh(to_numpy(self.r)[rows]), random.standard_normal((len(pi), 2))
        normal[:, 1] = rho * normal[:, 0] + np.sqrt(1 - rho**2) * normal[:, 1]
        at = to_numpy(self.mu)[rows] + np.exp(to_numpy(self.log_sigma)[rows]) * normal
        end = random.random(len(pi)) < to_numpy(self.end.sigmoid())
        return np.concatenate([at, end[:, None]], 1).astype(pi.dtype)


@dataclasses.dataclass
class Written:
    """What the network says of lines of writing; T points, B lines, U letters, K Gaussians of the window.

    Attributes:
        mixture: p(x_t), leading shape (T, B).
        phi: (T, B, U), the window on each letter.
        kappa: (T, B, K), its places; letters are counted from 1.
    """

    mixture: PenMixture
    phi: Tensor
    kappa: Tensor


class Handwriting(nn.Module):
    """Graves's synthesis network.

    Args:
        alphabet: letters there are.
        hidden: units of each LSTM.
        layers: LSTMs, 2 or more (the paper has 3).
        window: K, Gaussians of the window.
        mixtures: M, Gaussians of a point.
        norm: "layer" for ``LayerNormLSTM``, whose two products and cell are normalised; "none" for ``LSTM``.
        rate: letters that the window moves on at each point before training.

    Attributes:
        first: the LSTM below the window, step by step.
        above: the others, over whole lines.
    """

    def __init__(self, alphabet: int, hidden: int = 64, layers: int = 2, window: int = 3, mixtures: int = 5, norm: str = "none",
                 rate: float = 0.1):
        super().__init__()
        check_norm("Handwriting", norm)
        for name, number in (("alphabet", alphabet), ("hidden", hidden), ("window", window), ("mixtures", mixtures)):
            integer("Handwriting", name, number, 1)
        if not rate > 0:
            raise ValueError(f"Handwriting: rate={rate} must be more than 0; the window moves on by exp(...)")
        if layers < 2:
            raise ValueError(f"Handwriting: layers={layers}; it needs one below the window and one above, so 2 or more")
        self.alphabet, self.hidden, self.window, self.mixtures = alphabet, hidden, window, mixtures
        cell, sequence = (nn.LSTMCell, nn.LSTM) if norm == "none" else (nn.LayerNormLSTMCell, nn.LayerNormLSTM)
        self.first = cell(3 + alphabet, hidden)
        self.above = nn.ModuleList([sequence(3 + hidden + alphabet, hidden) for _ in range(layers - 1)])
        self.W_window = nn.Linear(hidden, 3 * window)
        self.output = nn.Linear(layers * hidden, 6 * mixtures + 1)
        with no_grad():
            self.W_window.bias[2 * window:] = math.log(rate)

    # ------------------------------------------------------------------ the equations

    def look(self, h1: Tensor, kappa: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """w_t (B, A), phi(t, .) (B, U) and kappa_t (B, K) from h1_t (B, H), kappa_{t-1} and one-hot letters (B, U, A)."""
        alpha, beta, move = self.W_window(h1).exp().split(self.window, 1)  # (B, K) each
        kappa = kappa + move
        u = arange(1, text.shape[1] + 1, dtype=h1.dtype, device=h1.device)
        phi = (alpha[..., None] * (-beta[..., None] * (kappa[..., None] - u)**2).exp()).sum(1)   # (B, K, U) -> (B, U)
        return (phi[:, None] @ text)[:, 0], phi, kappa

    # ------------------------------------------------------------------ whole lines

    def forward(self, x: Tensor, text: Tensor) -> Written:
        """Predict each point of given lines from the points before it.

        Args:
            x: (T, B, 3) points; the last one is predicted and not read.
            text: (B, U) integers, letters from 0; -1 after a text's end.

        Raises:
            ValueError: shapes that do not fit, no points, or letters outside of the alphabet.
        """
        if x.ndim != 3 or x.shape[2] != 3 or not x.shape[0]:
            raise ValueError(f"Handwriting: x has shape {x.shape}; it takes points (T, B, 3), time first, T at least 1")
        if text.ndim != 2 or text.shape[0] != x.shape[1]:
            raise ValueError(f"Handwriting: text has shape {text.shape}; it takes letters (B={x.shape[1]}, U)")
        c = self.one_hot(text, x.dtype)                                    # (B, U, A)
        x_0, w, kappa = self._start(c)
        state, before = None, F.cat([x_0[None], x[:-1]])                   # (T, B, 3): x_{t-1}
        steps = []
        for point in before:
            state = self.first(F.cat([point, w], 1), state)
            w, phi, kappa = self.look(state[0], kappa, c)
            steps.append((state[0], w, phi, kappa))
        h1, ws, phis, kappas = (F.stack(each) for each in zip(*steps))     # (T, B, H), (T, B, A), (T, B, U), (T, B, K)
        hidden = [h1]
        for lstm in self.above:
            hidden.append(lstm(F.cat([before, hidden[-1], ws], 2))[0])
        return Written(PenMixture.of(self.output(F.cat(hidden, 2)), self.mixtures), phis, kappas)

    def sample(self, text: Tensor, points: int, bias: float = 0.0,
               generator: Stream | str | None = None) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Write texts; a line ends when its window looks past the last letter, or after ``points``.

        Args:
            text: (B, U) integers, -1 after a text's end.
            points: the most points of a line.
            bias: 0 for samples as the model has them; more writes tidier (Graves, section 5.4).
            generator: the random stream (default "sampling").

        Returns:
            For each line its points (T, 3) and its window phi (T, U), U its own letters.

        Raises:
            ValueError: a text of another shape or without letters, points below 0.
        """
        integer("Handwriting.sample", "points", points, 0)
        if text.ndim != 2:
            raise ValueError(f"Handwriting.sample: text has shape {text.shape}; it takes letters (B, U)")
        random = stream(generator, "sampling").generator
        ends = (to_numpy(text) >= 0).sum(1)                                # (B,) letters of each text
        B, U = text.shape
        with no_grad():
            c = F.pad(self.one_hot(text, self.output.weight.dtype), (0, 0, 0, 1))   # one place past the longest text
            x, w, kappa = self._start(c)
            states: list[Any] = [None] * (1 + len(self.above))
            alive, length = np.ones(B, bool), np.zeros(B, int)
            xs, phis = [], []
            for _ in range(points):
                states[0] = self.first(F.cat([x, w], 1), states[0])
                w, phi, kappa = self.look(states[0][0], kappa, c)
                hidden = [states[0][0]]
                for k, lstm in enumerate(self.above, 1):
                    out, states[k] = lstm(F.cat([x, hidden[-1], w], 1)[None], states[k])
                    hidden.append(out[0])
                seen = to_numpy(phi)                                       # (B, U + 1)
                alive &= seen.argmax(1) < ends
                if not alive.any():
                    break
                length += alive
                drawn = PenMixture.of(self.output(F.cat(hidden, 1)), self.mixtures, bias).draw(random)
                x = Tensor(to_device(drawn, c.device))
                xs.append(drawn)
                phis.append(seen)
        return ([np.array([x[b] for x in xs[:length[b]]]).reshape(-1, 3) for b in range(B)],
                [np.array([phi[b, :ends[b]] for phi in phis[:length[b]]]).reshape(-1, ends[b]) for b in range(B)])

    def one_hot(self, text: Tensor, dtype) -> Tensor:
        """(B, U) letters -> (B, U, A); zeros after a text's end.

        Raises:
            ValueError: letters outside of -1 to A - 1, or a text without any.
        """
        letters = to_numpy(text)
        if letters.dtype.kind not in "iu" or letters.size and (letters.min() < -1 or letters.max() >= self.alphabet):
            raise ValueError(f"Handwriting: the text must be integers from 0 to {self.alphabet - 1}, and -1 after its end")
        if not (letters >= 0).any(1).all():
            raise ValueError("Handwriting: a text without letters; the window needs at least one to look at, leave the line out")
        return Tensor(to_device((letters[..., None] == np.arange(self.alphabet)).astype(dtype), text.device))

    def _start(self, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x_0 (B, 3), w_0 (B, A) and kappa_0 (B, K): zeros, but for the end of a stroke, since the first point starts one."""
        x_0, w_0, kappa_0 = (zeros(c.shape[0], n, dtype=c.dtype, device=c.device) for n in (3, self.alphabet, self.window))
        x_0[:, 2] = 1
        return x_0, w_0, kappa_0
