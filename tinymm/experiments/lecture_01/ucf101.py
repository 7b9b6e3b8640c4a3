"""The table of streams and rows on UCF-101: the same networks and averages, on videos that are read a window at a time.

A folder holds UCF-101's lists, or LRCN's, and a folder of pictures for each video in ``frames`` and in ``flow_images``. The
pictures are made small, and a bounded number of videos is read, from all classes alike: how many is said. The CNNs are not
taught on other pictures first, as ImageNet taught the paper's, so the numbers are no reproduction.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Generator, Mapping, Sequence

import numpy as np

from ...backend.random import Stream, manual_seed, stream
from ...data import read_clips, read_ucf101
from ...data.clip_windows import LENGTH
from ...data.flow_pictures import mirrored_flow
from ...data.readers.clips import Clips
from ...data.readers.ucf101 import LabelledVideo
from ...models.frame_encoder import FrameEncoder
from ...models.lrcn import ActivityLRCN
from ...train import Trainer
from ..claims import Claim
from .activity import COLUMNS, DROPOUT, FC6, HIDDEN, LAYER, LR, SINGLE, Activity, Trained
from .clip_networks import STREAMS, ClipNetwork, as_input, clip_probabilities, copy_of, fused, small_linear
from .study import At, Study

FOLDERS = dict(zip(STREAMS, ("frames", "flow_images")))
PARTS = ("train", "test")


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    side: int              # pixels of a picture
    videos: dict           # at most, of each part
    frame_rounds: int      # in which one frame of every training video is seen
    rounds: int            # in which one window of every training video is seen


SCALES = {"lecture": Scale(48, dict(train=808, test=303), 40, 5), "smoke": Scale(16, dict(train=64, test=24), 2, 1)}


@dataclasses.dataclass(frozen=True)
class Videos:
    """A part of a split.

    Attributes:
        clips: the videos.
        labels: (N,) int64.
        counts: stream -> how many pictures each video has, (N,).
    """

    clips: Clips
    labels: np.ndarray
    counts: dict[str, np.ndarray]

    def reader(self, name: str, length: int) -> Callable[[np.ndarray], np.ndarray]:
        """What reads videos, given by number (B,), in training: ``length`` pictures from a random place, every other one in
        a mirror, (B, length, 3, H, W) float32."""

        def read(rows: np.ndarray) -> np.ndarray:
            rng = stream("windows").generator
            found = []
            for row in rows:
                clip = self.clips.window(int(row), int(rng.integers(self.counts[name][row] - length + 1)), name, length)
                found.append(mirror(name, clip) if rng.integers(2) else clip)
            return as_input(name, np.stack(found))

        return read


class UCF101(Activity):
    """Single frame, LRCN-fc6 and LRCN-fc7 on split 1.

    Raises:
        FileNotFoundError: no lists, no folder of frames or of flow, a video without its pictures.
        ValueError: damaged lists, a class of the test without a training video, a video shorter than one window, a gap in the
            frames, flow that does not fit them.
    """

    with_order = False

    def __init__(self, variant: str, scale: str, seed: int, device: str, config: dict, epochs: int | None = None,
                 data: str | None = None, root: str | None = None):
        Study.__init__(self, variant, scale, seed, device, config, epochs, data, root)
        self.bounds = SCALES[scale]
        self.config = {**config, "hyperparameters": {**dataclasses.asdict(self.bounds), "hidden": HIDDEN, "dropout": DROPOUT,
                                                     "lr": LR}}
        assert root is not None   # a dataset comes with its folder
        lists = [{part: read_ucf101(root, part, fold + 1) for part in PARTS} for fold in self.folds]
        self.classes = 1 + max(video.label for parts in lists for of in parts.values() for video in of)
        self.splits = [self._videos(pathlib.Path(root), parts, fold) for fold, parts in zip(self.folds, lists)]

    def _videos(self, root: pathlib.Path, lists: Mapping[str, Sequence[LabelledVideo]], fold: int) -> dict[str, Videos]:
        """The videos of a split, bounded; what is wrong with their pictures is said here, before any training."""
        learnt, found = {video.label for video in lists["train"]}, {}
        for video in lists["test"]:
            if video.label not in learnt:
                raise ValueError(f"lecture 1: {video.source}: class {video.class_name} has no training video; expected videos of "
                                 "each class in both lists")
        for part, videos in lists.items():
            most = self.bounds.videos[part]
            chosen = from_all_classes(videos, most, Stream(f"{self.data} {part} {fold + 1}", self.seed).generator)
            print(f"{self.data}, split {fold + 1}: {len(chosen)} of {len(videos)} videos for {part}")
            clips = read_clips(chosen, root / FOLDERS["RGB"], root / FOLDERS["Flow"], image_size=self.bounds.side)
            counts = {name: np.array([clips.count(i, name, LENGTH) for i in range(len(clips))]) for name in STREAMS}
            found[part] = Videos(clips, np.array([video.label for video in chosen]), counts)
        return found

    def stages(self, at: At) -> Generator[Trainer, None, Trained]:
        trained = Trained()
        for fold, split in zip(self.folds, self.splits):
            networks: dict[str, dict[str, ClipNetwork]] = {}
            trained.networks.append(networks)
            for name in STREAMS:
                where = f", split {fold + 1}" * (len(self.folds) > 1)
                networks[name] = yield from self._rows(trained, split["train"], name, where, at)
        return trained

    def _rows(self, trained: Trained, train: Videos, name: str, where: str, at: At) -> Generator[Trainer, None, dict]:
        """The rows of a stream: the CNN on single frames, then each LRCN from what that taught it."""
        manual_seed(self.seed)
        rows, labels = np.arange(len(train.labels)), train.labels
        encoder = FrameEncoder(3, (self.bounds.side, self.bounds.side), dropout=DROPOUT)
        found = {SINGLE: ClipNetwork(encoder, "fc7", small_linear(encoder.features["fc7"], self.classes)).to(device=self.device)}
        yield self._clip_stage(trained, f"{name}, {SINGLE}{where}", found[SINGLE], rows, labels, train.reader(name, 1), at,
                               self.bounds.frame_rounds)
        for row in self.rows[1:]:
            manual_seed(self.seed)
            lrcn = ActivityLRCN(encoder.features[LAYER[row]], self.classes, HIDDEN, "lstm", DROPOUT)
            found[row] = ClipNetwork(copy_of(encoder), LAYER[row], lrcn).to(device=self.device)
            yield self._clip_stage(trained, f"{name}, {row}{where}", found[row], rows, labels, train.reader(name, LENGTH), at,
                                   self.epochs or self.bounds.rounds)
        return found

    def evaluate(self, trained: Trained, part: str = "test") -> dict:
        """As ``Activity.evaluate``, and the numbers of videos and classes.

        Args:
            trained: what ``stages`` returned.
            part: "test" or "train".
        """
        found = self.results(trained, [self._probabilities(networks, split[part]) for networks, split
                                       in zip(trained.networks, self.splits)])
        return {**found, "videos": [{name: len(of.labels) for name, of in split.items()} for split in self.splits],
                "classes": self.classes}

    def _probabilities(self, networks: Mapping, videos: Videos) -> dict:
        """row -> column -> probabilities (N, classes), and the labels; every video is read once."""
        p: dict = {row: {name: [] for name in STREAMS} for row in self.rows}
        for i in range(len(videos.labels)):
            for name in STREAMS:
                clip = videos.clips.window(i, 0, name, int(videos.counts[name][i]))[None]      # (1, n, 3, H, W)
                read = functools.partial(as_input, name)
                for row in self.rows:
                    p[row][name].append(clip_probabilities(networks[name][row], clip, read, self.device))
        found: dict = {"labels": videos.labels}
        for row, of in p.items():
            rgb, flow = (np.concatenate(of[name]) for name in STREAMS)                         # (N, classes)
            found[row] = {column: fused(rgb, flow, weight) for column, weight in COLUMNS.items()}
        return found

    @staticmethod
    def claims(metrics: dict) -> list[Claim]:
        """None: the thresholds are those of the worlds."""
        return []

    def figures(self, trained: Trained, metrics: dict) -> dict:
        from . import activity_figures

        return {"table.png": activity_figures.table(metrics["table"], f"UCF-101's videos, small, {self.classes} classes (%)")}


class UCF101Splits(UCF101):
    """Two rows over UCF-101's three splits."""

    folds = (0, 1, 2)
    rows = (SINGLE, FC6)


def mirror(name: str, clip: np.ndarray) -> np.ndarray:
    """The same clip (T, 3, H, W) in a mirror; the flow to the right is one to the left then."""
    return mirrored_flow(clip) if name == "Flow" else clip[..., ::-1]


def from_all_classes(videos: Sequence[LabelledVideo], most: int, rng: np.random.Generator) -> list[LabelledVideo]:
    """At most ``most`` of the videos, drawn at random, as many of one class as of another where there are enough."""
    drawn = [videos[i] for i in rng.permutation(len(videos))]
    seen: dict[int, int] = {}
    turns = []
    for video in drawn:
        turns.append(seen.get(video.label, 0))
        seen[video.label] = turns[-1] + 1
    return [drawn[i] for i in np.argsort(turns, kind="stable")[:most]]
