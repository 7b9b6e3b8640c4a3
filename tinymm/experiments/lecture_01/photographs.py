"""The studies of captions and retrieval on photographs with captions, such as COCO's and Flickr30k's.

Nobody has answered questions about these pictures, so that the encoder learns which words people use of a picture, from the
training captions: "fc8" are the logits of those words, "fc7" the vector before. The paper's learnt ImageNet's classes. Pictures
are small and of a bounded number, which is said; the numbers are no reproduction. Captions of photographs have no trees, so
the rivals that read trees are left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence

import numpy as np

from ... import functional as F
from ... import nn, optim
from ...autograd import Tensor
from ...backend.random import Stream, manual_seed
from ...data import DataLoader, TensorDataset
from ...models.picture_encoder import PictureEncoder
from ...text import Vocabulary
from ...text.vocabulary import SPECIALS
from ...train import Trainer
from ..captioning.captioner import of_all_pictures
from ..captioning.parts import Part, photo_parts, vocabulary_of
from ..claims import Claim
from .caption import Caption
from .retrieval import Retrieval
from .rival import Rival
from .scenes import SceneStudy, Seen
from .study import At, Study

WORDS = 256          # that the encoder learns, at most
BATCH = 64
LR = 2e-3
TREES = ("SDT-RNN", "DeFrag")   # rivals that read them


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    pictures: dict            # at most, of each part
    word_rounds: int          # of the encoder
    epochs: int               # of the captions


SCALES = {"lecture": Scale(dict(train=3000, validation=300, test=300), 10, 10),
          "smoke": Scale(dict(train=120, validation=20, test=30), 2, 2)}


class Photographs(SceneStudy):
    """A study of photographs, in place of one of scenes.

    Raises:
        FileNotFoundError, ValueError: what ``photo_parts`` refuses, a picture that cannot be read, a part without a caption.
    """

    bounds: Scale

    def __init__(self, variant: str, scale: str, seed: int, device: str, config: dict, epochs: int | None = None,
                 data: str | None = None, root: str | None = None):
        Study.__init__(self, variant, scale, seed, device, config, epochs, data, root)
        assert data is not None and root is not None   # a dataset comes with its folder
        self.bounds, self.parts = SCALES[scale], {}
        for name, part in photo_parts(1, data, root, seed).items():
            order = Stream(f"{data} {name}", seed).generator.permutation(len(part)).tolist()
            told = [i for i in order if any(part.captions[i])]   # some captions have no word in them
            if not told:
                raise ValueError(f"lecture 1: {data}: no picture for {name} has a caption with a word in it; it takes more data")
            rows = told[:self.bounds.pictures[name]]
            print(f"{data}: {len(rows)} of {len(part)} pictures for {name}")
            self.parts[name] = in_memory(part, rows)
        self.vocabulary = vocabulary_of(self.parts["train"])

    @property
    def rounds(self) -> int:
        return self.epochs or self.bounds.epochs

    def see(self, at: At) -> Generator[Trainer, None, Seen]:
        """Teach the encoder words, and read all parts with it."""
        manual_seed(self.seed)
        encoder = PictureEncoder(3, self.parts["train"].images([0]).shape[2:])
        words = told_words(self.parts["train"], self.vocabulary)
        model = nn.Sequential(encoder, nn.Linear(encoder.features, len(words))).to(self.device)
        trainer = self._word_stage(model, words, **at("words"))
        yield trainer
        _, head = model.eval().children()
        return self.seen_by(encoder, head, trainer.history["accuracy"][-1])

    def _word_stage(self, model: nn.Module, words: Sequence[str], **options) -> Trainer:
        """Which of the words do people use of a picture? ``history["accuracy"]``: the share of right answers in validation."""
        train, held = self.parts["train"], self.parts["validation"]
        loader = DataLoader(TensorDataset(Tensor(np.arange(len(train))), Tensor(said(train, words))), min(BATCH, len(train)),
                            shuffle=True, drop_last=True)
        optimizer = optim.Adam(model.parameters(), lr=LR)
        total = self.bounds.word_rounds * len(loader)

        def step(batch):
            pictures = Tensor(train.images(batch[0].numpy())).to(self.device)
            return F.binary_cross_entropy_with_logits(model(pictures), batch[1].to(self.device))

        def validate():
            found = of_all_pictures(model, model, held) > 0                     # (N, words)
            return {"accuracy": float((found == (said(held, words) > 0)).mean())}

        return Trainer(model, optimizer, loader, step, self.bounds.word_rounds, validate=validate, config=self.config,
                       scheduler=optim.lr_scheduler.WarmupCosineLR(optimizer, min(100, total // 4), total), **options)

    @staticmethod
    def claims(metrics: dict) -> list[Claim]:
        """None: the thresholds are those of the worlds."""
        return []


class PhotoCaption(Photographs, Caption):
    """The BLEU table on photographs."""


class PhotoRetrieval(Photographs, Retrieval):
    """The table of both directions on photographs, without the rivals that read trees."""

    def rivals(self) -> dict[str, type[Rival]]:
        return {row: rival for row, rival in super().rivals().items() if row not in TREES}


def in_memory(part: Part, rows: Sequence[int]) -> Part:
    """Some pictures of a part, read now and kept in a byte a number, and their captions that have words."""
    pictures = np.concatenate([np.round(255 * part.images([i])).astype(np.uint8) for i in rows])        # (N, 3, H, W)
    captions = [[words for words in part.captions[i] if words] for i in rows]
    return Part(captions, lambda some: pictures[np.asarray(some)].astype(np.float32) / 255)


def told_words(train: Part, vocabulary: Vocabulary) -> list[str]:
    """The most frequent words of the vocabulary that people use of some training pictures and not of all.

    Raises:
        ValueError: there is none.
    """
    shares = said(train, known := [word for word in vocabulary.words if word not in SPECIALS]).mean(0)
    words = [known[i] for i in np.argsort(-shares, kind="stable") if 0 < shares[i] < 1][:WORDS]
    if not words:
        raise ValueError(f"lecture 1: the captions of all {len(train)} training pictures have the same words; an encoder cannot "
                         "learn from them what a picture shows")
    return words


def said(part: Part, words: Sequence[str]) -> np.ndarray:
    """Whether one of a picture's captions has the word, (N, words) float32 of 0 and 1."""
    column = {word: i for i, word in enumerate(words)}
    found = np.zeros((len(part), len(words)), np.float32)
    for row, captions in zip(found, part.captions):
        row[[column[word] for caption in captions for word in caption if word in column]] = 1
    return found
