"""Optical flow as pictures, so that a CNN for photographs can read it (Donahue et al. 2015, section 4).

    x = clip(16 u + 128, 0, 255)      y = clip(16 v + 128, 0, 255)      magnitude = min(16 sqrt(u^2 + v^2) + 128, 255)

u and v are displacements in pixels, to the right and down, from one frame to the next; 128 stands for none. n frames have
n - 1 flow pictures; each is named after the later of its two frames.
"""

from __future__ import annotations

import numpy as np

SCALE, ZERO, TOP = 16, 128, 255


def flow_pictures(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Displacements as pictures.

    Args:
        u: (..., H, W), to the right.
        v: (..., H, W), down.

    Returns:
        (..., 3, H, W) uint8: x, y and magnitude. Displacements beyond 8 pixels are cut off.

    Raises:
        ValueError: u and v of different shapes, or NaN in them.
    """
    u, v = np.asarray(u), np.asarray(v)
    if u.shape != v.shape or u.ndim < 2:
        raise ValueError(f"flow_pictures: u has shape {u.shape} and v {v.shape}; both must be (..., H, W)")
    channels = np.stack([u, v, np.hypot(u, v)], -3)                    # (..., 3, H, W)
    if np.isnan(channels).any():
        raise ValueError("flow_pictures: u or v has NaN in it; a picture has no value for an unknown displacement, set it to 0")
    return np.clip(np.round(SCALE * channels + ZERO), 0, TOP).astype(np.uint8)


def flow_of(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """u and v (..., H, W) float32 of flow pictures (..., 3, H, W), to within 1/32 of a pixel where nothing was cut off.

    Raises:
        ValueError: pictures of another shape.
    """
    pictures = _checked("flow_of", pictures)
    u, v = ((pictures[..., channel, :, :].astype(np.float32) - ZERO) / SCALE for channel in (0, 1))
    return u, v


def mirrored_flow(pictures: np.ndarray) -> np.ndarray:
    """Flow pictures (..., 3, H, W) of the clip in a mirror: left and right exchanged, and x negated.

    A mirror that leaves the x channel as it is shows a motion that no clip has.
    """
    turned = _checked("mirrored_flow", pictures)[..., ::-1].copy()
    x = turned[..., 0, :, :]
    x[...] = np.minimum(2 * ZERO - x.astype(np.int64), TOP)
    return turned


def centred(pictures: np.ndarray) -> np.ndarray:
    """Flow pictures as a network reads them: float32 around 0, 1 for 8 pixels."""
    return (np.asarray(pictures).astype(np.float32) - ZERO) / ZERO


def _checked(name: str, pictures: np.ndarray) -> np.ndarray:
    pictures = np.asarray(pictures)
    if pictures.ndim < 3 or pictures.shape[-3] != 3 or pictures.dtype != np.uint8:
        raise ValueError(f"{name}: pictures of shape {pictures.shape} and dtype {pictures.dtype}; they must be (..., 3, H, W) "
                         "uint8")
    return pictures
