"""Video files, through PyAV (FFmpeg's libraries), which is an optional extra."""

from __future__ import annotations

import os

import numpy as np

from ...autograd.integers import integer
from .files import ordinary_file
from .images import cover, height_width

READER = "read_video"
MOST_BYTES = 2 ** 31     # of the frames that are kept


def read_video(path: str | os.PathLike, image_size: int | tuple[int, int] | None = None, start: int = 0,
               count: int | None = None) -> np.ndarray:
    """Frames of a video file, in the order in which they are shown.

    Args:
        path: AVI, MP4, WebM or another format that FFmpeg reads.
        image_size: ``S`` or ``(H, W)``: scale to cover it and cut out the centre; None keeps the video's own size.
        start: frames that are left out at the beginning.
        count: frames that are read; None for all.

    Returns:
        (n, 3, H, W) uint8.

    Raises:
        RuntimeError: PyAV is not installed.
        FileNotFoundError: no such file.
        ValueError: a file without video, a damaged one, or one with fewer frames than were asked for.
    """
    path, size = ordinary_file(path, READER, "a video file"), height_width(READER, image_size)
    start = integer(READER, "start", start, 0)
    count = None if count is None else integer(READER, "count", count, 1)
    try:
        import av
    except ImportError:
        raise RuntimeError(f"{READER}: PyAV is not installed, so {path} cannot be read; pip install 'tinymm[video]', or write its "
                           f"frames with ffmpeg -i {path.name} {path.stem}/{path.stem}.%4d.jpg and use read_clips") from None
    frames, kept = [], 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{READER}: {path} has no video in it; expected a video file")
            for number, frame in enumerate(container.decode(video=0)):
                if number < start:
                    continue
                image = frame.to_image()
                frames.append(np.asarray(image if size is None else cover(image, *size, "bilinear")))   # (H, W, 3)
                kept += frames[-1].nbytes
                if kept > MOST_BYTES:
                    raise ValueError(f"{READER}: {path}: more than {MOST_BYTES:,} bytes of frames; read fewer with start= and "
                                     "count=, or smaller ones with image_size=")
                if len(frames) == count:
                    break
    except av.error.FFmpegError as error:
        raise ValueError(f"{READER}: {path} is not a whole, readable video ({error.strerror or error}), after {len(frames)} "
                         "frames") from None
    if not frames or count is not None and len(frames) < count:
        wanted = "at least 1" if count is None else str(count)
        raise ValueError(f"{READER}: {path} has {start + len(frames)} frames; expected {wanted} from frame {start} on")
    return np.ascontiguousarray(np.stack(frames).transpose(0, 3, 1, 2))
