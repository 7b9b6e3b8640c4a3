"""The five rivals of LRCN-2f in the retrieval table, trained on the same pairs, as many steps, with the same optimizer.

All but m-RNN learn to rank: the other pairs of a batch are the wrong ones. m-RNN learns to write. The trees that SDT-RNN and
DeFrag read are those of the grammar that made the captions, without error, where the papers take a parser's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ... import functional as F
from ... import nn, optim
from ...autograd import Tensor
from ...data import DataLoader
from ...data.worlds.caption_trees import RELATIONS, ROOT, dependency_tree
from ...models.conv_sentence import ConvSentence
from ...models.dependency_rnn import DependencyRNN
from ...models.devise import DeViSE
from ...models.fragments import Fragments
from ...models.joint_embedding import JointEmbedding
from ...models.lrcn import normalised_scores
from ...models.multimodal_rnn import MultimodalRNN
from ...nn.chunks import in_chunks
from ...text import Vocabulary
from ...train import Trainer
from ..captioning.captioner import Captioner, of_all_pictures
from ..captioning.pairs import CaptionPairs
from ..captioning.parts import Part
from ..captioning.stage import BATCH, MAX_NORM, caption_stage
from ..lecture_02.systems import likelihood
from .rival import RetrievalData, Rival
from .scenes import BEAM, LR
from .scoring import log_likelihoods, owners

CHUNK = 50           # pictures that are scored at a time
SHORT = 1.0          # DeFrag's n, the better of 1 and the paper's 5 on validation pictures
WINDOW = 2           # cells a side of DeFrag's windows: a cell is 8 pixels, a thing 9 to 17


class Ranked(Rival):
    """A rival that learns to rank pairs. A subclass says what its model is, and what it reads.

    Args:
        data: of the study.
    """

    model: JointEmbedding | Fragments

    def __init__(self, data: RetrievalData):
        super().__init__(data)
        self.model = self.build(self.pictures("train").shape[-1], len(data.vocabulary)).to(data.device)

    def build(self, features: int, vocabulary: int) -> JointEmbedding | Fragments:
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


class Trees(Ranked):
    """SDT-RNN's row."""

    def build(self, features: int, vocabulary: int) -> JointEmbedding:
        return DependencyRNN(features, vocabulary, len(RELATIONS), pad=Vocabulary.pad)

    def read(self, part: Part) -> tuple[np.ndarray, ...]:
        """Words, heads and relations, (T, C) each."""
        words, = super().read(part)
        return words, *trees(part, len(words))


class Parts(Ranked):
    """DeFrag's row. The parts of a picture are windows of the encoder's last grid, each about as large as a thing, and the
    picture as a whole, phi_V; nobody says where the things are. Those of a sentence are its dependencies."""

    def build(self, features: int, vocabulary: int) -> Fragments:
        return Fragments(features, vocabulary, len(RELATIONS), n=SHORT, pad=Vocabulary.pad)

    def pictures(self, part: str) -> np.ndarray:
        """(N, windows + 1, features): a window has its own numbers and zeros, and the whole picture zeros and phi_V."""
        conv = self.data.seen.encoder.conv

        def windows(images: Tensor) -> Tensor:
            return F.max_pool2d(conv.feature_map(images), WINDOW, 1).flatten(2).transpose(1, 2)   # (B, L, F)

        found = {name: of_all_pictures(windows, conv, self.data.parts[name]) for name in {"train", part}}
        mean, spread = found["train"].mean((0, 1)), found["train"].std((0, 1)) + 1e-6
        places, whole = (found[part] - mean) / spread, super().pictures(part)[:, None]
        return np.concatenate([np.pad(places, ((0, 0), (0, 0), (0, whole.shape[2]))),
                               np.pad(whole, ((0, 0), (0, 0), (places.shape[2], 0)))], 1).astype(np.float32)

    def read(self, part: Part) -> tuple[np.ndarray, ...]:
        """Words, the words that they hang on, and the relations, (T, C) each."""
        words, = super().read(part)
        heads, relations = trees(part, len(words))
        return words, np.where(heads == ROOT, Vocabulary.pad, np.take_along_axis(words, np.maximum(heads, 0), 0)), relations


class Writer(Rival):
    """m-RNN's row: trained like LRCN, and scored like it, by the normalised log p(c|i) without the sentence's end.

    Args:
        data: of the study.
    """

    def __init__(self, data: RetrievalData):
        super().__init__(data)
        features = data.seen.phi("train").shape[1]
        model = MultimodalRNN(features, len(data.vocabulary), pad=Vocabulary.pad)
        self.captioner = Captioner(nn.Identity(), model, Vocabulary.start).to(data.device)

    def stage(self, **options) -> Trainer:
        data, train = self.data, self.data.parts["train"]
        return caption_stage(self.captioner, train, CaptionPairs(train.captions, data.vocabulary, Vocabulary.start), likelihood,
                             annotations=data.seen.phi("train"), epochs=data.epochs, lr=LR, config=data.config,
                             device=data.device, **options)

    def scores(self, part: str = "test") -> np.ndarray:
        captions = list(self.data.parts[part].tokens())
        return normalised_scores(log_likelihoods(self.captioner, self.data.vocabulary, self.data.seen.phi(part), captions)[0])

    def sentences(self) -> list[list[str]]:
        found = self.captioner.search(self.data.seen.phi("test"), BEAM)
        return [self.data.vocabulary.decode(best.tokens) for best, *_ in found]


def trees(part: Part, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Heads and relations of all captions of a part, (T, C), ``ROOT`` and 0 after the end.

    Raises:
        ValueError: photographs, or captions of another grammar.
    """
    if not part.scenes:
        raise ValueError("SDT-RNN and DeFrag read trees, which only the captions of scenes have; photographs would need a parser")
    found = [dependency_tree(caption) for scene in part.scenes for caption in scene.captions]
    heads, relations = np.full((steps, len(found)), ROOT), np.zeros((steps, len(found)), np.int64)
    for c, tree in enumerate(found):
        heads[:len(tree.heads), c], relations[:len(tree.heads), c] = tree.heads, tree.relations
    return heads, relations


RIVALS: dict[str, type[Rival]] = {"DeViSE": MeanWords, "SDT-RNN": Trees, "DeFrag": Parts, "m-RNN": Writer, "ConvNet": Convolved}
