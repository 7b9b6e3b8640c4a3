"""What normalisation does to a recurrence: ||h_t|| and ||dh_t/dh_0|| against the scale s of W_hh = s Q, Q orthogonal.

Scaling W_hh changes nothing where nothing else enters the normalisation: without inputs, with W_xh scaled alike, or with a
normalisation of W_hh h of its own. In the slide's form with inputs it does: their share of sigma changes. And what is
invariant may vanish all the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from ... import nn, plot
from ...autograd import Tensor, grad, no_grad
from ...models.layer_norm_rnn import LayerNormRNN

SCALES = (0.1, 0.5, 1.0, 2.0, 10.0)
UNITS, INPUTS, STEPS = 32, 16, 100   # H, D, T

Step: TypeAlias = Callable[[Tensor, Tensor], Tensor]                       # x (B, D), h (B, H) -> h (B, H)
Measured: TypeAlias = dict[str, dict[float, tuple[np.ndarray, np.ndarray]]]   # set-up -> s -> ||h_t||, ||dh_t/dh_0||, (T,) each


@dataclasses.dataclass(frozen=True)
class Setup:
    """Which recurrence, and what of it is scaled.

    Attributes:
        title: of its panels.
        norm: "none" (Elman's network), "joint" (the slide's form) or "separate".
        driven: whether inputs arrive, standard normal ones.
        both: whether W_xh is multiplied by s, too.
    """

    title: str
    norm: str
    driven: bool = True
    both: bool = False


SETUPS = {"plain": Setup("no normalisation, $sW_{hh}$", "none"),
          "undriven": Setup("LN, no inputs, $sW_{hh}$", "joint", driven=False),
          "both scaled": Setup("LN, $sW_{hh}$ and $sW_{xh}$", "joint", both=True),
          "only W_hh": Setup("LN, $sW_{hh}$ alone", "joint"),
          "two norms": Setup("two LNs, $sW_{hh}$ alone", "separate")}


def recurrence(setup: Setup, scale: float, W_hh: np.ndarray, W_xh: np.ndarray, eps: float = 0.0) -> Step:
    """The step (x (B, D), h (B, H)) -> h (B, H) of a set-up, in float64."""
    H, D = W_xh.shape
    module: nn.RNNCell | LayerNormRNN
    if setup.norm == "none":
        module = nn.RNNCell(D, H, bias=False).double()
    else:
        module = LayerNormRNN(D, H, separate=setup.norm == "separate", eps=eps).double()
    with no_grad():
        module.weight_hh.copy_(Tensor(scale * W_hh))
        module.weight_ih.copy_(Tensor((scale if setup.both else 1.0) * W_xh))
    return module.step if isinstance(module, LayerNormRNN) else module


def norms(step: Step, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """||h_t|| and the spectral norm of dh_t/dh_0, t = 1 ... T.

    The Jacobian of a step is one backward pass over H copies of its case, each asked for another unit; their product is
    dh_t/dh_0.

    Args:
        step: of a recurrence.
        x: (T, D).
        h: h_0, (H,).

    Returns:
        Two arrays (T,).
    """
    H = len(h)
    total, of_state, of_jacobian = np.eye(H), [], []
    for x_t in x:
        copies = Tensor(np.repeat(h[None], H, 0), requires_grad=True)       # (H, H), a copy a row
        out = step(Tensor(np.repeat(x_t[None], H, 0)), copies)              # (H, H)
        (jacobian,) = grad((out * Tensor(np.eye(H))).sum(), copies)         # (H, H), row i: dh_i / dh
        total, h = jacobian.numpy() @ total, out.detach().numpy()[0]
        of_state.append(np.linalg.norm(h))
        of_jacobian.append(np.linalg.norm(total, 2))
    return np.array(of_state), np.array(of_jacobian)


def measure(seed: int = 0, scales: Sequence[float] = SCALES, steps: int = STEPS, eps: float = 0.0) -> Measured:
    """All set-ups at all scales, with the same Q, W_xh, inputs and h_0.

    Args:
        seed: of the numbers.
        scales: the values of s.
        steps: T.
        eps: of the normalisation. 0 shows the invariance itself; h_0 is random, so that no sigma is 0.

    Returns:
        set-up -> s -> (||h_t||, ||dh_t/dh_0||), each (T,).
    """
    rng = np.random.default_rng(seed)
    W_hh = np.linalg.qr(rng.standard_normal((UNITS, UNITS)))[0]
    W_xh = rng.standard_normal((UNITS, INPUTS)) / np.sqrt(INPUTS)
    x, h = rng.standard_normal((steps, INPUTS)), rng.standard_normal(UNITS)
    return {name: {s: norms(recurrence(setup, s, W_hh, W_xh, eps), x if setup.driven else 0 * x, h) for s in scales}
            for name, setup in SETUPS.items()}


def summary(measured: Measured) -> dict[str, dict[str, dict[str, float]]]:
    """set-up -> s -> ||h_T|| and ||dh_T/dh_0||, as plain data for a report."""
    return {name: {f"{s:g}": {"h": float(h[-1]), "dh/dh0": float(j[-1])} for s, (h, j) in by_scale.items()}
            for name, by_scale in measured.items()}


def change(measured: Measured, name: str) -> float:
    """The largest relative change of ||h_t|| and ||dh_t/dh_0|| over t, from s = 1 to another s."""
    by_scale = measured[name]
    return max(float(np.max(np.abs(a - b) / b)) for other in by_scale.values() for a, b in zip(other, by_scale[1.0]))


def figure(measured: Measured) -> Figure:
    """Two rows: ||h_t|| and ||dh_t/dh_0|| over t; a column a set-up, a curve a scale."""
    drawn = Figure(figsize=(plot.style.WIDTH, 4.6), layout="constrained")
    axes = drawn.subplots(2, len(measured), sharex=True, sharey="row")
    widths = np.linspace(4.5, 1.2, len(measured["plain"]))   # curves on top of each other all show
    for column, (name, by_scale) in enumerate(measured.items()):
        for i, (s, curves) in enumerate(by_scale.items()):
            for row, curve in enumerate(curves):
                axes[row, column].plot(range(1, len(curve) + 1), curve, color=plot.COLORS[i], linewidth=widths[i],
                                       label=f"s = {s:g}" if row == column == 0 else None)
        axes[0, column].set_title(SETUPS[name].title, fontsize=plot.style.FONT)
        axes[1, column].set(yscale="log", xlabel="t")
        axes[1, column].yaxis.set_major_locator(LogLocator(base=1e20, numticks=12))
    axes[0, 0].set_ylabel(r"$\|h_t\|$")
    axes[1, 0].set_ylabel(r"$\|\partial h_t / \partial h_0\|$")
    for panel in axes.flat:
        plot.style.plain(panel)
    drawn.legend(loc="outside lower center", ncols=len(SCALES), fontsize=plot.style.SMALL, frameon=False)
    return drawn
