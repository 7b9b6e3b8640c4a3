"""Attention under a mask that leaves each image position few keys, computed block by block.

    definition      softmax(q k^T / sqrt(d) + [0 where the mask allows, else -inf]) v           (T + n)^2 scores
    blocks          the same, for the positions of one row (or one column) of the grid together: these share most
                    of the keys that they may see, and no others are looked at                n (T + some width) scores

For row attention, a row of the grid needs the text, itself and the row above; for column attention a column needs
the text and itself. Text positions see text only, and all of it before them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ... import functional as F
from ...autograd import Tensor
from ...backend.arrays import to_device


class Blocks(NamedTuple):
    """Groups of image positions, and the keys of each group, as places in the sequence of L positions.

    Attributes:
        queries: (G, Q) integers. Each image position stands in one place; what is left over repeats the last one.
        keys: (G, S) integers, no position twice; a group that needs fewer has some that no query may see.
        allowed: (G, Q, S) bool, True = may attend.
        order: (L - T,) integers, where in the flat (G Q) queries the image positions stand.
    """

    queries: np.ndarray
    keys: np.ndarray
    allowed: np.ndarray
    order: np.ndarray


def blocks_of(mask: np.ndarray, text: int, width: int, columns: bool = False) -> Blocks:
    """The blocks of a mask: the rows of the grid, or its columns, each with every key that one of its positions may see.

    Args:
        mask: (L, L) bool, True = may attend; the first ``text`` positions are text, the others image in raster
            order, the grid's last row perhaps not full.
        text: T.
        width: of the grid.
        columns: take columns as groups.
    """
    L = len(mask)
    height = -(-(L - text) // width)
    grid = text + np.arange(height * width).reshape(height, width)
    grid = grid.T if columns else grid                                       # (G, Q)
    order = np.argsort(grid, axis=None)[:L - text]
    queries = np.minimum(grid, L - 1)
    needed = (mask[queries] & (grid < L)[:, :, None]).any(1)                 # (G, L): keys that the group looks at
    keys = np.argsort(~needed, axis=1, kind="stable")[:, :needed.sum(1).max()]              # those first, in their order
    allowed = mask[queries[:, :, None], keys[:, None]]                       # (G, Q, S)
    return Blocks(queries, keys, allowed, order)


def block_attention(q: Tensor, k: Tensor, v: Tensor, text: int, blocks: Blocks) -> Tensor:
    """Attention of text positions among themselves, and of image positions block by block.

    Args:
        q, k, v: (B, h, L, d), the text first.
        text: T, at least 1.
        blocks: from ``blocks_of``.

    Returns:
        (B, h, L, d), the same as under the whole mask.
    """
    queries, keys, allowed, order = (Tensor(to_device(a, q.device)) for a in blocks)
    y = F.scaled_dot_product_attention(q[:, :, :text], k[:, :, :text], v[:, :, :text], is_causal=True)
    z = F.scaled_dot_product_attention(q[:, :, queries], k[:, :, keys], v[:, :, keys], allowed)   # (B, h, G, Q, d)
    return F.cat([y, z.flatten(2, 3)[:, :, order]], 2)
