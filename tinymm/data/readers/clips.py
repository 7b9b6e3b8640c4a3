"""Videos as folders of pictures: the frames, and the optical flow between them, as LRCN's release lays them out.

    frames/v_ApplyEyeMakeup_g08_c01/v_ApplyEyeMakeup_g08_c01.0001.jpg            n frames
    flow_images/v_ApplyEyeMakeup_g08_c01/flow_image_v_ApplyEyeMakeup_g08_c01.0002.jpg     n - 1 pictures

The number of a picture is the last in its name. A flow picture shows the motion between two frames, is named after the later
of them, and so begins one number later; see ``data/flow_pictures.py`` for what its three channels are.
"""

from __future__ import annotations

import operator
import os
import pathlib
import re
from collections.abc import Sequence

import numpy as np

from ...autograd.integers import integer
from ..clip_windows import LENGTH, STRIDE, window_starts
from ..dataset import Dataset
from .images import read_picture
from .ucf101 import LabelledVideo

READER = "read_clips"
ENDINGS = (".jpg", ".jpeg", ".png")
NUMBER = re.compile(r"\d+(?=\D*$)")
STREAMS = ("RGB", "Flow")
MOST_DIGITS = 9


def numbered_pictures(folder: str | os.PathLike) -> dict[int, pathlib.Path]:
    """The pictures of one video, number -> file, in the order of their numbers.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no picture, one without a number in its name, two with the same number, or a gap between the numbers.
    """
    found: dict[int, pathlib.Path] = {}
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{READER}: the folder {folder} does not exist; expected a folder with the pictures of one video")
    for name in sorted(os.listdir(folder)):
        if name.startswith(".") or not name.lower().endswith(ENDINGS):
            continue
        digits = NUMBER.search(name.rpartition(".")[0])
        if digits is None or len(digits[0]) > MOST_DIGITS:
            raise ValueError(f"{READER}: {folder / name}: expected the number of a frame in the name, as in {folder.name}.0001.jpg")
        if (other := found.setdefault(int(digits[0]), folder / name)) != folder / name:
            raise ValueError(f"{READER}: {folder / name} and {other.name} have the same number; expected one picture a frame")
    if not found:
        raise ValueError(f"{READER}: {folder} has no picture; expected {folder.name}.0001.jpg and so on")
    numbers = sorted(found)
    for before, number in zip(numbers, numbers[1:]):
        if number != before + 1:
            raise ValueError(f"{READER}: {folder}: {found[number].name} follows {found[before].name}, so that "
                             f"{number - before - 1} of the numbers are missing; expected a picture for each")
    return {number: found[number] for number in numbers}


class Clips(Dataset):
    """Labelled videos as folders of pictures; a folder is listed, and pictures are read, when they are asked for.

    Item i is ``(rgb, flow, label)``: (n, 3, H, W) and (n - 1, 3, H, W) uint8, flow None where there is no folder of it.

    See ``read_clips``.
    """

    def __init__(self, videos: Sequence[LabelledVideo], frames: str | os.PathLike, flow: str | os.PathLike | None = None,
                 image_size: int | tuple[int, int] | None = None):
        self.videos, self.image_size = tuple(videos), image_size
        if wrong := [video for video in self.videos if not isinstance(video, LabelledVideo)]:
            raise TypeError(f"{READER}: {str(wrong[0])[:60]!r} is no LabelledVideo; give what read_ucf101 or read_ucf101_list gave")
        self.folders = {"RGB": pathlib.Path(frames)} | ({} if flow is None else {"Flow": pathlib.Path(flow)})
        for folder in self.folders.values():
            if not folder.is_dir():
                raise FileNotFoundError(f"{READER}: the folder {folder} does not exist; expected a folder for each video in it")
        there = {stream: set(os.listdir(folder)) for stream, folder in self.folders.items()}
        self._places = {stream: [folder / video.name if video.name in there[stream] else folder / video.class_name / video.name
                                 for video in self.videos] for stream, folder in self.folders.items()}

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray | None, int]:
        index = operator.index(index)
        flow = self._read(self.pictures(index, "Flow")) if "Flow" in self.folders else None
        return self._read(self.pictures(index, "RGB")), flow, self.videos[index].label

    def pictures(self, index: int, stream: str = "RGB") -> list[pathlib.Path]:
        """The files of one video's frames, or of its flow, in order.

        Raises:
            FileNotFoundError: the video has no folder.
            ValueError: a stream that is not there; numbers of frames that begin with neither 0 nor 1; a folder that
                ``numbered_pictures`` refuses; a flow picture whose frames are not there, or frames without a flow
                picture between them.
        """
        if stream not in self.folders:
            raise ValueError(f"{READER}: stream={stream!r}; there is {', '.join(self.folders)}")
        frames = self._numbered(index, "RGB")
        if (first := next(iter(frames))) > 1:
            raise ValueError(f"{READER}: {frames[first]} is the first frame of its video; expected number 0 or 1, frames are "
                             "missing")
        if stream == "RGB":
            return list(frames.values())
        flow = self._numbered(index, "Flow")
        _matched(frames, flow)
        return list(flow.values())

    def count(self, index: int, stream: str = "RGB", length: int = LENGTH) -> int:
        """How many pictures a video has.

        Raises:
            ValueError: fewer than ``length``, and what ``pictures`` refuses.
        """
        return len(self._long_enough(index, stream, length))

    def starts(self, index: int, stream: str = "RGB", length: int = LENGTH, stride: int = STRIDE) -> np.ndarray:
        """The first picture of each window of a video, (W,), by the rule of ``window_starts``.

        Raises:
            ValueError: a video shorter than one window, and what ``pictures`` refuses.
        """
        return window_starts(self.count(index, stream, length), length, stride)

    def window(self, index: int, start: int, stream: str = "RGB", length: int = LENGTH) -> np.ndarray:
        """``length`` pictures of a video from the picture ``start`` on, counted from 0, (length, 3, H, W) uint8.

        Raises:
            ValueError: a video shorter than one window, and what ``pictures`` refuses.
            IndexError: a window that is not inside the video.
        """
        files, start = self._long_enough(index, stream, length), integer(READER, "start", start)
        if not 0 <= start <= len(files) - length:
            raise IndexError(f"{READER}: a window of {length} from picture {start} on is not inside {self.videos[index].name}, "
                             f"which has {len(files)} in {stream}; choose 0 to {len(files) - length}")
        return self._read(files[start:start + length])

    def _numbered(self, index: int, stream: str) -> dict[int, pathlib.Path]:
        try:
            return numbered_pictures(self._places[stream][index])
        except FileNotFoundError:
            video = self.videos[index]
            raise FileNotFoundError(f"{READER}: {video.source}: {self.folders[stream]} has no folder {video.name}, nor "
                                    f"{video.class_name}/{video.name}; expected the pictures of this video") from None

    def _long_enough(self, index: int, stream: str, length: int) -> list[pathlib.Path]:
        length = integer(READER, "length", length, 1)
        files = self.pictures(index, stream)
        if len(files) < length:
            video = self.videos[index]
            raise ValueError(f"{READER}: {video.source}: {video.name} has {len(files)} pictures in {files[0].parent}; expected at "
                             f"least one window of {length}")
        return files

    def _read(self, files: Sequence[pathlib.Path]) -> np.ndarray:
        pictures = [np.round(255 * read_picture(path, self.image_size)).astype(np.uint8) for path in files]
        for path, picture in zip(files, pictures):
            if picture.shape != pictures[0].shape:
                raise ValueError(f"{READER}: {path} has {picture.shape[2]} x {picture.shape[1]} pixels and {files[0].name} "
                                 f"{pictures[0].shape[2]} x {pictures[0].shape[1]}; expected one size in a video, or image_size=S")
        return np.stack(pictures)


def read_clips(videos: Sequence[LabelledVideo], frames: str | os.PathLike, flow: str | os.PathLike | None = None,
               image_size: int | tuple[int, int] | None = None) -> Clips:
    """Labelled videos whose frames, and flow pictures, lie in a folder for each video.

    Args:
        videos: from ``read_ucf101`` or ``read_ucf101_list``.
        frames: the folder of the videos' folders, of their names, or with a folder for each class between.
        flow: the same of flow pictures; None where there are none.
        image_size: ``S`` or ``(H, W)``: scale to cover it and cut out the centre; None keeps the pictures' own size. Flow is
            scaled as a picture: its displacements stay those of the original pixels.

    Raises:
        FileNotFoundError: no such folder.
        TypeError: other things than ``LabelledVideo``.
    """
    return Clips(videos, frames, flow, image_size)


def _matched(frames: dict[int, pathlib.Path], flow: dict[int, pathlib.Path]) -> None:
    """Every flow picture is named after the later of two frames that are there, and every two have one."""
    wanted = list(frames)[1:]
    for number, path in flow.items():
        if number not in frames or number not in wanted:
            lacks = f"no frame {number}" if number not in frames else f"no frame {number - 1} before it"
            raise ValueError(f"{READER}: {path} has {lacks} in {next(iter(frames.values())).parent}; expected flow pictures "
                             f"named after the later of two frames, n - 1 of n")
    if missing := [number for number in wanted if number not in flow]:
        where = next(iter(flow.values())).parent
        raise ValueError(f"{READER}: {where} has no flow picture for frame {missing[0]} ({len(frames)} frames, {len(flow)} flow "
                         f"pictures); expected n - 1 of n frames, for all but the first")
