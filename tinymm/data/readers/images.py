"""Reading pictures: any common file to a float array, upright, of the wanted size and number of channels."""

from __future__ import annotations

import contextlib
import os
import pathlib
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, struct.error, zlib.error)
"""What Pillow's decoders raise on damaged files; SyntaxError is its word for a broken PNG or TIFF."""
MOST_PIXELS = 2 ** 27        # of a picture: more than any camera's; a few kilobytes of PNG can ask for far more
MOST_SCALED = 2 ** 22        # of a scaled picture before its centre is cut out
ORIENTATION = 0x0112         # EXIF's tag
SIDEWAYS = (5, 6, 7, 8)      # its values that exchange height and width


def read_picture(path: str | os.PathLike, size: int | tuple[int, int] | None = None, channels: int = 3,
                 resample: str = "bilinear") -> np.ndarray:
    """A picture file as an array.

    The orientation in its EXIF data is applied. Where it is transparent, it is laid over white, as on a page. Of an
    animation, the first frame is read. 16-bit grey becomes 8-bit.

    Args:
        path: JPEG, PNG, GIF, BMP, TIFF, WebP or another format that Pillow reads.
        size: ``S``, or ``(H, W)``: the picture is scaled (with antialiasing) until it just covers this size, for a square
            its shorter side, and the centre is cut out. None keeps the picture's own size.
        channels: 3 for RGB, 1 for grey (luma .299 R + .587 G + .114 B).
        resample: "bilinear" or "bicubic", how it is scaled.

    Returns:
        (channels, H, W) float32 in [0, 1].

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a picture, a truncated or damaged one, or one without a known range of values.
    """
    if channels not in (1, 3):
        raise ValueError(f"read_picture: channels={channels} must be 1 (grey) or 3 (RGB)")
    if resample not in ("bilinear", "bicubic"):
        raise ValueError(f"read_picture: resample={resample!r}; choose 'bilinear' or 'bicubic'")
    sides = height_width("read_picture", size)
    image = _loaded(path, channels)
    return _pixels(image if sides is None else cover(image, *sides, resample))


def read_within(path: str | os.PathLike, size: tuple[int, int], channels: int = 3) -> np.ndarray:
    """``read_picture``, with the whole picture scaled until it just lies within a size; nothing is cut off.

    Pixels of the result are means of those that they cover, so that a composed scene enlarged is the scene again.

    Args:
        path: the file.
        size: (H, W); a picture of that size is left as it is.
        channels: 3 for RGB, 1 for grey.

    Returns:
        (channels, at most H, at most W) float32 in [0, 1].

    Raises:
        FileNotFoundError, ValueError: as ``read_picture``.
    """
    from PIL.Image import Resampling

    image = _loaded(path, channels)
    scale = min(size[0] / image.height, size[1] / image.width)
    scaled = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return _pixels(image if scaled == image.size else image.resize(scaled, Resampling.BOX if scale < 1 else Resampling.BILINEAR))


def read_squeezed(path: str | os.PathLike, size: int, box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """A picture, or a box of it, squeezed to a square whatever its shape, by bicubic interpolation.

    Args:
        path: the file.
        size: pixels a side.
        box: (left, top, right, bottom) in whole pixels, of which what lies within the picture is taken; None for all of it.

    Returns:
        (3, size, size) float32 in [0, 1].

    Raises:
        FileNotFoundError, ValueError: as ``read_picture``; a box that has no pixel of the picture.
    """
    from PIL.Image import Resampling

    image = _loaded(path, 3)
    if box is not None:
        left, top, right, bottom = max(box[0], 0), max(box[1], 0), min(box[2], image.width), min(box[3], image.height)
        if not (left < right and top < bottom):
            raise ValueError(f"read_picture: {path} has {image.width} x {image.height} pixels (width x height); none of them is "
                             f"in the box {box} (left, top, right, bottom)")
        image = image.crop((left, top, right, bottom))
    return _pixels(image if image.size == (size, size) else image.resize((size, size), Resampling.BICUBIC))


def _loaded(path: str | os.PathLike, channels: int):
    """A picture file as a Pillow image, upright, "RGB" or "L"."""
    with _opened(path) as image:
        image.load()
        return _plain(_upright(image), "RGB" if channels == 3 else "L")


def _pixels(image) -> np.ndarray:
    """(C, H, W) float32 in [0, 1]."""
    pixels = np.asarray(image, dtype=np.float32) / 255   # (H, W, 3) or (H, W)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def picture_size(path: str | os.PathLike) -> tuple[int, int]:
    """(H, W) of a picture file as ``read_picture`` reads it, upright, without reading its pixels.

    Raises:
        FileNotFoundError, ValueError: as ``read_picture``, as far as the file's head tells.
    """
    with _opened(path) as image:
        width, height = image.size
        return (width, height) if image.getexif().get(ORIENTATION) in SIDEWAYS else (height, width)


@contextlib.contextmanager
def _opened(path: str | os.PathLike) -> Iterator[Any]:
    """A picture file, open in the ``with`` block; what Pillow says of a damaged one, there or in the block, names it.

    Raises:
        FileNotFoundError, ValueError: as ``read_picture``.
    """
    from PIL import Image

    name, path = os.fspath(path), pathlib.Path(path)
    if not os.path.isfile(path) or not name:   # of a pipe, a reader would wait for ever
        if "://" in str(name):
            raise FileNotFoundError(f"read_picture: {name} is an address; download the picture, and give its file")
        if not os.path.lexists(path) or not name:
            raise FileNotFoundError(f"read_picture: {name or repr(name)} does not exist")
        what = "a folder" if path.is_dir() else "no ordinary file" if os.path.exists(path) else "a link to nothing"
        raise ValueError(f"read_picture: {path} is {what}, not a picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)   # the bound is ours
            image = Image.open(path)
        with image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels are too many")
            yield image
    except Image.DecompressionBombError as error:
        raise ValueError(f"read_picture: {path}: {error.args[0].rstrip('.')}; at most {MOST_PIXELS:,} pixels are read, make it "
                         f"smaller") from None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise   # the system could not read the file; its message names it
        reason = "no picture format that Pillow knows" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise ValueError(f"read_picture: {path} is not a whole, readable picture ({reason})") from None


def height_width(reader: str, size) -> tuple[int, int] | None:
    """``S`` or ``(H, W)`` as a pair; None as it is."""
    if size is None:
        return None
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2 or not all(isinstance(n, (int, np.integer)) and n >= 1 for n in pair):
        raise ValueError(f"{reader}: size={size!r} must be a positive integer or a pair (height, width) of them")
    return int(pair[0]), int(pair[1])


def _upright(image):
    """The image as the camera was held (EXIF 2.3, tag 0x0112)."""
    from PIL.Image import Transpose as T

    turns = {2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE, 6: T.ROTATE_270, 7: T.TRANSVERSE,
             8: T.ROTATE_90}
    orientation = image.getexif().get(ORIENTATION)   # ImageOps.exif_transpose rewrites other tags, too, and fails on damaged ones
    return image.transpose(turns[orientation]) if orientation in turns else image


def _plain(image, mode: str):
    """The image as "RGB" or "L": without palette, transparency, or 16 bits a pixel."""
    from PIL import Image

    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range")
    if image.mode.startswith("I"):
        values = np.asarray(image)   # (H, W)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"its pixels run from {values.min()} to {values.max()}; 0 to 65535 are read")
        return Image.fromarray((values / 257).round().astype(np.uint8)).convert(mode)
    if "transparency" in image.info or {"A", "a"} & set(image.getbands()):
        page = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(page, image.convert("RGBA"))
    return image.convert(mode)


def cover(image, height: int, width: int, resample: str):
    """Scale until the image just covers (height, width), and cut out its centre (torchvision's Resize and CenterCrop)."""
    from PIL import Image

    image = _shorter(image, height, width)
    w, h = image.size
    if height * w >= width * h:   # relatively too wide: the height decides
        scaled = (height * w // h, height)
    else:
        scaled = (width, width * h // w)
    if scaled != image.size:
        image = image.resize(scaled, Image.Resampling[resample.upper()])
    left, top = round((scaled[0] - width) / 2), round((scaled[1] - height) / 2)
    return image.crop((left, top, left + width, top + height))


def _shorter(image, height: int, width: int):
    """The image; of one that is thousands of times longer than wide, only the middle, from which the centre will be cut."""
    w, h = image.size
    long, scale = max(w, h), max(height / h, width / w)
    most = MOST_SCALED / (scale * scale * min(w, h))   # pixels of the long side
    most = max(most, 2 * max(height, width) / scale)
    if long <= most:
        return image
    cut = int((long - most) / 2)
    return image.crop((cut, 0, w - cut, h) if w > h else (0, cut, w, h - cut))
