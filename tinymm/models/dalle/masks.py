"""What a position of the sequence "text, then image" may see (Ramesh et al. 2021, appendix B.1, figure 11).

T text positions stand before n = height * width image positions in raster order. In all masks a text position
sees the text up to itself and no image, and an image position sees all of the text. They differ in which image
positions an image position sees, itself always among them:

    row       the `width` positions before it in raster order: the rest of its row, and the row above from its
              column on
    column    those above it in its column
    conv      those before it under a kernel x kernel window whose centre it is
    full      all before it

The paper shows the window of "conv" in a figure only. We read it as raster offsets: position i sees
i - (d * width + e) for 0 <= d <= kernel // 2 and |e| <= kernel // 2 where that is i or before it. So the window
wraps around the picture's edge, as the row does.

The masks are arrays of bool with **True = may attend**, as ``F.scaled_dot_product_attention`` takes them;
``nn.MultiheadAttention`` means the opposite by True.
"""

from __future__ import annotations

import numpy as np

from ...autograd.integers import integer, whole


def _masked(name: str, text: int, height: int, width: int, sees) -> np.ndarray:
    """The mask whose image part is ``sees(query, key)`` of raster positions, where the key is not after the query."""
    text, = whole(name, 0, text=text)
    height, width = whole(name, 1, height=height, width=width)
    n = height * width
    mask = np.tri(text + n, dtype=bool)                                      # (T + n, T + n): nothing after itself
    position = np.arange(n)
    mask[text:, text:] &= sees(position[:, None], position)
    return mask


def full_mask(text: int, height: int, width: int) -> np.ndarray:
    """Full causal attention: every position sees itself and all before it.

    Args:
        text: T, text positions.
        height, width: of the grid of image tokens.

    Returns:
        (T + n, T + n) bool, n = height * width; row i is what position i may attend to.

    Raises:
        ValueError, TypeError: sizes that are no integers, or too small.
    """
    return _masked("full_mask", text, height, width, lambda query, key: key <= query)


def row_mask(text: int, height: int, width: int) -> np.ndarray:
    """Row attention: an image position sees itself and the ``width`` positions before it; see ``full_mask``."""
    return _masked("row_mask", text, height, width, lambda query, key: query - key <= width)


def column_mask(text: int, height: int, width: int) -> np.ndarray:
    """Column attention: an image position sees its own column, down to itself; see ``full_mask``."""
    return _masked("column_mask", text, height, width, lambda query, key: (query - key) % width == 0)


def conv_mask(text: int, height: int, width: int, kernel: int = 11) -> np.ndarray:
    """Convolutional attention: an image position sees those before it in a window around it; see ``full_mask``.

    Args:
        text, height, width: as in ``full_mask``.
        kernel: odd, the window's side; 11 in the paper, 3 in its figure.
    """
    if integer("conv_mask", "kernel", kernel, 1) % 2 == 0:
        raise ValueError(f"conv_mask: kernel={kernel} must be odd, so that the window has a centre")
    half = kernel // 2
    above, aside = np.meshgrid(np.arange(half + 1), np.arange(-half, half + 1))
    offsets = above * width + aside
    return _masked("conv_mask", text, height, width, lambda query, key: np.isin(query - key, offsets))


def layer_kinds(layers: int) -> list[str]:
    """The mask of each layer: the last "conv", of the others the second and every fourth after it "column", the rest "row".

    The paper's rule for its 64 layers, which so has 47 of "row", 16 of "column" and one of "conv".

    Args:
        layers: how many, at least 1.
    """
    layers = integer("layer_kinds", "layers", layers, 1)
    return ["conv" if i == layers else "column" if (i - 2) % 4 == 0 else "row" for i in range(1, layers + 1)]


def mask_of(kind: str, text: int, height: int, width: int, kernel: int) -> np.ndarray:
    """The mask of that kind: "row", "column", "conv" or "full"."""
    if kind == "conv":
        return conv_mask(text, height, width, kernel)
    return {"row": row_mask, "column": column_mask, "full": full_mask}[kind](text, height, width)
