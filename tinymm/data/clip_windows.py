"""Windows of a clip: which stretches of a video a network with a fixed number of frames reads in a test."""

from __future__ import annotations

import numpy as np

from ..autograd.integers import integer

LENGTH, STRIDE = 16, 8


def window_starts(frames: int, length: int = LENGTH, stride: int = STRIDE) -> np.ndarray:
    """The first frame of each window, by the rule of LRCN's release: for each of 0, stride, 2 stride, ... below the clip's
    end, that one where start + length < frames, and else the last ``length`` frames.

    So every frame is covered, and the last window is there more than once and counts so in a mean: 16 frames give 0, 0;
    24 give 0, 8, 8; 60 end with 40, 44, 44.

    Args:
        frames: n, of the clip.
        length: of a window.
        stride: from one start to the next.

    Returns:
        (W,) int64.

    Raises:
        ValueError: a clip shorter than one window, lengths below 1.
        TypeError: a number that is no integer.
    """
    length, stride = integer("window_starts", "length", length, 1), integer("window_starts", "stride", stride, 1)
    frames = integer("window_starts", "frames", frames, 0)
    if frames < length:
        raise ValueError(f"window_starts: the clip has {frames} frames, fewer than one window of {length}")
    return np.minimum(np.arange(0, frames, stride), frames - length)
