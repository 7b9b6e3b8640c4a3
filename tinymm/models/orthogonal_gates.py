"""The start of an LSTM's recurrent matrices in the captioning papers' code."""

from __future__ import annotations

from .. import nn
from ..nn import init


def orthogonal_gates_(cell: nn.LSTMCell) -> None:
    """Make each gate's recurrent matrix orthogonal (Saxe et al. 2014): what the memory held is turned, and not shrunk."""
    hidden = cell.hidden_size
    for gate in range(4):
        init.orthogonal_(cell.weight_hh.detach()[gate * hidden:(gate + 1) * hidden])   # a view: the gate's rows change
