"""Which input positions a convolution's windows touch: sizes, strides, padding, dilation, and the checks of them.

Output position o and kernel position k of an axis meet the input at  i = o * stride + k * dilation - padding.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math

from ...autograd.integers import per_axis
from ..checks import possible


@dataclasses.dataclass(frozen=True)
class Geometry:
    """The spatial side of a convolution, one number an axis.

    Attributes:
        image: lengths of the large side: the input of ``conv``, the output of ``conv_transpose``.
        maps: lengths of the small side.
        kernel, stride, dilation: of the windows.
        before, after: zeros added at the two ends of the image.
        groups: channels are divided into as many groups, which do not mix.
    """

    image: tuple[int, ...]
    maps: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    @functools.cached_property
    def taps(self) -> list[tuple[int, ...]]:
        """Every position of the kernel, the last axis fastest."""
        return list(itertools.product(*map(range, self.kernel)))

    @property
    def padded(self) -> tuple[int, ...]:
        """Lengths of the image with its zeros."""
        return tuple(b + n + a for b, n, a in zip(self.before, self.image, self.after))

    @property
    def inside(self) -> tuple[slice, ...]:
        """Where the image lies in the padded one."""
        return tuple(slice(b, b + n) for b, n in zip(self.before, self.image))

    def window(self, tap: tuple[int, ...]) -> tuple[slice, ...]:
        """The positions of the padded image that kernel position ``tap`` meets, as strided slices of shape ``maps``."""
        return tuple(slice(k * d, k * d + (m - 1) * s + 1, s)
                     for k, d, m, s in zip(tap, self.dilation, self.maps, self.stride))

    def in_3d(self) -> "Geometry":
        """The same with leading axes of length 1, so that there are three; one long axis if the windows are points."""
        if self.image == self.maps and math.prod(self.kernel) == 1 == math.prod(self.stride) and not any(self.before):
            return _point(self.positions, self.groups)
        more = 3 - len(self.image)
        ones, zeros = (1,) * more, (0,) * more
        return Geometry(ones + self.image, ones + self.maps, ones + self.kernel, ones + self.stride,
                        zeros + self.before, zeros + self.after, ones + self.dilation, self.groups)

    @property
    def whole(self) -> bool:
        """Whether the kernel covers the image, which has no zeros around it: then there is a single window, all of it."""
        return self.image == self.kernel and not any(self.before) and not any(self.after)

    @property
    def positions(self) -> int:
        """Windows an image has."""
        return math.prod(self.maps)


def _point(positions: int, groups: int) -> Geometry:
    line = (1, 1, positions)
    return Geometry(line, line, (1, 1, 1), (1, 1, 1), (0, 0, 0), (0, 0, 0), (1, 1, 1), groups)


def conv_geometry(name: str, image: tuple, kernel: tuple, stride, padding, dilation, groups: int) -> Geometry:
    """The geometry of a convolution over an image.

    Raises:
        ValueError: unusable settings, or a kernel that does not fit into the padded image.
    """
    axes = len(image)
    stride, dilation = per_axis(name, "stride", stride, axes, 1), per_axis(name, "dilation", dilation, axes, 1)
    reach = tuple(d * (k - 1) for d, k in zip(dilation, kernel))
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"{name}: padding={padding!r}; choose 'same', 'valid' or integers")
        if padding == "same" and any(s != 1 for s in stride):
            raise ValueError(f"{name}: padding='same' keeps the size only with stride 1, not stride={stride}; give the "
                             "padding in integers")
        before = tuple(r // 2 if padding == "same" else 0 for r in reach)
        after = tuple(r - b if padding == "same" else 0 for r, b in zip(reach, before))
    else:
        before = after = per_axis(name, "padding", padding, axes, 0)
    maps = tuple((b + n + a - r - 1) // s + 1 for b, n, a, r, s in zip(before, image, after, reach, stride))
    if any(m < 1 for m in maps):
        padded = tuple(b + n + a for b, n, a in zip(before, image, after))
        spread = tuple(r + 1 for r in reach)
        raise ValueError(f"{name}: the kernel reaches over {spread} (size {kernel}, dilation {dilation}) but the "
                         f"padded input has only {padded}; use more padding or a smaller kernel")
    stride = _needed(stride, maps)
    possible(name, "the padded input", tuple(b + n + a for b, n, a in zip(before, image, after)))
    return Geometry(image, maps, kernel, stride, before, after, dilation, groups)


def _needed(stride: tuple, maps: tuple) -> tuple[int, ...]:
    """1 for the axes of a single window, where the stride says nothing and may be huge."""
    return tuple(s if m > 1 else 1 for s, m in zip(stride, maps))


def transpose_geometry(name: str, maps: tuple, kernel: tuple, stride, padding, output_padding, dilation,
                       groups: int) -> Geometry:
    """The geometry of the convolution whose transpose takes ``maps`` to an image.

    Raises:
        ValueError: unusable settings, or an output without elements.
    """
    axes = len(maps)
    stride, dilation = per_axis(name, "stride", stride, axes, 1), per_axis(name, "dilation", dilation, axes, 1)
    padding = per_axis(name, "padding", padding, axes, 0)
    more = per_axis(name, "output_padding", output_padding, axes, 0)
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation)):
        raise ValueError(f"{name}: output_padding={more} must be smaller than stride={stride} or dilation={dilation}")
    image = tuple((n - 1) * s - 2 * p + d * (k - 1) + 1 + m
                  for n, s, p, d, k, m in zip(maps, stride, padding, dilation, kernel, more))
    if any(n < 1 for n in image):
        raise ValueError(f"{name}: the output would have the size {image}; input {maps} with kernel {kernel}, "
                         f"stride {stride} leaves nothing after padding {padding}")
    stride = _needed(stride, maps)
    possible(name, "the padded output", tuple(n + 2 * p for n, p in zip(image, padding)))
    return Geometry(image, maps, kernel, stride, padding, padding, dilation, groups)


def named(shape: tuple, axes: int, channels: str = "C") -> str:
    """A shape with its axes named: ``N=16, C=3, H=64, W=64``."""
    names = (["N"] if len(shape) == axes + 2 else []) + [channels] + ["D", "H", "W"][3 - axes:]
    return ", ".join(f"{n}={s}" for n, s in zip(names, shape))
