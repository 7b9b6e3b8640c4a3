"""A small training to be interrupted: ``python small_training.py FOLDER [resume]`` prints the checksum of what it learned."""

import sys
import zlib

import numpy as np

import tinymm
import tinymm.functional as F
from tinymm import Tensor, nn, optim
from tinymm.data import DataLoader, TensorDataset
from tinymm.train import Trainer


class Average:
    """Something carried from batch to batch."""

    value = 0.0

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


def before_step(training: Trainer, do, part: str | None = None) -> None:
    """Call ``do`` before every step of a training, or of one part of it: the first, if no other is named."""
    whole = training.step
    part = next(iter(whole)) if part is None and isinstance(whole, dict) else part
    step = whole if part is None else whole[part]

    def changed(batch):
        do()
        return step(batch)
    training.step = changed if part is None else {**whole, part: changed}


def interrupt(training: Trainer, after: int, part: str | None = None) -> None:
    """Let a training (before a part's turn) break off after so many steps."""
    def stop():
        if training.steps == after:
            raise KeyboardInterrupt
    before_step(training, stop, part)


def trainer(folder, epochs: int = 3, every: float = 0.0, validate=None, seed: int = 0, config=None):
    tinymm.manual_seed(seed)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((230, 12)).astype(np.float32)
    data = TensorDataset(Tensor(x), Tensor((x[:, :3].sum(1) > 0).astype(np.int64)))
    model = nn.Sequential(nn.Linear(12, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 2))
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    average = Average()

    def step(batch):
        inputs, labels = batch
        loss = F.cross_entropy(model(inputs), labels)
        average.value = 0.9 * average.value + 0.1 * loss.item()
        return loss * (1 + average.value), {"average": average.value}

    loader = DataLoader(data, 10, shuffle=True)
    return Trainer(model, optimizer, loader, step, epochs, scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, 69),
                   max_norm=1.0, validate=validate, carried={"average": average}, folder=folder, every=every, config=config,
                   label=None)


def checksum(trained: Trainer) -> int:
    total = 0
    for tensor in trained.model.state_dict().values():
        total = zlib.crc32(np.ascontiguousarray(tensor.numpy()), total)
    return zlib.crc32(repr(sorted(trained.history.items())).encode(), total)


if __name__ == "__main__":
    training = trainer(sys.argv[1])
    training.fit(resume="resume" in sys.argv)
    print(checksum(training))
