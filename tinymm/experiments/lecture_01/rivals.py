"""The rivals of LRCN-2f in the retrieval table, trained on the same pairs, as many steps, with the same optimizer.

They learn to rank: the other pairs of a batch are the wrong ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ... import optim
from ...autograd import Tensor
from ...data import DataLoader
from ...models.conv_sentence import ConvSentence
from ...models.devise import DeViSE
from ...models.joint_embedding import JointEmbedding
from ...nn.chunks import in_chunks
from ...text import Vocabulary
from ...train import Trainer
from ..captioning.parts import Part
from ..captioning.stage import BATCH, MAX_NORM
from .retrieval import owners
from .rival import RetrievalData, Rival
from .scenes import LR

CHUNK = 50           # pictures that are scored at a time


class Ranked(Rival):
    """A rival that learns to rank pairs. A subclass says what its model is, and what it reads.

    Args:
        data: of the study.
    """

    model: JointEmbedding

    def __init__(self, data: RetrievalData):
        super().__init__(data)
        self.model = self.build(self.pictures("train").shape[-1], len(data.vocabulary)).to(data.device)

    def build(self, features: int, vocabulary: int) -> JointEmbedding:
        """The untrained model."""
        raise NotImplementedError(f"{type(self).__name__}: build is not written")

    def pictures(self, part: str) -> np.ndarray:
        """What the model sees of a part's pictures, (N, features)."""
        return self.data.seen.phi(part)

    def read(self, part: Part) -> tuple[np.ndarray, ...]:
        """What the model reads of a part's captions: arrays (T, C), the words first."""
        vocabulary = self.data.vocabulary
        return vocabulary.batch([vocabulary.encode(words) for words in part.tokens()])[0].T,

    def stage(self, **options) -> Trainer:
        train, device, epochs = self.data.parts["train"], self.data.device, self.data.epochs
        pictures, sentences, own = self.pictures("train"), self.read(train), owners(train)
        loader = DataLoader(range(len(own)), BATCH, shuffle=True, collate_fn=np.asarray, generator="captions")
        optimizer = optim.Adam(self.model.parameters(), lr=LR)
        total = epochs * len(loader)

        def step(rows: np.ndarray) -> Tensor:
            return self.model.loss(Tensor(pictures[own[rows]]).to(device), *some(sentences, rows, device))

        return Trainer(self.model, optimizer, loader, step, epochs, max_norm=MAX_NORM,
                       scheduler=optim.lr_scheduler.WarmupCosineLR(optimizer, min(100, total // 4), total),
                       config={**self.data.config, "epochs": epochs}, **options)

    def scores(self, part: str = "test") -> np.ndarray:
        pictures, sentences, device = self.pictures(part), self.read(self.data.parts[part]), self.data.device
        everything = some(sentences, np.arange(sentences[0].shape[1]), device)
        self.model.eval()
        return np.concatenate(in_chunks(lambda rows: self.model(Tensor(pictures[rows.start:rows.stop]).to(device),
                                                                *everything).cpu().numpy(), len(pictures), CHUNK))


def some(sentences: Sequence[np.ndarray], rows: np.ndarray, device: str) -> list[Tensor]:
    """Columns of (T, C) arrays, the words first, no longer than their longest sentence."""
    steps = int((sentences[0][:, rows] != Vocabulary.pad).sum(0).max())
    return [Tensor(np.ascontiguousarray(array[:steps, rows])).to(device) for array in sentences]


class MeanWords(Ranked):
    """DeViSE's row."""

    def build(self, features: int, vocabulary: int) -> JointEmbedding:
        return DeViSE(features, vocabulary, pad=Vocabulary.pad)


class Convolved(Ranked):
    """ConvNet's row."""

    def build(self, features: int, vocabulary: int) -> JointEmbedding:
        return ConvSentence(features, vocabulary, pad=Vocabulary.pad)


RIVALS: dict[str, type[Rival]] = {"DeViSE": MeanWords, "ConvNet": Convolved}
