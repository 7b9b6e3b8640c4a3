"""What the two region-of-interest operations share: reading boxes, in image coordinates (x1, y1, x2, y2)."""

from __future__ import annotations

import numpy as np

from ...autograd.integers import per_axis
from ...autograd.tensor import Tensor
from ...backend.arrays import to_host
from ..checks import as_tensor, floating, possible, real


FARTHEST = 2.0**31   # pixels; what lies beyond is no box but a mistake, and would not fit the integers below


def checked(operation: str, input: Tensor, boxes, output_size,
            spatial_scale: float) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """The arguments of a region operation in one form; boxes come to the host, where the bins are laid out.

    Args:
        input: (N, C, H, W).
        boxes: (K, 5) with the image's number first, or a list of N Tensors (L, 4), one an image.
        output_size: bins, one number or (height, width).
        spatial_scale: pixels of the feature map in one unit of the boxes.

    Returns:
        The image of each box (K,), the boxes (K, 4) in float64 and in pixels of the feature map, and the bins (height, width).

    Raises:
        ValueError, TypeError, IndexError: arguments that do not fit; the message names the operation.
    """
    floating(operation, "input", input)
    if input.ndim != 4 or 0 in input.shape[2:]:
        raise ValueError(f"{operation}: input has shape {input.shape}; it must be (N, C, H, W) with at least one pixel")
    bins = per_axis(operation, "output_size", output_size, 2, 1)
    image: np.ndarray
    possible(operation, "the output", bins)
    if isinstance(boxes, (list, tuple)):
        boxes = [as_tensor(operation, f"boxes[{i}]", b) for i, b in enumerate(boxes)]
        if len(boxes) != input.shape[0] or any(b.ndim != 2 or b.shape[1] != 4 for b in boxes):
            raise ValueError(f"{operation}: boxes of shapes {[b.shape for b in boxes]} for {input.shape[0]} images; "
                             "give one Tensor (L, 4) of x1, y1, x2, y2 for each image")
        image = np.repeat(np.arange(len(boxes)), [b.shape[0] for b in boxes])
        corners = np.concatenate([np.zeros((0, 4)), *(to_host(b._data) for b in boxes)]).astype(np.float64)
    else:
        if not isinstance(boxes, Tensor) or boxes.ndim != 2 or boxes.shape[1] != 5:
            raise ValueError(f"{operation}: boxes have shape {getattr(boxes, 'shape', None)}; give (K, 5) with rows "
                             "image, x1, y1, x2, y2, or a list of (L, 4)")
        table = to_host(boxes._data).astype(np.float64)
        image, corners = table[:, 0], table[:, 1:]
        if not (np.abs(image) < FARTHEST).all():   # NaN, too
            raise IndexError(f"{operation}: boxes name the image {image[~(np.abs(image) < FARTHEST)][0]}, but input "
                             f"{input.shape} has N={input.shape[0]}")
        image = image.astype(np.int64)
    if image.size and not 0 <= image.min() <= image.max() < input.shape[0]:
        raise IndexError(f"{operation}: boxes name images {image.min()} to {image.max()}, but input {input.shape} has "
                         f"N={input.shape[0]}")
    if not np.isfinite(corners).all():
        raise ValueError(f"{operation}: boxes hold a NaN or an infinity")
    spatial_scale = real(operation, "spatial_scale", spatial_scale)
    if not 0 < spatial_scale < FARTHEST:
        raise ValueError(f"{operation}: spatial_scale={spatial_scale} must be positive; it is the width of the feature map over "
                         "that of the image")
    if (np.abs(corners) > FARTHEST / spatial_scale).any():
        raise ValueError(f"{operation}: a box reaches to {np.abs(corners).max():.3g}, at spatial_scale={spatial_scale} more than "
                         "2**31 pixels from the feature map; give x1, y1, x2, y2 in pixels of the image")
    return image, corners * spatial_scale, bins
