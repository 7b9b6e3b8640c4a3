"""What is done in a clip: sequence to label, the UCF-101 table in miniature.

Two worlds. In the order-only clips nothing but the order of the frames tells the classes apart; a CNN that was taught other
frames stays as it is, and recurrent networks are compared on its features. In the tracked clips the class is a colour and an
order; a CNN for each stream learns from single frames, each LRCN starts from it and is trained through time, and the
probabilities of the two streams are averaged.

The CNN for RGB learns first what digit other frames show, and where, as the paper's learnt ImageNet: single frames of these
clips could never teach it that. No label of that teaching has motion in it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Generator, Mapping, Sequence

import numpy as np

from ... import nn, optim
from ...autograd import Tensor
from ...backend.random import manual_seed, stream
from ...data import DataLoader, TensorDataset
from ...data.clip_windows import LENGTH
from ...data.worlds import order_clips, tracked_clips
from ...data.worlds.digits import FOLDS
from ...data.worlds.order_clips import OrderClips, order_frames
from ...data.worlds.tracked_clips import TrackedClips, tracked_frames
from ...metrics import accuracy, confusion
from ...models.frame_encoder import FrameEncoder
from ...models.lrcn import ActivityLRCN
from ...nn.chunks import array_in_chunks
from ...train import Trainer
from ..claims import Claim
from ..classify_stage import classify_stage
from .clip_networks import (CHUNK, STREAMS, ClipNetwork, as_input, clip_probabilities, clips_of, copy_of, every_step, fused,
                            shuffled, small_linear, step_probabilities, time_first, window_reader)
from .study import At, Study

PARTS = ("train", "validation", "test")
COLUMNS = {"RGB": 1.0, "Flow": 0.0, "1/2, 1/2": 1 / 2, "1/3, 2/3": 1 / 3}     # weight of RGB; flow has the rest
SINGLE, FC6, FC7 = "Single frame", "LRCN-fc6", "LRCN-fc7"
LAYER = {FC6: "fc6", FC7: "fc7"}
SPLITS = " (all splits)"
ORDER_ROWS = {"LSTM on fc6": ("fc6", "lstm", False), "LSTM on fc7": ("fc7", "lstm", False), "RNN on fc7": ("fc7", "rnn", False),
              "LSTM on fc6, trained on shuffled": ("fc6", "lstm", True)}       # row -> layer, unit, whether trained on shuffled
LONG = (16, 17, 24, 40, 60)      # frames of the longer clips

HIDDEN, DROPOUT = 64, 0.5
CLIPS, FRAMES = 32, 128          # of a batch
LR = 2e-3
MAX_NORM = 5.0


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    taught: int            # frames that a CNN for RGB learns first
    taught_rounds: int
    order: dict            # order-only clips of each part
    order_rounds: int
    tracked: dict          # tracked clips of each part
    frame_rounds: dict     # rounds of the single frames, for each stream
    rounds: int            # of each LRCN
    long: int              # longer clips of each length


SCALES = {"lecture": Scale(6000, 4, dict(zip(PARTS, (1600, 200, 800))), 20, dict(zip(PARTS, (1200, 204, 1200))),
                           {"RGB": 2, "Flow": 3}, 5, 100),
          "smoke": Scale(320, 1, dict(zip(PARTS, (32, 12, 12))), 2, dict(zip(PARTS, (36, 12, 12))), {"RGB": 1, "Flow": 1}, 1, 4)}


@dataclasses.dataclass
class Trained:
    """What the trainings yield.

    Attributes:
        networks: fold -> stream -> row -> network.
        trainers: name of a stage -> its Trainer.
        reader: the CNN whose features the order-only rows have; None where there are none.
        order: row -> what reads those features.
    """

    networks: list[dict[str, dict[str, ClipNetwork]]] = dataclasses.field(default_factory=list)
    trainers: dict[str, Trainer] = dataclasses.field(default_factory=dict)
    reader: FrameEncoder | None = None
    order: dict[str, nn.Module] = dataclasses.field(default_factory=dict)


class Activity(Study):
    """The study; the arguments are those of every study.

    Attributes:
        folds: the splits of the originals that are used.
        order: part -> the order-only clips; empty where they are not used.
        tracked: for each fold, part -> the tracked clips.
    """

    folds: tuple[int, ...] = (0,)
    rows: tuple[str, ...] = (SINGLE, FC6, FC7)
    with_order = True
    classes = len(tracked_clips.CLASSES)

    def __init__(self, variant: str, scale: str, seed: int, device: str, config: dict, epochs: int | None = None,
                 data: str | None = None, root: str | None = None):
        super().__init__(variant, scale, seed, device, config, epochs, data, root)
        self.size = SCALES[scale]
        self.config = {**config, "hyperparameters": {**dataclasses.asdict(self.size), "hidden": HIDDEN, "dropout": DROPOUT,
                                                     "lr": LR}}
        self.order = {part: OrderClips(part, self.size.order[part], seed) for part in PARTS} if self.with_order else {}
        self.tracked = [{part: TrackedClips(part, self.size.tracked[part], seed, fold) for part in PARTS} for fold in self.folds]

    # ------------------------------------------------------------------ trainings

    def stages(self, at: At) -> Generator[Trainer, None, Trained]:
        trained = Trained()
        if self.with_order:
            yield from self._order_stages(trained, at)
        for fold in self.folds:
            yield from self._table_stages(trained, fold, at)
        return trained

    def _order_stages(self, trained: Trained, at: At) -> Generator[Trainer, None, None]:
        """A CNN that learns other frames; then, on its frozen features, one frame at a time or through time."""
        manual_seed(self.seed)
        trained.reader = FrameEncoder(1, (order_clips.CANVAS, order_clips.CANVAS)).to(device=self.device)
        yield self._teach(trained, "order, CNN", trained.reader, order_frames, {}, at)
        features = {layer: self.features(trained.reader, layer, self.order["train"].frames) for layer in ("fc6", "fc7")}
        classes, labels = len(order_clips.CLASSES), self.order["train"].labels
        manual_seed(self.seed)
        trained.order[SINGLE] = small_linear(trained.reader.features["fc7"], classes).to(device=self.device)
        yield self._clip_stage(trained, f"order, {SINGLE}", trained.order[SINGLE], features["fc7"], labels, lambda x: x, at)
        for row, (layer, unit, mixed) in ORDER_ROWS.items():
            manual_seed(self.seed)
            trained.order[row] = ActivityLRCN(trained.reader.features[layer], classes, HIDDEN, unit, DROPOUT).to(device=self.device)
            read = (lambda x: shuffled(x, stream("shuffled clips").generator)) if mixed else lambda x: x
            yield self._clip_stage(trained, f"order, {row}", trained.order[row], features[layer], labels, read, at)

    def _table_stages(self, trained: Trained, fold: int, at: At) -> Generator[Trainer, None, None]:
        """For each stream: the CNN on single frames, then each LRCN from what that taught it."""
        world, where = self.tracked[self.folds.index(fold)], f", split {fold + 1}" * (len(self.folds) > 1)
        networks: dict[str, dict[str, ClipNetwork]] = {name: {} for name in STREAMS}
        trained.networks.append(networks)
        for name in STREAMS:
            clips, labels, classes = clips_of(world["train"], name), world["train"].labels, self.classes
            manual_seed(self.seed)
            encoder = FrameEncoder(3, (clips.shape[-2], clips.shape[-1])).to(device=self.device)
            if name == "RGB":
                yield self._teach(trained, f"RGB, CNN{where}", encoder, tracked_frames, {"fold": fold}, at)
            manual_seed(self.seed)
            encoder = copy_of(encoder, DROPOUT)
            head = small_linear(encoder.features["fc7"], classes)
            networks[name][SINGLE] = ClipNetwork(encoder, "fc7", head).to(device=self.device)
            yield self._frame_stage(trained, f"{name}, {SINGLE}{where}", networks[name][SINGLE], name, clips, labels, at)
            for row in self.rows[1:]:
                manual_seed(self.seed)
                lrcn = ActivityLRCN(encoder.features[LAYER[row]], classes, HIDDEN, "lstm", DROPOUT)
                networks[name][row] = ClipNetwork(copy_of(encoder), LAYER[row], lrcn).to(device=self.device)
                yield self._clip_stage(trained, f"{name}, {row}{where}", networks[name][row], clips, labels, window_reader(name),
                                       at, self.epochs or self.size.rounds)

    def _teach(self, trained: Trained, name: str, encoder: FrameEncoder, frames: Callable, options: dict, at: At) -> Trainer:
        """Which digit, and in which cell: what the CNN learns before it sees a clip."""
        counts = {"train": self.size.taught, "validation": min(self.size.taught, 500)}
        train, held = (frames(part, count, self.seed, **options) for part, count in counts.items())
        model = nn.Sequential(encoder, nn.Linear(encoder.features["fc7"], 10 + 16)).to(device=self.device)
        trained.trainers[name] = classify_stage(model, lambda x: model(x.float() / 255), (10, 16), train, held,
                                                self.size.taught_rounds, device=self.device, config=self.config, **at(name))
        return trained.trainers[name]

    def features(self, encoder: FrameEncoder, layer: str, frames: np.ndarray) -> np.ndarray:
        """fc6 or fc7 of clips (N, T, 1, H, W), (N, T, features), by the CNN as it is."""
        encoder.eval()
        return array_in_chunks(lambda x: encoder.of_clips(x, layer), lambda rows: as_input("RGB", frames[rows.start:rows.stop]),
                               len(frames), CHUNK, self.device)

    def _clip_stage(self, trained: Trained, name: str, network: nn.Module, clips: np.ndarray, labels: np.ndarray,
                    read: Callable[[np.ndarray], np.ndarray], at: At, rounds: int | None = None) -> Trainer:
        """Batches of 32 clips through time, or of 32 clips' single frames where the network has no state.

        Args:
            read: some of the clips (B, n, ...) -> float32 (B, T, ...).
        """
        loader = DataLoader(TensorDataset(Tensor(clips), Tensor(labels)), min(CLIPS, len(labels)), shuffle=True, drop_last=True)

        def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
            x = Tensor(time_first(read(batch[0].numpy()))).to(device=self.device)
            return every_step(network(x), batch[1].to(device=self.device))

        return self._stage(trained, name, network, loader, loss, rounds or self.size.order_rounds, at)

    def _frame_stage(self, trained: Trained, name: str, network: ClipNetwork, kind: str, clips: np.ndarray, labels: np.ndarray,
                     at: At) -> Trainer:
        """Single frames of all clips in random order, each with its clip's label."""
        frames = clips.reshape(-1, *clips.shape[2:])                                     # (N n, C, H, W)
        loader = DataLoader(TensorDataset(Tensor(frames), Tensor(np.repeat(labels, clips.shape[1]))), FRAMES, shuffle=True,
                            drop_last=True)

        def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
            x = Tensor(as_input(kind, batch[0].numpy())[None]).to(device=self.device)  # (1, B, C, H, W): one step
            return every_step(network(x), batch[1].to(device=self.device))

        return self._stage(trained, name, network, loader, loss, self.size.frame_rounds[kind], at)

    def _stage(self, trained: Trained, name: str, network: nn.Module, loader: DataLoader, loss: Callable, rounds: int,
               at: At) -> Trainer:
        optimizer = optim.Adam(network.parameters(), lr=LR)
        total = rounds * len(loader)
        schedule = optim.lr_scheduler.WarmupCosineLR(optimizer, min(20, total // 4), total)
        trained.trainers[name] = Trainer(network, optimizer, loader, loss, rounds, scheduler=schedule, max_norm=MAX_NORM,
                                         config=self.config, **at(name))
        return trained.trainers[name]

    # ------------------------------------------------------------------ what came of it

    def evaluate(self, trained: Trained, part: str = "test") -> dict:
        """Accuracies on a part, "test" or "validation".

        Returns:
            What ``results`` gives; "order" and "long" where there are order-only clips.
        """
        found = self.results(trained, [self._columns(networks, world[part]) for networks, world
                                       in zip(trained.networks, self.tracked)])
        return {**found, **self._order_results(trained, part)} if self.with_order else found

    def results(self, trained: Trained, by_fold: Sequence[dict]) -> dict:
        """Accuracies of the probabilities that were said.

        Args:
            trained: what ``stages`` returned.
            by_fold: for each split row -> column -> probabilities (N, classes), and "labels" (N,).

        Returns:
            "table": row -> column -> accuracy; "confusion": of LRCN-fc6, column -> (classes, classes); "first loss" and "last
            loss" of each stage; "splits", where there are several.
        """
        found: dict = {"table": {}, "confusion": {}}
        suffix = SPLITS * (len(self.folds) > 1)
        for row in self.rows:
            said = {column: [(p.argmax(1), labels) for p, labels in ((fold[row][column], fold["labels"]) for fold in by_fold)]
                    for column in COLUMNS}
            found["table"][row + suffix] = {column: float(np.mean([accuracy(*one) for one in answers]))
                                            for column, answers in said.items()}
            if len(self.folds) > 1:
                found.setdefault("splits", {})[row] = {column: [accuracy(*one) for one in answers]
                                                       for column, answers in said.items()}
            if row == FC6:
                found["confusion"] = {column: np.mean([confusion(labels, answers, self.classes)
                                                       for answers, labels in answers_of], 0).tolist()
                                      for column, answers_of in said.items()}
        for when, index in (("first loss", 0), ("last loss", -1)):
            found[when] = {name: trainer.history["loss"][index] for name, trainer in trained.trainers.items()}
        return found

    def _columns(self, networks: Mapping, world: TrackedClips) -> dict:
        """row -> column -> probabilities (N, 12), and the labels."""
        found: dict = {"labels": world.labels}
        for row in self.rows:
            p = {name: clip_probabilities(network[row], clips_of(world, name), functools.partial(as_input, name), self.device)
                 for name, network in networks.items()}
            found[row] = {column: fused(p["RGB"], p["Flow"], weight) for column, weight in COLUMNS.items()}
        return found

    def _order_results(self, trained: Trained, part: str) -> dict:
        """The order-only rows, in order and shuffled, and P(label) over the steps; longer clips by their windows."""
        assert trained.reader is not None   # trained where there are order-only clips
        world = self.order[part]
        found: dict[str, dict[str, dict]] = {}
        of_clips = {layer: self.features(trained.reader, layer, world.frames) for layer in ("fc6", "fc7")}
        rng, same = np.random.default_rng(self.seed), lambda x: x
        mixed = shuffled(np.arange(len(world) * LENGTH).reshape(len(world), LENGTH), rng)   # one order for all rows
        for row, network in trained.order.items():
            x = of_clips[ORDER_ROWS[row][0] if row in ORDER_ROWS else "fc7"]
            found[row] = {}
            for name, clips in (("in order", x), ("shuffled", x.reshape(-1, x.shape[-1])[mixed])):
                p = step_probabilities(network, clips, same, self.device)                   # (N, T, C)
                of_label = np.take_along_axis(p, world.labels[:, None, None], 2)[..., 0]    # (N, T)
                found[row][name] = {"accuracy": accuracy(p.mean(1).argmax(1), world.labels), "p(true)": of_label.mean(0).tolist()}
        long = {}
        for length in LONG:
            steady = OrderClips(part, self.size.long, self.seed, steady=True, length=length)
            x = self.features(trained.reader, "fc6", steady.frames)
            p = clip_probabilities(trained.order["LSTM on fc6"], x, same, self.device)
            long[str(length)] = accuracy(p.argmax(1), steady.labels)
        return {"order": found, "long": long}

    @staticmethod
    def claims(metrics: dict) -> list[Claim]:
        """Of the order-only clips and of the table, with the thresholds of the lecture."""
        order, table = metrics["order"], metrics["table"]
        in_order = lambda row: order[row]["in order"]["accuracy"]
        lstm, mixed = "LSTM on fc6", "LSTM on fc6, trained on shuffled"
        p_true = order[lstm]["in order"]["p(true)"]
        return [Claim("order only: accuracy of a single RGB frame", in_order(SINGLE), "<=", 0.30),
                Claim("order only: LSTM on fc6", in_order(lstm), ">=", 0.95),
                Claim("order only: LSTM on fc7", in_order("LSTM on fc7"), ">=", 0.95),
                Claim("order only: vanilla RNN on fc7", in_order("RNN on fc7"), ">=", 0.95),
                Claim("order only: LSTM on fc6, frames shuffled in the test", order[lstm]["shuffled"]["accuracy"], "<=", 0.32),
                Claim("order only: LSTM on fc6, trained and tested on shuffled frames", order[mixed]["shuffled"]["accuracy"], "<=",
                      0.32),
                Claim("order only: p(true) of the LSTM where the first turn ends, its distance from 1/2",
                      abs(p_true[order_clips.TURN - 1] - 0.5), "<=", 0.05),
                Claim("order only: p(true) of the LSTM where the second turn ends", p_true[-1], ">", 0.9),
                *[Claim(f"colour and order: LRCN-fc6 on {stream} alone", table[FC6][stream], "<=", 0.50) for stream in STREAMS],
                *[Claim(f"colour and order: LRCN-fc6, streams fused {column}", table[FC6][column], ">=", 0.90)
                  for column in ("1/2, 1/2", "1/3, 2/3")],
                Claim("colour and order: LRCN-fc6 on flow over a single flow picture", table[FC6]["Flow"] - table[SINGLE]["Flow"],
                      ">=", 0.05)]

    def figures(self, trained: Trained, metrics: dict) -> dict:
        from . import activity_figures

        return activity_figures.all_figures(self, trained, metrics)


class ActivitySplits(Activity):
    """Two rows of the table over three splits of the handwritten originals, whose test parts share no original."""

    folds = tuple(range(FOLDS))
    rows = (SINGLE, FC6)
    with_order = False

    @staticmethod
    def claims(metrics: dict) -> list[Claim]:
        """Those of the table that these rows can refute."""
        table = metrics["table"]
        single, lrcn = table[SINGLE + SPLITS], table[FC6 + SPLITS]
        return [*[Claim(f"all splits: LRCN-fc6 on {stream} alone", lrcn[stream], "<=", 0.50) for stream in STREAMS],
                *[Claim(f"all splits: LRCN-fc6, streams fused {column}", lrcn[column], ">=", 0.90)
                  for column in ("1/2, 1/2", "1/3, 2/3")],
                Claim("all splits: LRCN-fc6 on flow over a single flow picture", lrcn["Flow"] - single["Flow"], ">=", 0.05)]
